//! Random numbers, bit for bit those of PyTorch's CPU generator.
//!
//! The same seed and the same sequence of calls give the same numbers as PyTorch 2.15 on a processor with AVX2. The
//! engine is MT19937; how words become numbers is part of the contract: see each method.

mod ambient;
mod mt19937;
mod normal;

pub use ambient::*;

use crate::error::Error;
use crate::shape::IntoShape;
use crate::{DType, Element, Tensor, bf16, bug, f16, match_dtype};
use mt19937::Mt19937;

/// PyTorch's seed when none was set.
const DEFAULT_SEED: u64 = 67280421310721;

/// A stream of random numbers (`torch.Generator` on the CPU).
///
/// # Examples
/// ```
/// use wengert_tensor::{DType, Generator};
/// let mut generator = Generator::new(0);
/// // torch.manual_seed(0); torch.rand(2)
/// assert_eq!(generator.rand([2], DType::F32).to_vec::<f32>(), [0.49625659, 0.7682218]);
/// ```
#[derive(Clone)]
pub struct Generator {
    seed: u64,
    engine: Mt19937,
    /// The second number of the last pair that a small normal draw made.
    cached: Option<f64>,
}

impl Generator {
    /// A generator with a seed: any integer from -2^63 to 2^64 - 1, of which the low 32 bits choose the stream.
    pub fn new(seed: impl Into<i128>) -> Generator {
        let seed = seed.into() as u64;
        Generator { seed, engine: Mt19937::new(seed), cached: None }
    }

    /// Starts the stream of another seed.
    pub fn manual_seed(&mut self, seed: impl Into<i128>) {
        *self = Generator::new(seed);
    }

    /// The seed that the stream started from.
    pub fn initial_seed(&self) -> u64 {
        self.seed
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.engine.next_u32()
    }

    /// 64 random bits; two words, the first is the high half.
    pub fn next_u64(&mut self) -> u64 {
        self.engine.next_u64()
    }

    /// An integer in `0..2^63`, as `torch.empty((), dtype=torch.int64).random_()`.
    pub fn random_i64(&mut self) -> i64 {
        (self.next_u64() % (1 << 63)) as i64
    }

