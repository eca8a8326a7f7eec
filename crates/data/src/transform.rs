//! Conversions of images (`torchvision.transforms`).

use wengert_tensor::{DType, Tensor};

/// `u8` pixels as f32 in `0..=1`: divided by 255 in f32, as `ToTensor`. Other dtypes are converted without scaling.
pub fn to_tensor(x: &Tensor) -> Tensor {
    if x.dtype() != DType::U8 {
        return x.to(DType::F32);
    }
    let pixels: Vec<f32> = x.to_vec::<u8>().into_iter().map(|p| p as f32 / 255.0).collect();
    Tensor::from_vec(pixels, x.shape())
}

/// Subtracts a mean and divides by a standard deviation, per channel of `[…, C, H, W]`.
#[derive(Clone, Debug)]
pub struct Normalize {
    /// One mean per channel.
    pub mean: Vec<f64>,
    /// One standard deviation per channel.
    pub std: Vec<f64>,
}

impl Normalize {
    /// The normalised images.
    ///
    /// # Panics
    /// If the number of channels is not that of the means.
    #[track_caller]
    pub fn apply(&self, x: &Tensor) -> Tensor {
        let per_channel = |values: &[f64]| Tensor::from_slice(values, [values.len(), 1, 1]).to(x.dtype());
        x.sub(per_channel(&self.mean)).div(per_channel(&self.std))
    }
}
