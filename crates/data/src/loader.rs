//! [`DataLoader`]: batches of a dataset in PyTorch's order.

use crate::Dataset;
use std::sync::{Mutex, PoisonError};
use wengert_tensor::{Generator, Tensor, bug, with_generator};

/// How batches are made, with PyTorch's defaults.
#[derive(Clone)]
pub struct DataLoaderOptions {
    /// Samples per batch.
    pub batch_size: usize,
    /// Whether each epoch has a random order.
    pub shuffle: bool,
    /// Whether a last, shorter batch is left out.
    pub drop_last: bool,
    /// The loader's own generator; without one it draws from the default generator.
    pub generator: Option<Generator>,
}

impl Default for DataLoaderOptions {
    fn default() -> DataLoaderOptions {
        DataLoaderOptions { batch_size: 1, shuffle: false, drop_last: false, generator: None }
    }
}

type Collate = Box<dyn Fn(&[Vec<Tensor>]) -> Vec<Tensor>>;

/// Batches of a dataset (`torch.utils.data.DataLoader` with no workers).
///
/// Each epoch draws from the default generator as PyTorch's does, shuffled or not, so that programs with the same seed
/// see the same batches: one 64-bit seed per epoch, and with `shuffle` a second one, which seeds the order's own stream.
/// A loader with a generator of its own draws the seed and the order from that, and once more an order when the epoch is
/// through, as PyTorch's does.
pub struct DataLoader {
    dataset: Box<dyn Dataset>,
    batch_size: usize,
    shuffle: bool,
    drop_last: bool,
    generator: Option<Mutex<Generator>>,
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
        let DataLoaderOptions { batch_size, shuffle, drop_last, generator } = options;
        let generator = generator.map(Mutex::new);
        DataLoader { dataset: Box::new(dataset), batch_size, shuffle, drop_last, generator, collate: None }
    }

    /// Makes batches of samples with a function of your own instead of stacking them.
    pub fn with_collate(mut self, collate: impl Fn(&[Vec<Tensor>]) -> Vec<Tensor> + 'static) -> DataLoader {
        self.collate = Some(Box::new(collate));
        self
    }

    /// The number of batches of an epoch.
    pub fn len(&self) -> usize {
        let (samples, size) = (self.dataset.len(), self.batch_size);
        if self.drop_last { samples / size } else { samples.div_ceil(size) }
    }

    /// Whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dataset.
    pub fn dataset(&self) -> &dyn Dataset {
        &*self.dataset
    }

    /// Uses the loader's own generator, as to save its state with a checkpoint; `None` if the loader has none.
    pub fn with_generator<R>(&self, f: impl FnOnce(&mut Generator) -> R) -> Option<R> {
        // Nothing that runs under the lock leaves a generator half changed, so a panic there does no harm.
        self.generator.as_ref().map(|own| f(&mut own.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The batches of one epoch; draws the order.
    pub fn iter(&self) -> Batches<'_> {
        let samples = self.dataset.len();
        let own = self.with_generator(|own| {
            own.random_i64();
            if self.shuffle { permutation(own, samples) } else { (0..samples).collect() }
        });
        let order = own.unwrap_or_else(|| with_generator(|generator| self.order(generator)));
        Batches { loader: self, order, next: 0, through: false }
    }

    /// The order of one epoch's samples, drawn as PyTorch draws it from the default generator.
    pub fn order(&self, generator: &mut Generator) -> Vec<usize> {
        // PyTorch's workers would be seeded from this number; it is drawn even when there are none.
        generator.random_i64();
        if !self.shuffle {
            return (0..self.dataset.len()).collect();
        }
        permutation(&mut Generator::new(generator.random_i64()), self.dataset.len())
    }
}

/// The numbers below `n` in random order.
fn permutation(generator: &mut Generator, n: usize) -> Vec<usize> {
    generator.randperm(n).to_vec::<i64>().into_iter().map(|i| i as usize).collect()
}

/// The batches of one epoch, from [`DataLoader::iter`].
pub struct Batches<'a> {
    loader: &'a DataLoader,
    order: Vec<usize>,
    /// Number of the next batch.
    next: usize,
    /// Whether the order was used up.
    through: bool,
}

impl Iterator for Batches<'_> {
    type Item = Vec<Tensor>;

    fn next(&mut self) -> Option<Vec<Tensor>> {
        let DataLoader { batch_size, dataset, .. } = self.loader;
        let more = self.next < self.loader.len();
        let size = *batch_size;
        let start = self.next * size;
        let end = (start + size).min(self.order.len());
        if !self.through && (!more || end - start < size) {
            self.through = true;
            if self.loader.shuffle {
                // RandomSampler ends with the first `samples % samples` numbers of another permutation: none, but drawn.
                self.loader.with_generator(|own| permutation(own, self.order.len()));
            }
        }
        if !more {
            return None;
        }
        self.next += 1;
        let indices = &self.order[start..end];
        Some(match &self.loader.collate {
            Some(collate) => collate(&indices.iter().map(|&i| dataset.get(i)).collect::<Vec<_>>()),
            None => dataset.batch(indices),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.loader.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches<'_> {}

impl<'a> IntoIterator for &'a DataLoader {
    type Item = Vec<Tensor>;
    type IntoIter = Batches<'a>;

    fn into_iter(self) -> Batches<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for DataLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataLoader")
            .field("samples", &self.dataset.len())
            .field("batch_size", &self.batch_size)
            .field("shuffle", &self.shuffle)
            .field("drop_last", &self.drop_last)
            .finish_non_exhaustive()
    }
}
