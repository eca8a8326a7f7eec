//! The text of a tensor, character for character as PyTorch prints it.

use crate::{Category, DType, Scalar, Tensor};
use std::fmt;

/// How tensors are printed: the fields of `torch.set_printoptions`, passed along instead of set for the process.
///
/// # Examples
/// ```
/// use wengert_tensor::Tensor;
/// use wengert_tensor::display::{PrintOptions, Suffix, format_with};
/// let x = Tensor::from_vec(vec![0.25f32, -1.5], [2]);
/// let options = PrintOptions { precision: 2, ..Default::default() };
/// assert_eq!(format_with(&x, &Suffix::default(), &options), "tensor([ 0.25, -1.50])");
/// assert_eq!(format!("{x:.2}"), "tensor([ 0.25, -1.50])");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintOptions {
    /// Digits after the point.
    pub precision: usize,
    /// The number of elements above which the middle of long axes is left out.
    pub threshold: usize,
    /// Elements shown at both ends of an axis that is cut.
    pub edgeitems: usize,
    /// Columns per line.
    pub linewidth: usize,
    /// Scientific notation: always, never, or (`None`) where the range of the values asks for it.
    pub sci_mode: Option<bool>,
}

impl Default for PrintOptions {
    /// PyTorch's `default` profile.
    fn default() -> PrintOptions {
        PrintOptions { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: None }
    }
}

/// What the text says beside the values: the gradient's side of a tensor, which this crate does not know.
#[derive(Clone, Debug, Default)]
pub struct Suffix<'a> {
    /// The name of the operation that made it, such as `AddBackward0`.
    pub grad_fn: Option<&'a str>,
    /// Whether it is a leaf that wants a gradient; shown only if there is no `grad_fn`.
    pub requires_grad: bool,
    /// Whether it is an `nn.Parameter`, which puts a line in front.
    pub parameter: bool,
}

/// The text of a tensor under the default options.
///
/// # Examples
/// ```
/// use wengert_tensor::{Tensor, display};
/// let x = Tensor::from_vec(vec![1.0f32, 2.5], [2]);
/// assert_eq!(x.to_string(), "tensor([1.0000, 2.5000])");
/// let suffix = display::Suffix { grad_fn: Some("MulBackward0"), ..Default::default() };
/// assert_eq!(display::format(&x, &suffix), "tensor([1.0000, 2.5000], grad_fn=<MulBackward0>)");
/// ```
pub fn format(tensor: &Tensor, suffix: &Suffix<'_>) -> String {
    format_with(tensor, suffix, &PrintOptions::default())
}

/// The text of a tensor under given options.
pub fn format_with(tensor: &Tensor, suffix: &Suffix<'_>, options: &PrintOptions) -> String {
    const PREFIX: &str = "tensor(";
    let mut out = String::from(PREFIX);
    let mut suffixes = Vec::new();
    let dtype = tensor.dtype();
    if tensor.numel() == 0 {
        out.push_str("[]");
        if tensor.rank() != 1 {
            suffixes.push(format!("size={}", tuple_text(tensor.shape())));
        }
        if dtype != DType::F32 {
            suffixes.push(format!("dtype={dtype}"));
        }
    } else {
        Body::new(tensor, options).write(0, tensor.layout().offset(), PREFIX.len(), &mut out);
        if !matches!(dtype, DType::F32 | DType::I64 | DType::Bool) {
            suffixes.push(format!("dtype={dtype}"));
        }
    }
    match suffix.grad_fn {
        Some(name) => suffixes.push(format!("grad_fn=<{name}>")),
        None if suffix.requires_grad => suffixes.push("requires_grad=True".to_owned()),
        None => {}
    }
    // PyTorch counts two columns more than the last line has; a suffix that would pass the width starts a line.
    let mut column = out.len() - out.rfind('\n').map_or(0, |i| i + 1) + 2;
    for text in suffixes {
        if column + text.len() + 2 > options.linewidth {
            out.push_str(",\n");
            out.push_str(&" ".repeat(PREFIX.len()));
            column = PREFIX.len() + text.len();
        } else {
            out.push_str(", ");
            column += text.len() + 2;
        }
        out.push_str(&text);
    }
    out.push(')');
    if suffix.parameter { format!("Parameter containing:\n{out}") } else { out }
}

