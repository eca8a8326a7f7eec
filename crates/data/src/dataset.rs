//! Datasets: numbered samples, each a list of tensors.

use std::sync::Arc;
use wengert_tensor::{Generator, Tensor, bug};

/// Numbered samples (`torch.utils.data.Dataset`).
pub trait Dataset {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One sample, such as image and label, each without a batch axis.
    ///
    /// # Panics
    /// If the index is not below the length.
    fn get(&self, index: usize) -> Vec<Tensor>;

    /// Several samples, stacked along a new first axis. Datasets that can do it at once override it.
    ///
    /// # Panics
    /// If an index is not below the length, or samples differ in shape.
    fn batch(&self, indices: &[usize]) -> Vec<Tensor> {
        collate(&indices.iter().map(|&i| self.get(i)).collect::<Vec<_>>())
    }
}

/// Stacks the parts of samples along a new first axis (`default_collate`).
///
/// # Panics
/// If samples differ in their number of parts or in shape.
#[track_caller]
pub(crate) fn collate(samples: &[Vec<Tensor>]) -> Vec<Tensor> {
    let Some(first) = samples.first() else { return Vec::new() };
    (0..first.len())
        .map(|part| {
            let column: Vec<&Tensor> = samples
                .iter()
                .map(|s| match s.get(part) {
                    Some(tensor) if s.len() == first.len() => tensor,
                    _ => bug!("DataLoader", "each element in list of batch should be of equal size"),
                })
                .collect();
            Tensor::stack(&column, 0)
        })
        .collect()
}

impl<D: Dataset + ?Sized> Dataset for Arc<D> {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn get(&self, index: usize) -> Vec<Tensor> {
        (**self).get(index)
    }
    fn batch(&self, indices: &[usize]) -> Vec<Tensor> {
        (**self).batch(indices)
    }
}

/// Tensors whose first axes are the samples (`torch.utils.data.TensorDataset`).
#[derive(Clone)]
pub struct TensorDataset {
    tensors: Vec<Tensor>,
}

impl TensorDataset {
    /// Samples `(a[i], b[i], …)`.
    ///
    /// # Panics
    /// If there are no tensors, one has rank 0, or their first sizes differ.
    #[track_caller]
    pub fn new(tensors: impl Into<Vec<Tensor>>) -> TensorDataset {
        let tensors = tensors.into();
        if tensors.is_empty() || tensors.iter().any(|t| t.rank() == 0 || t.size(0) != tensors[0].size(0)) {
            let shapes: Vec<&[usize]> = tensors.iter().map(Tensor::shape).collect();
            bug!("TensorDataset", "Size mismatch between tensors: {shapes:?}");
        }
        TensorDataset { tensors }
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.tensors[0].size(0)
    }

    fn get(&self, index: usize) -> Vec<Tensor> {
        self.tensors.iter().map(|t| t.select(0, index as isize)).collect()
    }

    fn batch(&self, indices: &[usize]) -> Vec<Tensor> {
        let consecutive = indices.windows(2).all(|w| w[1] == w[0] + 1);
        let index = Tensor::from_vec(indices.iter().map(|&i| i as i64).collect(), [indices.len()]);
        self.tensors
            .iter()
            .map(|t| match indices.first() {
                Some(&start) if consecutive => t.narrow(0, start as isize, indices.len()),
                _ => t.index_select(0, &index),
            })
            .collect()
    }
}

/// Some samples of a dataset, in an order of their own (`torch.utils.data.Subset`).
#[derive(Clone)]
pub struct Subset<D> {
    dataset: D,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The samples of those numbers.
    ///
    /// # Panics
    /// If a number is not below the dataset's length.
    #[track_caller]
    pub fn new(dataset: D, indices: Vec<usize>) -> Subset<D> {
        if let Some(bad) = indices.iter().find(|&&i| i >= dataset.len()) {
            bug!("Subset", "index {bad} is out of range for a dataset of {} samples", dataset.len());
        }
        Subset { dataset, indices }
    }

    /// The numbers of the samples in the dataset.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn get(&self, index: usize) -> Vec<Tensor> {
        self.dataset.get(self.indices[index])
    }
    fn batch(&self, indices: &[usize]) -> Vec<Tensor> {
        self.dataset.batch(&indices.iter().map(|&i| self.indices[i]).collect::<Vec<_>>())
    }
}

/// Parts of the given lengths in random order (`torch.utils.data.random_split`).
///
/// # Panics
/// If the lengths do not add up to the dataset's.
#[track_caller]
pub fn random_split<D: Dataset>(dataset: D, lengths: &[usize], generator: &mut Generator) -> Vec<Subset<Arc<D>>> {
    if lengths.iter().sum::<usize>() != dataset.len() {
        bug!("random_split", "Sum of input lengths does not equal the length of the input dataset!");
    }
    let order: Vec<usize> = generator.randperm(dataset.len()).to_vec::<i64>().into_iter().map(|i| i as usize).collect();
    let dataset = Arc::new(dataset);
    let mut start = 0;
    lengths
        .iter()
        .map(|&len| {
            start += len;
            Subset::new(dataset.clone(), order[start - len..start].to_vec())
        })
        .collect()
}
