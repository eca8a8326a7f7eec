//! The names that a pickle may mention, and what each means here. Nothing else is accepted, nothing is ever called.

use crate::Error;
use crate::elements::{Elements, Wide};
use wengert_tensor::DType;

/// The element type of a storage: its name, its size, and the dtype if tensors here have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) size: u64,
    pub(crate) dtype: Option<DType>,
}

impl Item {
    /// What elements of it become, if they are to be read.
    pub(crate) fn elements(self, widen: bool) -> Option<Elements> {
        Elements::of(self.dtype, Wide::named(self.name), widen)
    }
}

/// A name that a pickle may mention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Global {
    OrderedDict,
    Counter,
    DefaultDict,
    /// `set` or `frozenset`.
    Set,
    /// A builtin class that a defaultdict calls for entries that are missing.
    Factory(&'static str),
    Bytes,
    ByteArray,
    Complex,
    /// `_codecs.encode`, by which Python 2 pickles hold bytes.
    Encode,
    Size,
    Device,
    /// `torch.serialization._get_layout`.
    Layout,
    /// A dtype itself.
    Dtype(Item),
    /// A storage class.
    Storage(Item),
    /// `_rebuild_tensor`, before 0.4.
    RebuildV1,
    RebuildV2,
    RebuildV3,
    RebuildParameter,
    RebuildParameterWithState,
    RebuildFromType,
    /// `torch.Tensor`, `torch.nn.parameter.Parameter` or `Buffer`, as the type of a tensor with attributes.
    TensorClass,
}

/// Dtypes: PyTorch's name, legacy storage class if there is one, bytes, ours.
const ITEMS: &[(&str, &str, u64, Option<DType>)] = &[
    ("float64", "DoubleStorage", 8, Some(DType::F64)),
    ("float32", "FloatStorage", 4, Some(DType::F32)),
    ("float16", "HalfStorage", 2, Some(DType::F16)),
    ("bfloat16", "BFloat16Storage", 2, Some(DType::BF16)),
    ("int64", "LongStorage", 8, Some(DType::I64)),
    ("int32", "IntStorage", 4, Some(DType::I32)),
    ("int16", "ShortStorage", 2, Some(DType::I16)),
    ("int8", "CharStorage", 1, Some(DType::I8)),
    ("uint8", "ByteStorage", 1, Some(DType::U8)),
    ("bool", "BoolStorage", 1, Some(DType::Bool)),
    ("complex64", "ComplexFloatStorage", 8, None),
    ("complex128", "ComplexDoubleStorage", 16, None),
    ("complex32", "", 4, None),
    ("bcomplex32", "", 4, None),
    ("uint16", "", 2, None),
    ("uint32", "", 4, None),
    ("uint64", "", 8, None),
    ("float8_e4m3fn", "", 1, None),
    ("float8_e4m3fnuz", "", 1, None),
    ("float8_e5m2", "", 1, None),
    ("float8_e5m2fnuz", "", 1, None),
    ("float8_e8m0fnu", "", 1, None),
    ("float4_e2m1fn_x2", "", 1, None),
    ("qint8", "", 1, None),
    ("quint8", "", 1, None),
    ("qint32", "", 4, None),
    ("quint4x2", "", 1, None),
    ("quint2x4", "", 1, None),
    ("bits8", "", 1, None),
    ("bits16", "", 2, None),
    ("bits1x8", "", 1, None),
    ("bits2x4", "", 1, None),
    ("bits4x2", "", 1, None),
    ("bit", "", 1, None),
    ("uint1", "", 1, None),
    ("uint2", "", 1, None),
    ("uint3", "", 1, None),
    ("uint4", "", 1, None),
    ("uint5", "", 1, None),
    ("uint6", "", 1, None),
    ("uint7", "", 1, None),
    ("int1", "", 1, None),
    ("int2", "", 1, None),
    ("int3", "", 1, None),
    ("int4", "", 1, None),
    ("int5", "", 1, None),
    ("int6", "", 1, None),
    ("int7", "", 1, None),
];

/// Names of memory layouts, which `torch.serialization._get_layout` takes.
pub(crate) const LAYOUTS: &[&str] =
    &["strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged", "_mkldnn"];

/// Builtin classes that make entries of defaultdicts.
const FACTORIES: &[&str] = &["int", "long", "float", "bool", "str", "unicode", "list", "dict", "tuple"];

/// Bytes without a dtype.
pub(crate) const UNTYPED: Item = Item { name: "untyped", size: 1, dtype: None };

fn item(row: &'static (&'static str, &'static str, u64, Option<DType>)) -> Item {
    Item { name: row.0, size: row.2, dtype: row.3 }
}

/// The class name of a dtype's storage, for writing.
pub(crate) fn storage_class(dtype: DType) -> &'static str {
    ITEMS.iter().find(|row| row.3 == Some(dtype)).expect("every dtype has a storage class").1
}