/// Sizes as a Python tuple: `(2,)`, `(2, 3)`.
fn tuple_text(sizes: &[usize]) -> String {
    match sizes {
        [one] => format!("({one},)"),
        _ => format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The nested lists of one tensor.
struct Body<'a> {
    tensor: &'a Tensor,
    options: &'a PrintOptions,
    /// Whether long axes are cut.
    summarize: bool,
    number: NumberFormat,
}

impl<'a> Body<'a> {
    fn new(tensor: &'a Tensor, options: &'a PrintOptions) -> Body<'a> {
        let summarize = tensor.numel() > options.threshold;
        let mut body = Body { tensor, options, summarize, number: NumberFormat::new(tensor.dtype(), options) };
        body.measure(0, tensor.layout().offset());
        body.number.settle();
        body
    }

    /// How many elements of an axis are shown at each end, if it is cut.
    fn cut(&self, size: usize) -> Option<usize> {
        (self.summarize && size > self.options.edgeitems.saturating_mul(2)).then_some(self.options.edgeitems)
    }

    /// The indices of an axis that are shown; `None` stands for the gap.
    fn shown(&self, size: usize) -> Vec<Option<usize>> {
        match self.cut(size) {
            Some(edge) => (0..edge).map(Some).chain([None]).chain((size - edge..size).map(Some)).collect(),
            None => (0..size).map(Some).collect(),
        }
    }

    /// The storage index after `i` steps along an axis.
    fn step(&self, at: usize, dim: usize, i: usize) -> usize {
        (at as isize + i as isize * self.tensor.strides()[dim]) as usize
    }

    /// Lets the number format see every element that will be printed.
    fn measure(&mut self, dim: usize, at: usize) {
        if dim == self.tensor.rank() {
            return self.number.see(self.tensor.scalar_at(at));
        }
        for i in self.shown(self.tensor.shape()[dim]).into_iter().flatten() {
            self.measure(dim + 1, self.step(at, dim, i));
        }
    }

    /// The elements from axis `dim` on, whose bracket opens in column `indent`.
    fn write(&self, dim: usize, at: usize, indent: usize, out: &mut String) {
        let rank = self.tensor.rank();
        if dim == rank {
            return out.push_str(&self.number.text(self.tensor.scalar_at(at)));
        }
        let shown = self.shown(self.tensor.shape()[dim]);
        let innermost = dim + 1 == rank;
        let per_line = (self.options.linewidth.saturating_sub(indent) / (self.number.width + 2)).max(1);
        out.push('[');
        for (position, index) in shown.into_iter().enumerate() {
            if position > 0 {
                out.push(',');
                if !innermost {
                    out.push_str(&"\n".repeat(rank - dim - 1));
                    out.push_str(&" ".repeat(indent + 1));
                } else if position % per_line == 0 {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent + 1));
                } else {
                    out.push(' ');
                }
            }
            match index {
                Some(i) => self.write(dim + 1, self.step(at, dim, i), indent + 1, out),
                None if innermost => out.push_str(" ..."),
                None => out.push_str("..."),
            }
        }
        out.push(']');
    }
}

/// The one format of all numbers of a tensor, found by looking at each first.
struct NumberFormat {
    float: bool,
    precision: usize,
    sci_mode: Option<bool>,
    /// Columns that every number is padded to.
    width: usize,
    /// Whether all finite values are whole, so that they print as `1.`.
    whole: bool,
    /// Whether they print in scientific notation.
    scientific: bool,
    /// Finite non-zero values seen.
    seen: Vec<f64>,
}

impl NumberFormat {
    fn new(dtype: DType, options: &PrintOptions) -> NumberFormat {
        NumberFormat {
            float: dtype.category() == Category::Float,
            precision: options.precision,
            sci_mode: options.sci_mode,
            width: 1,
            whole: true,
            scientific: false,
            seen: Vec::new(),
        }
    }

    fn see(&mut self, value: Scalar) {
        match value {
            Scalar::Float(x) if x.is_finite() && x != 0.0 => self.seen.push(x),
            Scalar::Float(_) => {}
            other => self.width = self.width.max(self.plain(other).len()),
        }
    }

    /// Chooses the notation and the width from the values seen. Zeros and non-finite values have no say.
    fn settle(&mut self) {
        if !self.float || self.seen.is_empty() {
            return;
        }
        let low = self.seen.iter().fold(f64::INFINITY, |m, x| m.min(x.abs()));
        let high = self.seen.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        self.whole = self.seen.iter().all(|x| x.trunc() == *x);
        self.scientific = self.sci_mode.unwrap_or(high / low > 1000.0 || high > 1.0e8 || low < 1.0e-4);
        let seen = std::mem::take(&mut self.seen);
        self.width = seen.iter().map(|&x| self.plain(Scalar::Float(x)).len()).fold(self.width, usize::max);
    }

    /// The number without padding.
    fn plain(&self, value: Scalar) -> String {
        match value {
            Scalar::Bool(true) => "True".to_owned(),
            Scalar::Bool(false) => "False".to_owned(),
            Scalar::Int(x) => x.to_string(),
            Scalar::Float(x) if x.is_nan() => "nan".to_owned(),
            Scalar::Float(x) if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.to_owned(),
            Scalar::Float(x) if self.scientific => {
                let text = format!("{x:.*e}", self.precision);
                let (digits, exponent) = text.split_once('e').expect("the format writes an exponent");
                let exponent: i32 = exponent.parse().expect("the format writes a decimal exponent");
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{digits}e{sign}{:02}", exponent.abs())
            }
            Scalar::Float(x) if self.whole => format!("{x:.0}."),
            Scalar::Float(x) => format!("{x:.*}", self.precision),
        }
    }

    fn text(&self, value: Scalar) -> String {
        format!("{:>width$}", self.plain(value), width = self.width)
    }
}

impl fmt::Display for Tensor {
    /// As `print(tensor)`; a precision in the format, as in `{:.2}`, is that of [`PrintOptions`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = PrintOptions::default();
        options.precision = f.precision().unwrap_or(options.precision);
        f.write_str(&format_with(self, &Suffix::default(), &options))
    }
}

impl fmt::Debug for Tensor {
    /// The same text as [`Display`](fmt::Display).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
