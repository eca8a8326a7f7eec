//! The text of values and state dicts: Python's `repr`, and the layout of IPython's pretty printer.

use crate::display::{Suffix, format as tensor_text};
use crate::pretty::Printer;
use crate::{Dict, DictKind, Object, StateDict, Value};
use std::fmt::{self, Write};

/// How many elements of one container [`Value::pretty`] shows, as in IPython.
const MAX_SHOWN: usize = 1000;

impl Value {
    /// The value laid out over lines of at most 79 columns, as an IPython session or notebook shows it.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::Value;
    /// let short = Value::dict([("lr", Value::from(1e-3)), ("fused", Value::None)]);
    /// assert_eq!(short.pretty(), "{'lr': 0.001, 'fused': None}");
    /// ```
    pub fn pretty(&self) -> String {
        let mut printer = Printer::new(79);
        pretty_value(self, &mut printer);
        printer.finish()
    }
}

impl StateDict {
    /// The dict laid out over lines of at most 79 columns, as an IPython session or notebook shows it.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{StateDict, Tensor};
    /// let state = StateDict::from_iter([("bias", Tensor::from_vec(vec![0.5f32], [1]))]);
    /// assert_eq!(state.pretty(), "OrderedDict([('bias', tensor([0.5000]))])");
    /// ```
    pub fn pretty(&self) -> String {
        Value::from(self).pretty()
    }
}

impl fmt::Display for Value {
    /// As Python's `repr`; with `{:#}` as [`Value::pretty`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { f.write_str(&self.pretty()) } else { repr(self, f) }
    }
}

impl fmt::Debug for Value {
    /// The same text as [`Display`](fmt::Display).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StateDict {
    /// As Python's `repr` of an OrderedDict; with `{:#}` as [`StateDict::pretty`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Value::from(self), f)
    }
}

impl fmt::Debug for StateDict {
    /// The same text as [`Display`](fmt::Display).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Dict {
    /// As Python's `repr`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Value::Dict(self.clone()), f)
    }
}

/// Writes `open`, the items with commas between them, `close`.
fn sequence<W: Write, T>(
    out: &mut W,
    open: &str,
    items: impl IntoIterator<Item = T>,
    close: &str,
    mut item: impl FnMut(T, &mut W) -> fmt::Result,
) -> fmt::Result {
    out.write_str(open)?;
    for (i, x) in items.into_iter().enumerate() {
        if i > 0 {
            out.write_str(", ")?;
        }
        item(x, out)?;
    }
    out.write_str(close)
}

fn repr<W: Write>(value: &Value, out: &mut W) -> fmt::Result {
    match value {
        Value::List(items) => sequence(out, "[", items, "]", repr),
        Value::Tuple(items) if items.len() == 1 => sequence(out, "(", items, ",)", repr),
        Value::Tuple(items) => sequence(out, "(", items, ")", repr),
        Value::Set(items) if items.is_empty() => out.write_str("set()"),
        Value::Set(items) => sequence(out, "{", items, "}", repr),
        Value::Dict(dict) => {
            let name = class_name(dict);
            if dict.is_empty() && !name.is_empty() {
                return write!(out, "{name}()");
            }
            let pair = |separator: &'static str| {
                move |(k, v): (&Value, &Value), out: &mut W| {
                    repr(k, out)?;
                    out.write_str(separator)?;
                    repr(v, out)
                }
            };
            match dict.kind {
                DictKind::Plain => sequence(out, "{", dict.iter(), "}", pair(": ")),
                DictKind::Counter => sequence(out, "Counter({", most_common(dict), "})", pair(": ")),
                DictKind::Ordered => sequence(out, "OrderedDict([", dict.iter(), "])", |kv, out| {
                    out.write_char('(')?;
                    pair(", ")(kv, out)?;
                    out.write_char(')')
                }),
            }
        }
        Value::Object(object) => object_repr(object, out),
        leaf => out.write_str(&leaf_text(leaf)),
    }
}

/// `<torch.nn.modules.linear.Linear() {'training': True}>`
fn object_repr<W: Write>(object: &Object, out: &mut W) -> fmt::Result {
    write!(out, "<{}", object.class)?;
    if let Some(arguments) = &object.arguments {
        sequence(out, "(", arguments, ")", repr)?;
    }
    if !object.attributes.is_empty() {
        sequence(out, " {", object.attributes.iter(), "}", |(k, v), out| {
            repr(k, out)?;
            out.write_str(": ")?;
            repr(v, out)
        })?;
    }
    out.write_char('>')
}

