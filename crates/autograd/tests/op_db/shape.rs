//! Shapes, joining, splitting, padding and creation.

use crate::sample::{KEYWORD, Sample, Value};
use crate::{Row, one};
use wengert_autograd::tensor::signal::{self, Cycle};
use wengert_autograd::tensor::{DType, Scalar, Tensor, broadcast_shapes};
use wengert_autograd::{PadMode, Var};

pub(crate) const ROWS: &[Row] = &[
    ("T", |s| one(s.x(0).t())),
    ("alias_copy", |s| one(s.x(0).copy())),
    ("as_strided", |s| {
        one(s.x(0).as_strided(
            &s.sizes(1, "size"),
            &s.sizes(2, "stride"),
            s.int_or(KEYWORD, "storage_offset", 0) as usize,
        ))
    }),
    ("as_strided_copy", |s| {
        one(s.x(0).as_strided(
            &s.sizes(1, "size"),
            &s.sizes(2, "stride"),
            s.int_or(KEYWORD, "storage_offset", 0) as usize,
        ))
    }),
    ("broadcast_shapes", |s| {
        let shapes: Vec<Vec<usize>> = (0..s.count()).map(|i| s.sizes(i, "")).collect();
        let shape = broadcast_shapes(&shapes.iter().map(|s| &s[..]).collect::<Vec<_>>());
        let sizes = Tensor::from_vec(shape.iter().map(|&n| n as i64).collect(), [shape.len()]);
        // An empty list makes a tensor of floats in PyTorch.
        one(if shape.is_empty() { sizes.to(DType::F32) } else { sizes })
    }),
    ("arange", |s| one(arange(s))),
    ("signal.windows.bartlett", |s| one(signal::bartlett(count(s), cycle(s), dtype(s)))),
    ("signal.windows.blackman", |s| one(signal::blackman(count(s), cycle(s), dtype(s)))),
    ("signal.windows.cosine", |s| one(signal::cosine(count(s), cycle(s), dtype(s)))),
    ("signal.windows.hamming", |s| one(signal::hamming(count(s), cycle(s), dtype(s)))),
    ("signal.windows.hann", |s| one(signal::hann(count(s), cycle(s), dtype(s)))),
    ("signal.windows.nuttall", |s| one(signal::nuttall(count(s), cycle(s), dtype(s)))),
    ("signal.windows.exponential", |s| {
        let (center, tau) = (s.opt_float(KEYWORD, "center"), s.float_or(KEYWORD, "tau", 1.0));
        one(signal::exponential(count(s), center, tau, cycle(s), dtype(s)))
    }),
    ("signal.windows.gaussian", |s| {
        one(signal::gaussian(count(s), s.float_or(KEYWORD, "std", 1.0), cycle(s), dtype(s)))
    }),
    ("signal.windows.general_cosine", |s| {
        one(signal::general_cosine(count(s), &s.floats(KEYWORD, "a"), cycle(s), dtype(s)))
    }),
    ("signal.windows.general_hamming", |s| {
        one(signal::general_hamming(count(s), s.float_or(KEYWORD, "alpha", 0.54), cycle(s), dtype(s)))
    }),
    ("signal.windows.kaiser", |s| one(signal::kaiser(count(s), s.float_or(KEYWORD, "beta", 12.0), cycle(s), dtype(s)))),
    ("atleast_1d", |s| each(s, Var::atleast_1d)),
    ("atleast_2d", |s| each(s, Var::atleast_2d)),
    ("atleast_3d", |s| each(s, Var::atleast_3d)),
    ("broadcast_tensors", |s| Var::broadcast_tensors(&s.rest_vars(0))),
    ("broadcast_to", |s| one(s.x(0).broadcast_to(s.sizes(1, "shape")))),
    ("cat", |s| one(Var::cat(&s.vars(0, ""), s.int_or(1, "dim", 0)))),
    ("chunk", |s| s.x(0).chunk(s.int(1, "chunks") as usize, s.int_or(2, "dim", 0))),
    ("unsafe_chunk", |s| s.x(0).chunk(s.int(1, "chunks") as usize, s.int_or(2, "dim", 0))),
    ("clone", |s| one(s.x(0).copy())),
    ("column_stack", |s| one(Var::column_stack(&s.vars(0, "")))),
    ("constant_pad_nd", |s| one(s.x(0).pad(&s.ints(1, "pad"), s.float_or(2, "value", 0.0)))),
    ("contiguous", |s| one(s.x(0).contiguous())),
    ("diagonal_copy", |s| {
        one(s.x(0).diagonal(s.int_or(1, "offset", 0), s.int_or(2, "dim1", 0), s.int_or(3, "dim2", 1)))
    }),
    ("dsplit", |s| even(s, 2, Var::dsplit)),
    ("dstack", |s| one(Var::dstack(&s.vars(0, "")))),
    ("expand", |s| one(s.x(0).expand(s.ints(1, "size")))),
    ("expand_as", |s| one(s.x(0).expand_as(&s.x(1)))),
    ("expand_copy", |s| one(s.x(0).expand(s.ints(1, "size")))),
    ("eye", |s| {
        let n = s.int(0, "n") as usize;
        one(Tensor::eye([n, s.int_or(1, "m", n as isize) as usize], dtype(s)))
    }),
    ("fill", |s| one(s.x(0).fill(number(s, 1, "value")))),
    ("flatten", |s| one(s.x(0).flatten(s.int_or(1, "start_dim", 0), s.int_or(2, "end_dim", -1)))),
    ("flip", |s| one(s.x(0).flip(s.ints(1, "dims")))),
    ("fliplr", |s| one(s.x(0).fliplr())),
    ("flipud", |s| one(s.x(0).flipud())),
    ("full", |s| one(Tensor::full(s.sizes(0, "size"), number(s, 1, "fill_value"), dtype(s)))),
    ("full_like", |s| one(Tensor::full(s.x(0).shape(), number(s, 1, "fill_value"), like(s)))),
    ("hsplit", |s| even(s, if s.x(0).rank() == 1 { 0 } else { 1 }, Var::hsplit)),
    ("hstack", |s| one(Var::hstack(&s.vars(0, "")))),
    ("H", |s| one(s.x(0).t())),
    ("mH", |s| one(s.x(0).mt())),
    ("mT", |s| one(s.x(0).mt())),
    ("item", |s| {
        let x = s.x(0);
        one(match x.dtype() {
            d if d.is_float() => Tensor::full((), x.item::<f64>(), DType::F64),
            DType::Bool => Tensor::scalar(x.item::<bool>()),
            _ => Tensor::scalar(x.item::<i64>()),
        })
    }),
    ("linspace.tensor_overload", |s| {
        let (start, end) = (s.float(0, "start"), s.float(1, "end"));
        one(Tensor::linspace_of(start, end, s.int(2, "steps") as usize, dtype(s)))
    }),
    ("logspace", |s| one(logspace(s))),
    ("logspace.tensor_overload", |s| one(logspace(s))),
    ("to", |s| one(to(s))),
    ("zero_", |s| one(s.x(0).fill(0))),
    ("linspace", |s| {
        let (start, end) = (s.float(0, "start"), s.float(1, "end"));
        one(Tensor::linspace_of(start, end, s.int(2, "steps") as usize, dtype(s)))
    }),
    ("meshgrid.list_of_tensors", |s| grid(s, s.vars(0, ""))),
    ("meshgrid.variadic_tensors", |s| grid(s, s.rest_vars(0))),
    ("movedim", |s| one(s.x(0).movedim(s.ints(1, "source"), s.ints(2, "destination")))),
    ("narrow", |s| one(s.x(0).narrow(s.int(1, "dim"), s.int(2, "start"), s.int(3, "length") as usize))),
    ("narrow_copy", |s| one(s.x(0).narrow(s.int(1, "dim"), s.int(2, "start"), s.int(3, "length") as usize))),
    ("new_full", |s| one(s.x(0).value().to(like(s)).new_full(s.sizes(1, "size"), number(s, 2, "fill_value")))),
    ("new_ones", |s| one(s.x(0).value().to(like(s)).new_ones(s.sizes(1, "size")))),
    ("new_zeros", |s| one(s.x(0).value().to(like(s)).new_zeros(s.sizes(1, "size")))),
    ("nn.functional.pad.circular", |s| one(pad(s))),
    ("nn.functional.pad.constant", |s| one(pad(s))),
    ("nn.functional.pad.reflect", |s| one(pad(s))),
    ("nn.functional.pad.replicate", |s| one(pad(s))),
    ("nn.functional.pad.replicate_negative", |s| one(pad(s))),
    ("ones", |s| one(Tensor::ones(s.sizes(0, "size"), dtype(s)))),
    ("ones_like", |s| one(Tensor::ones(s.x(0).shape(), like(s)))),
    ("permute", |s| one(s.x(0).permute(s.ints(1, "dims")))),
    ("permute_copy", |s| one(s.x(0).permute(s.ints(1, "dims")))),
    ("ravel", |s| one(s.x(0).ravel())),
    ("repeat", |s| one(s.x(0).repeat(&s.sizes(1, "repeats")))),
    ("repeat_interleave", |s| {
        s.opt_int(KEYWORD, "output_size");
        let (x, dim) = match s.opt_int(2, "dim") {
            Some(dim) => (s.x(0), dim),
            None => (s.x(0).ravel(), 0),
        };
        one(match s.get(1, "repeats") {
            Some(Value::Var(repeats)) => x.repeat_interleave_each(repeats.value(), dim),
            _ => x.repeat_interleave(s.int(1, "repeats") as usize, dim),
        })
    }),
    ("reshape", |s| one(s.x(0).reshape(s.ints(1, "shape")))),
    ("reshape_as", |s| one(s.x(0).reshape_as(&s.x(1)))),
    ("resolve_conj", |s| one(s.x(0))),
    ("resolve_neg", |s| one(s.x(0))),
    ("roll", |s| one(s.x(0).roll(s.ints(1, "shifts"), s.opt_ints(2, "dims").unwrap_or_default()))),
    ("rot90", |s| {
        let dims = s.opt_ints(2, "dims").unwrap_or(vec![0, 1]);
        one(s.x(0).rot90(s.int_or(1, "k", 1) as i64, [dims[0], dims[1]]))
    }),
    ("scalar_tensor", |s| one(Tensor::full((), number(s, 0, "s"), dtype(s)))),
    ("select", |s| one(s.x(0).select(s.int(1, "dim"), s.int(2, "index")))),
    ("slice", |s| one(slice(s))),
    ("split", |s| s.x(0).split(s.int(1, "split_size") as usize, s.int_or(2, "dim", 0))),
    ("split.list_args", |s| s.x(0).split_with_sizes(&s.sizes(1, "split_size"), s.int_or(2, "dim", 0))),
    ("split_with_sizes", |s| s.x(0).split_with_sizes(&s.sizes(1, "split_sizes"), s.int_or(2, "dim", 0))),
    ("split_with_sizes_copy", |s| s.x(0).split_with_sizes(&s.sizes(1, "split_sizes"), s.int_or(2, "dim", 0))),
    ("unsafe_split", |s| s.x(0).split(s.int(1, "split_size") as usize, s.int_or(2, "dim", 0))),
    ("squeeze", |s| one(squeeze(s))),
    ("squeeze.multiple", |s| one(squeeze(s))),
    ("squeeze_copy", |s| one(squeeze(s))),
    ("stack", |s| one(Var::stack(&s.vars(0, ""), s.int_or(1, "dim", 0)))),
    ("sum_to_size", |s| one(s.x(0).sum_to_size(&s.rest_ints(1).iter().map(|&n| n as usize).collect::<Vec<_>>()))),
    ("t", |s| one(s.x(0).t())),
    ("t_copy", |s| one(s.x(0).t())),
    ("tensor_split", |s| {
        let dim = s.int_or(2, "dim", 0);
        match s.get(1, "") {
            Some(Value::Int(n)) => s.x(0).tensor_split(*n as usize, dim),
            Some(Value::Var(x)) if x.rank() == 0 => s.x(0).tensor_split(x.item::<i64>() as usize, dim),
            Some(Value::Var(x)) => {
                s.x(0).tensor_split_at(&x.to_vec::<i64>().iter().map(|&i| i as isize).collect::<Vec<_>>(), dim)
            }
            _ => s.x(0).tensor_split_at(&s.ints(1, ""), dim),
        }
    }),
    ("tile", |s| one(s.x(0).tile(&s.sizes(1, "dims")))),
    ("transpose", |s| one(s.x(0).transpose(s.int(1, "dim0"), s.int(2, "dim1")))),
    ("transpose_copy", |s| one(s.x(0).transpose(s.int(1, "dim0"), s.int(2, "dim1")))),
    ("unbind", |s| s.x(0).unbind(s.int_or(1, "dim", 0))),
    ("unbind_copy", |s| s.x(0).unbind(s.int_or(1, "dim", 0))),
    ("unflatten", |s| one(s.x(0).unflatten(s.int(1, "dim"), s.ints(2, "sizes")))),
    ("unfold", |s| one(unfold(s))),
    ("unfold_copy", |s| one(unfold(s))),
    ("unsqueeze", |s| one(s.x(0).unsqueeze(s.int(1, "dim")))),
    ("unsqueeze_copy", |s| one(s.x(0).unsqueeze(s.int(1, "dim")))),
    ("view", |s| one(s.x(0).view(s.ints(1, "shape")))),
    ("view_as", |s| one(s.x(0).view_as(&s.x(1)))),
    ("view_copy", |s| one(s.x(0).view(s.ints(1, "shape")))),
    ("vsplit", |s| even(s, 0, Var::vsplit)),
    ("vstack", |s| one(Var::vstack(&s.vars(0, "")))),
    ("zeros", |s| one(Tensor::zeros(s.sizes(0, "size"), dtype(s)))),
    ("zeros_like", |s| one(Tensor::zeros(s.x(0).shape(), like(s)))),
    ("bfloat16", |s| one(s.x(0).bfloat16())),
    ("bool", |s| one(s.x(0).bool())),
    ("byte", |s| one(s.x(0).byte())),
    ("char", |s| one(s.x(0).char())),
    ("double", |s| one(s.x(0).double())),
    ("float", |s| one(s.x(0).float())),
    ("half", |s| one(s.x(0).half())),
    ("int", |s| one(s.x(0).int())),
    ("long", |s| one(s.x(0).long())),
    ("short", |s| one(s.x(0).short())),
    ("tril_indices", |s| one(triangle(s, Tensor::tril_indices))),
    ("triu_indices", |s| one(triangle(s, Tensor::triu_indices))),
];

