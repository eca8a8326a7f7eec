//! A whole layer of an LSTM as one operation: one product per step forward and backward, one for the weights of all steps.

use crate::Var;
use wengert_autograd::{is_grad_enabled, no_grad, op};

/// What one step leaves for its gradient.
#[derive(Clone)]
struct Step {
    h: Var,
    c: Var,
    /// The input gate beside the forget gate.
    both: Var,
    new: Var,
    show: Var,
    tanh_c: Var,
}

/// All steps in order, the hidden state after each, and the last cell state.
fn steps(gates: &Var, h: &Var, c: &Var, weight: &Var, order: &[usize]) -> (Vec<Step>, Vec<Var>, Var) {
    let (batch, size) = (c.size(0), c.size(1));
    let weight = weight.t();
    let (mut h, mut c) = (h.clone(), c.clone());
    let (mut done, mut outputs) = (Vec::with_capacity(order.len()), Vec::with_capacity(order.len()));
    for &t in order {
        let sum = gates.narrow(0, (t * batch) as isize, batch).addmm(&h, &weight);
        let both = sum.narrow(1, 0, 2 * size).sigmoid();
        let new = sum.narrow(1, 2 * size as isize, size).tanh();
        let show = sum.narrow(1, 3 * size as isize, size).sigmoid();
        let next = both.narrow(1, size as isize, size) * &c + both.narrow(1, 0, size) * &new;
        let tanh_c = next.tanh();
        let output = &show * &tanh_c;
        done.push(Step { h, c, both, new, show, tanh_c });
        (h, c) = (output.clone(), next);
        outputs.push(output);
    }
    (done, outputs, c)
}

/// The gradients of gates, states and weights, from those of the outputs and the last cell state below one another.
fn gradients(done: &[Step], order: &[usize], weight: &Var, grad: &Var, wants_weight: bool) -> [Option<Var>; 4] {
    let (batch, size) = (done[0].c.size(0), done[0].c.size(1));
    let mut dc = grad.narrow(0, (order.len() * batch) as isize, batch);
    let mut dh: Option<Var> = None;
    let mut dgates: Vec<Option<Var>> = vec![None; order.len()];
    for (step, &t) in done.iter().zip(order).rev() {
        let own = grad.narrow(0, (t * batch) as isize, batch);
        let now = dh.map_or(own.clone(), |dh| own + dh);
        let dshow = &now * &step.tanh_c * (&step.show * (1.0 - &step.show));
        dc = dc + now * &step.show * (1.0 - &step.tanh_c * &step.tanh_c);
        let take = step.both.narrow(1, 0, size);
        let dboth = Var::cat(&[&dc * &step.new, &dc * &step.c], 1) * (&step.both * (1.0 - &step.both));
        let dnew = &dc * take * (1.0 - &step.new * &step.new);
        let all = Var::cat(&[dboth, dnew, dshow], 1);
        dc = dc * step.both.narrow(1, size as isize, size);
        dh = Some(all.mm(weight));
        dgates[t] = Some(all);
    }
    let dgates: Vec<Var> = dgates.into_iter().flatten().collect();
    let dgates = Var::cat(&dgates, 0);
    let dweight = wants_weight.then(|| {
        let mut before: Vec<(usize, &Var)> = order.iter().copied().zip(done.iter().map(|step| &step.h)).collect();
        before.sort_unstable_by_key(|&(t, _)| t);
        let before: Vec<&Var> = before.into_iter().map(|(_, h)| h).collect();
        dgates.t().mm(&Var::cat(&before, 0))
    });
    [Some(dgates), dh, Some(dc), dweight]
}

/// Runs an LSTM without projection over `gates`, `[time · batch, 4 · hidden]`, the part of the input and of both biases, in the
/// given order of steps: the outputs of all steps, the last hidden and the last cell state.
///
/// Each slice of a tensor that is tracked has a gradient of the size of the whole, so that composed steps would take time
/// quadratic in their number; this operation writes each gradient once.
pub(crate) fn lstm_sequence(gates: &Var, h: &Var, c: &Var, weight: &Var, order: &[usize]) -> (Var, Var, Var) {
    let (time, batch) = (order.len(), c.size(0));
    let (done, outputs, last) = no_grad(|| steps(gates, h, c, weight, order));
    let mut parts: Vec<Option<Var>> = vec![None; time];
    order.iter().zip(outputs).for_each(|(&t, output)| parts[t] = Some(output));
    let parts: Vec<Var> = parts.into_iter().flatten().chain([last]).collect();
    let value = no_grad(|| Var::cat(&parts, 0)).value().clone();
    let all = op::record("LstmBackward0", value, [gates, h, c, weight], || {
        let (gates, h, c, weight) = (gates.clone(), h.clone(), c.clone(), weight.clone());
        let order = order.to_vec();
        move |ctx: &op::Context<'_>, grad: &Var| {
            // The saved steps are constants; a graph of the gradient needs them as functions of the inputs.
            let again = is_grad_enabled().then(|| steps(&gates, &h, &c, &weight, &order).0);
            let [dgates, dh, dc, dweight] =
                gradients(again.as_deref().unwrap_or(&done), &order, &weight, grad, ctx.needs(3));
            [dgates.filter(|_| ctx.needs(0)), dh.filter(|_| ctx.needs(1)), dc.filter(|_| ctx.needs(2)), dweight]
        }
    });
    let rows = |t: usize| all.narrow(0, (t * batch) as isize, batch);
    (all.narrow(0, 0, time * batch), rows(order[time - 1]), rows(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wengert_autograd::{GradcheckOptions, gradcheck, gradgradcheck};
    use wengert_tensor::{DType, manual_seed, randn};

    #[test]
    fn gradients_of_both_orders_are_right_in_both_directions() {
        manual_seed(3);
        let inputs = [[6, 12], [2, 3], [2, 3], [12, 3]].map(|shape| randn(shape).to(DType::F64));
        for order in [[0, 1, 2], [2, 1, 0]] {
            let all = |x: &[Var]| {
                let (outputs, h, c) = lstm_sequence(&x[0], &x[1], &x[2], &x[3], &order);
                Var::cat(&[outputs, h, c], 0)
            };
            gradcheck(all, &inputs, &GradcheckOptions::default()).expect("right to order one");
            gradgradcheck(all, &inputs, &GradcheckOptions::default()).expect("right to order two");
        }
    }
}
