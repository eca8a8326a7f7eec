//! Rows of `interpolate`, `grid_sample` and `affine_grid`.

use crate::catalog::Entry;
use wengert_tensor::{Align, OutputSize, Outside, Resample, Sampling};

pub(crate) fn catalog() -> Vec<Entry> {
    let image: &[&[usize]] = &[&[1, 2, 3, 4]];
    let sample: &[&[usize]] = &[&[1, 2, 3, 4], &[1, 2, 2, 2]];
    let up = || OutputSize::Size(vec![5, 6]);
    vec![
        Entry::shaped("interpolate nearest", "", image, move |x| {
            x[0].interpolate(&up(), Resample::Nearest, Align::Edges)
        })
        .sizes("n c h w"),
        Entry::shaped("interpolate linear", "", image, move |x| {
            x[0].interpolate(&up(), Resample::Linear, Align::Corners)
        })
        .sizes("n c h w"),
        Entry::shaped("interpolate bicubic", "", image, move |x| {
            x[0].interpolate(&up(), Resample::Bicubic, Align::Edges)
        })
        .sizes("n c h w"),
        Entry::shaped("grid_sample", "", sample, |x| {
            x[0].grid_sample(&(&x[1] * 0.45), Sampling::Bilinear, Outside::Zeros, Align::Edges)
        })
        .sizes("n c h w, n p q 2"),
        Entry::shaped("grid_sample bicubic", "", sample, |x| {
            x[0].grid_sample(&(&x[1] * 0.45), Sampling::Bicubic, Outside::Border, Align::Corners)
        })
        .sizes("n c h w, n p q 2"),
        Entry::shaped("affine_grid", "", &[&[2, 2, 3]], |x| x[0].affine_grid(&[2, 1, 3, 2], Align::Edges)),
    ]
}
