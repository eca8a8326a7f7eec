//! What the elements of a file become here: one of our dtypes as they are, or, for a caller who asks, a wider one.

use crate::Error;
use crate::error::short;
use crate::source::{Source, show};
use crate::torch::build::Order;
use wengert_tensor::{DType, Storage, Tensor};

/// A dtype that tensors here do not have, but whose every number one of theirs has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wide {
    U16,
    U32,
    /// Its upper half is an error: no dtype here has it.
    U64,
    /// Two numbers: tensors get a last axis of 2, as `torch.view_as_real` gives.
    Complex(DType),
    /// Eight bits: how many are of the exponent, its bias, and what else there is than numbers.
    Float8 {
        exponent: u32,
        bias: i32,
        rest: Rest,
    },
}

/// Which patterns of a float of eight bits are no finite numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rest {
    /// The highest exponent, as IEEE has it: infinities and NaNs.
    Ieee,
    /// All bits set but the sign: NaNs.
    Ones,
    /// The sign alone: NaN.
    Sign,
}

/// PyTorch's names of the dtypes that can be widened.
const WIDE: &[(&str, Wide)] = &[
    ("uint16", Wide::U16),
    ("uint32", Wide::U32),
    ("uint64", Wide::U64),
    ("complex64", Wide::Complex(DType::F32)),
    ("complex128", Wide::Complex(DType::F64)),
    ("complex32", Wide::Complex(DType::F16)),
    ("bcomplex32", Wide::Complex(DType::BF16)),
    ("float8_e4m3fn", Wide::Float8 { exponent: 4, bias: 7, rest: Rest::Ones }),
    ("float8_e4m3fnuz", Wide::Float8 { exponent: 4, bias: 8, rest: Rest::Sign }),
    ("float8_e5m2", Wide::Float8 { exponent: 5, bias: 15, rest: Rest::Ieee }),
    ("float8_e5m2fnuz", Wide::Float8 { exponent: 5, bias: 16, rest: Rest::Sign }),
    ("float8_e8m0fnu", Wide::Float8 { exponent: 8, bias: 127, rest: Rest::Ones }),
];

/// What to do about a tensor whose dtype, by PyTorch's name, tensors here do not have.
pub(crate) fn advice(name: &str) -> &'static str {
    match Wide::named(name) {
        Some(Wide::U16) => "the option `widen` reads it as int32; or save x.to(torch.int32)",
        Some(Wide::U32 | Wide::U64) => "the option `widen` reads it as int64; or save x.to(torch.int64)",
        Some(Wide::Complex(_)) => "the option `widen` reads it with a last axis of 2; or save torch.view_as_real(x)",
        Some(Wide::Float8 { .. }) => "the option `widen` reads it as float32; or save x.to(torch.bfloat16)",
        None if name.starts_with('q') => "save x.dequantize()",
        None if name.starts_with("bits") || name.starts_with("float4") => "save x.view(torch.uint8)",
        None => "convert it to one of float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool",
    }
}

/// The error for tensors whose dtypes are not to be read, if there are any: their names, and PyTorch's of the dtypes.
pub(crate) fn refuse<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), Error> {
    let mut all = tensors.into_iter();
    let Some((name, dtype)) = all.next() else { return Ok(()) };
    let mut what = format!("dtype {dtype} of tensor '{name}'");
    let mut more = 0;
    for (name, dtype) in all {
        more += 1;
        if more < 8 {
            what += &format!(", {dtype} of '{name}'");
        }
    }
    if more >= 8 {
        what += &format!(" and of {} more", more - 7);
    }
    Err(Error::Unsupported { what: short(what), advice: advice(dtype) })
}

impl Wide {
    /// The dtype of a name of PyTorch's.
    pub(crate) fn named(name: &str) -> Option<Wide> {
        WIDE.iter().find(|row| row.0 == name).map(|row| row.1)
    }
}

/// What the elements of a file are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Elements {
    /// As here.
    Own(DType),
    /// As nowhere here; they are to be widened.
    Wide(Wide),
}

impl Elements {
    /// Those of a dtype of our own, or of one that may be widened if that is wanted.
    pub(crate) fn of(own: Option<DType>, wide: Option<Wide>, widen: bool) -> Option<Elements> {
        own.map(Elements::Own).or(wide.filter(|_| widen).map(Elements::Wide))
    }

