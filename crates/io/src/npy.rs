//! NumPy's `.npy`: one array, its dtype and order in a Python literal before the data.

use crate::Error;
use crate::source::{Source, show};
use crate::torch::build::Order;
use std::io::Write;
use std::sync::Arc;
use wengert_tensor::{DType, Storage, Tensor, Value};

/// What every file begins with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// A header is one short line; NumPy itself refuses more than 10,000 bytes.
const MAX_HEADER: usize = 1 << 16;
/// Magic, version, length and the largest header.
pub(crate) const MAX_HEAD: usize = 12 + MAX_HEADER;

/// NumPy's codes without byte order, and the dtypes. `V2` is what the package `ml_dtypes` saves a bfloat16 as.
const DTYPES: &[(&str, DType)] = &[
    ("f8", DType::F64),
    ("f4", DType::F32),
    ("f2", DType::F16),
    ("V2", DType::BF16),
    ("i8", DType::I64),
    ("i4", DType::I32),
    ("i2", DType::I16),
    ("i1", DType::I8),
    ("u1", DType::U8),
    ("b1", DType::Bool),
];

fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::corrupt("npy", what))
}

/// What the header says.
struct Header {
    dtype: DType,
    order: Order,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the data begins.
    start: usize,
}

/// Reads one array of so many bytes whose first ones are known; `read` fills a buffer with those from a position on, once
/// they are known to be what the array needs.
pub(crate) fn read(
    head: &[u8],
    size: u64,
    read: impl FnOnce(usize, &mut [u8]) -> Result<(), Error>,
) -> Result<Tensor, Error> {
    let header = parse(head)?;
    build(&header, size - header.start as u64, |out| read(header.start, out))
}

/// Reads a file that is one array.
pub(crate) fn load(source: &dyn Source) -> Result<Value, Error> {
    let head = source.read_vec(0, source.len().min(MAX_HEAD as u64) as usize)?;
    let header = parse(&head)?;
    let len = source.len() - header.start as u64;
    let numel = elements(&header, len)?;
    let shown = match header.order {
        Order::Little => show(source, header.start as u64, header.dtype, numel),
        Order::Big => None,
    };
    let tensor = match shown {
        Some(storage) => view(&header, storage)?,
        None => build(&header, len, |out| Ok(source.read_at(header.start as u64, out)?))?,
    };
    Ok(tensor.into())
}

/// The number of elements, once the header has been found to agree with the bytes that there are.
fn elements(header: &Header, len: u64) -> Result<usize, Error> {
    let size = header.dtype.size();
    // Zero sizes count as one, so that no product of the others overflows later.
    let bound = header.shape.iter().try_fold(size as u64, |a, &s| a.checked_mul(s.max(1) as u64));
    let numel: u64 = if header.shape.contains(&0) { 0 } else { bound.unwrap_or(u64::MAX) / size as u64 };
    if bound.is_none_or(|b| b > i64::MAX as u64) || numel.checked_mul(size as u64) != Some(len) {
        return fail(format!("shape {:?} of {} does not fit {len} bytes of data", header.shape, header.dtype));
    }
    usize::try_from(numel).or_else(|_| fail("larger than memory"))
}

/// Makes the tensor of bytes that `fill` writes.
fn build(header: &Header, len: u64, fill: impl FnOnce(&mut [u8]) -> Result<(), Error>) -> Result<Tensor, Error> {
    let storage = Storage::from_bytes_with(header.dtype, elements(header, len)?, |out| {
        fill(out)?;
        header.order.to_native(out, header.dtype.size());
        Ok::<(), Error>(())
    })?;
    view(header, storage)
}

/// The tensor that lies in a storage as the header says.
fn view(header: &Header, storage: Storage) -> Result<Tensor, Error> {
    let mut strides = vec![0isize; header.shape.len()];
    let mut step = 1isize;
    let axes: Vec<usize> =
        if header.fortran { (0..strides.len()).collect() } else { (0..strides.len()).rev().collect() };
    for axis in axes {
        strides[axis] = step;
        step *= header.shape[axis].max(1) as isize;
    }
    Tensor::from_parts(Arc::new(storage), &header.shape, &strides, 0).or_else(|e| fail(e.to_string()))
}

