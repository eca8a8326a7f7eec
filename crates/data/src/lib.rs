//! Datasets, samplers and loaders with PyTorch's shuffle order, and the small data sets that programs start with.
//!
//! # Examples
//! ```
//! use wengert_data::{DataLoader, DataLoaderOptions, FashionMnist, TensorDataset};
//! let data = FashionMnist::embedded();
//! let train = TensorDataset::new([data.train_images, data.train_labels]);
//! let loader = DataLoader::new(train, DataLoaderOptions { batch_size: 64, shuffle: true, ..DataLoaderOptions::default() });
//! for batch in loader.iter() {
//!     assert_eq!(batch[0].shape(), [64, 1, 28, 28]);
//! }
//! ```
#![forbid(unsafe_code)]

mod dataset;
pub mod digits;
mod error;
mod fashion;
pub mod idx;
mod loader;
mod transform;

pub use dataset::{Dataset, Subset, TensorDataset, random_split};
pub use error::Error;
pub use fashion::FashionMnist;
pub use loader::{Batches, DataLoader, DataLoaderOptions};
pub use transform::{Normalize, to_tensor};
pub use wengert_tensor as tensor;
