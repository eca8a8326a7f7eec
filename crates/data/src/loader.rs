//! [`DataLoader`]: batches of a dataset in PyTorch's order.

use crate::Dataset;
use wengert_tensor::{Generator, Tensor, bug, with_generator};

/// How batches are made, with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct DataLoaderOptions {
    /// Samples per batch.
    pub batch_size: usize,
    /// Whether each epoch has a random order.
    pub shuffle: bool,
    /// Whether a last, shorter batch is left out.
    pub drop_last: bool,
}

impl Default for DataLoaderOptions {
    fn default() -> DataLoaderOptions {
        DataLoaderOptions { batch_size: 1, shuffle: false, drop_last: false }
    }
}

type Collate = Box<dyn Fn(&[Vec<Tensor>]) -> Vec<Tensor>>;

/// Batches of a dataset (`torch.utils.data.DataLoader` with no workers).
///
/// Each epoch draws from the default generator as PyTorch's does, shuffled or not, so that programs with the same seed
/// see the same batches: one 64-bit seed per epoch, and with `shuffle` a second one, which seeds the order's own stream.
pub struct DataLoader {
    dataset: Box<dyn Dataset>,
    options: DataLoaderOptions,
    collate: Option<Collate>,
}

impl DataLoader {
    /// A loader over a dataset.
    ///
    /// # Panics
    /// If the batch size is 0.
    #[track_caller]
    pub fn new(dataset: impl Dataset + 'static, options: DataLoaderOptions) -> DataLoader {
        if options.batch_size == 0 {
            bug!("", "batch_size should be a positive integer value, but got batch_size=0");
        }
        DataLoader { dataset: Box::new(dataset), options, collate: None }
    }

    /// Makes batches of samples with a function of your own instead of stacking them.
    pub fn with_collate(mut self, collate: impl Fn(&[Vec<Tensor>]) -> Vec<Tensor> + 'static) -> DataLoader {
        self.collate = Some(Box::new(collate));
        self
    }

    /// The number of batches of an epoch.
    pub fn len(&self) -> usize {
        let (samples, size) = (self.dataset.len(), self.options.batch_size);
        if self.options.drop_last { samples / size } else { samples.div_ceil(size) }
    }

    /// Whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dataset.
    pub fn dataset(&self) -> &dyn Dataset {
        &*self.dataset
    }

    /// The batches of one epoch; draws the order from the default generator.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Vec<Tensor>> + '_ {
        let order = with_generator(|generator| self.order(generator));
        let size = self.options.batch_size;
        (0..self.len()).map(move |i| {
            let indices = &order[i * size..((i + 1) * size).min(order.len())];
            match &self.collate {
                Some(collate) => collate(&indices.iter().map(|&i| self.dataset.get(i)).collect::<Vec<_>>()),
                None => self.dataset.batch(indices),
            }
        })
    }

    /// The order of one epoch's samples, drawn from a generator as PyTorch draws it.
    pub fn order(&self, generator: &mut Generator) -> Vec<usize> {
        // PyTorch's workers would be seeded from this number; it is drawn even when there are none.
        generator.random_i64();
        if !self.options.shuffle {
            return (0..self.dataset.len()).collect();
        }
        let mut own = Generator::new(generator.random_i64());
        own.randperm(self.dataset.len()).to_vec::<i64>().into_iter().map(|i| i as usize).collect()
    }
}

impl std::fmt::Debug for DataLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataLoader({} samples, {:?})", self.dataset.len(), self.options)
    }
}
