//! NumPy's `.npy`: one array, its dtype and order in a Python literal before the data.

use crate::Error;
use crate::elements::{self, Elements, Wide};
use crate::source::{Source, read_parallel};
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

/// NumPy's codes for what can be widened, and PyTorch's names.
const WIDE: &[(&str, &str)] =
    &[("u2", "uint16"), ("u4", "uint32"), ("u8", "uint64"), ("c8", "complex64"), ("c16", "complex128")];

fn fail<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::corrupt("npy", what))
}

/// What the header says.
pub(crate) struct Header {
    item: Item,
    order: Order,
    fortran: bool,
    pub(crate) shape: Vec<usize>,
    /// Where the data begins.
    start: usize,
}

/// What an array's elements are.
enum Item {
    Own(DType),
    /// By PyTorch's name.
    Wide(&'static str),
    /// What no tensor holds: NumPy's code, what it is called, and what to do.
    Other {
        code: String,
        what: String,
        advice: &'static str,
    },
}

impl Header {
    /// Its dtype, if tensors here have it.
    pub(crate) fn dtype(&self) -> Option<DType> {
        if let Item::Own(dtype) = self.item { Some(dtype) } else { None }
    }

    /// The name of its dtype.
    pub(crate) fn dtype_name(&self) -> &str {
        match &self.item {
            Item::Own(dtype) => dtype.name(),
            Item::Wide(name) => name,
            Item::Other { code, .. } => code,
        }
    }

    /// What its elements become, if they are to be read.
    pub(crate) fn elements(&self, widen: bool) -> Option<Elements> {
        match self.item {
            Item::Own(dtype) => Some(Elements::Own(dtype)),
            Item::Wide(name) => Elements::of(None, Wide::named(name), widen),
            Item::Other { .. } => None,
        }
    }

