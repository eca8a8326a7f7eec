//! The random streams against numbers that PyTorch 2.15 printed: values, order, and the state left behind.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use wengert_tensor::{DType, Generator, Tensor};

const SEQUENCES: &str = include_str!("golden/rng.json");
const DTYPES: &str = include_str!("golden/rng_dtypes.json");

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {json}"))
}

/// A number that may be written as text.
fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(json: &Json, key: &str) -> T {
    let written = json[key].as_str().map_or_else(|| json[key].to_string(), str::to_string);
    written.parse().unwrap_or_else(|e| panic!("{key} in {json}: {e:?}"))
}

fn sizes(json: &Json, key: &str) -> Vec<usize> {
    json[key].as_array().expect("a list").iter().map(|s| s.as_u64().expect("a size") as usize).collect()
}

fn dtype(json: &Json) -> DType {
    match text(json, "dtype") {
        "f64" => DType::F64,
        "f32" => DType::F32,
        "f16" => DType::F16,
        "bf16" => DType::BF16,
        "i64" => DType::I64,
        "i32" => DType::I32,
        "i16" => DType::I16,
        "i8" => DType::I8,
        "u8" => DType::U8,
        "bool" => DType::Bool,
        other => panic!("dtype {other}"),
    }
}

/// One operation of a golden sequence.
fn perform(g: &mut Generator, op: &Json) -> Option<Tensor> {
    use DType::F32;
    let n = || number::<usize>(op, "n");
    Some(match text(op, "op") {
        "manual_seed" => {
            g.manual_seed(number::<i128>(op, "seed"));
            return None;
        }
        "rand" => g.rand(sizes(op, "shape"), F32),
        "randn" => g.randn(sizes(op, "shape"), F32),
        "rand64" => g.rand(sizes(op, "shape"), DType::F64),
        "uniform_" => g.uniform([n()], number(op, "low"), number(op, "high"), F32),
        "normal_" => g.normal([n()], number(op, "mean"), number(op, "std"), F32),
        "bernoulli_" => g.bernoulli([n()], number(op, "p"), F32),
        "dropout" => {
            let mask = g.dropout_mask([n()], number(op, "p"), F32).to_vec::<f32>();
            let out: Vec<f32> = mask.iter().enumerate().map(|(i, m)| (i as f32 + 1.0) / 8.0 * m).collect();
            Tensor::from_vec(out, [n()])
        }
        "randperm" => g.randperm(n()),
        "randint" => g.randint(number(op, "low"), number(op, "high"), [n()], DType::I64),
        "random_i64" => Tensor::from_vec((0..n()).map(|_| g.random_i64()).collect(), [n()]),
        other => panic!("operation {other}"),
    })
}

