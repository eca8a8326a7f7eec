//! The loss of connectionist temporal classification and its gradient, by dynamic programming over each sample.

use crate::cpu::par;
use crate::shape::size_text;
use crate::{DType, Tensor, bug};

/// The checked targets of a batch: what every sample has to spell, and in how many steps.
///
/// Graves, Fernández, Gomez and Schmidhuber (2006): a label may last several steps and blanks may lie between labels, so
/// the states of a sample are its labels with a blank before, between and after them.
#[derive(Clone, Debug)]
pub struct Ctc {
    /// Steps of the whole batch.
    pub steps: usize,
    /// Number of labels, the blank included.
    pub classes: usize,
    /// Each sample's states: labels at odd places, blanks at even ones.
    pub states: Vec<Vec<usize>>,
    /// Each sample's steps.
    pub lengths: Vec<usize>,
}

impl Ctc {
    /// Of targets `[n, length]` or, one after the other, `[sum of lengths]`, for logarithms of probabilities
    /// `[steps, n, classes]`.
    ///
    /// # Panics
    /// If shapes or lengths do not fit or the blank is no label, in PyTorch's words.
    #[track_caller]
    pub fn new(
        log_probs: &Tensor,
        targets: &Tensor,
        input_lengths: &Tensor,
        target_lengths: &Tensor,
        blank: usize,
    ) -> Ctc {
        let &[steps, batch, classes] = log_probs.shape() else {
            bug!("ctc_loss", "expected log_probs of 3 dimensions, but got {}", size_text(log_probs.shape()))
        };
        if !log_probs.dtype().is_float() {
            bug!("", "\"ctc_loss_cpu\" not implemented for '{}'", log_probs.dtype().legacy_name());
        }
        if blank >= classes {
            bug!("", "blank must be in label range");
        }
        let lengths = self::lengths("input_lengths", input_lengths, batch);
        let counts = self::lengths("target_lengths", target_lengths, batch);
        if let Some(&wrong) = lengths.iter().find(|&&length| length > steps) {
            bug!(
                "",
                "Expected input_lengths to have value at most {steps}, but got value {wrong} (while checking arguments for \
                 ctc_loss_allocate_outputs)"
            );
        }
        let labels = targets.to(DType::I64).to_vec::<i64>();
        let most = counts.iter().copied().max().unwrap_or(0);
        let total: usize = counts.iter().sum();
        // Where each sample's labels begin.
        let starts: Vec<usize> = match targets.rank() {
            1 if labels.len() == total => {
                counts.iter().scan(0, |sum, &count| Some(std::mem::replace(sum, *sum + count))).collect()
            }
            1 => bug!(
                "",
                "Expected tensor to have size {total} at dimension 0, but got size {} for argument #2 'targets' (while \
                 checking arguments for ctc_loss_allocate_outputs)",
                labels.len()
            ),
            2 if targets.shape()[0] != batch => bug!(
                "",
                "Expected tensor to have size {batch} at dimension 0, but got size {} for argument #2 'targets' (while \
                 checking arguments for ctc_loss_allocate_outputs)",
                targets.shape()[0]
            ),
            2 if targets.shape()[1] < most => bug!(
                "",
                "Expected tensor to have size at least {most} at dimension 1, but got size {} for argument #2 'targets' \
                 (while checking arguments for ctc_loss_allocate_outputs)",
                targets.shape()[1]
            ),
            2 => (0..batch).map(|n| n * targets.shape()[1]).collect(),
            _ => bug!("ctc_loss", "targets should be 1D or 2D, but got {}", size_text(targets.shape())),
        };
        let states = starts.iter().zip(&counts).map(|(&start, &count)| {
            let mut states = vec![blank; 2 * count + 1];
            for (i, &label) in labels[start..start + count].iter().enumerate() {
                if label < 0 || label as usize >= classes {
                    bug!("ctc_loss", "target {label} is out of range for {classes} classes");
                }
                states[2 * i + 1] = label as usize;
            }
            states
        });
        Ctc { steps, classes, states: states.collect(), lengths }
    }

    /// The number of samples.
    pub fn batch(&self) -> usize {
        self.states.len()
    }

    /// The number of labels of a sample.
    pub fn labels(&self, sample: usize) -> usize {
        self.states[sample].len() / 2
    }

    /// The negative logarithm of the probability of each sample's labels, `[n]`.
    pub fn losses(&self, log_probs: &Tensor) -> Tensor {
        let data = log_probs.to(DType::F64).to_vec::<f64>();
        let mut losses = vec![0.0; self.batch()];
        par::items(losses.iter_mut().collect(), self.cost(), |n, loss| *loss = self.sample(&data, n).loss);
        Tensor::from_vec(losses, [self.batch()]).to(log_probs.dtype())
    }

