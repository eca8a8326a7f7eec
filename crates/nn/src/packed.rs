//! Sequences of different lengths: padded to one length, or packed without padding (`torch.nn.utils.rnn`).

use crate::Var;
use std::borrow::Borrow;
use wengert_tensor::{Tensor, bug};

/// A batch of sequences of different lengths: time step by time step, of each step the sequences that have it, the longest first.
#[derive(Clone, Debug)]
pub struct PackedSequence {
    /// `[steps of all sequences, …]`.
    pub data: Var,
    /// How many sequences each time step has.
    pub batch_sizes: Vec<usize>,
    /// The sequences' places before they were ordered by length; `None` if they came ordered.
    pub sorted_indices: Option<Tensor>,
    /// Where each sequence went.
    pub unsorted_indices: Option<Tensor>,
}

/// Whether the sequences given to [`pack_padded_sequence`] are in order of length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The longest first; anything else is an error (`enforce_sorted=True`).
    #[default]
    Sorted,
    /// Any: they are put in order.
    Any,
}

/// Which axis comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axes {
    /// Time: `[time, batch, …]`.
    #[default]
    TimeFirst,
    /// The sequences: `[batch, time, …]` (`batch_first=True`).
    BatchFirst,
}

fn index(at: &[usize]) -> Tensor {
    Tensor::from_vec(at.iter().map(|&i| i as i64).collect(), [at.len()])
}

/// Packs padded sequences, of which `lengths` says how long each is.
///
/// # Panics
/// If the lengths do not fit the input, one is 0, or they are not in order and should be.
#[track_caller]
pub fn pack_padded_sequence(input: &Var, lengths: &[usize], axes: Axes, order: Order) -> PackedSequence {
    let input = if axes == Axes::BatchFirst { input.transpose(0, 1) } else { input.clone() };
    if input.rank() < 2 || lengths.len() != input.size(1) {
        bug!(
            "",
            "Expected `len(lengths)` to be equal to batch_size, but got {} (batch_size={})",
            lengths.len(),
            if input.rank() < 2 { 0 } else { input.size(1) }
        );
    }
    if lengths.contains(&0) {
        bug!("", "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0");
    }
    if lengths.iter().any(|&l| l > input.size(0)) {
        bug!("", "Expected all lengths to be at most the padded length {}, but got {lengths:?}", input.size(0));
    }
    let mut sorted: Vec<usize> = (0..lengths.len()).collect();
    if order == Order::Any {
        sorted.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    } else if !lengths.is_sorted_by(|a, b| a >= b) {
        bug!(
            "",
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `Order::Any` to \
             pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability."
        );
    }
    let lengths: Vec<usize> = sorted.iter().map(|&i| lengths[i]).collect();
    let (sorted_indices, unsorted_indices, input) = match order {
        Order::Sorted => (None, None, input),
        Order::Any => {
            let mut back = vec![0; sorted.len()];
            sorted.iter().enumerate().for_each(|(to, &from)| back[from] = to);
            let at = index(&sorted);
            let input = input.index_select(1, &at);
            (Some(at), Some(index(&back)), input)
        }
    };
    let longest = lengths.first().copied().unwrap_or(0);
    let batch_sizes: Vec<usize> = (0..longest).map(|t| lengths.iter().filter(|&&l| l > t).count()).collect();
    let batch = lengths.len();
    let places: Vec<usize> =
        batch_sizes.iter().enumerate().flat_map(|(t, &n)| (0..n).map(move |b| t * batch + b)).collect();
    let data = input.flatten(0, 1).index_select(0, &index(&places));
    PackedSequence { data, batch_sizes, sorted_indices, unsorted_indices }
}