/// `f` of one tensor, or of each of several.
fn each(s: &Sample, f: fn(&Var) -> Var) -> Vec<Var> {
    s.rest_vars(0).iter().map(f).collect()
}

fn even(s: &Sample, dim: isize, f: fn(&Var, usize) -> Vec<Var>) -> Vec<Var> {
    match s.get(1, "") {
        Some(Value::Int(n)) => f(&s.x(0), *n as usize),
        _ => s.x(0).tensor_split_at(&s.ints(1, ""), dim),
    }
}

/// A number as PyTorch got it.
fn number(s: &Sample, position: usize, name: &str) -> Scalar {
    match s.get(position, name) {
        Some(Value::Bool(x)) => Scalar::Bool(*x),
        Some(Value::Int(x)) => Scalar::Int(*x),
        _ => Scalar::Float(s.float(position, name)),
    }
}

/// The length of a window.
fn count(s: &Sample) -> usize {
    s.int(0, "M") as usize
}

fn cycle(s: &Sample) -> Cycle {
    if s.flag(KEYWORD, "sym", true) { Cycle::Symmetric } else { Cycle::Periodic }
}

/// The dtype that the sample asks for, else PyTorch's default.
fn dtype(s: &Sample) -> DType {
    s.dtype(KEYWORD, "dtype").unwrap_or(DType::F32)
}

