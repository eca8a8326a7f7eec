//! The line search of L-BFGS: a step length that fulfils the strong Wolfe conditions, after minFunc.

use wengert_tensor::Tensor;

/// The conditions' constants: how much the loss must fall and how much flatter it must get.
const C1: f64 = 1e-4;
const C2: f64 = 0.9;

/// A point on the line.
#[derive(Clone)]
pub(crate) struct Point {
    /// Where, in lengths of the direction.
    pub t: f64,
    /// The loss there.
    pub loss: f64,
    /// The loss's slope along the direction.
    pub slope: f64,
    /// The gradient there.
    pub grad: Tensor,
}

/// What a search found.
pub(crate) struct Found {
    /// The point.
    pub point: Point,
    /// How often the loss was evaluated.
    pub evals: usize,
}

/// Python's `max` and `min`, which differ from Rust's for NaN.
fn max(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}
fn min(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// The minimum of the cubic through two points with their slopes, within bounds; the middle if it has none.
fn cubic(a: &Point, b: &Point, bounds: Option<(f64, f64)>, round: &impl Fn(f64) -> f64) -> f64 {
    let (low, high) = bounds.unwrap_or(if a.t <= b.t { (a.t, b.t) } else { (b.t, a.t) });
    let d1 = round(round(a.slope + b.slope) - 3.0 * (a.loss - b.loss) / (a.t - b.t));
    let square = round(round(d1 * d1) - round(a.slope * b.slope));
    if square >= 0.0 {
        let d2 = round(square.sqrt());
        let at = if a.t <= b.t {
            b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
        } else {
            a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
        };
        min(max(round(at), low), high)
    } else {
        (low + high) / 2.0
    }
}

/// Searches from `here` with a first length `t`; `width` is the largest entry of the direction.
pub(crate) fn strong_wolfe(
    evaluate: &mut impl FnMut(f64) -> Point,
    here: Point,
    t: f64,
    width: f64,
    tolerance_change: f64,
    limit: usize,
    round: &impl Fn(f64) -> f64,
) -> Found {
    // Not `<=`: a loss that is no number goes on, as there.
    let rises = |point: &Point| point.loss > round(here.loss + round(C1 * point.t * here.slope));
    let flat = |point: &Point| point.slope.abs() <= round(-C2 * here.slope);
    let mut new = evaluate(t);
    let mut evals = 1;
    let mut before = here.clone();
    let mut iterations = 0;
    // Longer and longer steps, until a minimum lies between the last two.
    let mut bracket = loop {
        if iterations >= limit {
            break [here.clone(), new];
        }
        if rises(&new) || iterations > 1 && new.loss >= before.loss {
            break [before, new];
        }
        if flat(&new) {
            return Found { point: new, evals };
        }
        if new.slope >= 0.0 {
            break [before, new];
        }
        let bounds = (round(new.t + 0.01 * (new.t - before.t)), round(new.t * 10.0));
        let next = cubic(&before, &new, Some(bounds), round);
        before = new;
        new = evaluate(next);
        evals += 1;
        iterations += 1;
    };
    // Smaller and smaller brackets around it.
    let order = |bracket: &[Point; 2]| if bracket[0].loss <= bracket[1].loss { (0, 1) } else { (1, 0) };
    let (mut low, mut high) = order(&bracket);
    let mut slow = false;
    while iterations < limit {
        if (bracket[1].t - bracket[0].t).abs() * width < tolerance_change {
            break;
        }
        let mut t = cubic(&bracket[0], &bracket[1], None, round);
        let (left, right) = (min(bracket[0].t, bracket[1].t), max(bracket[0].t, bracket[1].t));
        let margin = 0.1 * (right - left);
        if min(right - t, t - left) < margin {
            // Near an end of the bracket for the second time, or beyond it: a tenth away from that end.
            if slow || t >= right || t <= left {
                t = if (t - right).abs() < (t - left).abs() { right - margin } else { left + margin };
                slow = false;
            } else {
                slow = true;
            }
        } else {
            slow = false;
        }
        let new = evaluate(t);
        evals += 1;
        iterations += 1;
        if rises(&new) || new.loss >= bracket[low].loss {
            bracket[high] = new;
            (low, high) = order(&bracket);
        } else {
            let done = flat(&new);
            if !done && new.slope * (bracket[high].t - bracket[low].t) >= 0.0 {
                bracket[high] = bracket[low].clone();
            }
            bracket[low] = new;
            if done {
                break;
            }
        }
    }
    let [a, b] = bracket;
    Found { point: if low == 0 { a } else { b }, evals }
}
