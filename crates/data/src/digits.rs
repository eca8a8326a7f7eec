//! 1797 handwritten digits of 8x8 pixels (UCI Optical Recognition of Handwritten Digits).

use flate2::read::GzDecoder;
use std::io::Read;
use wengert_tensor::Tensor;

/// Images `[1797, 64]` as f32 in `0..=16` and labels `[1797]` as i64, which are part of this crate.
///
/// # Examples
/// ```
/// let (images, labels) = wengert_data::digits::load();
/// assert_eq!((images.shape(), labels.shape()), (&[1797, 64][..], &[1797][..]));
/// ```
pub fn load() -> (Tensor, Tensor) {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../data/digits.csv.gz")[..])
        .read_to_string(&mut text)
        .expect("the embedded file is whole");
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let row: Vec<f32> = line.split(',').map(|x| x.parse().expect("the embedded file holds numbers")).collect();
        let (label, values) = row.split_last().expect("64 values and a label");
        pixels.extend_from_slice(values);
        labels.push(*label as i64);
    }
    let count = labels.len();
    (Tensor::from_vec(pixels, [count, 64]), Tensor::from_vec(labels, [count]))
}
