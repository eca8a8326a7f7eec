//! The loss of connectionist temporal classification.

use crate::catalog::Entry;
use crate::op::Context;
use crate::ops::loss::Reduction;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::ctc::{Ctc, ZeroInfinity};
use wengert_tensor::{DType, Tensor, bug};

/// What [`ctc_loss`] takes besides its tensors; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default)]
pub struct CtcOptions {
    /// The label that stands for nothing: 0.
    pub blank: usize,
    /// How losses become one: by the mean of those divided by the number of their labels.
    pub reduction: Reduction,
    /// Whether infinite losses, of samples with fewer steps than labels, become 0 and have no gradient: no.
    pub zero_infinity: ZeroInfinity,
}

/// The negative logarithm of the probability that sequences of labels with blanks between them spell the targets
/// (`torch.nn.functional.ctc_loss`).
///
/// `log_probs` are logarithms of probabilities, as a log-softmax gives them, `[steps, n, classes]` or `[steps, classes]`;
/// targets are `[n, length]`, or all labels one after the other; lengths are `[n]`, or `[]` for one sample.
///
/// The gradient is that of PyTorch: with respect to what the log-softmax was taken of, so right for log-probabilities only.
///
/// # Panics
/// If shapes or lengths do not fit, in PyTorch's words.
///
/// # Examples
/// ```
/// use wengert_autograd::{Var, functional::{CtcOptions, ctc_loss}, tensor::Tensor};
/// // In two steps of two labels, one spells a 1 in three of four ways.
/// let log_probs = Var::from(Tensor::full([2, 1, 2], 0.5f64.ln(), wengert_autograd::tensor::DType::F64));
/// let [target, steps, length] = [1i64, 2, 1].map(|n| Tensor::from_vec(vec![n], [1]));
/// let loss = ctc_loss(&log_probs, &target, &steps, &length, &CtcOptions::default());
/// assert!((loss.item::<f64>() + 0.75f64.ln()).abs() < 1e-12);
/// ```
#[track_caller]
pub fn ctc_loss(
    log_probs: &Var,
    targets: &Tensor,
    input_lengths: &Tensor,
    target_lengths: &Tensor,
    options: &CtcOptions,
) -> Var {
    let batched = log_probs.rank() == 3;
    if !batched && log_probs.rank() != 2 {
        bug!("ctc_loss", "expected log_probs of 2 or 3 dimensions, but got {}", log_probs.rank());
    }
    let x = if batched { log_probs.clone() } else { log_probs.unsqueeze(1) };
    let ctc = Ctc::new(&x.value, targets, input_lengths, target_lengths, options.blank);
    let zero = options.zero_infinity;
    let value = ctc.losses(&x.value);
    let infinite = value.eq(f64::INFINITY);
    let labels: Vec<i64> = (0..ctc.batch()).map(|n| ctc.labels(n).max(1) as i64).collect();
    let labels = Tensor::from_vec(labels, [ctc.batch()]).to(x.dtype());
    let mut losses = op::record("CtcLossBackward0", value, [&x], || {
        let (x, infinite) = (x.clone(), infinite.clone());
        move |_: &Context<'_>, grad: &Var| {
            [Some(if is_grad_enabled() {
                rule(&ctc, &x, grad, &infinite, zero)
            } else {
                Var::from(ctc.gradient(&x.value, &grad.value, zero))
            })]
        }
    });
    if zero == ZeroInfinity::Yes {
        losses = losses.masked_fill(&infinite, 0.0);
    }
    match options.reduction {
        Reduction::Mean => (losses / labels).mean(()),
        Reduction::None if !batched => losses.squeeze([0]),
        other => other.apply(losses),
    }
}

/// Stands for the logarithm of 0 where gradients are taken: its exponential is 0, and it has no infinite differences.
const NEVER: f64 = -1e30;