fn class_name(dict: &Dict) -> &'static str {
    match dict.kind {
        DictKind::Plain => "",
        DictKind::Ordered => "OrderedDict",
        DictKind::Counter => "Counter",
    }
}

/// The pairs of a Counter from the largest count to the smallest; in their own order if the counts are no numbers.
fn most_common(dict: &Dict) -> Vec<(&Value, &Value)> {
    let mut pairs: Vec<_> = dict.iter().collect();
    if pairs.iter().all(|(_, v)| number(v).is_some()) {
        pairs.sort_by(|a, b| number(b.1).partial_cmp(&number(a.1)).unwrap_or(std::cmp::Ordering::Equal));
    }
    pairs
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(b) => Some(*b as i64 as f64),
        Value::Int(i) => Some(*i as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    }
}

/// The `repr` of what holds no other values.
fn leaf_text(value: &Value) -> String {
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(b) => if *b { "True" } else { "False" }.to_owned(),
        Value::Int(i) => i.to_string(),
        Value::BigInt(bytes) => big_int_text(bytes),
        Value::Float(x) => float_text(*x, ".0"),
        Value::Complex(re, im) => complex_text(*re, *im),
        Value::Str(s) => str_text(s),
        Value::Bytes(b) => bytes_text(b),
        Value::ByteArray(b) => format!("bytearray({})", bytes_text(b)),
        Value::Tensor(t) => tensor_text(t, &Suffix::default()),
        Value::Grad { tensor, parameter, requires_grad } => {
            tensor_text(tensor, &Suffix { grad_fn: None, requires_grad: *requires_grad, parameter: *parameter })
        }
        Value::Size(sizes) => crate::shape::size_text(sizes),
        Value::DType(name) => format!("torch.{name}"),
        Value::Device(name) => match name.split_once(':') {
            Some((kind, index)) => format!("device(type='{kind}', index={index})"),
            None => format!("device(type='{name}')"),
        },
        Value::Object(object) => {
            let mut text = String::new();
            object_repr(object, &mut text).expect("a String takes all text");
            text
        }
        Value::List(_) | Value::Tuple(_) | Value::Set(_) | Value::Dict(_) => {
            unreachable!("the callers handle containers themselves")
        }
    }
}

/// A float as Python's `repr` writes it: the shortest digits that read back as the same number, an exponent below
/// 1e-4 and from 1e16 on. Whole numbers end in `whole`.
fn float_text(x: f64, whole: &str) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "nan"
        } else if x > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let text = format!("{x:e}");
    let (digits, exponent) = text.split_once('e').expect("the format writes an exponent");
    let exponent: i32 = exponent.parse().expect("the format writes a decimal exponent");
    if x == 0.0 || (-4..16).contains(&exponent) {
        let plain = format!("{x}");
        if plain.contains('.') { plain } else { plain + whole }
    } else {
        format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}

fn complex_text(re: f64, im: f64) -> String {
    let imaginary = float_text(im, "");
    if re == 0.0 && re.is_sign_positive() {
        return imaginary + "j";
    }
    let sign = if imaginary.starts_with('-') { "" } else { "+" };
    format!("({}{sign}{imaginary}j)", float_text(re, ""))
}

/// An integer from little-endian two's complement. Beyond the 4300 digits that Python converts, in hexadecimal.
fn big_int_text(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for b in &mut magnitude {
            let (sum, over) = (!*b).overflowing_add(carry as u8);
            (*b, carry) = (sum, over);
        }
    }
    while magnitude.last() == Some(&0) {
        magnitude.pop();
    }
    let digits = if magnitude.is_empty() {
        "0".to_owned()
    } else if magnitude.len() > 1785 {
        let hex: String = magnitude.iter().rev().map(|b| format!("{b:02x}")).collect();
        format!("0x{}", hex.trim_start_matches('0'))
    } else {
        let mut groups = Vec::new();
        while !magnitude.is_empty() {
            let mut rest = 0u64;
            for b in magnitude.iter_mut().rev() {
                let x = rest << 8 | *b as u64;
                *b = (x / 1_000_000_000) as u8;
                rest = x % 1_000_000_000;
            }
            groups.push(rest);
            while magnitude.last() == Some(&0) {
                magnitude.pop();
            }
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        groups.iter().rev().for_each(|g| text.push_str(&format!("{g:09}")));
        text
    };
    if negative { format!("-{digits}") } else { digits }
}

