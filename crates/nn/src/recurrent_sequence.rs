//! All steps of one direction of a recurrent layer as one operation: one product per step forward and backward, one for the
//! weights of all steps.
//!
//! Each slice of a tensor that is tracked has a gradient of the size of the whole, so that composed steps would take time
//! quadratic in their number; this operation writes each gradient once.

use crate::Var;
use wengert_autograd::{is_grad_enabled, no_grad, op};
use wengert_tensor::{DType, Tensor};

/// The function of a plain recurrent layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RNNNonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// max(x, 0).
    ReLU,
}

impl RNNNonlinearity {
    /// PyTorch's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RNNNonlinearity::Tanh => "tanh",
            RNNNonlinearity::ReLU => "relu",
        }
    }
}

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rnn(RNNNonlinearity),
    Gru,
    Lstm,
}

impl Kind {
    /// How many rows of weights each hidden unit has.
    pub(crate) fn gates(self) -> usize {
        match self {
            Kind::Rnn(_) => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }

    /// The part of the gates that comes from the input. What comes from the hidden state adds to it, but in a GRU a gate is
    /// applied to the hidden state's part first; so there alone the hidden bias stays apart.
    pub(crate) fn input_gates(
        self,
        input: &Var,
        weight: &Var,
        input_bias: Option<&Var>,
        hidden_bias: Option<&Var>,
    ) -> Var {
        match (input_bias, hidden_bias) {
            (Some(input_bias), Some(hidden_bias)) if self != Kind::Gru => {
                input.linear(weight, Some(&(input_bias + hidden_bias)))
            }
            (input_bias, _) => input.linear(weight, input_bias),
        }
    }
}

/// What the steps of one direction share.
#[derive(Clone)]
pub(crate) struct Weights {
    /// `[gates · hidden, out]`.
    pub(crate) hidden: Var,
    /// Only of a GRU.
    pub(crate) hidden_bias: Option<Var>,
    /// `[out, hidden]`: projects the output of an LSTM.
    pub(crate) projection: Option<Var>,
}

/// What one step leaves for its gradient.
#[derive(Clone)]
struct Step {
    /// The hidden state before.
    h: Var,
    kept: Kept,
}

// All steps of a run keep the same.
#[allow(clippy::large_enum_variant)]
#[derive(Clone)]
enum Kept {
    Rnn {
        out: Var,
        nonlinearity: RNNNonlinearity,
    },
    Gru {
        /// The reset gate beside the update gate.
        both: Var,
        new: Var,
        /// The hidden state's part of `new`.
        hidden_new: Var,
    },
    Lstm {
        /// The cell state before.
        c: Var,
        /// The input gate beside the forget gate.
        both: Var,
        new: Var,
        show: Var,
        tanh_c: Var,
        /// The output before it is projected.
        whole: Var,
    },
}

/// The first row and the number of rows of each step, in the order in which the steps run.
type Places = Vec<(usize, usize)>;

/// The first rows of a state; the others belong to sequences that have ended, or not begun.
fn active(state: &Var, count: usize) -> Var {
    if count == state.size(0) { state.clone() } else { state.narrow(0, 0, count) }
}

/// A state whose first rows are new.
fn renewed(new: Var, state: &Var) -> Var {
    let (count, all) = (new.size(0), state.size(0));
    if count == all { new } else { Var::cat(&[new, state.narrow(0, count as isize, all - count)], 0) }
}

/// One step from the states of the sequences that take part.
fn step(
    kind: Kind,
    gates: &Var,
    h: &Var,
    c: Option<&Var>,
    weights: &Weights,
    turned: &Var,
) -> (Var, Option<Var>, Kept) {
    let part = |x: &Var, from: usize, size: usize| x.narrow(1, from as isize, size);
    match kind {
        Kind::Rnn(nonlinearity) => {
            let sum = gates.addmm(h, turned);
            let out = if nonlinearity == RNNNonlinearity::Tanh { sum.tanh() } else { sum.relu() };
            (out.clone(), None, Kept::Rnn { out, nonlinearity })
        }
        Kind::Gru => {
            let size = h.size(1);
            let hidden = h.linear(&weights.hidden, weights.hidden_bias.as_ref());
            let both = (part(gates, 0, 2 * size) + part(&hidden, 0, 2 * size)).sigmoid();
            let hidden_new = part(&hidden, 2 * size, size);
            let new = (part(gates, 2 * size, size) + part(&both, 0, size) * &hidden_new).tanh();
            let next = (h - &new) * part(&both, size, size) + &new;
            (next, None, Kept::Gru { both, new, hidden_new })
        }
        Kind::Lstm => {
            let c = c.expect("an LSTM has a cell state");
            let size = c.size(1);
            let sum = gates.addmm(h, turned);
            let both = part(&sum, 0, 2 * size).sigmoid();
            let new = part(&sum, 2 * size, size).tanh();
            let show = part(&sum, 3 * size, size).sigmoid();
            let next = part(&both, size, size) * c + part(&both, 0, size) * &new;
            let tanh_c = next.tanh();
            let whole = &show * &tanh_c;
            let out = weights.projection.as_ref().map_or(whole.clone(), |projection| whole.linear(projection, None));
            (out, Some(next), Kept::Lstm { c: c.clone(), both, new, show, tanh_c, whole })
        }
    }
}

/// All steps, the output of each, and the last states.
struct Run {
    steps: Vec<Step>,
    outputs: Vec<Var>,
    h: Var,
    c: Option<Var>,
}

/// Runs all steps, and keeps what the gradient needs if it is wanted.
fn run(kind: Kind, gates: &Var, h: &Var, c: Option<&Var>, weights: &Weights, places: &Places, keep: bool) -> Run {
    let turned = weights.hidden.t();
    let (mut h, mut c) = (h.clone(), c.cloned());
    let (mut steps, mut outputs) = (Vec::new(), Vec::with_capacity(places.len()));
    for &(start, count) in places {
        let now = active(&h, count);
        let cell = c.as_ref().map(|c| active(c, count));
        let (out, next, kept) =
            step(kind, &gates.narrow(0, start as isize, count), &now, cell.as_ref(), weights, &turned);
        if keep {
            steps.push(Step { h: now, kept });
        }
        outputs.push(out.clone());
        h = renewed(out, &h);
        c = c.zip(next).map(|(c, next)| renewed(next, &c));
    }
    Run { steps, outputs, h, c }
}

/// Values by step in the order of their rows.
fn sorted(places: &Places, values: Vec<Var>) -> Vec<Var> {
    let mut keyed: Vec<(usize, Var)> = places.iter().map(|&(start, _)| start).zip(values).collect();
    keyed.sort_by_key(|&(start, _)| start);
    keyed.into_iter().map(|(_, value)| value).collect()
}

/// Values by step below one another.
fn by_row(places: &Places, values: Vec<Var>) -> Var {
    Var::cat(&sorted(places, values), 0)
}

/// The gradients of gates, states and weights, from those of the outputs and of the last states.
fn gradients(
    steps: &[Step],
    places: &Places,
    weights: &Weights,
    outputs: &Var,
    mut dh: Var,
    mut dc: Option<Var>,
    needs: impl Fn(usize) -> bool,
) -> Vec<Option<Var>> {
    let part = |x: &Var, from: usize, size: usize| x.narrow(1, from as isize, size);
    let (mut of_gates, mut of_hidden, mut of_outputs) = (Vec::new(), Vec::new(), Vec::new());
    for (step, &(start, count)) in steps.iter().zip(places).rev() {
        let own = outputs.narrow(0, start as isize, count) + active(&dh, count);
        let (through, dgates, dhidden);
        match &step.kept {
            Kept::Rnn { out, nonlinearity } => {
                dgates = own * slope(out, *nonlinearity);
                (through, dhidden) = (None, None);
            }
            Kept::Gru { both, new, hidden_new } => {
                let size = new.size(1);
                let (reset, update) = (part(both, 0, size), part(both, size, size));
                let dnew = &own * (1.0 - &update) * (1.0 - new * new);
                let dboth = Var::cat(&[&dnew * hidden_new, &own * (&step.h - new)], 1) * (both * (1.0 - both));
                dhidden = Some(Var::cat(&[&dboth, &(&dnew * reset)], 1));
                dgates = Var::cat(&[dboth, dnew], 1);
                through = Some(own * update);
            }
            Kept::Lstm { c, both, new, show, tanh_c, whole: _ } => {
                let size = c.size(1);
                let whole = match &weights.projection {
                    Some(projection) => {
                        let whole = own.mm(projection);
                        of_outputs.push(own);
                        whole
                    }
                    None => own,
                };
                let all = dc.as_ref().expect("an LSTM has a cell state");
                let dshow = &whole * tanh_c * (show * (1.0 - show));
                let now = active(all, count) + whole * show * (1.0 - tanh_c * tanh_c);
                let dboth = Var::cat(&[&now * new, &now * c], 1) * (both * (1.0 - both));
                let dnew = &now * part(both, 0, size) * (1.0 - new * new);
                dc = Some(renewed(now * part(both, size, size), all));
                dgates = Var::cat(&[dboth, dnew, dshow], 1);
                (through, dhidden) = (None, None);
            }
        }
        let back = dhidden.as_ref().unwrap_or(&dgates).mm(&weights.hidden);
        dh = renewed(through.map_or(back.clone(), |through| through + back), &dh);
        of_gates.push(dgates);
        of_hidden.extend(dhidden);
    }
    of_gates.reverse();
    of_hidden.reverse();
    of_outputs.reverse();
    let of_gates = by_row(places, of_gates);
    let of_hidden = if of_hidden.is_empty() { of_gates.clone() } else { by_row(places, of_hidden) };
    let of_weight = needs(2).then(|| {
        let before = by_row(places, steps.iter().map(|step| step.h.clone()).collect());
        of_hidden.t().mm(&before)
    });
    let of_bias = weights.hidden_bias.as_ref().map(|_| of_hidden.sum(0));
    let of_projection = (weights.projection.is_some()).then(|| {
        let whole = steps.iter().filter_map(|step| match &step.kept {
            Kept::Lstm { whole, .. } => Some(whole.clone()),
            _ => None,
        });
        by_row(places, of_outputs).t().mm(&by_row(places, whole.collect()))
    });
    let all = [Some(of_gates), Some(dh), of_weight, of_bias, of_projection, dc];
    all.into_iter().enumerate().map(|(i, grad)| grad.filter(|_| needs(i))).collect()
}

/// The derivative of the function of a plain layer, from its value.
fn slope(out: &Var, nonlinearity: RNNNonlinearity) -> Var {
    match nonlinearity {
        RNNNonlinearity::Tanh => 1.0 - out * out,
        RNNNonlinearity::ReLU => Var::from(out.value().gt(0.0).to(out.dtype())),
    }
}

/// Runs one direction over `gates`, `[all steps, gates · hidden]`, the part of the input ([`Kind::input_gates`]), from states
/// `[batch, size]`: the outputs of all steps in their order, and the last states. Step `t` has `sizes[t]` sequences, the first of
/// the batch; `backward` runs the steps from the end.
pub(crate) fn recurrent_sequence(
    kind: Kind,
    gates: &Var,
    states: (&Var, Option<&Var>),
    weights: Weights,
    sizes: &[usize],
    backward: bool,
) -> (Var, Var, Option<Var>) {
    let (h, c) = states;
    let (batch, out) = (h.size(0), h.size(1));
    let mut places: Places =
        sizes.iter().scan(0, |at, &count| Some((std::mem::replace(at, *at + count), count))).collect();
    if places.is_empty() {
        return (gates.narrow(1, 0, out), h.clone(), c.cloned());
    }
    if backward {
        places.reverse();
    }
    let rows: usize = sizes.iter().sum();
    let none = Var::from(Tensor::zeros([0], DType::F32));
    let inputs = [
        gates,
        h,
        &weights.hidden,
        weights.hidden_bias.as_ref().unwrap_or(&none),
        weights.projection.as_ref().unwrap_or(&none),
        c.unwrap_or(&none),
    ];
    let keep = op::records(&inputs);
    let Run { steps, outputs, h: last_h, c: last_c } = no_grad(|| run(kind, gates, h, c, &weights, &places, keep));
    let mut parts = sorted(&places, outputs);
    parts.push(last_h);
    parts.extend(last_c);
    // All results in one row, as an operation has one value.
    let value = no_grad(|| Var::cat(&parts.iter().map(|part| part.reshape([-1])).collect::<Vec<_>>(), 0)).into_value();
    let name = match kind {
        Kind::Rnn(_) => "RnnBackward0",
        Kind::Gru => "GruBackward0",
        Kind::Lstm => "LstmBackward0",
    };
    let all = op::record_many(name, value, &inputs, || {
        let (gates, h, c, weights) = (gates.clone(), h.clone(), c.cloned(), weights.clone());
        move |ctx: &op::Context<'_>, grad: &Var| {
            // The saved steps are constants; a graph of the gradient needs them as functions of the inputs.
            let again = is_grad_enabled().then(|| run(kind, &gates, &h, c.as_ref(), &weights, &places, true).steps);
            let part = |from: usize, count: usize, size: usize| {
                grad.narrow(0, from as isize, count * size).reshape([count, size])
            };
            let ends = (rows * out, (rows + batch) * out);
            let dc = c.as_ref().map(|c| part(ends.1, batch, c.size(1)));
            let steps = again.as_deref().unwrap_or(&steps);
            gradients(steps, &places, &weights, &part(0, rows, out), part(ends.0, batch, out), dc, |i| ctx.needs(i))
        }
    });
    let part =
        |from: usize, count: usize, size: usize| all.narrow(0, from as isize, count * size).reshape([count, size]);
    let last_c = c.map(|c| part((rows + batch) * out, batch, c.size(1)));
    (part(0, rows, out), part(rows * out, batch, out), last_c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::{GradcheckOptions, gradcheck, gradgradcheck};
    use wengert_tensor::{manual_seed, randn};

    #[test]
    fn gradients_of_both_orders_are_right_in_both_directions() {
        manual_seed(3);
        let tensor = |shape: &[usize]| randn(shape).to(DType::F64);
        let kinds = [
            (Kind::Rnn(RNNNonlinearity::Tanh), false),
            (Kind::Rnn(RNNNonlinearity::ReLU), false),
            (Kind::Gru, false),
            (Kind::Lstm, false),
            (Kind::Lstm, true),
        ];
        for (kind, projected) in kinds {
            let out = if projected { 2 } else { 3 };
            let wide = 3 * kind.gates();
            let mut inputs = vec![tensor(&[6, wide]), tensor(&[3, out]), tensor(&[wide, out])];
            match kind {
                Kind::Rnn(_) => {}
                Kind::Gru => inputs.push(tensor(&[wide])),
                Kind::Lstm => inputs.push(tensor(&[3, 3])),
            }
            if projected {
                inputs.push(tensor(&[out, 3]));
            }
            for (sizes, backward) in [(&[3, 3][..], false), (&[3, 3], true), (&[3, 2, 1], false), (&[3, 2, 1], true)] {
                let all = |x: &[Var]| {
                    let weights = Weights {
                        hidden: x[2].clone(),
                        hidden_bias: (kind == Kind::Gru).then(|| x[3].clone()),
                        projection: projected.then(|| x[4].clone()),
                    };
                    let c = (kind == Kind::Lstm).then(|| &x[3]);
                    let (outputs, h, c) = recurrent_sequence(kind, &x[0], (&x[1], c), weights, sizes, backward);
                    let flat: Vec<Var> = [outputs, h].into_iter().chain(c).map(|part| part.reshape([-1])).collect();
                    Var::cat(&flat, 0)
                };
                gradcheck(all, &inputs, &GradcheckOptions::default()).expect("right to order one");
                gradgradcheck(all, &inputs, &GradcheckOptions::default()).expect("right to order two");
            }
        }
    }
}
