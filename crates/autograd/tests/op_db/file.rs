//! A golden file of `xtask/golden/op_db.py`: the samples of one operation with PyTorch's results.

use flate2::read::DeflateDecoder;
use serde::Deserialize;
use serde_json::Value as Json;
use std::io::Read;
use wengert_autograd::tensor::{DType, Tensor};

/// Of a result with more than `WHOLE` elements, `KEEP` and a checksum are kept.
const KEEP: usize = 12;
const WHOLE: usize = 16;

#[derive(Deserialize)]
struct Head {
    tensors: Vec<(String, Vec<usize>, Option<Vec<usize>>)>,
    samples: Vec<Case>,
}

/// One sample: arguments as JSON, and what each result is like.
#[derive(Deserialize)]
pub(crate) struct Case {
    /// The dtype of the samples: `float32` stands for f32 and f64.
    pub(crate) kind: String,
    pub(crate) args: Vec<Json>,
    #[serde(default)]
    pub(crate) kwargs: Vec<(String, Json)>,
    #[serde(default)]
    out: Vec<Option<Described>>,
    grad: Option<Vec<Option<Described>>>,
    twice: Option<Vec<Option<Described>>>,
}

/// Shape, dtype in the f64 run, dtype in the f32 run, whether the f32 result is apart from the f64 one.
type Described = (Vec<usize>, String, Option<String>, u8);

/// What is known of one result.
pub(crate) struct Result {
    pub(crate) shape: Vec<usize>,
    /// The dtype in the f64 run and in the f32 run.
    pub(crate) dtypes: [DType; 2],
    pub(crate) elements: Elements,
    /// PyTorch's f32 result if it is further from the f64 one than its tolerance.
    pub(crate) single: Option<Elements>,
}

/// The elements, or some and a weighted sum of all.
pub(crate) enum Elements {
    Floats(Vec<f64>),
    Ints(Vec<i64>),
}

/// Expected results, in the order of PyTorch's; `None` where it has none.
pub(crate) struct Expected {
    pub(crate) out: Vec<Option<Result>>,
    pub(crate) grad: Option<Vec<Option<Result>>>,
    pub(crate) twice: Option<Vec<Option<Result>>>,
}

/// A file, read.
pub(crate) struct Golden {
    pub(crate) samples: Vec<(Case, Expected)>,
    pub(crate) tensors: Vec<Tensor>,
}

/// The positions of the kept elements.
pub(crate) fn kept(count: usize) -> Option<Vec<usize>> {
    (count > WHOLE).then(|| (0..KEEP).map(|i| (i * 2_654_435_761) % count).collect())
}

/// Weight number `i`, times 4: for checksums and cotangents.
pub(crate) fn weight(i: usize, seed: usize) -> i64 {
    ((i as i64 * 7 + 3 + 5 * seed as i64) % 11) - 5
}

/// The dtype of PyTorch's name.
pub(crate) fn dtype(name: &str) -> DType {
    *DType::ALL.iter().find(|d| d.name() == name).unwrap_or_else(|| panic!("no dtype {name}"))
}

/// Numbers of `K` bytes: all first bytes, then all second ones, and so on.
struct Planes<'a, const K: usize> {
    bytes: &'a [u8],
    at: usize,
}

impl<const K: usize> Planes<'_, K> {
    fn new(bytes: &[u8]) -> Planes<'_, K> {
        Planes { bytes, at: 0 }
    }

    fn next(&mut self) -> [u8; K] {
        let count = self.bytes.len() / K;
        self.at += 1;
        std::array::from_fn(|k| self.bytes[k * count + self.at - 1])
    }
}

fn elements(shape: &[usize], dtype: DType, words: &mut Planes<'_, 8>) -> Elements {
    let count: usize = shape.iter().product();
    let stored = if count > WHOLE { KEEP + 1 } else { count };
    if dtype.is_float() {
        Elements::Floats((0..stored).map(|_| f64::from_le_bytes(words.next())).collect())
    } else {
        Elements::Ints((0..stored).map(|_| i64::from_le_bytes(words.next())).collect())
    }
}

fn result((shape, double, single, apart): &Described, words: &mut Planes<'_, 8>) -> Result {
    let dtypes = [dtype(double), dtype(single.as_ref().unwrap_or(double))];
    let mut next = || elements(shape, dtypes[0], words);
    Result { shape: shape.clone(), dtypes, elements: next(), single: (*apart == 1).then(next) }
}

impl Golden {
    /// Reads the file of an operation.
    pub(crate) fn read(name: &str) -> Golden {
        let path = format!("{}/tests/op_db/golden/{name}.bin", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}; run `cargo xtask golden`"));
        let mut bytes = Vec::new();
        DeflateDecoder::new(file).read_to_end(&mut bytes).unwrap_or_else(|e| panic!("{path}: {e}"));
        let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let (json, rest) = bytes[16..].split_at(length(0));
        let (floats, rest) = rest.split_at(4 * length(4));
        let (ints, words) = rest.split_at(8 * length(8));
        let head: Head = serde_json::from_slice(json).unwrap_or_else(|e| panic!("{path}: {e}"));
        let (mut floats, mut ints, mut words) = (Planes::new(floats), Planes::new(ints), Planes::new(words));
        let tensors = head
            .tensors
            .iter()
            .map(|(name, shape, order)| argument(dtype(name), shape, order.as_deref(), &mut floats, &mut ints));
        let tensors = tensors.collect();
        let mut read = |described: &[Option<Described>]| -> Vec<Option<Result>> {
            described.iter().map(|d| d.as_ref().map(|d| result(d, &mut words))).collect()
        };
        let samples = head.samples.into_iter().map(|case| {
            let expected = Expected {
                out: read(&case.out),
                grad: case.grad.as_deref().map(&mut read),
                twice: case.twice.as_deref().map(&mut read),
            };
            (case, expected)
        });
        Golden { samples: samples.collect(), tensors }
    }
}

/// A tensor argument, its axes in memory in PyTorch's order.
fn argument(
    dtype: DType,
    shape: &[usize],
    order: Option<&[usize]>,
    floats: &mut Planes<'_, 4>,
    ints: &mut Planes<'_, 8>,
) -> Tensor {
    let count: usize = shape.iter().product();
    let lies: Vec<usize> = order.map_or(shape.to_vec(), |o| o.iter().map(|&d| shape[d]).collect());
    let tensor = if dtype.is_float() {
        Tensor::from_vec((0..count).map(|_| f32::from_le_bytes(floats.next())).collect::<Vec<f32>>(), lies.as_slice())
            .to(dtype)
    } else {
        Tensor::from_vec((0..count).map(|_| i64::from_le_bytes(ints.next())).collect::<Vec<i64>>(), lies.as_slice())
            .to(dtype)
    };
    match order {
        None => tensor,
        Some(order) => {
            let back: Vec<isize> = (0..order.len())
                .map(|d| order.iter().position(|&o| o == d).expect("an order holds every axis") as isize)
                .collect();
            tensor.permute(back)
        }
    }
}