/// The sequences padded with `value` to the longest, or to `total` steps, and their lengths; the inverse of
/// [`pack_padded_sequence`].
///
/// # Panics
/// If `total` is less than the longest.
#[track_caller]
pub fn pad_packed_sequence(packed: &PackedSequence, axes: Axes, value: f64, total: Option<usize>) -> (Var, Vec<usize>) {
    let longest = packed.batch_sizes.len();
    let steps = total.unwrap_or(longest);
    if steps < longest {
        bug!(
            "",
            "Expected total_length to be at least the length of the longest sequence in input, but got total_length={steps} and max \
             sequence length being {longest}"
        );
    }
    let batch = packed.batch_sizes.first().copied().unwrap_or(0);
    let lengths: Vec<usize> = (0..batch).map(|b| packed.batch_sizes.iter().filter(|&&n| n > b).count()).collect();
    // One row of padding behind the data, for all places that have none.
    let rows = packed.data.size(0);
    let mut shape = packed.data.shape().to_vec();
    shape[0] = 1;
    let padding = Var::from(Tensor::full(&shape[..], value, packed.data.dtype()));
    let mut places = vec![rows; steps * batch];
    let mut start = 0;
    for (t, &n) in packed.batch_sizes.iter().enumerate() {
        (0..n).for_each(|b| places[t * batch + b] = start + b);
        start += n;
    }
    let full = Var::cat(&[&packed.data, &padding], 0).index_select(0, &index(&places));
    let mut shape = full.shape().to_vec();
    shape.splice(0..1, [steps, batch]);
    let mut out = full.reshape(&shape[..]);
    let mut order: Vec<usize> = (0..batch).collect();
    if let Some(at) = &packed.unsorted_indices {
        out = out.index_select(1, at);
        order = at.to_vec::<i64>().into_iter().map(|i| i as usize).collect();
    }
    let lengths = order.into_iter().map(|i| lengths[i]).collect();
    (if axes == Axes::BatchFirst { out.transpose(0, 1) } else { out }, lengths)
}

/// Sequences `[length, …]` padded with `value` behind their ends to the longest, side by side.
///
/// # Panics
/// If there is none or the trailing sizes differ.
#[track_caller]
pub fn pad_sequence(sequences: &[impl Borrow<Var>], axes: Axes, value: f64) -> Var {
    let sequences: Vec<&Var> = sequences.iter().map(Borrow::borrow).collect();
    let longest = sequences.iter().map(|s| s.size(0)).max().unwrap_or(0);
    let padded: Vec<Var> = sequences
        .iter()
        .map(|s| {
            let mut widths = vec![0; 2 * s.rank()];
            widths[2 * s.rank() - 1] = (longest - s.size(0)) as isize;
            s.pad(&widths, value)
        })
        .collect();
    Var::stack(&padded, if axes == Axes::BatchFirst { 0 } else { 1 })
}

/// Packs sequences `[length, …]`.
///
/// # Panics
/// As [`pad_sequence`] and [`pack_padded_sequence`].
#[track_caller]
pub fn pack_sequence(sequences: &[impl Borrow<Var>], order: Order) -> PackedSequence {
    let lengths: Vec<usize> = sequences.iter().map(|s| s.borrow().size(0)).collect();
    pack_padded_sequence(&pad_sequence(sequences, Axes::TimeFirst, 0.0), &lengths, Axes::TimeFirst, order)
}

/// The sequences of a padded batch, without the padding.
#[track_caller]
pub fn unpad_sequence(padded: &Var, lengths: &[usize], axes: Axes) -> Vec<Var> {
    let batch = if axes == Axes::BatchFirst { 0 } else { 1 };
    lengths.iter().enumerate().map(|(b, &length)| padded.select(batch, b as isize).narrow(0, 0, length)).collect()
}

/// The sequences of a packed batch.
#[track_caller]
pub fn unpack_sequence(packed: &PackedSequence) -> Vec<Var> {
    let (padded, lengths) = pad_packed_sequence(packed, Axes::TimeFirst, 0.0, None);
    unpad_sequence(&padded, &lengths, Axes::TimeFirst)
}