fn parse(bytes: &[u8]) -> Result<Header, Error> {
    let Some([major, _minor, rest @ ..]) = bytes.strip_prefix(MAGIC) else {
        return fail("it does not begin as an .npy file");
    };
    let (len, at) = match (major, rest) {
        (1, [a, b, ..]) => (u16::from_le_bytes([*a, *b]) as usize, 10),
        (2 | 3, [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
        (1..=3, _) => return fail("it ends within its header"),
        (other, _) => {
            return Err(Error::Unsupported {
                what: format!("version {other} of the .npy format"),
                advice: "versions 1 to 3 are known; save it again with numpy.save",
            });
        }
    };
    if len > MAX_HEADER {
        return fail(format!("a header of {len} bytes"));
    }
    let Some(text) = bytes.get(at..at + len) else { return fail("it ends within its header") };
    let text = std::str::from_utf8(text).or_else(|_| fail("its header is not UTF-8"))?;
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.skip('}') {
        let key = literal.text()?;
        literal.expect(':')?;
        match key {
            "descr" => descr = Some(literal.descr()?),
            "fortran_order" => fortran = Some(literal.truth()?),
            "shape" => shape = Some(literal.sizes()?),
            other => return fail(format!("its header has the key '{other}'")),
        }
        if !literal.skip(',') {
            literal.expect('}')?;
            break;
        }
    }
    if !literal.rest.trim().is_empty() {
        return fail("its header goes on after the dict");
    }
    let (Some((order, dtype)), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
        return fail("its header lacks one of descr, fortran_order and shape");
    };
    Ok(Header { dtype, order, fortran, shape, start: at + len })
}

/// A reader of the few Python literals that a header has.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    /// Passes over a character if it is next.
    fn skip(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Error> {
        if self.skip(wanted) { Ok(()) } else { fail(format!("its header lacks a '{wanted}'")) }
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        let quote = if self.skip('\'') {
            '\''
        } else {
            self.expect('"')?;
            '"'
        };
        let Some((text, rest)) = self.rest.split_once(quote) else { return fail("a text without end in its header") };
        self.rest = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, Error> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        fail("fortran_order is neither True nor False")
    }

    fn sizes(&mut self) -> Result<Vec<usize>, Error> {
        let mut sizes = Vec::new();
        self.expect('(')?;
        while !self.skip(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            // Python 2 wrote an L after long integers.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            sizes.push(digits.parse().or_else(|_| fail("its shape is no tuple of sizes"))?);
            if sizes.len() > wengert_tensor::MAX_RANK {
                return fail(format!("more than {} axes", wengert_tensor::MAX_RANK));
            }
            if !self.skip(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sizes)
    }

    /// The byte order and the dtype.
    fn descr(&mut self) -> Result<(Order, DType), Error> {
        let refuse = |what: String, advice| Err(Error::Unsupported { what, advice });
        if self.rest.trim_start().starts_with('[') {
            return refuse("a structured array".to_owned(), "save each field as an array of its own");
        }
        let code = self.text()?;
        let (order, kind) = match code.split_at_checked(1) {
            Some(("<" | "|", kind)) => (Order::Little, kind),
            Some((">", kind)) => (Order::Big, kind),
            Some(("=", kind)) if cfg!(target_endian = "big") => (Order::Big, kind),
            Some(("=", kind)) => (Order::Little, kind),
            _ => (Order::Little, code),
        };
        if let Some((_, dtype)) = DTYPES.iter().find(|(name, _)| *name == kind) {
            return Ok((order, *dtype));
        }
        let what = format!("an array of dtype '{code}'");
        match kind.as_bytes().first() {
            Some(b'O') => refuse(
                "an array of Python objects".to_owned(),
                "it holds a pickle, which is not run; convert it with a.astype(float) or save its parts",
            ),
            Some(b'U' | b'S') => refuse(what, "tensors hold no text; save numbers that stand for it"),
            Some(b'M' | b'm') => refuse(what, "save a.astype('int64')"),
            Some(b'c') => refuse(what, "save a.real and a.imag"),
            _ => refuse(what, "convert it to one of float64 float32 float16 int64 int32 int16 int8 uint8 bool"),
        }
    }
}

/// The bytes before the data, padded so that the data begins at a multiple of 64.
fn header(tensor: &Tensor) -> Vec<u8> {
    let (kind, _) = DTYPES.iter().find(|(_, dtype)| *dtype == tensor.dtype()).expect("the table has all dtypes");
    let order = match tensor.dtype().size() {
        1 => '|',
        _ => '<',
    };
    let sizes: Vec<_> = tensor.shape().iter().map(usize::to_string).collect();
    let comma = if sizes.len() == 1 { "," } else { "" };
    let text =
        format!("{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    // With at most 64 axes the text is far below the 65,535 bytes that version 1 can count.
    let total = (10 + text.len() + 1).next_multiple_of(64);
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend(((total - 10) as u16).to_le_bytes());
    out.extend(text.as_bytes());
    out.resize(total - 1, b' ');
    out.push(b'\n');
    out
}

/// One array as a file.
pub(crate) fn encode(tensor: &Tensor) -> Vec<u8> {
    let mut out = header(tensor);
    let start = out.len();
    out.extend(tensor.to_bytes());
    if cfg!(target_endian = "big") && tensor.dtype().size() > 1 {
        out[start..].chunks_exact_mut(tensor.dtype().size()).for_each(<[u8]>::reverse);
    }
    out
}

/// Writes a value that is one tensor.
pub(crate) fn save(value: &Value, out: &mut dyn Write, _name: &str) -> Result<(), Error> {
    let Some(tensor) = value.as_tensor() else {
        return Err(Error::Unwritable("an .npy file holds one tensor; save several as .npz".to_owned()));
    };
    Ok(out.write_all(&encode(tensor))?)
}
