//! The random streams against PyTorch's, bit for bit (`golden/rng.json`).

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use wengert_tensor::{DType, Error, Generator, Tensor};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs one golden operation.
fn draw(g: &mut Generator, op: &Json) -> Tensor {
    let number = |key: &str| match &op[key] {
        Json::String(s) => s.parse::<f64>().expect("a number"),
        other => other.as_f64().expect("a number"),
    };
    let integer = |key: &str| match &op[key] {
        Json::String(s) => s.parse::<i64>().expect("an integer"),
        other => other.as_i64().expect("an integer"),
    };
    let shape = || -> Vec<usize> {
        op["shape"].as_array().expect("a list").iter().map(|s| s.as_u64().expect("a size") as usize).collect()
    };
    let n = || [integer("n") as usize];
    match op["op"].as_str().expect("text") {
        "rand" => g.rand(shape(), DType::F32),
        "randn" => g.randn(shape(), DType::F32),
        "rand64" => g.rand(shape(), DType::F64),
        "uniform_" => g.uniform(n(), number("low"), number("high"), DType::F32),
        "normal_" => g.normal(n(), number("mean"), number("std"), DType::F32),
        "bernoulli_" => g.bernoulli(n(), number("p"), DType::F32),
        "randperm" => g.randperm(integer("n") as usize),
        "randint" => g.randint(integer("low"), integer("high"), n(), DType::I64),
        "random_i64" => Tensor::from_vec((0..integer("n")).map(|_| g.random_i64()).collect(), n()),
        "dropout" => {
            // `x * (bernoulli_(1 - p) / (1 - p))`; nothing is drawn for p of 0 or 1.
            assert_eq!(op["input"], "(i+1)/8 for i in 0..n");
            let x = |i: usize| (i + 1) as f32 / 8.0;
            let (p, count) = (number("p"), integer("n") as usize);
            let out: Vec<f32> = if p == 0.0 {
                (0..count).map(x).collect()
            } else if p == 1.0 {
                (0..count).map(|i| x(i) * 0.0).collect()
            } else {
                let mask = g.bernoulli(n(), 1.0 - p, DType::F32).to_vec::<f32>();
                mask.iter().enumerate().map(|(i, m)| x(i) * (m / (1.0 - p) as f32)).collect()
            };
            Tensor::from_vec(out, n())
        }
        other => panic!("unknown operation {other}"),
    }
}

#[test]
fn every_golden_sequence_is_reproduced_with_its_final_state() {
    let golden: Json = serde_json::from_str(include_str!("golden/rng.json")).expect("valid JSON");
    let mut checked = 0;
    for sequence in golden["sequences"].as_array().expect("a list") {
        let seed: i128 = sequence["seed"].as_str().expect("text").parse().expect("an integer");
        let mut g = Generator::new(seed);
        for op in sequence["ops"].as_array().expect("a list") {
            let out = draw(&mut g, op);
            let mut summary = op.clone();
            summary.as_object_mut().expect("an object").remove("out_hex");
            assert_eq!(
                hex(Sha256::digest(out.to_bytes())),
                op["out_sha256"].as_str().expect("text"),
                "{seed}: {summary}"
            );
            checked += 1;
        }
        let state = hex(Sha256::digest(g.state().to_bytes()));
        assert_eq!(state, sequence["rng_state_sha256"].as_str().expect("text"), "{seed}: final state");
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_saved_state_goes_on_where_it_was() {
    let mut g = Generator::new(7);
    g.randn([3], DType::F32);
    g.rand([700], DType::F32);
    let state = g.state();
    let want = (g.randn([5], DType::F64).to_bytes(), g.randperm(50).to_bytes());
    let mut other = Generator::default();
    other.set_state(&state).expect("valid");
    assert!(want == (other.randn([5], DType::F64).to_bytes(), other.randperm(50).to_bytes()));
    let mut fresh = Generator::new(-1);
    let state = fresh.state();
    other.set_state(&state).expect("valid");
    assert_eq!(other.initial_seed(), u64::MAX);
    assert_eq!(other.next_u32(), fresh.next_u32());
}

#[test]
fn a_state_that_is_none_is_refused_and_changes_nothing() {
    let mut g = Generator::new(1);
    let before = g.state().to_bytes();
    let mut broken = g.state();
    broken.as_mut_slice::<u8>()[8] = 0;
    for bad in [Tensor::from_vec(vec![0u8; 10], [10]), Tensor::from_vec(vec![0f32; 5056], [5056]), broken] {
        assert!(matches!(g.set_state(&bad), Err(Error::InvalidGeneratorState(_))));
    }
    assert_eq!(g.state().to_bytes(), before);
}