/// Single quotes, unless only they occur inside.
fn quote(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

fn str_text(s: &str) -> String {
    let quote = quote(s.contains('\''), s.contains('"'));
    let mut out = String::from(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if printable(c) => out.push(c),
            c => {
                out.push_str(&match c as u32 {
                    x @ ..0x100 => format!("\\x{x:02x}"),
                    x @ ..0x10000 => format!("\\u{x:04x}"),
                    x => format!("\\U{x:08x}"),
                });
            }
        }
    }
    out.push(quote);
    out
}

/// Python's `str.isprintable`: neither control, format, private, unassigned nor a separator. Rust's debug escape asks
/// the same of a character that is not the first of its text.
fn printable(c: char) -> bool {
    let mut buffer = String::from('a');
    buffer.push(c);
    buffer.escape_debug().eq(buffer.chars())
}

fn bytes_text(bytes: &[u8]) -> String {
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let mut out = format!("b{quote}");
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if b as char == quote => out.extend(['\\', quote]),
            b' '..=b'~' => out.push(b as char),
            b => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(quote);
    out
}

/// Lays a container out: a break after each comma, the elements one column behind the bracket.
fn pretty_sequence<T>(
    printer: &mut Printer,
    open: &str,
    items: impl IntoIterator<Item = T>,
    close: &str,
    mut item: impl FnMut(T, &mut Printer),
) {
    printer.begin(open.len(), open);
    for (i, x) in items.into_iter().enumerate() {
        if i > 0 {
            printer.text(",");
            printer.breakable();
        }
        if i == MAX_SHOWN {
            printer.text("...");
            break;
        }
        item(x, printer);
    }
    printer.end(open.len(), close);
}

fn pretty_value(value: &Value, printer: &mut Printer) {
    let pairs = |printer: &mut Printer, entries: Vec<(&Value, &Value)>| {
        printer.begin(0, "");
        pretty_sequence(printer, "{", entries, "}", |(k, v), printer| {
            pretty_value(k, printer);
            printer.text(": ");
            pretty_value(v, printer);
        });
        printer.end(0, "");
    };
    printer.begin(0, "");
    match value {
        Value::List(items) => pretty_sequence(printer, "[", items, "]", pretty_value),
        Value::Tuple(items) if items.len() == 1 => pretty_sequence(printer, "(", items, ",)", pretty_value),
        Value::Tuple(items) => pretty_sequence(printer, "(", items, ")", pretty_value),
        Value::Set(items) if items.is_empty() => printer.text("set()"),
        Value::Set(items) => pretty_sequence(printer, "{", sorted(items), "}", pretty_value),
        Value::Dict(dict) if dict.kind == DictKind::Plain => pairs(printer, dict.iter().collect()),
        Value::Dict(dict) => {
            let name = class_name(dict);
            let open = format!("{name}(");
            printer.begin(open.len(), &open);
            match dict.kind {
                _ if dict.is_empty() => {}
                DictKind::Counter => pairs(printer, most_common(dict)),
                _ => {
                    printer.begin(0, "");
                    pretty_sequence(printer, "[", dict.iter(), "]", |(k, v), printer| {
                        printer.begin(0, "");
                        pretty_sequence(printer, "(", [k, v], ")", pretty_value);
                        printer.end(0, "");
                    });
                    printer.end(0, "");
                }
            }
            printer.end(open.len(), ")");
        }
        leaf => {
            printer.begin(0, "");
            for (i, line) in leaf_text(leaf).split('\n').enumerate() {
                if i > 0 {
                    printer.newline();
                }
                printer.text(line);
            }
            printer.end(0, "");
        }
    }
    printer.end(0, "");
}

/// The elements of a set in the order of their values, or of their text if they do not compare.
fn sorted(items: &[Value]) -> Vec<&Value> {
    let mut out: Vec<&Value> = items.iter().collect();
    if out.len() >= MAX_SHOWN {
        return out;
    }
    if out.iter().all(|v| number(v).is_some()) {
        out.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
    } else {
        out.sort_by_key(|v| match v {
            Value::Str(s) => s.clone(),
            other => other.to_string(),
        });
    }
    out
}
