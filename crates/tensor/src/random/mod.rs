//! Random numbers: PyTorch's CPU generator, to the bit. The same seed gives the same numbers as PyTorch 2.15.
//!
//! What is reproduced are the streams of PyTorch on processors with AVX2 or AVX-512. Numbers here do not depend on the
//! processor, with one reservation: `f64` normals (and those of tensors with fewer than 16 elements, before rounding) use
//! the platform's `log`, `sin` and `cos`, as PyTorch does, so that their last bit is the C library's. (The `libm` crate
//! differs from glibc in the last bit of 3 % of the sines.)

mod default;
mod distribution;
mod mt19937;
mod sample;
mod state;

pub use default::{
    bernoulli, get_rng_state, initial_seed, manual_seed, normal, rand, randint, randn, randperm, set_rng_state,
    uniform, with_generator,
};
pub use distribution::{Draw, multinomial};

use crate::layout::Layout;
use crate::shape::{Axes, IntoShape, Shape};
use crate::{DType, Element, Tensor, bf16, bug, f16, match_dtype};
use mt19937::Mt19937;
use sample::{BOX, Sample};
use wengert_tensor_macros::profiled;

/// The seed of `torch.Generator()`.
const DEFAULT_SEED: u64 = 67_280_421_310_721;

/// A source of random tensors: `torch.Generator`.
///
/// The free functions of this crate ([`rand()`], [`randn`], …) draw from the thread's default generator
/// ([`manual_seed`], [`with_generator`]); a generator of one's own keeps a stream apart from it.
///
/// # Examples
/// ```
/// use wengert_tensor::{DType, Generator};
/// let mut generator = Generator::new(0);
/// let x = generator.rand([3], DType::F32);
/// assert_eq!(x.to_vec::<f32>(), [0.49625659, 0.76822180, 0.088477433]);
/// ```
#[derive(Clone)]
pub struct Generator {
    seed: u64,
    engine: Mt19937,
    /// The second normal of a pair, waiting for the next call.
    spare: Option<f64>,
}

impl Default for Generator {
    /// A generator with the seed that `torch.Generator()` has.
    fn default() -> Generator {
        Generator { seed: DEFAULT_SEED, engine: Mt19937::new(DEFAULT_SEED as u32), spare: None }
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// Seeding and raw bits.
impl Generator {
    /// A generator with a seed: `torch.Generator().manual_seed(seed)`.
    ///
    /// # Panics
    /// As [`Generator::manual_seed`].
    #[track_caller]
    pub fn new(seed: impl Into<i128>) -> Generator {
        let mut generator = Generator::default();
        generator.manual_seed(seed);
        generator
    }

    /// Starts the stream anew from a seed. Negative seeds count from 2^64; only the low 32 bits matter to the stream.
    ///
    /// # Panics
    /// If the seed is not in `[-2^63, 2^64)`.
    #[track_caller]
    pub fn manual_seed(&mut self, seed: impl Into<i128>) {
        let seed = seed.into();
        if seed < i64::MIN as i128 || seed > u64::MAX as i128 {
            bug!("manual_seed", "Overflow when unpacking long long: {seed} is not in [-2^63, 2^64)");
        }
        self.seed = seed as u64;
        self.engine = Mt19937::new(self.seed as u32);
        self.spare = None;
    }

    /// The seed that the stream started from.
    pub fn initial_seed(&self) -> u64 {
        self.seed
    }

    /// Seeds from the system's randomness and returns the seed.
    pub fn seed(&mut self) -> u64 {
        // The standard library's only door to the system's random numbers is the keys of its hash maps.
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u64(self.seed);
        let seed = hasher.finish();
        self.manual_seed(seed);
        seed
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.engine.word()
    }

    /// The next 64 random bits: two words, of which the first is the high half.
    pub fn next_u64(&mut self) -> u64 {
        self.engine.word64()
    }

    /// A number in `[0, 2^63)`: `torch.empty((), dtype=torch.int64).random_()`.
    pub fn random_i64(&mut self) -> i64 {
        (self.next_u64() % (1 << 63)) as i64
    }

    /// The next standard normal of the stream that serves tensors of fewer than 16 elements.
    fn one_normal(&mut self) -> f64 {
        self.spare.take().unwrap_or_else(|| {
            let (first, second) = sample::pair(&mut self.engine);
            self.spare = Some(second);
            first
        })
    }
}

/// New tensors.
#[profiled]
impl Generator {
    /// Uniform numbers in `[0, 1)`.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn rand(&mut self, shape: impl IntoShape, dtype: DType) -> Tensor {
        self.uniform(shape, 0.0, 1.0, dtype)
    }

    /// Uniform numbers in `[low, high)`: `torch.empty(shape).uniform_(low, high)`.
    ///
    /// # Panics
    /// If `low > high`, if a bound or their difference is not a number of the dtype, or if the dtype is not a floating one.
    #[track_caller]
    pub fn uniform(&mut self, shape: impl IntoShape, low: f64, high: f64, dtype: DType) -> Tensor {
        match_dtype!(float dtype, T => {
            check_bounds::<T>(low, high);
            Tensor::build(shape, |out: &mut [T]| T::uniform(&mut self.engine, out, low, high))
        }, other => bug!("uniform", "\"check_uniform_bounds\" not implemented for '{}'", other.legacy_name()))
    }

    /// Standard normal numbers.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn randn(&mut self, shape: impl IntoShape, dtype: DType) -> Tensor {
        self.normal(shape, 0.0, 1.0, dtype)
    }

