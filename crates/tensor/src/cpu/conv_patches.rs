//! Convolution of one or two small images with many filters: the patches are copied into a matrix, and the filters multiply it
//! as they lie.
//!
//! Everywhere else filters are packed and images read where they lie. To pack so many takes longer than to copy so few
//! patches, and than the products themselves.

use super::conv::Geometry;
use super::conv_planes::{Planes, STEP};
use super::par;
use crate::Element;
use crate::storage::Storage;

/// Whether filters are several times as many as places, and images so few that each may read the filters anew.
pub(super) fn suits(g: &Geometry) -> bool {
    g.batch <= 2 && g.out >= 4 * g.batch * g.positions() && g.taps() > 0
}

/// The patches of all images and groups: `[image and group][tap][position]`.
pub(super) fn copy<T: Element>(x: &[T], g: &Geometry) -> Storage {
    let (planes, taps, positions) = (Planes::new(g), g.taps(), g.positions());
    let mut memory = Storage::stale(T::DTYPE, g.units() * taps * positions);
    for (i, patches) in memory.as_mut_slice::<T>().chunks_mut(taps * positions).enumerate() {
        let mut laid = Storage::zeroed(T::DTYPE, planes.image() + STEP);
        let laid = laid.as_mut_slice::<T>();
        planes.lay(&x[i * g.image()..][..g.image()], laid);
        let laid = &*laid;
        par::chunks(patches, positions, 4, |start, patches| {
            for (&tap, patch) in planes.taps[start / positions..].iter().zip(patches.chunks_exact_mut(positions)) {
                for (row, patch) in laid[tap..].chunks(planes.plane[1]).zip(patch.chunks_exact_mut(g.out_size[1])) {
                    patch.copy_from_slice(&row[..patch.len()]);
                }
            }
        });
    }
    memory
}
