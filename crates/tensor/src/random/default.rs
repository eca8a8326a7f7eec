//! The thread's default generator, and the functions that draw `f32` tensors from it.

use super::Generator;
use crate::shape::IntoShape;
use crate::{DType, Error, Tensor};
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    static DEFAULT: Rc<RefCell<Generator>> = {
        let mut generator = Generator::default();
        generator.seed();
        Rc::new(RefCell::new(generator))
    };
}

/// Shared, so that the functions below need no closure, in which a panic would not name the caller's line.
fn default() -> Rc<RefCell<Generator>> {
    DEFAULT.with(Rc::clone)
}

/// Calls `f` with this thread's default generator. Each thread has its own, seeded at random until [`manual_seed`].
///
/// # Panics
/// If `f` uses the default generator by another way than its argument.
///
/// # Examples
/// ```
/// use wengert_tensor::{DType, manual_seed, with_generator};
/// manual_seed(7);
/// let x = with_generator(|g| g.normal([4], 0.0, 0.02, DType::F64));
/// assert_eq!(x.shape(), [4]);
/// ```
#[track_caller]
pub fn with_generator<R>(f: impl FnOnce(&mut Generator) -> R) -> R {
    f(&mut default().borrow_mut())
}

/// Seeds this thread's default generator: `torch.manual_seed`.
///
/// # Panics
/// If the seed is not in `[-2^63, 2^64)`.
#[track_caller]
pub fn manual_seed(seed: impl Into<i128>) {
    default().borrow_mut().manual_seed(seed);
}

/// The seed of this thread's default generator: `torch.initial_seed()`.
pub fn initial_seed() -> u64 {
    default().borrow_mut().initial_seed()
}

/// The state of this thread's default generator: `torch.get_rng_state()`.
pub fn get_rng_state() -> Tensor {
    default().borrow_mut().state()
}

/// Sets the state of this thread's default generator: `torch.set_rng_state(state)`.
///
/// # Errors
/// [`Error::InvalidGeneratorState`] if the tensor is not the state of a generator.
pub fn set_rng_state(state: &Tensor) -> Result<(), Error> {
    default().borrow_mut().set_state(state)
}

/// Uniform numbers in `[0, 1)`, from the default generator: `torch.rand`.
///
/// # Examples
/// ```
/// wengert_tensor::manual_seed(0);
/// assert_eq!(wengert_tensor::rand([2]).to_vec::<f32>(), [0.49625659, 0.76822180]);
/// ```
pub fn rand(shape: impl IntoShape) -> Tensor {
    default().borrow_mut().rand(shape, DType::F32)
}

/// Uniform numbers in `[low, high)`, from the default generator.
///
/// # Panics
/// If `low > high` or a bound is not finite.
#[track_caller]
pub fn uniform(shape: impl IntoShape, low: f64, high: f64) -> Tensor {
    default().borrow_mut().uniform(shape, low, high, DType::F32)
}

/// Standard normal numbers, from the default generator: `torch.randn`.
pub fn randn(shape: impl IntoShape) -> Tensor {
    default().borrow_mut().randn(shape, DType::F32)
}

/// Normal numbers, from the default generator: `torch.normal(mean, std, shape)`.
///
/// # Panics
/// If `std` is not at least 0.
#[track_caller]
pub fn normal(shape: impl IntoShape, mean: f64, std: f64) -> Tensor {
    default().borrow_mut().normal(shape, mean, std, DType::F32)
}

/// Ones with the probabilities that `p` holds, else zeros, from the default generator: `torch.bernoulli`.
///
/// # Panics
/// If a probability is not in `[0, 1]`, or if `p` is not a tensor of floats.
#[track_caller]
pub fn bernoulli(p: &Tensor) -> Tensor {
    default().borrow_mut().bernoulli_from(p)
}

/// Integers in `[low, high)`, as `i64`, from the default generator: `torch.randint`.
///
/// # Panics
/// If `low >= high`.
#[track_caller]
pub fn randint(low: i64, high: i64, shape: impl IntoShape) -> Tensor {
    default().borrow_mut().randint(low, high, shape, DType::I64)
}

/// The integers `0..n` in random order, as `i64`, from the default generator: `torch.randperm`.
pub fn randperm(n: usize) -> Tensor {
    default().borrow_mut().randperm(n)
}

/// Fills in place from the default generator, in the order in which the elements lie in memory.
impl Tensor {
    /// Replaces the elements by uniform numbers in `[low, high)`.
    ///
    /// # Panics
    /// If `low > high`, a bound is not a number of the dtype, or the dtype is not a floating one.
    #[track_caller]
    pub fn uniform_(&mut self, low: f64, high: f64) {
        default().borrow_mut().uniform_(self, low, high);
    }

    /// Replaces the elements by normal numbers.
    ///
    /// # Panics
    /// If `std` is not at least 0, or if the dtype is not a floating one.
    #[track_caller]
    pub fn normal_(&mut self, mean: f64, std: f64) {
        default().borrow_mut().normal_(self, mean, std);
    }

    /// Replaces the elements by ones with probability `p`, else zeros.
    ///
    /// # Panics
    /// If `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn bernoulli_(&mut self, p: f64) {
        default().borrow_mut().bernoulli_(self, p);
    }
}