    /// A number in `[0, 1)` with 24 random bits: one word.
    fn unit_f32(&mut self) -> f32 {
        (self.next_u32() & 0xff_ffff) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// A number in `[0, 1)` with 53 random bits: two words.
    fn unit_f64(&mut self) -> f64 {
        (self.next_u64() & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform numbers in `[0, 1)`.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn rand(&mut self, shape: impl IntoShape, dtype: DType) -> Tensor {
        self.uniform(shape, 0.0, 1.0, dtype)
    }

    /// Uniform numbers in `[low, high)`: `u * (high - low) + low` in one rounding.
    ///
    /// # Panics
    /// If the dtype is not a floating one, or `low > high`.
    #[track_caller]
    pub fn uniform(&mut self, shape: impl IntoShape, low: f64, high: f64, dtype: DType) -> Tensor {
        if low > high {
            bug!("", "uniform_ expects to return a [from, to) range, but found from={low} > to={high}");
        }
        let (a, b) = (low as f32, high as f32);
        let mut single = || self.unit_f32().mul_add(b - a, a);
        match dtype {
            DType::F64 => Tensor::build(shape, |out: &mut [f64]| {
                out.iter_mut().for_each(|o| *o = self.unit_f64().mul_add(high - low, low));
            }),
            DType::F32 => Tensor::build(shape, |out: &mut [f32]| out.iter_mut().for_each(|o| *o = single())),
            DType::F16 => Tensor::build(shape, |out: &mut [f16]| half_uniform(out, (a, b), single, f16::from_f32)),
            DType::BF16 => Tensor::build(shape, |out: &mut [bf16]| half_uniform(out, (a, b), single, bf16::from_f32)),
            other => bug!("uniform_", "not implemented for '{}'", other.legacy_name()),
        }
    }

    /// Numbers of the standard normal distribution.
    ///
    /// # Panics
    /// If the dtype is not a floating one.
    #[track_caller]
    pub fn randn(&mut self, shape: impl IntoShape, dtype: DType) -> Tensor {
        self.normal(shape, 0.0, 1.0, dtype)
    }

    /// Numbers of the normal distribution with a mean and a standard deviation.
    ///
    /// Fewer than 16 numbers come from pairs in f64, whose second member waits for the next such call. From 16 on they
    /// come in blocks of 16; if the last block is not full, the last 16 positions are drawn anew. So `randn(17)` is no
    /// prefix of `randn(32)`, as in PyTorch.
    ///
    /// # Panics
    /// If the dtype is not a floating one, or `std` is negative.
    #[track_caller]
    pub fn normal(&mut self, shape: impl IntoShape, mean: f64, std: f64, dtype: DType) -> Tensor {
        if std.is_nan() || std < 0.0 {
            bug!("", "normal expects std >= 0.0, but found std {std}");
        }
        let shape = shape.into_shape();
        let n = crate::shape::numel(&shape);
        if n < 16 {
            return match_dtype!(float dtype, T => Tensor::build(shape, |out: &mut [T]| {
                out.iter_mut().for_each(|o| *o = T::from_f64(self.paired_normal().mul_add(std, mean)));
            }), other => bug!("normal_", "not implemented for '{}'", other.legacy_name()));
        }
        let full = n / 16 * 16;
        let (mean32, std32) = (mean as f32, std as f32);
        match dtype {
            DType::F64 => Tensor::build(shape, |out: &mut [f64]| {
                out.iter_mut().for_each(|o| *o = self.unit_f64());
                out[..full].chunks_exact_mut(16).for_each(|block| normal::box16_f64(block, mean, std));
                if full < n {
                    let tail = &mut out[n - 16..];
                    tail.iter_mut().for_each(|o| *o = self.unit_f64());
                    normal::box16_f64(tail, mean, std);
                }
            }),
            DType::F32 => Tensor::build(shape, |out: &mut [f32]| {
                out.iter_mut().for_each(|o| *o = self.unit_f32());
                crate::cpu::par::chunks(&mut out[..full], 16, 20, |_, piece| {
                    normal::blocks_f32(piece, mean32, std32);
                });
                if full < n {
                    let tail = &mut out[n - 16..];
                    tail.iter_mut().for_each(|o| *o = self.unit_f32());
                    normal::blocks_f32(tail, mean32, std32);
                }
            }),
            DType::F16 => Tensor::build(shape, |out: &mut [f16]| self.half_blocks(out, mean32, std32, f16::from_f32)),
            DType::BF16 => {
                Tensor::build(shape, |out: &mut [bf16]| self.half_blocks(out, mean32, std32, bf16::from_f32))
            }
            other => bug!("normal_", "not implemented for '{}'", other.legacy_name()),
        }
    }

    /// Normal halves: computed in f32 and drawn block by block, so that nothing is drawn in vain.
    fn half_blocks<T: Element>(&mut self, out: &mut [T], mean: f32, std: f32, round: impl Fn(f32) -> T) {
        let tail = (!out.len().is_multiple_of(16)).then(|| out.len() - 16);
        for start in (0..out.len() / 16).map(|i| i * 16).chain(tail) {
            let mut block = [0.0f32; 16];
            block.iter_mut().for_each(|b| *b = self.unit_f32());
            normal::blocks_f32(&mut block, mean, std);
            out[start..start + 16].iter_mut().zip(block).for_each(|(o, b)| *o = round(b));
        }
    }

    /// One standard normal number of a pair; the other is kept for the next call.
    fn paired_normal(&mut self) -> f64 {
        if let Some(value) = self.cached.take() {
            return value;
        }
        let (u1, u2) = (self.unit_f64(), self.unit_f64());
        let radius = (-2.0 * libm::log1p(-u2)).sqrt();
        let angle = 2.0 * std::f64::consts::PI * u1;
        self.cached = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Ones with probability `p`, else zeros, in any dtype (`Tensor.bernoulli_(p)`): two words each.
    ///
    /// # Panics
    /// If `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn bernoulli(&mut self, shape: impl IntoShape, p: f64, dtype: DType) -> Tensor {
        if !(0.0..=1.0).contains(&p) {
            bug!("", "bernoulli_ expects p to be in [0, 1], but got p={p}");
        }
        match_dtype!(dtype, T => Tensor::build(shape, |out: &mut [T]| {
            out.iter_mut().for_each(|o| *o = if self.unit_f64() < p { T::ONE } else { T::ZERO });
        }))
    }

    /// Ones with the probabilities that a tensor holds, else zeros (`torch.bernoulli(probabilities)`): one word each for
    /// f32 and halves, two for f64.
    ///
    /// # Panics
    /// If the dtype is not a floating one or a probability is not in `[0, 1]`.
    #[track_caller]
    pub fn bernoulli_from(&mut self, probabilities: &Tensor) -> Tensor {
        let values = probabilities.to_vec::<f64>();
        if values.iter().any(|p| !(0.0..=1.0).contains(p)) {
            bug!("", "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
        }
        let wide = probabilities.dtype() == DType::F64;
        match_dtype!(float probabilities.dtype(), T => Tensor::build(probabilities.shape(), |out: &mut [T]| {
            for (o, p) in out.iter_mut().zip(values) {
                let hit = if wide { self.unit_f64() < p } else { self.unit_f32() < p as f32 };
                *o = if hit { T::ONE } else { T::ZERO };
            }
        }), other => bug!("bernoulli", "not implemented for '{}'", other.legacy_name()))
    }

    /// Integers in `low..high`: one word each, two if the range is 2^28 or more.
    ///
    /// # Panics
    /// If the range is empty.
    #[track_caller]
    pub fn randint(&mut self, low: i64, high: i64, shape: impl IntoShape, dtype: DType) -> Tensor {
        if low >= high {
            bug!("", "random_ expects 'from' to be less than 'to', but got from={low} >= to={high}");
        }
        let range = high.wrapping_sub(low) as u64;
        let mut draw = || {
            let offset = if range >= 1 << 28 { self.next_u64() % range } else { self.next_u32() as u64 % range };
            low.wrapping_add(offset as i64)
        };
        match_dtype!(dtype, T => Tensor::build(shape, |out: &mut [T]| {
            out.iter_mut().for_each(|o| *o = T::from_i64(draw()));
        }))
    }

    /// The integers `0..n` in random order, `i64`: `n - 1` words.
    ///
    /// # Panics
    /// If `n` is 2^32 / 20 or more, where PyTorch uses another method.
    #[track_caller]
    pub fn randperm(&mut self, n: usize) -> Tensor {
        if n as u64 >= (1 << 32) / 20 {
            bug!("randperm", "n = {n} is too large: up to {} are supported", (1u64 << 32) / 20 - 1);
        }
        let mut order: Vec<i64> = (0..n as i64).collect();
        for i in 0..n.saturating_sub(1) {
            let j = i + self.next_u32() as usize % (n - i);
            order.swap(i, j);
        }
        Tensor::from_vec(order, [n])
    }

    /// The state as PyTorch saves it: 5056 bytes, `uint8` (`torch.get_rng_state()`).
    pub fn state(&self) -> Tensor {
        let (left, next) = match (self.engine.fresh, self.engine.used) {
            (true, _) => (1, 0),
            (false, used) => (if used == 624 { 1 } else { 625 - used as i32 }, used as u64),
        };
        let mut bytes = Vec::with_capacity(5056);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(left.to_le_bytes());
        bytes.extend(1i32.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.engine.words.iter().for_each(|&w| bytes.extend((w as u64).to_le_bytes()));
        bytes.extend(0f64.to_le_bytes());
        bytes.extend(self.cached.unwrap_or(0.0).to_le_bytes());
        bytes.extend(0f64.to_le_bytes());
        bytes.extend((self.cached.is_some() as i32).to_le_bytes());
        bytes.resize(5056, 0);
        Tensor::from_vec(bytes, [5056])
    }

    /// Takes over a state that [`Generator::state`] or PyTorch's `get_rng_state()` gave.
    ///
    /// # Errors
    /// [`Error::InvalidGeneratorState`]; the generator is then as before.
    pub fn set_state(&mut self, state: &Tensor) -> Result<(), Error> {
        let fail = Error::InvalidGeneratorState;
        if state.dtype() != DType::U8 || state.numel() != 5056 {
            return Err(fail("expected 5056 elements of torch.uint8"));
        }
        let bytes = state.to_vec::<u8>();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let half = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let (left, seeded, next) = (half(8), half(12), word(16));
        if seeded != 1 || !(1..=624).contains(&left) {
            return Err(fail("the engine's position is out of range"));
        }
        let mut words = [0u32; 624];
        for (i, w) in words.iter_mut().enumerate() {
            *w = word(24 + 8 * i).try_into().map_err(|_| fail("an engine word has more than 32 bits"))?;
        }
        let tail = 24 + 8 * 624;
        let cached = (half(tail + 24) != 0).then(|| f64::from_bits(word(tail + 8)));
        let fresh = left == 1 && next == 0;
        let used = if left == 1 { 624 } else { 625 - left as usize };
        if !fresh && used as u64 != next {
            return Err(fail("the engine's positions disagree"));
        }
        *self = Generator { seed: word(0), engine: Mt19937 { words, used, fresh }, cached };
        Ok(())
    }
}

/// Uniform halves: rounded from f32; one that rounds up to the excluded bound becomes the lower one.
fn half_uniform<T: Element>(
    out: &mut [T],
    (a, b): (f32, f32),
    mut draw: impl FnMut() -> f32,
    round: impl Fn(f32) -> T,
) {
    out.iter_mut().for_each(|o| {
        let x = round(draw());
        *o = if x == round(b) { round(a) } else { x };
    });
}

impl Default for Generator {
    /// A generator with PyTorch's default seed.
    fn default() -> Generator {
        Generator::new(DEFAULT_SEED)
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Generator(seed={})", self.seed)
    }
}
