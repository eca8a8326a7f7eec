//! Element types: the run-time [`DType`], the Rust types behind it, and PyTorch's promotion rules.

use crate::cpu::simd::{int, long};
use half::{bf16, f16};

/// The one list of dtypes: variant, Rust type, PyTorch's name, legacy tensor name, category.
///
/// `for_each_dtype!(my_macro)` calls `my_macro! { (F64, f64, "float64", "Double", Float), … }`.
#[macro_export]
#[doc(hidden)]
macro_rules! for_each_dtype {
    ($callback:ident) => {
        $callback! {
            (F64, f64, "float64", "Double", Float),
            (F32, f32, "float32", "Float", Float),
            (F16, $crate::f16, "float16", "Half", Float),
            (BF16, $crate::bf16, "bfloat16", "BFloat16", Float),
            (I64, i64, "int64", "Long", Int),
            (I32, i32, "int32", "Int", Int),
            (I16, i16, "int16", "Short", Int),
            (I8, i8, "int8", "Char", Int),
            (U8, u8, "uint8", "Byte", Int),
            (Bool, bool, "bool", "Bool", Bool),
        }
    };
}

/// Binds `$T` to the Rust type behind a [`DType`] value and evaluates the body for it.
///
/// `match_dtype!(dtype, T => fill::<T>(x))` covers all dtypes. A category in front restricts the list; the last arm
/// then handles the rest: `match_dtype!(float dtype, T => kernel::<T>(x), other => panic!("{other}"))`. Categories:
/// `float` (f64 f32 f16 bf16), `compute` (f64 f32), `number` (all but bool), `int` (i64 i32 i16 i8 u8).
///
/// `match_dtype!(wide dtype, T => …)` is for those of 4 and 8 bytes, to which the caller has converted.
///
/// `match_dtype!(bits dtype, T => …)` is for what only moves elements: `T` is the integer type as wide as the dtype's, or `bool`,
/// so that half as much is compiled. Elements are seen as such by `Tensor::bits` and its relatives.
#[macro_export]
#[doc(hidden)]
macro_rules! match_dtype {
    (@arms $dtype:expr, $T:ident => $body:expr, [$(($variant:ident, $ty:ty)),*] $(, $other:ident => $rest:expr)?) => {
        match $dtype {
            $($crate::DType::$variant => { type $T = $ty; $body })*
            $(#[allow(unreachable_patterns)] $other => $rest,)?
        }
    };
    (compute $dtype:expr, $T:ident => $body:expr, $other:ident => $rest:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body, [(F64, f64), (F32, f32)], $other => $rest)
    };
    (float $dtype:expr, $T:ident => $body:expr, $other:ident => $rest:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body,
            [(F64, f64), (F32, f32), (F16, $crate::f16), (BF16, $crate::bf16)], $other => $rest)
    };
    (int $dtype:expr, $T:ident => $body:expr, $other:ident => $rest:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body,
            [(I64, i64), (I32, i32), (I16, i16), (I8, i8), (U8, u8)], $other => $rest)
    };
    (bits $dtype:expr, $T:ident => $body:expr) => {
        match $dtype.bits() {
            $crate::DType::I64 => { type $T = i64; $body }
            $crate::DType::I32 => { type $T = i32; $body }
            $crate::DType::I16 => { type $T = i16; $body }
            $crate::DType::Bool => { type $T = bool; $body }
            _ => { type $T = u8; $body }
        }
    };
    (wide $dtype:expr, $T:ident => $body:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body,
            [(F64, f64), (F32, f32), (I64, i64), (I32, i32)], other => unreachable!("{other} was made wider"))
    };
    (number $dtype:expr, $T:ident => $body:expr, $other:ident => $rest:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body,
            [(F64, f64), (F32, f32), (F16, $crate::f16), (BF16, $crate::bf16),
             (I64, i64), (I32, i32), (I16, i16), (I8, i8), (U8, u8)], $other => $rest)
    };
    ($dtype:expr, $T:ident => $body:expr) => {
        $crate::match_dtype!(@arms $dtype, $T => $body,
            [(F64, f64), (F32, f32), (F16, $crate::f16), (BF16, $crate::bf16),
             (I64, i64), (I32, i32), (I16, i16), (I8, i8), (U8, u8), (Bool, bool)])
    };
}

/// What kind of number a dtype holds; promotion goes from `Bool` over `Int` to `Float`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// `true` or `false`.
    Bool,
    /// Signed integers and `u8`.
    Int,
    /// Floating point.
    Float,
}

