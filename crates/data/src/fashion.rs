//! Fashion-MNIST: 28x28 grey images of clothes in ten classes (Xiao, Rasul and Vollgraf 2017).

use crate::transform::to_tensor;
use crate::{Error, idx};
use std::path::Path;
use wengert_tensor::{DType, Tensor};

/// Images `[N, 1, 28, 28]` as f32 in `0..=1` and labels `[N]` as i64, for training and for testing.
#[derive(Clone)]
pub struct FashionMnist {
    /// Training images.
    pub train_images: Tensor,
    /// Their classes.
    pub train_labels: Tensor,
    /// Test images.
    pub test_images: Tensor,
    /// Their classes.
    pub test_labels: Tensor,
}

impl FashionMnist {
    /// What the labels 0 to 9 mean.
    pub const CLASSES: [&str; 10] =
        ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

    /// The first 512 training and 256 test images, which are part of this crate.
    pub fn embedded() -> FashionMnist {
        macro_rules! file {
            ($name:literal) => {
                idx::parse(include_bytes!(concat!("../data/fashion-mnist-sub/", $name, "-ubyte.gz")), $name)
                    .expect("the embedded files are whole")
            };
        }
        FashionMnist {
            train_images: images(file!("train512-images-idx3")),
            train_labels: file!("train512-labels-idx1").to(DType::I64),
            test_images: images(file!("test256-images-idx3")),
            test_labels: file!("test256-labels-idx1").to(DType::I64),
        }
    }

    /// The full set from a folder with the four usual files, `train-images-idx3-ubyte` and so on, with or without `.gz`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or images and labels do not fit together.
    pub fn open(folder: impl AsRef<Path>) -> Result<FashionMnist, Error> {
        let (train_images, train_labels) = pair(folder.as_ref(), "train")?;
        let (test_images, test_labels) = pair(folder.as_ref(), "t10k")?;
        Ok(FashionMnist { train_images, train_labels, test_images, test_labels })
    }
}

/// `u8` images `[N, H, W]` as f32 `[N, 1, H, W]` in `0..=1`.
fn images(raw: Tensor) -> Tensor {
    to_tensor(&raw).unsqueeze(1)
}

fn pair(folder: &Path, part: &str) -> Result<(Tensor, Tensor), Error> {
    let open = |name: String, rank: usize| {
        let plain = folder.join(&name);
        let packed = folder.join(format!("{name}.gz"));
        let path = match (plain.exists(), packed.exists()) {
            (true, _) => plain,
            (false, true) => packed,
            _ => return Err(Error::Missing { name, folder: folder.to_owned() }),
        };
        let x = idx::read(&path)?;
        if x.rank() != rank || x.dtype() != DType::U8 {
            let what = format!("expected {rank} axes of torch.uint8, found shape {:?} of {}", x.shape(), x.dtype());
            return Err(Error::Format { path, what });
        }
        Ok((x, path))
    };
    let (raw, _) = open(format!("{part}-images-idx3-ubyte"), 3)?;
    let (labels, path) = open(format!("{part}-labels-idx1-ubyte"), 1)?;
    if raw.size(0) != labels.size(0) {
        let what = format!("{} labels for {} images", labels.size(0), raw.size(0));
        return Err(Error::Format { path, what });
    }
    if let Some(bad) = labels.to_vec::<u8>().into_iter().find(|&label| label > 9) {
        return Err(Error::Format { path, what: format!("label {bad} is not in 0..10") });
    }
    Ok((images(raw), labels.to(DType::I64)))
}