    /// What they become.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Elements::Own(dtype) | Elements::Wide(Wide::Complex(dtype)) => dtype,
            Elements::Wide(Wide::U16) => DType::I32,
            Elements::Wide(Wide::U32 | Wide::U64) => DType::I64,
            Elements::Wide(Wide::Float8 { .. }) => DType::F32,
        }
    }

    /// How many one of them becomes.
    pub(crate) fn parts(self) -> usize {
        if matches!(self, Elements::Wide(Wide::Complex(_))) { 2 } else { 1 }
    }

    /// The bytes of one in the file.
    pub(crate) fn size(self) -> usize {
        match self {
            Elements::Own(dtype) => dtype.size(),
            Elements::Wide(Wide::Complex(part)) => 2 * part.size(),
            Elements::Wide(Wide::U16) => 2,
            Elements::Wide(Wide::U32) => 4,
            Elements::Wide(Wide::U64) => 8,
            Elements::Wide(Wide::Float8 { .. }) => 1,
        }
    }

    /// A storage of so many, whose bytes `fill` writes as the file has them.
    pub(crate) fn storage(
        self,
        len: usize,
        order: Order,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
    ) -> Result<Storage, Error> {
        let dtype = self.dtype();
        let wide = match self {
            Elements::Own(_) | Elements::Wide(Wide::Complex(_)) => {
                return Storage::from_bytes_with(dtype, self.parts() * len, |out| {
                    fill(out)?;
                    order.to_native(out, dtype.size());
                    Ok(())
                });
            }
            Elements::Wide(wide) => wide,
        };
        let mut raw = vec![0; self.size() * len];
        fill(&mut raw)?;
        order.to_native(&mut raw, self.size());
        Storage::from_bytes_with(dtype, len, |out| {
            let pairs = raw.chunks_exact(self.size()).zip(out.chunks_exact_mut(dtype.size()));
            match wide {
                Wide::U16 => pairs.for_each(|(from, to)| {
                    to.copy_from_slice(&(u16::from_ne_bytes([from[0], from[1]]) as i32).to_ne_bytes());
                }),
                Wide::U32 => pairs.for_each(|(from, to)| {
                    let x = u32::from_ne_bytes(from.try_into().expect("four bytes"));
                    to.copy_from_slice(&(x as i64).to_ne_bytes());
                }),
                Wide::U64 => {
                    for (from, to) in pairs {
                        let x = u64::from_ne_bytes(from.try_into().expect("eight bytes"));
                        let Ok(x) = i64::try_from(x) else {
                            return Err(Error::Unsupported {
                                what: format!("the number {x} in a tensor of uint64, which int64 does not have,"),
                                advice: "save x.to(torch.float64), or x.view(torch.int64) if it holds bits",
                            });
                        };
                        to.copy_from_slice(&x.to_ne_bytes());
                    }
                }
                Wide::Float8 { exponent, bias, rest } => {
                    let table: Vec<f32> = (0..=255).map(|bits| float8(bits, exponent, bias, rest)).collect();
                    pairs.for_each(|(from, to)| to.copy_from_slice(&table[from[0] as usize].to_ne_bytes()));
                }
                Wide::Complex(_) => unreachable!("complex numbers are read as their parts"),
            }
            Ok(())
        })
    }

    /// A storage that shows so many where the source has them, if they need no change.
    pub(crate) fn show(self, source: &dyn Source, position: u64, len: usize) -> Option<Storage> {
        match self {
            Elements::Own(_) | Elements::Wide(Wide::Complex(_)) => {
                show(source, position, self.dtype(), self.parts() * len)
            }
            Elements::Wide(_) => None,
        }
    }
}

/// Bytes that a tensor may take when it is written out, however few its memory has.
const MAX_REPEATED: u64 = 1 << 30;
/// How many times its memory it may take beyond that.
const MAX_REPEATS: u64 = 64;

/// Whether a tensor is its memory so many times that it was made to exhaust who copies it: a stride of 0 costs a file
/// nothing.
pub(crate) fn is_bomb(tensor: &Tensor) -> bool {
    let bytes = (tensor.numel() as u64).saturating_mul(tensor.dtype().size() as u64);
    bytes > MAX_REPEATED && bytes / MAX_REPEATS > tensor.storage().as_bytes().len() as u64
}

/// The error for such a tensor.
pub(crate) fn bomb(name: &str, tensor: &Tensor) -> Error {
    let (shape, bytes) = (tensor.shape(), tensor.storage().as_bytes().len());
    Error::Unwritable(format!(
        "tensor '{name}' of shape {shape:?} repeats {bytes} bytes; save what it repeats, or write .pt"
    ))
}

/// The number that eight bits are: a sign unless all bits are of the exponent, exponent, mantissa.
fn float8(bits: u8, exponent: u32, bias: i32, rest: Rest) -> f32 {
    let signed = exponent < 8;
    let width = 8 - exponent - u32::from(signed);
    let sign = if signed && bits & 0x80 != 0 { -1.0 } else { 1.0 };
    let magnitude = if signed { bits & 0x7f } else { bits };
    let (e, m) = ((u32::from(magnitude) >> width) as i32, u32::from(magnitude) & ((1 << width) - 1));
    let top = (1 << exponent) - 1;
    match rest {
        Rest::Ieee if e == top && m == 0 => return sign * f32::INFINITY,
        Rest::Ieee if e == top => return f32::NAN.copysign(sign),
        Rest::Ones if magnitude == if signed { 0x7f } else { 0xff } => return f32::NAN.copysign(sign),
        Rest::Sign if bits == 0x80 => return f32::NAN,
        _ => {}
    }
    // Without a mantissa there are no subnormals: an exponent of 0 is one as any other.
    let (scale, m) = if e == 0 && signed { (1, m) } else { (e, m | 1 << width) };
    // Exact in f64, and then in f32: there are at most four bits and exponents from -127 to 127.
    (f64::from(sign) * f64::from(m) * 2f64.powi(scale - bias - width as i32)) as f32
}