    /// Normal numbers: `torch.empty(shape).normal_(mean, std)`.
    ///
    /// # Panics
    /// If `std` is not at least 0, or if the dtype is not a floating one.
    #[track_caller]
    pub fn normal(&mut self, shape: impl IntoShape, mean: f64, std: f64, dtype: DType) -> Tensor {
        self.normals(shape.into_shape(), mean, std, dtype, usize::MAX)
    }

    /// Normal numbers, in blocks from `BOX` elements on unless `limit` is smaller.
    #[track_caller]
    fn normals(&mut self, shape: Shape, mean: f64, std: f64, dtype: DType, limit: usize) -> Tensor {
        if std.is_nan() || std < 0.0 {
            bug!("", "normal expects std >= 0.0, but found std {std}");
        }
        match_dtype!(float dtype, T => Tensor::build(shape, |out: &mut [T]| {
            if out.len() >= BOX && out.len() <= limit {
                return T::boxes(&mut self.engine, out, mean, std);
            }
            for o in out {
                *o = T::from_f64(self.one_normal().mul_add(std, mean));
            }
        }), other => bug!("normal", "\"normal_kernel_cpu\" not implemented for '{}'", other.legacy_name()))
    }

    /// Ones with the probabilities that `p` holds, else zeros, in `p`'s shape and dtype: `torch.bernoulli(p)`.
    ///
    /// # Panics
    /// If a probability is not in `[0, 1]`, or if `p` is not a tensor of floats.
    #[track_caller]
    pub fn bernoulli_from(&mut self, p: &Tensor) -> Tensor {
        let p = p.contiguous();
        match_dtype!(float p.dtype(), T => {
            let chances = p.as_slice::<T>().expect("contiguous");
            if let Some(bad) = chances.iter().map(|c| c.to_f64()).find(|c| !(0.0..=1.0).contains(c)) {
                bug!("bernoulli", "Expected p_in >= 0 && p_in <= 1 to be true, but got p={bad}");
            }
            Tensor::build(p.shape(), |out: &mut [T]| for (o, c) in out.iter_mut().zip(chances) {
                *o = T::from_i64((T::unit(&mut self.engine) < c.to_f64()) as i64);
            })
        }, other => bug!("bernoulli", "\"bernoulli_tensor_cpu_p_\" not implemented for '{}'", other.legacy_name()))
    }