/// What a name means.
pub(crate) fn resolve(module: &str, name: &str) -> Result<Global, Error> {
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("collections", "Counter") => Global::Counter,
        ("collections", "defaultdict") => Global::DefaultDict,
        ("__builtin__" | "builtins", "set" | "frozenset") => Global::Set,
        ("__builtin__" | "builtins", "bytes") => Global::Bytes,
        ("__builtin__" | "builtins", "bytearray") => Global::ByteArray,
        ("__builtin__" | "builtins", "complex") => Global::Complex,
        ("__builtin__" | "builtins", _) => match FACTORIES.iter().find(|known| **known == name) {
            Some(known) => Global::Factory(known),
            None => return Err(refuse(module, name)),
        },
        ("_codecs", "encode") => Global::Encode,
        ("torch", "Size") => Global::Size,
        ("torch", "device") => Global::Device,
        ("torch.serialization", "_get_layout") => Global::Layout,
        ("torch._utils", "_rebuild_tensor") => Global::RebuildV1,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildV2,
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildV3,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch._utils", "_rebuild_parameter_with_state") => Global::RebuildParameterWithState,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::RebuildFromType,
        ("torch", "Tensor") | ("torch.nn.parameter", "Parameter" | "Buffer") => Global::TensorClass,
        ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => Global::Storage(UNTYPED),
        ("torch" | "torch.cuda", _) => {
            let storage = ITEMS.iter().find(|row| !row.1.is_empty() && row.1 == name);
            let dtype = ITEMS.iter().find(|row| module == "torch" && row.0 == name);
            match (storage, dtype) {
                (Some(row), _) => Global::Storage(item(row)),
                (None, Some(row)) => Global::Dtype(item(row)),
                (None, None) => return Err(refuse(module, name)),
            }
        }
        _ => return Err(refuse(module, name)),
    })
}

/// The error for a name that is not on the list: what it is, and what to do.
fn refuse(module: &str, name: &str) -> Error {
    let what = |kind: &str| format!("{kind} ({module}.{name})");
    let (what, advice) = if module.starts_with("numpy") {
        (what("a numpy object"), "convert it before saving, with float(x) or x.item() or torch.from_numpy(x)")
    } else if name.contains("sparse") {
        (what("a sparse tensor"), "save x.to_dense()")
    } else if name.contains("qtensor") || name.starts_with('Q') && name.ends_with("Storage") {
        (what("a quantized tensor, a qtensor"), "save x.dequantize()")
    } else if name.contains("meta") && module.starts_with("torch") {
        (what("a meta tensor"), "it has no data; materialise the model before saving it")
    } else if module.starts_with("torch") && (name.contains("nested") || module.contains("nested")) {
        (what("a nested tensor"), "save its parts as a list")
    } else if module == "torch.nn.parameter" && name.starts_with("Uninitialized") {
        (what("a parameter of a lazy module"), "run the model once before saving it, so that its shape is known")
    } else if module.starts_with("torch.nn") {
        (what("an object of a class, as in a whole-model save"), "save model.state_dict() instead of the model")
    } else if module == "__main__" {
        let advice = "if it is a model, save its state_dict(); if not, its fields as a dict";
        (what("an object of a program's own class, as in a whole-model save"), advice)
    } else if module.starts_with("torch.optim.lr_scheduler") {
        (what("a scheduler object"), "save scheduler.state_dict()")
    } else if module.starts_with("torch.optim") {
        (what("an optimizer object"), "save optimizer.state_dict()")
    } else if module == "torch._C" && name == "Generator" {
        (what("a random generator"), "save generator.get_state()")
    } else if (module, name) == ("argparse", "Namespace") {
        (what("a set of program arguments"), "save vars(args)")
    } else if (module, name) == ("collections", "deque") {
        (what("a deque"), "save list(x)")
    } else if matches!(module, "decimal" | "fractions") {
        (what("an exact number"), "save float(x) or str(x)")
    } else if module == "uuid" {
        (what("a UUID"), "save str(x)")
    } else if matches!(module, "__builtin__" | "builtins") && matches!(name, "getattr" | "type") {
        (what("a function or a class"), "save its name")
    } else if module.starts_with("pathlib") {
        (what("a path"), "save str(path)")
    } else if module == "datetime" {
        (what("a date or a time"), "save its isoformat() or timestamp()")
    } else if matches!(module, "__builtin__" | "builtins") && matches!(name, "range" | "slice" | "xrange") {
        (what("a range"), "save list(x)")
    } else if module == "enum" || name == "Enum" {
        (what("an enum"), "save its value")
    } else if module.starts_with("torch.distributed") {
        (what("a distributed tensor"), "gather it before saving")
    } else {
        (what("an object"), "save what it consists of as tensors, numbers, text, lists, tuples, sets and dicts")
    };
    Error::NotData { what, advice }
}