    /// The same, or the error that says why they are not.
    fn readable(&self, widen: bool) -> Result<Elements, Error> {
        self.elements(widen).ok_or_else(|| match &self.item {
            Item::Other { what, advice, .. } => Error::Unsupported { what: what.clone(), advice },
            _ => Error::Unsupported {
                what: format!("an array of dtype {}", self.dtype_name()),
                advice: elements::advice(self.dtype_name()),
            },
        })
    }
}

/// Reads one array of so many bytes whose first ones are known; `read` fills a buffer with those from a position on, once
/// they are known to be what the array needs.
pub(crate) fn read(
    head: &[u8],
    size: u64,
    widen: bool,
    read: impl FnOnce(usize, &mut [u8]) -> Result<(), Error>,
) -> Result<Tensor, Error> {
    let header = parse(head)?;
    let elements = header.readable(widen)?;
    let numel = count(&header, elements, size - header.start as u64)?;
    view(&header, elements, elements.storage(numel, header.order, |out| read(header.start, out))?)
}

/// Reads the header of a file that is one array.
pub(crate) fn header(source: &dyn Source) -> Result<Header, Error> {
    parse(&source.read_vec(0, source.len().min(MAX_HEAD as u64) as usize)?)
}

/// Reads a file that is one array.
pub(crate) fn load(source: &dyn Source, widen: bool) -> Result<Value, Error> {
    Ok(tensor(source, widen)?.into())
}

/// The same as a tensor.
pub(crate) fn tensor(source: &dyn Source, widen: bool) -> Result<Tensor, Error> {
    let header = header(source)?;
    let elements = header.readable(widen)?;
    let start = header.start as u64;
    let numel = count(&header, elements, source.len() - start)?;
    let shown = match header.order {
        Order::Little => elements.show(source, start, numel),
        Order::Big => None,
    };
    let storage = match shown {
        Some(storage) => storage,
        None => elements.storage(numel, header.order, |out| Ok(read_parallel(source, start, out)?))?,
    };
    view(&header, elements, storage)
}

/// The number of elements, once the header has been found to agree with the bytes that there are.
fn count(header: &Header, elements: Elements, len: u64) -> Result<usize, Error> {
    let size = elements.size();
    // Zero sizes count as one, so that no product of the others overflows later.
    let bound = header.shape.iter().try_fold(size as u64, |a, &s| a.checked_mul(s.max(1) as u64));
    let numel: u64 = if header.shape.contains(&0) { 0 } else { bound.unwrap_or(u64::MAX) / size as u64 };
    if bound.is_none_or(|b| b > i64::MAX as u64) || numel.checked_mul(size as u64) != Some(len) {
        let dtype = header.dtype_name();
        return fail(format!("shape {:?} of {dtype} does not fit {len} bytes of data", header.shape));
    }
    usize::try_from(numel).or_else(|_| fail("larger than memory"))
}

/// The tensor that lies in a storage as the header says.
fn view(header: &Header, elements: Elements, storage: Storage) -> Result<Tensor, Error> {
    let mut strides = vec![0isize; header.shape.len()];
    let mut step = elements.parts() as isize;
    let axes: Vec<usize> =
        if header.fortran { (0..strides.len()).collect() } else { (0..strides.len()).rev().collect() };
    for axis in axes {
        strides[axis] = step;
        step *= header.shape[axis].max(1) as isize;
    }
    let mut shape = header.shape.clone();
    if elements.parts() == 2 {
        shape.push(2);
        strides.push(1);
    }
    Tensor::from_parts(Arc::new(storage), &shape, &strides, 0).or_else(|e| fail(e.to_string()))
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header, Error> {
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
        if matches!(
            (key, &descr, fortran, &shape),
            ("descr", Some(_), ..) | ("fortran_order", _, Some(_), _) | ("shape", .., Some(_))
        ) {
            return fail(format!("its header has the key '{key}' twice"));
        }
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
    let (Some((order, item)), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
        return fail("its header lacks one of descr, fortran_order and shape");
    };
    Ok(Header { item, order, fortran, shape, start: at + len })
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

    /// Passes over a list, with the lists, tuples and texts in it.
    fn fields(&mut self) -> Result<&'a str, Error> {
        let (mut depth, mut quote) = (0usize, None);
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') if depth == 1 => {
                    let (list, rest) = self.rest.split_at(at + c.len_utf8());
                    self.rest = rest;
                    return Ok(list);
                }
                (None, ']' | ')') => depth -= 1,
                _ => {}
            }
        }
        fail("a list without end in its header")
    }

    /// The byte order and the dtype.
    fn descr(&mut self) -> Result<(Order, Item), Error> {
        let other =
            |code: &str, what: String, advice| Ok((Order::Little, Item::Other { code: code.to_owned(), what, advice }));
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('[') {
            let code = self.fields()?;
            return other(code, "a structured array".to_owned(), "save each field as an array of its own");
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
            return Ok((order, Item::Own(*dtype)));
        }
        if let Some((_, name)) = WIDE.iter().find(|(code, _)| *code == kind) {
            return Ok((order, Item::Wide(name)));
        }
        let what = format!("an array of dtype '{code}'");
        match kind.as_bytes().first() {
            Some(b'O') => other(
                code,
                "an array of Python objects".to_owned(),
                "it holds a pickle, which is not run; convert it with a.astype(float) or save its parts",
            ),
            Some(b'U' | b'S') => other(code, what, "tensors hold no text; save numbers that stand for it"),
            Some(b'M' | b'm') => other(code, what, "save a.astype('int64')"),
            _ => other(code, what, "convert it to one of float64 float32 float16 int64 int32 int16 int8 uint8 bool"),
        }
    }
}

/// The bytes before the data, padded so that the data begins at a multiple of 64.
fn head(tensor: &Tensor) -> Vec<u8> {
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
pub(crate) fn encode(name: &str, tensor: &Tensor) -> Result<Vec<u8>, Error> {
    if elements::is_bomb(tensor) {
        return Err(elements::bomb(name, tensor));
    }
    let mut out = head(tensor);
    let start = out.len();
    out.extend(tensor.to_bytes());
    if cfg!(target_endian = "big") && tensor.dtype().size() > 1 {
        out[start..].chunks_exact_mut(tensor.dtype().size()).for_each(<[u8]>::reverse);
    }
    Ok(out)
}

/// Writes a value that is one tensor.
pub(crate) fn save(value: &Value, out: &mut dyn Write, _name: &str) -> Result<(), Error> {
    let Some(tensor) = value.as_tensor() else {
        return Err(Error::Unwritable("an .npy file holds one tensor; save several as .npz".to_owned()));
    };
    Ok(out.write_all(&encode("", tensor)?)?)
}
