//! Every differentiable operation: its gradients to order two, in every layout, and its name.

use wengert_autograd::tensor::Tensor;
use wengert_autograd::{
    Domain, Entry, GradOptions, GradcheckOptions, Var, catalog, grad_or_none, gradcheck, gradgradcheck, sample,
};

/// A name and a way to lay elements out.
type Layout = (&'static str, fn(&Tensor) -> Tensor);

/// The same elements in other memory: C order, axes reversed, with gaps.
const LAYOUTS: [Layout; 3] = [
    ("contiguous", |x| x.clone()),
    ("reversed axes", |x| {
        let order: Vec<isize> = (0..x.rank() as isize).rev().collect();
        if x.rank() < 2 { x.clone() } else { x.permute(&order).copy().permute(&order) }
    }),
    ("with gaps", |x| {
        if x.rank() == 0 {
            return x.clone();
        }
        let doubled = x.unsqueeze(-1).expand([x.shape(), &[2]].concat()).flatten(-2, -1);
        doubled.slice(-1, None, None, 2)
    }),
];

fn check(entry: &Entry, what: &str, inputs: &[Tensor]) {
    let options = GradcheckOptions::default();
    let f = |x: &[Var]| (entry.function)(x);
    gradcheck(f, inputs, &options).unwrap_or_else(|e| panic!("{} ({what}): {e}", entry.name));
    gradgradcheck(f, inputs, &options).unwrap_or_else(|e| panic!("{} ({what}), order two: {e}", entry.name));
}

fn samples(domain: Domain, shapes: &[Vec<usize>]) -> Vec<Tensor> {
    shapes.iter().enumerate().map(|(i, shape)| sample(domain, shape, i)).collect()
}

#[test]
fn every_op_passes_gradcheck_and_gradgradcheck() {
    for entry in catalog() {
        let cases: Vec<Vec<Vec<usize>>> = match (&entry.shapes, entry.operands) {
            (Some(shapes), _) => vec![shapes.clone()],
            (None, 1) => vec![vec![vec![2, 3]], vec![vec![]], vec![vec![0, 2]]],
            (None, _) => vec![
                vec![vec![2, 3], vec![2, 3]],
                vec![vec![2, 1], vec![3]],
                vec![vec![], vec![2]],
                vec![vec![2, 2], vec![]],
                vec![vec![], vec![]],
                vec![vec![0, 2], vec![1, 2]],
            ],
        };
        for shapes in cases {
            for (layout, make) in LAYOUTS {
                let inputs: Vec<Tensor> = samples(entry.domain, &shapes).iter().map(make).collect();
                check(&entry, &format!("{layout} {shapes:?}"), &inputs);
            }
        }
        if entry.shapes.is_none() {
            let expanded: Vec<Tensor> =
                (0..entry.operands).map(|i| sample(entry.domain, &[3, 1], i).expand([3, 2])).collect();
            check(&entry, "expanded", &expanded);
        }
    }
}

#[test]
fn every_op_shows_its_grad_fn_and_records_only_when_it_must() {
    for entry in catalog() {
        let shapes = entry.shapes.clone().unwrap_or(vec![vec![2, 3]; entry.operands]);
        let values = samples(entry.domain, &shapes);
        let leaves: Vec<Var> = values.iter().cloned().map(Var::leaf).collect();
        let constants: Vec<Var> = values.iter().map(Var::from).collect();
        let (tracked, plain) = ((entry.function)(&leaves), (entry.function)(&constants));
        match entry.grad_fn {
            "" => assert!(tracked.requires_grad(), "{}", entry.name),
            name => assert_eq!(tracked.grad_fn(), Some(name), "{}", entry.name),
        }
        assert!(!plain.requires_grad(), "{}", entry.name);
        assert!(!wengert_autograd::no_grad(|| (entry.function)(&leaves)).requires_grad(), "{}", entry.name);
        assert!(tracked.value().equal(plain.value()), "{}", entry.name);
    }
}

#[test]
fn fused_gradients_are_those_of_the_differentiable_rules() {
    for entry in catalog() {
        let shapes = entry.shapes.clone().unwrap_or(vec![vec![2, 3]; entry.operands]);
        let leaves: Vec<Var> = samples(entry.domain, &shapes).into_iter().map(Var::leaf).collect();
        let inputs: Vec<&Var> = leaves.iter().collect();
        let output = (entry.function)(&leaves);
        let seed = Var::from(sample(entry.domain, output.shape(), 5));
        let run = |create_graph| {
            let options = GradOptions {
                create_graph,
                retain_graph: true,
                grad_outputs: vec![Some(seed.clone())],
                ..Default::default()
            };
            grad_or_none(&[&output], &inputs, &options)
        };
        for (fused, rule) in run(false).into_iter().zip(run(true)) {
            match (fused, rule) {
                (Some(fused), Some(rule)) => {
                    assert!(fused.value().allclose(rule.value(), 1e-12, 1e-12), "{}: {fused} {rule}", entry.name);
                    assert!(!fused.requires_grad(), "{}", entry.name);
                }
                (fused, rule) => assert_eq!(fused.is_some(), rule.is_some(), "{}", entry.name),
            }
        }
    }
}