    /// The gradient with respect to the inputs of the softmax whose logarithms `log_probs` are, given that of each loss: as
    /// PyTorch, whose gradient holds for logarithms of probabilities that sum to 1. Where a loss is infinite and
    /// `zero_infinity` is set, it is 0.
    pub fn gradient(&self, log_probs: &Tensor, grad: &Tensor, zero_infinity: ZeroInfinity) -> Tensor {
        let data = log_probs.to(DType::F64).to_vec::<f64>();
        let outer = grad.to(DType::F64).to_vec::<f64>();
        let (batch, classes) = (self.batch(), self.classes);
        let mut parts: Vec<Vec<f64>> = vec![Vec::new(); batch];
        par::items(parts.iter_mut().collect(), 3 * self.cost(), |n, part| {
            let Sample { alpha, loss, at } = self.sample(&data, n);
            *part = vec![0.0; self.lengths[n] * classes];
            if loss.is_infinite() && zero_infinity == ZeroInfinity::Yes {
                return;
            }
            let states = &self.states[n];
            let mut beta = vec![f64::NEG_INFINITY; states.len()];
            for t in (0..self.lengths[n]).rev() {
                self.backward_step(n, t, &mut beta, &at);
                let row = &mut part[t * classes..(t + 1) * classes];
                row.fill(f64::NEG_INFINITY);
                for (s, &state) in states.iter().enumerate() {
                    row[state] = log_add(row[state], alpha[t * states.len() + s] + beta[s]);
                }
                for (class, x) in row.iter_mut().enumerate() {
                    let lp = at(t, class);
                    *x = (lp.exp() - (*x + loss - lp).exp()) * outer[n];
                }
            }
        });
        let mut out = vec![0.0; self.steps * batch * classes];
        for (n, part) in parts.iter().enumerate() {
            for (t, row) in part.chunks_exact(classes).enumerate() {
                out[(t * batch + n) * classes..][..classes].copy_from_slice(row);
            }
        }
        Tensor::from_vec(out, [self.steps, batch, classes]).to(log_probs.dtype())
    }

    /// Work per sample.
    fn cost(&self) -> usize {
        let longest = self.states.iter().map(Vec::len).max().unwrap_or(1);
        30 * self.steps * longest
    }

    /// The forward pass of a sample.
    fn sample<'a>(&'a self, data: &'a [f64], n: usize) -> Sample<impl Fn(usize, usize) -> f64 + 'a> {
        let (batch, classes, states) = (self.batch(), self.classes, &self.states[n]);
        let at = move |t: usize, class: usize| data[(t * batch + n) * classes + class];
        let (count, length) = (states.len(), self.lengths[n]);
        let mut alpha = vec![f64::NEG_INFINITY; length * count];
        for t in 0..length {
            for s in 0..count {
                let before = if t == 0 {
                    if s < 2 { 0.0 } else { f64::NEG_INFINITY }
                } else {
                    let last = &alpha[(t - 1) * count..t * count];
                    let step = if s > 0 { log_add(last[s], last[s - 1]) } else { last[s] };
                    if self.skips(n, s) { log_add(step, last[s - 2]) } else { step }
                };
                alpha[t * count + s] = before + at(t, states[s]);
            }
        }
        let loss = match length {
            // Nothing is spelled in no time.
            0 if count == 1 => 0.0,
            0 => f64::INFINITY,
            _ => {
                let last = &alpha[(length - 1) * count..];
                -if count > 1 { log_add(last[count - 1], last[count - 2]) } else { last[0] }
            }
        };
        Sample { alpha, loss, at }
    }

    /// Whether a state can follow the one two before it: a label, unless it is the same label again.
    pub fn skips(&self, sample: usize, state: usize) -> bool {
        let states = &self.states[sample];
        state >= 2 && state % 2 == 1 && states[state] != states[state - 2]
    }

    /// From the logarithms of what follows step `t + 1` to those of what follows `t`, both with their own step.
    fn backward_step(&self, n: usize, t: usize, beta: &mut [f64], at: &impl Fn(usize, usize) -> f64) {
        let (states, count) = (&self.states[n], beta.len());
        let last = t + 1 == self.lengths[n];
        for s in 0..count {
            let after = if last {
                if s + 2 >= count { 0.0 } else { f64::NEG_INFINITY }
            } else {
                let step = if s + 1 < count { log_add(beta[s], beta[s + 1]) } else { beta[s] };
                if s + 2 < count && self.skips(n, s + 2) { log_add(step, beta[s + 2]) } else { step }
            };
            // States after `s` are still those of the next step.
            beta[s] = after + at(t, states[s]);
        }
    }
}

/// What [`Ctc::gradient`] does about infinite losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroInfinity {
    /// Their gradient is not a number.
    #[default]
    No,
    /// Their gradient is 0.
    Yes,
}

/// A sample's forward pass: logarithms for each step and state, the loss, and the probabilities.
struct Sample<At> {
    alpha: Vec<f64>,
    loss: f64,
    at: At,
}

/// `ln(e^a + e^b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[track_caller]
fn lengths(name: &str, lengths: &Tensor, batch: usize) -> Vec<usize> {
    if lengths.dtype().is_float() {
        bug!("", "{name} must be integral");
    }
    if lengths.numel() != batch {
        bug!("", "{name} must be of size batch_size");
    }
    let length = |length: i64| {
        usize::try_from(length).unwrap_or_else(|_| {
            bug!(
                "",
                "Expected {name} to have value at least 0, but got value {length} (while checking arguments for \
                 ctc_loss_allocate_outputs)"
            )
        })
    };
    lengths.to(DType::I64).to_vec::<i64>().into_iter().map(length).collect()
}