macro_rules! define {
    ($(($variant:ident, $ty:ty, $name:literal, $legacy:literal, $category:ident)),* $(,)?) => {
        /// The element type of a tensor, known at run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DType {
            $(#[doc = concat!("`torch.", $name, "`")] $variant,)*
        }

        impl DType {
    /// The dtype as which elements are moved where their values do not matter: that of the integers of the same size, of which any
    /// bits are one; `bool` is its own.
    #[inline]
    pub(crate) const fn bits(self) -> DType {
        match self {
            DType::F64 | DType::I64 => DType::I64,
            DType::F32 | DType::I32 => DType::I32,
            DType::F16 | DType::BF16 | DType::I16 => DType::I16,
            DType::I8 | DType::U8 => DType::U8,
            DType::Bool => DType::Bool,
        }
    }

            /// All dtypes, widest first.
            pub const ALL: &[DType] = &[$(DType::$variant),*];

            /// PyTorch's name without the module, such as `float32`.
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// The name in PyTorch's legacy tensor and storage classes, such as `Float` in `FloatStorage`.
            pub const fn legacy_name(self) -> &'static str {
                match self { $(DType::$variant => $legacy,)* }
            }

            /// Bytes per element.
            pub const fn size(self) -> usize {
                match self { $(DType::$variant => size_of::<$ty>(),)* }
            }

            /// Whether the dtype holds booleans, integers or floating-point numbers.
            pub const fn category(self) -> Category {
                match self { $(DType::$variant => Category::$category,)* }
            }
        }

        $(impl sealed::Sealed for $ty {})*
    };
}
for_each_dtype!(define);

impl DType {
    /// The distance from 1 to the next number (`torch.finfo(dtype).eps`); 0 for integers and booleans.
    pub fn eps(self) -> f64 {
        match self {
            DType::F64 => f64::EPSILON,
            DType::F32 => f64::from(f32::EPSILON),
            DType::F16 => f16::EPSILON.to_f64(),
            DType::BF16 => bf16::EPSILON.to_f64(),
            _ => 0.0,
        }
    }

    /// Whether this is `f64`, `f32`, `f16` or `bf16`.
    pub const fn is_float(self) -> bool {
        matches!(self.category(), Category::Float)
    }

    /// Whether this is an integer type; `bool` is not.
    pub const fn is_int(self) -> bool {
        matches!(self.category(), Category::Int)
    }

    #[doc(hidden)]
    pub const fn unrounded(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        }
    }

    /// The dtype that holds both, by PyTorch's table (`torch.promote_types`).
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::DType::*;
    /// assert_eq!(I64.promote(F32), F32);
    /// assert_eq!(U8.promote(I8), I16);
    /// assert_eq!(F16.promote(BF16), F32);
    /// ```
    pub const fn promote(self, other: DType) -> DType {
        use DType::*;
        if self as u8 == other as u8 {
            return self;
        }
        match (self, other) {
            (Bool, x) | (x, Bool) => x,
            (F64, _) | (_, F64) => F64,
            (F32, _) | (_, F32) => F32,
            (F16, BF16) | (BF16, F16) => F32,
            (F16, _) | (_, F16) => F16,
            (BF16, _) | (_, BF16) => BF16,
            (I64, _) | (_, I64) => I64,
            (I32, _) | (_, I32) => I32,
            // What is left are pairs among i16, i8 and u8 that differ: i16 holds them all.
            _ => I16,
        }
    }

    /// The dtype in which sums of this one are kept: integers and booleans add up in `i64`.
    pub const fn accumulate(self) -> DType {
        if self.is_float() { self } else { DType::I64 }
    }

    /// The floating dtype of an operation such as `exp`, `/` or `mean`: integers and booleans become the default, `f32`.
    pub const fn to_float(self) -> DType {
        if self.is_float() { self } else { DType::F32 }
    }
}