    /// Ones with probability `p`, else zeros: `torch.empty(shape).bernoulli_(p)`.
    ///
    /// # Panics
    /// If `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn bernoulli(&mut self, shape: impl IntoShape, p: f64, dtype: DType) -> Tensor {
        if !(0.0..=1.0).contains(&p) {
            bug!("", "bernoulli_ expects p to be in [0, 1], but got p={p}");
        }
        match_dtype!(dtype, T => Tensor::build(shape, |out: &mut [T]| {
            sample::chances(&mut self.engine, out, p, T::ONE);
        }))
    }

    /// What dropout multiplies with: zeros with probability `p`, else `1 / (1 - p)`, each rounded to the dtype.
    ///
    /// With `p` 0 or 1 nothing is drawn, as in PyTorch.
    ///
    /// # Panics
    /// If `p` is not in `[0, 1]`, in PyTorch's words for dropout, or if the dtype is not a floating one.
    #[track_caller]
    pub fn dropout_mask(&mut self, shape: impl IntoShape, p: f64, dtype: DType) -> Tensor {
        if !(0.0..=1.0).contains(&p) {
            bug!("", "dropout probability has to be between 0 and 1, but got {p}");
        }
        let keep = 1.0 - p;
        match_dtype!(float dtype, T => {
            // Halves are divided in f32, by the probability in f32.
            let kept = if T::DTYPE == DType::F64 { T::from_f64(1.0 / keep) } else { T::from_f64((1.0 / keep as f32) as f64) };
            Tensor::build(shape, |out: &mut [T]| match p {
                0.0 => out.fill(T::ONE),
                1.0 => out.fill(T::ZERO),
                _ => sample::chances(&mut self.engine, out, keep, kept),
            })
        }, other => bug!("dropout", "expected a floating-point tensor, got {other}"))
    }

    /// [`Generator::dropout_mask`] in the shape and dtype of `x`, drawn in the order in which `x` lies in memory.
    ///
    /// # Panics
    /// As [`Generator::dropout_mask`].
    #[track_caller]
    pub fn dropout_mask_like(&mut self, x: &Tensor, p: f64) -> Tensor {
        let order = MemoryOrder::of(x);
        order.restore(self.dropout_mask(&order.shape, p, x.dtype()))
    }

    /// Integers in `[low, high)`, of any dtype: `torch.randint(low, high, shape)`.
    ///
    /// # Panics
    /// If `low >= high`, or if the dtype does not hold `low` and `high - 1`.
    #[track_caller]
    pub fn randint(&mut self, low: i64, high: i64, shape: impl IntoShape, dtype: DType) -> Tensor {
        if low >= high {
            bug!("", "random_ expects 'from' to be less than 'to', but got from={low} >= to={high}");
        }
        check_integer("from", low, dtype);
        check_integer("to - 1", high - 1, dtype);
        let range = high.wrapping_sub(low) as u64;
        match_dtype!(dtype, T => Tensor::build(shape, |out: &mut [T]| for o in out {
            let drawn = if range >= 1 << 28 { self.next_u64() % range } else { self.next_u32() as u64 % range };
            *o = T::from_i64((drawn as i64).wrapping_add(low));
        }))
    }

    /// The integers `0..n` in random order, as `i64`: `torch.randperm(n)`.
    pub fn randperm(&mut self, n: usize) -> Tensor {
        Tensor::build([n], |out: &mut [i64]| {
            out.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
            for i in 0..n.saturating_sub(1) {
                let rest = (n - i) as u64;
                let wide = n >= (u32::MAX / 20) as usize;
                let drawn = if wide { self.next_u64() % rest } else { self.next_u32() as u64 % rest };
                out.swap(i, i + drawn as usize);
            }
        })
    }
}

/// Tensors that are there already: all elements are replaced, in the order in which they lie in memory.
#[profiled]
impl Generator {
    /// `x.uniform_(low, high)`.
    ///
    /// # Panics
    /// As [`Generator::uniform`].
    #[track_caller]
    pub fn uniform_(&mut self, x: &mut Tensor, low: f64, high: f64) {
        let order = MemoryOrder::of(x);
        *x = order.restore(self.uniform(&order.shape, low, high, x.dtype()));
    }

    /// `x.normal_(mean, std)`. Tensors that are not contiguous are drawn one by one, whatever their size.
    ///
    /// # Panics
    /// As [`Generator::normal`].
    #[track_caller]
    pub fn normal_(&mut self, x: &mut Tensor, mean: f64, std: f64) {
        let limit = if x.is_contiguous() { usize::MAX } else { 0 };
        let order = MemoryOrder::of(x);
        *x = order.restore(self.normals(order.shape.clone(), mean, std, x.dtype(), limit));
    }

    /// `x.bernoulli_(p)`.
    ///
    /// # Panics
    /// As [`Generator::bernoulli`].
    #[track_caller]
    pub fn bernoulli_(&mut self, x: &mut Tensor, p: f64) {
        let order = MemoryOrder::of(x);
        *x = order.restore(self.bernoulli(&order.shape, p, x.dtype()));
    }

