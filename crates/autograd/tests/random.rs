//! Every differentiable operation at random shapes, values and layouts: its gradients to order two.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use wengert_autograd::tensor::Tensor;
use wengert_autograd::{Domain, Entry, GradcheckOptions, Var, catalog, gradcheck, gradgradcheck};

/// One trial of an operation, as numbers that can be drawn and shrunk.
#[derive(Clone, Debug)]
struct Trial {
    sizes: Vec<u8>,
    layouts: Vec<u8>,
    values: u64,
}

fn trials() -> impl Strategy<Value = Trial> {
    let bytes = |count| prop::collection::vec(any::<u8>(), count);
    (bytes(24), bytes(4), any::<u64>()).prop_map(|(sizes, layouts, values)| Trial { sizes, layouts, values })
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Operands of those shapes. All their elements are distinct, well apart, and away from the whole numbers: the kinks of
/// maxima, orders and rounding.
fn operands(domain: Domain, shapes: &[Vec<usize>], mut seed: u64) -> Vec<Tensor> {
    let counts: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
    let total: usize = counts.iter().sum();
    let mut elements: Vec<f64> = (0..total)
        .map(|i| {
            let jitter = (random(&mut seed) >> 11) as f64 / (1u64 << 53) as f64;
            let at = (i as f64 + 0.25 + 0.5 * jitter) / total as f64;
            let x = domain.low + (domain.high - domain.low) * at;
            if (x - x.round()).abs() < 1e-3 { x.round() + 2e-3 } else { x }
        })
        .collect();
    for i in (1..total).rev() {
        elements.swap(i, (random(&mut seed) % (i as u64 + 1)) as usize);
    }
    let mut rest = elements.into_iter();
    shapes
        .iter()
        .zip(counts)
        .map(|(shape, count)| Tensor::from_vec(rest.by_ref().take(count).collect(), &shape[..]))
        .collect()
}

/// The same elements in other memory: C order, axes reversed, with gaps, from the middle of a buffer.
fn lay_out(x: &Tensor, layout: u8) -> Tensor {
    match layout % 4 {
        1 if x.rank() > 1 => {
            let order: Vec<isize> = (0..x.rank() as isize).rev().collect();
            x.permute(&order).copy().permute(&order)
        }
        2 if x.rank() > 0 => {
            let doubled = x.unsqueeze(-1).expand([x.shape(), &[2]].concat()).flatten(-2, -1);
            doubled.slice(-1, None, None, 2)
        }
        3 if x.rank() > 0 => {
            let rows = x.shape()[0];
            Tensor::cat(&[x.clone(), x.clone()], 0).narrow(0, rows as isize, rows)
        }
        _ => x.clone(),
    }
}

fn check(entry: &Entry, trial: &Trial) -> Result<(), String> {
    let family = entry.sizes.as_ref();
    let shapes = family.map_or_else(|| entry.shapes.clone().expect("fixed"), |family| family.shapes(&trial.sizes));
    let inputs: Vec<Tensor> = operands(entry.domain, &shapes, trial.values)
        .iter()
        .zip(&trial.layouts)
        .map(|(x, &layout)| lay_out(x, layout))
        .collect();
    let options = GradcheckOptions::default();
    let f = |x: &[Var]| (entry.function)(x);
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        gradcheck(f, &inputs, &options).map_err(|e| e.to_string())?;
        gradgradcheck(f, &inputs, &options).map_err(|e| format!("order two: {e}"))
    }));
    let checked = checked.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        Err(format!("panic: {}", text.or(payload.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()))
    });
    checked.map_err(|e| format!("shapes {shapes:?}: {e}"))
}

#[test]
fn every_op_passes_gradcheck_and_gradgradcheck_at_random_shapes_and_values() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let mut failures = Vec::new();
    // Hundreds of panics while a failure shrinks say no more than the last one, which is reported.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for entry in catalog() {
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let result = runner.run(&trials(), |trial| check(&entry, &trial).map_err(TestCaseError::fail));
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, trial)) => failures.push(format!("{} (at {trial:?}): {reason}", entry.name)),
            Err(other) => failures.push(format!("{}: {other}", entry.name)),
        }
    }
    std::panic::set_hook(hook);
    assert!(failures.is_empty(), "{} operations fail:\n{}", failures.len(), failures.join("\n"));
}