/// The dtype that the sample asks for, else the operand's.
fn like(s: &Sample) -> DType {
    s.dtype(KEYWORD, "dtype").unwrap_or(s.x(0).dtype())
}

fn grid(s: &Sample, parts: Vec<Var>) -> Vec<Var> {
    if s.text(KEYWORD, "indexing", "ij") == "xy" { Var::meshgrid_xy(&parts) } else { Var::meshgrid(&parts) }
}

fn pad(s: &Sample) -> Var {
    let widths = s.ints(1, "pad");
    let mode = match &*s.text(2, "mode", "constant") {
        "constant" => return s.x(0).pad(&widths, s.float_or(3, "value", 0.0)),
        "reflect" => PadMode::Reflect,
        "replicate" => PadMode::Replicate,
        _ => PadMode::Circular,
    };
    s.x(0).pad_from_inside(&widths, mode)
}

fn slice(s: &Sample) -> Var {
    let step = s.int_or(4, "step", 1) as usize;
    s.x(0).slice(s.int_or(1, "dim", 0), s.opt_int(2, "start"), s.opt_int(3, "end"), step)
}

fn squeeze(s: &Sample) -> Var {
    let x = s.x(0);
    match s.opt_ints(1, "dim") {
        Some(dims) if dims.is_empty() => x,
        Some(dims) => x.squeeze(dims),
        None => x.squeeze([]),
    }
}