/// The gradient in operations that can be differentiated: the passes forward and backward over all samples at once.
fn rule(ctc: &Ctc, x: &Var, grad: &Var, infinite: &Tensor, zero: ZeroInfinity) -> Var {
    let (steps, batch, width) = (ctc.steps, ctc.batch(), ctc.states.iter().map(Vec::len).max().unwrap_or(1));
    // Whether something holds for each sample and state.
    let states = |f: &dyn Fn(usize, usize) -> bool| {
        let holds: Vec<bool> =
            (0..batch * width).map(|i| i % width < ctc.states[i / width].len() && f(i / width, i % width)).collect();
        Tensor::from_vec(holds, [batch, width]).logical_not()
    };
    let missing = states(&|_, _| true);
    let not_first = states(&|_, s| s < 2);
    let not_last = states(&|n, s| s + 2 >= ctc.states[n].len());
    let not_skipping = states(&|n, s| ctc.skips(n, s));
    let not_skipped = states(&|n, s| s + 2 < ctc.states[n].len() && ctc.skips(n, s + 2));
    let index: Vec<i64> =
        (0..batch * width).map(|i| ctc.states[i / width].get(i % width).map_or(0, |&class| class as i64)).collect();
    let index = Tensor::from_vec(index, [1, batch, width]).expand([steps, batch, width]);
    let probs = x.to(DType::F64);
    let own = probs.gather(2, &index);
    let join = |terms: [Var; 3]| Var::stack(&terms, 0).logsumexp(0);
    // The logarithms of states `by` places before (or after, if negative).
    let moved = |row: &Var, by: isize| {
        let gone = by.unsigned_abs().min(width);
        let (start, widths) = if by > 0 { (0, [gone as isize, 0]) } else { (gone as isize, [0, gone as isize]) };
        row.narrow(1, start, width - gone).pad(&widths, NEVER)
    };
    let at = |t: usize| own.select(0, t as isize);
    let mut before: Vec<Var> = Vec::with_capacity(steps);
    for t in 0..steps {
        let row = match before.last() {
            None => at(t).masked_fill(&not_first, NEVER),
            Some(last) => {
                let skip = moved(last, 2).masked_fill(&not_skipping, NEVER);
                (join([last.clone(), moved(last, 1), skip]) + at(t)).masked_fill(&missing, NEVER)
            }
        };
        before.push(row);
    }
    let mut after: Vec<Var> = Vec::with_capacity(steps);
    for t in (0..steps).rev() {
        let end: Vec<bool> = ctc.lengths.iter().map(|&length| length == t + 1).collect();
        let end = Tensor::from_vec(end, [batch, 1]);
        let last = at(t).masked_fill(&not_last, NEVER);
        let row = match after.last() {
            None => last,
            Some(next) => {
                let skip = moved(next, -2).masked_fill(&not_skipped, NEVER);
                let row = (join([next.clone(), moved(next, -1), skip]) + at(t)).masked_fill(&missing, NEVER);
                Var::where_(&end, last, row)
            }
        };
        after.push(row);
    }
    after.reverse();
    if steps == 0 {
        return x * 0.0;
    }
    // At each step some state is taken, so the probabilities of states are a softmax of those of the paths through them.
    let taken = (Var::stack(&before, 0) + Var::stack(&after, 0) - &own).softmax(2);
    let absent: Vec<bool> = (0..steps * batch).map(|i| i / batch >= ctc.lengths[i % batch]).collect();
    let absent = Tensor::from_vec(absent, [steps, batch, 1]);
    let zeros = Var::from(Tensor::zeros(probs.shape(), DType::F64));
    let slope = (probs.exp() - zeros.scatter_add(2, &index, &taken.masked_fill(&missing, 0.0))) * grad.unsqueeze(1);
    let fill = if zero == ZeroInfinity::Yes { 0.0 } else { f64::NAN };
    slope.masked_fill(&infinite.unsqueeze(1), fill).masked_fill(&absent, 0.0).to(x.dtype())
}

pub(crate) fn catalog() -> Vec<Entry> {
    let vector = |data: &[i64]| Tensor::from_vec(data.to_vec(), [data.len()]);
    let targets = Tensor::from_vec(vec![1i64, 1, 2, 2, 3, 0], [2, 3]);
    let (steps, lengths, blank) = (vector(&[5, 4]), vector(&[3, 2]), CtcOptions::default());
    vec![
        // The rule holds for log-probabilities.
        Entry::shaped("ctc_loss", "MeanBackward0", &[&[5, 2, 4]], move |x| {
            ctc_loss(&x[0].log_softmax(2), &targets, &steps, &lengths, &blank)
        }),
        Entry::shaped("ctc_loss of one", "SqueezeBackward1", &[&[4, 3]], move |x| {
            let options = CtcOptions { blank: 2, reduction: Reduction::None, zero_infinity: ZeroInfinity::Yes };
            ctc_loss(&x[0].log_softmax(1), &vector(&[1, 0]), &vector(&[4]), &vector(&[2]), &options)
        }),
    ]
}
