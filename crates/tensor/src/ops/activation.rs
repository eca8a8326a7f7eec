//! Gradients of activations, each in one pass: one table row each.
//!
//! They take the incoming gradient by value, and give it back changed in place if no one else holds its memory.

use crate::cpu::math::Math;
use crate::cpu::slope::{self, Pull, SlopeOp, pull};
use crate::{DType, Tensor, bug};
use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::sync::Arc;
use wengert_tensor_macros::profiled;

/// The kernels of one row.
struct Slope {
    name: &'static str,
    /// Work per element, in additions.
    cost: usize,
    f64: Pull<f64>,
    f32: Pull<f32>,
}

/// One row: `/// doc` then `name Name cost (parameters) |grad, v, p| rule`, where `v` is the function's operand `x` or
/// its result `y` and `p` holds the parameters.
///
/// `relu_backward Relu 1 y () |g, y, _p| if y <= T::ZERO { T::ZERO } else { g };` makes the kernels and the function.
macro_rules! slopes {
    ($($(#[$doc:meta])* $name:ident $Op:ident $cost:literal $v:ident ($($param:ident),*)
        |$g:ident, $at:ident, $p:ident| $rule:expr;)*) => { $(
        struct $Op;
        impl SlopeOp for $Op {
            #[inline(always)]
            fn pull<T: Math, const FMA: bool>($g: T, $at: T, $p: [T; 2]) -> T { $rule }
        }
        $(#[$doc])*
        #[profiled]
        #[track_caller]
        pub fn $name(grad: Tensor, $v: &Tensor $(, $param: f64)*) -> Tensor {
            #[allow(unused_mut, unused_variables)]
            let mut p = [0.0; 2];
            let given: &[f64] = &[$($param),*];
            p[..given.len()].copy_from_slice(given);
            let op = Slope { name: stringify!($name), cost: $cost, f64: pull::<f64, $Op>, f32: pull::<f32, $Op> };
            apply(&op, grad, $v, p)
        }
    )* };
}

slopes! {
    /// The gradient of [`Tensor::relu`] from its result.
    relu_backward Relu 1 y () |g, y, _p| if y <= T::ZERO { T::ZERO } else { g };
    /// The gradient of [`Tensor::sigmoid`] from its result: `g (1 - y) y`.
    sigmoid_backward Sigmoid 1 y () |g, y, _p| g * ((T::ONE - y) * y);
    /// The gradient of [`Tensor::tanh`] from its result: `g (1 - y²)`.
    tanh_backward Tanh 1 y () |g, y, _p| g * (T::ONE - y * y);
    /// The gradient of [`Tensor::silu`]: `g (s + x s (1 - s))` with `s` the logistic function.
    silu_backward Silu 12 x () |g, x, _p| {
        let s = x.sigmoid::<FMA>();
        g * (s * (T::ONE + x * (T::ONE - s)))
    };
    /// The gradient of [`Tensor::gelu`]: `g (Φ(x) + x φ(x))` with the normal distribution function and density.
    gelu_backward Gelu 28 x () |g, x, _p| {
        let distribution = T::of(0.5) * (T::ONE + (x * T::of(FRAC_1_SQRT_2)).erf::<FMA>());
        let density = (x * x * T::of(-0.5)).exp::<FMA>() * T::of(1.0 / (2.0 * PI).sqrt());
        g * (distribution + x * density)
    };
    /// The gradient of [`Tensor::leaky_relu`]; at 0 that below 0.
    leaky_relu_backward LeakyRelu 1 x (slope) |g, x, p| if x > T::ZERO { g } else { g * p[0] };
    /// The gradient of [`Tensor::elu`]; at 0 that below 0.
    elu_backward Elu 9 x (alpha) |g, x, p| {
        let below = g * (x.smaller(T::ZERO).exp::<FMA>() * p[0]);
        if x <= T::ZERO { below } else { g }
    };
    /// The gradient of [`Tensor::hardtanh`]: nothing comes through at the bounds, nor at NaN.
    hardtanh_backward Hardtanh 1 x (min, max) |g, x, p| if x > p[0] && x < p[1] { g } else { T::ZERO };
    /// The gradient of [`Tensor::hardsigmoid`].
    hardsigmoid_backward Hardsigmoid 1 x () |g, x, _p| {
        if x > T::of(-3.0) && x < T::of(3.0) { g / T::of(6.0) } else { T::ZERO }
    };
    /// The gradient of [`Tensor::hardswish`].
    hardswish_backward Hardswish 2 x () |g, x, _p| {
        let rise = g * (x / T::of(3.0) + T::of(0.5));
        let above = if x >= T::of(3.0) { g } else { rise };
        if x <= T::of(-3.0) { T::ZERO } else { above }
    };
    /// The gradient of [`Tensor::hardshrink`] and [`Tensor::softshrink`].
    shrink_backward Shrink 1 x (lambd) |g, x, p| if x < -p[0] || x > p[0] { g } else { T::ZERO };
    /// The gradient of [`Tensor::celu`].
    celu_backward Celu 9 x (alpha) |g, x, p| {
        let below = g * (x.smaller(T::ZERO) / p[0]).exp::<FMA>();
        if x <= T::ZERO { below } else { g }
    };
    /// The gradient of [`Tensor::logsigmoid`].
    logsigmoid_backward LogSigmoid 12 x () |g, x, _p| g * (-x).sigmoid::<FMA>();
    /// The gradient of [`Tensor::mish`]: `g (t + x s (1 - t²))` with `t` the hyperbolic tangent of its softplus and `s` the
    /// logistic function, both of `n = e^x`.
    mish_backward Mish 16 x () |g, x, _p| {
        let n = x.smaller(T::of(20.0)).exp::<FMA>();
        let w = n * (n + T::of(2.0));
        let d = T::of(2.0) + w;
        let s = n / (T::ONE + n);
        let below = g * (w / d + x * s * (T::of(4.0) * (w + T::ONE) / (d * d)));
        // 1 beyond, but of an infinity NaN, as in PyTorch.
        if x > T::of(20.0) { g * (T::ONE + x * T::ZERO) } else { below }
    };
    /// The gradient of [`Tensor::gelu_tanh`].
    gelu_tanh_backward GeluTanh 18 x () |g, x, _p| {
        let scale = (2.0 / PI).sqrt();
        let t = (T::of(scale) * (x + T::of(0.044715) * x * x * x)).tanh::<FMA>();
        let inner = T::of(scale) * (T::ONE + T::of(3.0 * 0.044715) * x * x);
        g * T::of(0.5) * (T::ONE + t + x * (T::ONE - t * t) * inner)
    };
    /// The gradient of [`Tensor::softplus`].
    softplus_backward Softplus 12 x (beta, threshold) |g, x, p| {
        let below = g * (x * p[0]).sigmoid::<FMA>();
        if x * p[0] > p[1] { g } else { below }
    };
}

#[track_caller]
fn apply(op: &Slope, mut grad: Tensor, v: &Tensor, p: [f64; 2]) -> Tensor {
    if grad.shape() != v.shape() || grad.dtype() != v.dtype() || !v.dtype().is_float() {
        bug!(
            op.name,
            "expected a gradient of shape {:?} and dtype {}, but got {:?} and {}",
            v.shape(),
            v.dtype(),
            grad.shape(),
            grad.dtype()
        );
    }
    macro_rules! run {
        ($t:ty, $kernel:expr, $cost:expr) => {{
            let (v, p) = (v.contiguous(), p.map(|p| p as $t));
            let v = v.as_slice::<$t>().expect("contiguous");
            if Arc::strong_count(grad.storage()) == 1 && grad.is_contiguous() {
                slope::in_place($kernel, $cost, grad.as_mut_slice::<$t>(), v, p);
                return grad;
            }
            let shape = crate::Shape::from_slice(grad.shape());
            let grad = grad.contiguous();
            let grad = grad.as_slice::<$t>().expect("contiguous");
            Tensor::build(shape, |out: &mut [$t]| slope::copied($kernel, $cost, (grad, v), p, out))
        }};
    }
    match grad.dtype() {
        DType::F64 => run!(f64, op.f64, 2 * op.cost),
        DType::F32 => run!(f32, op.f32, op.cost),
        half => apply(op, grad.to(DType::F32), &v.to(DType::F32), p).to(half),
    }
}