    /// `x.random_()`: integers from 0 to the largest of the dtype; for floats, to the largest up to which all are exact.
    pub fn random_(&mut self, x: &mut Tensor) {
        let dtype = x.dtype();
        let order = MemoryOrder::of(x);
        let mut draw = |of: &mut dyn FnMut(&mut Generator) -> u64| {
            match_dtype!(dtype, T => Tensor::build(&order.shape, |out: &mut [T]| {
                out.iter_mut().for_each(|o| *o = T::from_i64(of(self) as i64));
            }))
        };
        let made = match dtype {
            DType::I64 => draw(&mut |g| g.random_i64() as u64),
            DType::F64 => draw(&mut |g| g.next_u64() % f64::INTEGERS),
            DType::F32 => draw(&mut |g| g.next_u32() as u64 % f32::INTEGERS),
            DType::F16 => draw(&mut |g| g.next_u32() as u64 % f16::INTEGERS),
            DType::BF16 => draw(&mut |g| g.next_u32() as u64 % bf16::INTEGERS),
            DType::Bool => draw(&mut |g| (g.next_u32() & 1) as u64),
            DType::U8 => draw(&mut |g| g.next_u32() as u64 % (1 << 8)),
            int => draw(&mut |g| g.next_u32() as u64 % (1 << (int.size() * 8 - 1))),
        };
        *x = order.restore(made);
    }
}

#[track_caller]
fn check_bounds<T: Sample>(low: f64, high: f64) {
    let name = T::CPP;
    for (what, bound) in [("from", low), ("to", high)] {
        if bound.is_nan() || bound.abs() > T::MAX {
            bug!("uniform", "{what} is out of bounds for {name}: {bound}");
        }
    }
    if low > high {
        bug!("", "uniform_ expects to return a [from, to) range, but found from={low} > to={high}");
    }
    if high - low > T::MAX {
        bug!(
            "",
            "uniform_ expects to-from <= std::numeric_limits<{}>::max(), but found to={high} and from={low} which \
             result in to-from to exceed the limit",
            T::DTYPE.legacy_name()
        );
    }
}

#[track_caller]
fn check_integer(what: &str, value: i64, dtype: DType) {
    let (name, fits) = match dtype {
        DType::U8 => ("unsigned char", u8::try_from(value).is_ok()),
        DType::I8 => ("signed char", i8::try_from(value).is_ok()),
        DType::I16 => ("short", i16::try_from(value).is_ok()),
        DType::I32 => ("int", i32::try_from(value).is_ok()),
        DType::Bool => ("bool", (0..=1).contains(&value)),
        DType::F16 => ("c10::Half", value.unsigned_abs() <= 65504),
        _ => return,
    };
    if !fits {
        bug!("randint", "{what} is out of bounds for {name}: {value}");
    }
}

/// The order in which a tensor's elements lie in memory, as an order of its axes.
struct MemoryOrder {
    /// The tensor's shape, axes in that order.
    shape: Shape,
    /// Where each axis of the tensor is in `shape`.
    back: Axes,
}

impl MemoryOrder {
    fn of(x: &Tensor) -> MemoryOrder {
        let order = if x.is_contiguous() { (0..x.rank()).collect() } else { memory_order(x.layout()) };
        let mut back = Axes::from_elem(0, order.len());
        order.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
        MemoryOrder { shape: order.iter().map(|&axis| x.shape()[axis]).collect(), back }
    }

    /// A tensor made in `shape`, as one of the original shape.
    fn restore(&self, made: Tensor) -> Tensor {
        made.with_layout(made.layout().permute(&self.back))
    }
}

/// The axes from the largest stride to the smallest, by the rule of PyTorch's `infer_dense_strides`.
fn memory_order(layout: &Layout) -> Axes {
    let (shape, strides) = (layout.shape(), layout.strides());
    // Innermost first. An insertion sort, because the comparison is no order: stride 0 compares with nothing.
    let mut order: Axes = (0..layout.rank()).rev().collect();
    for i in 1..order.len() {
        let mut moving = i;
        for at in (0..i).rev() {
            let (a, b) = (order[at], order[moving]);
            let (s, t) = (strides[a].unsigned_abs(), strides[b].unsigned_abs());
            if s == 0 || t == 0 {
                continue;
            }
            if s > t || (s == t && shape[a] > shape[b]) {
                order.swap(at, moving);
                moving = at;
            } else if s < t {
                break;
            }
        }
    }
    order.reverse();
    order
}