fn unfold(s: &Sample) -> Var {
    s.x(0).unfold(s.int(1, "dimension"), s.int(2, "size") as usize, s.int(3, "step") as usize)
}

/// Positions of a triangle of a matrix.
fn triangle(s: &Sample, f: fn(usize, usize, isize) -> Tensor) -> Tensor {
    let at = f(s.int(0, "row") as usize, s.int(1, "col") as usize, s.int_or(2, "offset", 0));
    at.to(s.dtype(KEYWORD, "dtype").unwrap_or(DType::I64))
}

fn logspace(s: &Sample) -> Tensor {
    let (start, end, base) = (s.float(0, "start"), s.float(1, "end"), s.float_or(3, "base", 10.0));
    Tensor::logspace_of(start, end, s.int(2, "steps") as usize, base, dtype(s))
}

/// The end alone, or start and end, or a step too.
fn arange(s: &Sample) -> Tensor {
    let step = if s.get(2, "step").is_some() { number(s, 2, "step") } else { Scalar::Int(1) };
    let (start, end) = match s.get(1, "end") {
        Some(_) => (number(s, 0, "start"), number(s, 1, "end")),
        None => (Scalar::Int(0), number(s, 0, "end")),
    };
    match s.dtype(KEYWORD, "dtype") {
        Some(dtype) => Tensor::arange_of(start, end, step, dtype),
        None => Tensor::arange(start, end, step),
    }
}

/// The dtype, which may stand first, behind a device, or be that of another tensor; the rest says how to copy.
fn to(s: &Sample) -> Var {
    let dtype = (1..s.count()).filter_map(|i| match s.get(i, "") {
        Some(Value::DType(dtype)) => Some(*dtype),
        Some(Value::Var(other)) => Some(other.dtype()),
        _ => None,
    });
    let dtype = dtype.last().or(s.dtype(KEYWORD, "dtype")).expect("a sample names a dtype");
    s.flag(KEYWORD, "copy", false);
    s.x(0).to(dtype)
}