#[test]
fn golden_sequences_come_out_to_the_bit() {
    let golden: Json = serde_json::from_str(SEQUENCES).expect("valid JSON");
    let mut checked = 0;
    for sequence in golden["sequences"].as_array().expect("a list") {
        let mut g = Generator::new(number::<i128>(sequence, "seed"));
        for op in sequence["ops"].as_array().expect("a list") {
            if let Some(out) = perform(&mut g, op) {
                assert_eq!(sha256(&out.to_bytes()), text(op, "out_sha256"), "seed {}: {op}", sequence["seed"]);
                checked += 1;
            }
        }
        assert_eq!(
            sha256(&g.state().to_bytes()),
            text(sequence, "rng_state_sha256"),
            "state, seed {}",
            sequence["seed"]
        );
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_loaders_epochs_come_in_pytorchs_order() {
    let golden: Json = serde_json::from_str(SEQUENCES).expect("valid JSON");
    for loader in golden["dataloader"].as_array().expect("a list") {
        let mut g = Generator::new(number::<i128>(loader, "seed"));
        for epoch in loader["epoch_orders"].as_array().expect("a list") {
            let _workers = g.random_i64();
            let order = Generator::new(g.random_i64()).randperm(number(loader, "n")).to_vec::<i64>();
            assert_eq!(serde_json::json!(order), *epoch);
        }
    }
}

#[test]
fn every_dtype_and_memory_order_draws_as_pytorch_does() {
    let golden: Json = serde_json::from_str(DTYPES).expect("valid JSON");
    let mut wrong = Vec::new();
    for case in golden.as_array().expect("a list") {
        let (dtype, n) = (dtype(case), || [number::<usize>(case, "n")]);
        let mut g = Generator::new(number::<i128>(case, "seed"));
        let strided = || {
            let axes: Vec<isize> = sizes(case, "perm").iter().map(|&a| a as isize).collect();
            Tensor::zeros(sizes(case, "shape"), dtype).permute(&axes)
        };
        let sliced = || Tensor::zeros([6, 8], dtype).slice(1, None, None, 2);
        let mut x;
        match text(case, "op") {
            "uniform" => x = g.uniform(n(), number(case, "low"), number(case, "high"), dtype),
            "normal" => x = g.normal(n(), number(case, "mean"), number(case, "std"), dtype),
            "rand" => x = g.rand(n(), dtype),
            "randn" => x = g.randn(n(), dtype),
            "bernoulli_" => x = g.bernoulli(n(), number(case, "p"), dtype),
            "bernoulli" => {
                let p = Tensor::from_vec((0..1000).map(|i| i as f32 / 1000.0).collect(), [1000]);
                x = g.bernoulli_from(&p.to(dtype));
            }
            "random_" => {
                x = Tensor::zeros(n(), dtype);
                g.random_(&mut x);
            }
            "randint" => x = g.randint(number(case, "low"), number(case, "high"), n(), dtype),
            "randperm" => x = g.randperm(number(case, "n")).to(dtype),
            "uniform_strided" => {
                x = strided();
                g.uniform_(&mut x, -1.0, 2.0);
            }
            "normal_strided" => {
                x = strided();
                g.normal_(&mut x, 1.0, 2.0);
            }
            "bernoulli_strided" => {
                x = strided();
                g.bernoulli_(&mut x, 0.5);
            }
            "uniform_sliced" => {
                x = sliced();
                g.uniform_(&mut x, -1.0, 2.0);
            }
            "normal_sliced" => {
                x = sliced();
                g.normal_(&mut x, 1.0, 2.0);
            }
            other => panic!("operation {other}"),
        }
        let (values, state) = (sha256(&x.to_bytes()), sha256(&g.state().to_bytes()));
        if (values.as_str(), state.as_str()) != (text(case, "sha256"), text(case, "state")) {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());
}

#[test]
fn a_saved_state_goes_on_where_it_was_left() {
    for used in [0, 1, 5, 623, 624, 625, 2000] {
        let mut g = Generator::new(-3);
        g.randn([3], DType::F32);
        (0..used).for_each(|_| {
            g.next_u32();
        });
        let mut other = Generator::default();
        other.set_state(&g.state()).expect("a valid state");
        assert_eq!(other.initial_seed(), 18_446_744_073_709_551_613);
        assert_eq!(other.randn([7], DType::F64).to_bytes(), g.randn([7], DType::F64).to_bytes(), "{used}");
        assert_eq!(other.rand([1000], DType::F32).to_bytes(), g.rand([1000], DType::F32).to_bytes(), "{used}");
        assert_eq!(other.state().to_bytes(), g.state().to_bytes());
    }
}

#[test]
fn a_damaged_state_is_refused_and_changes_nothing() {
    let mut g = Generator::new(1);
    let before = g.state();
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = before.to_vec::<u8>();
        changes.iter().for_each(|&(at, value)| bytes[at] = value);
        Tensor::from_vec(bytes, [5056])
    };
    let refused = [
        ("no word left, not even the one that makes a new block", with(&[(8, 0)])),
        ("more left than a block has", with(&[(10, 1)])),
        ("never seeded", with(&[(12, 0)])),
        ("next word beyond the block", with(&[(18, 1)])),
        ("623 left, of which the first is word 2", with(&[(8, 0x70), (9, 2), (16, 2)])),
        ("another dtype", Tensor::zeros([5056], DType::F32)),
        ("another size", Tensor::zeros([5048], DType::U8)),
    ];
    for (what, state) in refused {
        assert!(g.set_state(&state).is_err(), "{what}");
    }
    assert_eq!(g.state().to_bytes(), before.to_bytes());
}

#[test]
fn the_default_generator_is_the_threads_own() {
    wengert_tensor::manual_seed(5);
    let first = wengert_tensor::rand([4]).to_vec::<f32>();
    let state = wengert_tensor::get_rng_state();
    let elsewhere = std::thread::spawn(|| {
        wengert_tensor::manual_seed(5);
        wengert_tensor::rand([4]).to_vec::<f32>()
    });
    assert_eq!(elsewhere.join().expect("no panic"), first);
    let next = wengert_tensor::randn([20]).to_vec::<f32>();
    wengert_tensor::set_rng_state(&state).expect("a valid state");
    assert_eq!(wengert_tensor::randn([20]).to_vec::<f32>(), next);
    let seeds = [(); 2].map(|_| wengert_tensor::with_generator(|g| g.seed()));
    assert_ne!(seeds[0], seeds[1]);
    assert_eq!(wengert_tensor::initial_seed(), seeds[1]);
}

#[test]
fn a_dropout_mask_follows_the_inputs_memory() {
    let x = Tensor::zeros([3, 5], DType::F32);
    let flat = Generator::new(3).dropout_mask_like(&x, 0.4).to_vec::<f32>();
    let turned = Generator::new(3).dropout_mask_like(&x.t(), 0.4);
    assert_eq!(turned.t().to_vec::<f32>(), flat);
    assert!(flat.iter().all(|&m| m == 0.0 || m == 1.0 / 0.6f32) && flat.contains(&0.0));
    let mut g = Generator::new(3);
    assert_eq!(g.dropout_mask([4], 0.0, DType::F64).to_vec::<f64>(), [1.0; 4]);
    assert_eq!(g.dropout_mask([4], 1.0, DType::F16).to_vec::<f32>(), [0.0; 4]);
    assert_eq!(g.state().to_bytes(), Generator::new(3).state().to_bytes());
}

#[test]
fn mistakes_are_named_in_pytorchs_words() {
    type Mistake = fn(&mut Generator);
    let rows: [(Mistake, &str); 12] = [
        (|g| drop(g.rand([3], DType::I64)), "uniform: \"check_uniform_bounds\" not implemented for 'Long'"),
        (|g| drop(g.randn([3], DType::Bool)), "normal: \"normal_kernel_cpu\" not implemented for 'Bool'"),
        (
            |g| drop(g.uniform([3], 2.0, 1.0, DType::F32)),
            "uniform_ expects to return a [from, to) range, but found from=2 > to=1",
        ),
        (
            |g| drop(g.uniform([3], f64::NEG_INFINITY, 0.0, DType::F32)),
            "uniform: from is out of bounds for float: -inf",
        ),
        (|g| drop(g.uniform([3], -1e5, 0.0, DType::F16)), "uniform: from is out of bounds for c10::Half: -100000"),
        (
            |g| drop(g.uniform([3], -6e4, 6e4, DType::F16)),
            "uniform_ expects to-from <= std::numeric_limits<Half>::max(), but found to=60000 and from=-60000 which \
             result in to-from to exceed the limit",
        ),
        (|g| drop(g.normal([3], 0.0, -1.0, DType::F32)), "normal expects std >= 0.0, but found std -1"),
        (|g| drop(g.bernoulli([3], 1.5, DType::F32)), "bernoulli_ expects p to be in [0, 1], but got p=1.5"),
        (
            |g| drop(g.randint(5, 2, [3], DType::I64)),
            "random_ expects 'from' to be less than 'to', but got from=5 >= to=2",
        ),
        (|g| drop(g.randint(0, 300, [3], DType::U8)), "randint: to - 1 is out of bounds for unsigned char: 299"),
        (
            |g| drop(g.dropout_mask([3], -0.1, DType::F32)),
            "dropout probability has to be between 0 and 1, but got -0.1",
        ),
        (|g| g.manual_seed(1i128 << 64), "manual_seed: Overflow when unpacking long long"),
    ];
    for (mistake, words) in rows {
        let panic = std::panic::catch_unwind(|| mistake(&mut Generator::default())).expect_err(words);
        let said = panic.downcast_ref::<String>().expect("a formatted panic");
        assert!(said.starts_with(words), "{said}");
    }
}