impl std::fmt::Display for DType {
    /// As Python prints it: `torch.float32`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "torch.{}", self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that tensors can hold. Sealed: the list is [`DType`]'s.
pub trait Element:
    sealed::Sealed + Copy + PartialEq + PartialOrd + Default + Send + Sync + std::fmt::Debug + 'static
{
    /// The run-time name of this type.
    const DTYPE: DType;
    /// Zero (`false`).
    const ZERO: Self;
    /// One (`true`).
    const ONE: Self;
    /// The nearest `f64` (exact, except for large `i64`).
    fn to_f64(self) -> f64;
    /// Converts as PyTorch's casts do: floats to integers truncate, to `bool` test for zero; see [`Tensor::to`](crate::Tensor::to)
    /// for those that do not fit.
    fn from_f64(value: f64) -> Self;
    /// Converts as PyTorch's casts do: floats truncate.
    fn to_i64(self) -> i64;
    /// Converts as PyTorch's casts do: wide integers wrap.
    fn from_i64(value: i64) -> Self;
}

macro_rules! element {
    ($($ty:ty, $variant:ident, $zero:expr, $one:expr, |$a:ident| $to:expr, |$b:ident| $from:expr, |$c:ident| $toi:expr, |$d:ident| $fromi:expr;)*) => {
        $(impl Element for $ty {
            const DTYPE: DType = DType::$variant;
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            #[inline(always)]
            fn to_f64(self) -> f64 { let $a = self; $to }
            #[inline(always)]
            fn from_f64($b: f64) -> Self { $from }
            #[inline(always)]
            fn to_i64(self) -> i64 { let $c = self; $toi }
            #[inline(always)]
            fn from_i64($d: i64) -> Self { $fromi }
        })*
    };
}
element! {
    f64, F64, 0.0, 1.0, |x| x, |x| x, |x| long(x), |x| x as f64;
    f32, F32, 0.0, 1.0, |x| x as f64, |x| x as f32, |x| long(x as f64), |x| x as f32;
    f16, F16, f16::ZERO, f16::ONE, |x| x.to_f64(), |x| f16::from_f32(x as f32), |x| long(x.to_f64()), |x| f16::from_f32(x as f32);
    bf16, BF16, bf16::ZERO, bf16::ONE, |x| x.to_f64(), |x| bf16::from_f32(x as f32), |x| long(x.to_f64()), |x| bf16::from_f32(x as f32);
    i64, I64, 0, 1, |x| x as f64, |x| long(x), |x| x, |x| x;
    i32, I32, 0, 1, |x| x as f64, |x| int(x), |x| x as i64, |x| x as i32;
    i16, I16, 0, 1, |x| x as f64, |x| int(x) as i16, |x| x as i64, |x| x as i16;
    i8, I8, 0, 1, |x| x as f64, |x| int(x) as i8, |x| x as i64, |x| x as i8;
    u8, U8, 0, 1, |x| x as f64, |x| long(x) as u8, |x| x as i64, |x| x as u8;
    bool, Bool, false, true, |x| x as u8 as f64, |x| x != 0.0, |x| x as i64, |x| x != 0;
}

/// A number without a tensor around it, as Rust literals give them; it adapts to the dtype of the tensor it meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A floating-point number.
    Float(f64),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

impl Scalar {
    /// The value as `f64`.
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Float(x) => x,
            Scalar::Int(x) => x as f64,
            Scalar::Bool(x) => x as u8 as f64,
        }
    }

    /// The value as `i64`; floats truncate.
    pub fn to_i64(self) -> i64 {
        match self {
            Scalar::Float(x) => long(x),
            Scalar::Int(x) => x,
            Scalar::Bool(x) => x as i64,
        }
    }

    /// The value in a Rust element type.
    pub fn to<T: Element>(self) -> T {
        match self {
            Scalar::Float(x) => T::from_f64(x),
            Scalar::Int(x) => T::from_i64(x),
            Scalar::Bool(x) => T::from_i64(x as i64),
        }
    }

    /// The category that decides promotion.
    pub const fn category(self) -> Category {
        match self {
            Scalar::Float(_) => Category::Float,
            Scalar::Int(_) => Category::Int,
            Scalar::Bool(_) => Category::Bool,
        }
    }

    /// The dtype that a tensor made of this value has: `f32`, `i64` or `bool`.
    pub const fn default_dtype(self) -> DType {
        match self {
            Scalar::Float(_) => DType::F32,
            Scalar::Int(_) => DType::I64,
            Scalar::Bool(_) => DType::Bool,
        }
    }
}

macro_rules! scalar_from {
    ($($ty:ty => $variant:ident as $as:ty),*) => {
        $(impl From<$ty> for Scalar {
            fn from(value: $ty) -> Scalar { Scalar::$variant(value as $as) }
        })*
    };
}
scalar_from!(f64 => Float as f64, f32 => Float as f64, i64 => Int as i64, i32 => Int as i64, i16 => Int as i64,
    i8 => Int as i64, u8 => Int as i64, usize => Int as i64, bool => Bool as bool);

impl From<f16> for Scalar {
    fn from(value: f16) -> Scalar {
        Scalar::Float(value.to_f64())
    }
}
impl From<bf16> for Scalar {
    fn from(value: bf16) -> Scalar {
        Scalar::Float(value.to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::DType::{self, *};

    #[test]
    fn promotion_is_pytorchs_table() {
        // torch.promote_types over [f64 f32 f16 bf16 i64 i32 i16 i8 u8 bool], row by row.
        let table = [
            [F64; 10],
            [F64, F32, F32, F32, F32, F32, F32, F32, F32, F32],
            [F64, F32, F16, F32, F16, F16, F16, F16, F16, F16],
            [F64, F32, F32, BF16, BF16, BF16, BF16, BF16, BF16, BF16],
            [F64, F32, F16, BF16, I64, I64, I64, I64, I64, I64],
            [F64, F32, F16, BF16, I64, I32, I32, I32, I32, I32],
            [F64, F32, F16, BF16, I64, I32, I16, I16, I16, I16],
            [F64, F32, F16, BF16, I64, I32, I16, I8, I16, I8],
            [F64, F32, F16, BF16, I64, I32, I16, I16, U8, U8],
            [F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool],
        ];
        for (a, row) in DType::ALL.iter().zip(table) {
            for (b, want) in DType::ALL.iter().zip(row) {
                assert_eq!(a.promote(*b), want, "{a} with {b}");
            }
        }
    }
}
