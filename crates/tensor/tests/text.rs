//! The text of tensors, values and state dicts against PyTorch's, Python's and IPython's.

#![allow(clippy::unwrap_used)]

use serde_json::Value as Json;
use wengert_tensor::display::{PrintOptions, Suffix, format_with};
use wengert_tensor::{DType, Dict, DictKind, StateDict, Tensor, Value};

fn hex(text: &Json) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn float(bits: &Json) -> f64 {
    f64::from_be_bytes(hex(bits).try_into().unwrap())
}

fn sizes(list: &Json) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

fn tensor(dtype: &Json, shape: &Json, data: &Json) -> Option<Tensor> {
    let dtype = DType::ALL.iter().find(|d| d.name() == dtype)?;
    Some(Tensor::from_bytes(*dtype, &sizes(shape), &hex(data)).unwrap())
}

/// Compares all cases, shows the first few that differ, and returns how many there were.
fn check_tensors(cases: &[Json]) -> usize {
    let mut count = 0;
    for case in cases {
        // Complex tensors do not exist here.
        let Some(x) = tensor(&case["dtype"], &case["shape"], &case["hex"]) else { continue };
        let mut options = PrintOptions::default();
        for name in ["options", "printoptions"] {
            let field = |key: &str| case[name][key].as_u64().map(|n| n as usize);
            options.precision = field("precision").unwrap_or(options.precision);
            options.threshold = field("threshold").unwrap_or(options.threshold);
            options.edgeitems = field("edgeitems").unwrap_or(options.edgeitems);
            options.linewidth = field("linewidth").unwrap_or(options.linewidth);
            options.sci_mode = case[name]["sci_mode"].as_bool().or(options.sci_mode);
        }
        let suffix = Suffix {
            grad_fn: case["grad_fn"].as_str(),
            requires_grad: case["requires_grad"].as_bool().unwrap(),
            parameter: case["parameter"].as_bool().unwrap(),
        };
        let want = case["text"].as_str().unwrap();
        let got = format_with(&x, &suffix, &options);
        assert_eq!(got, want, "\n{got}\ninstead of\n{want}");
        // The same values, seen through other strides.
        if x.rank() > 1 {
            let last = x.rank() as isize - 1;
            let strided = x.transpose(0, last).copy().transpose(0, last);
            assert_eq!(format_with(&strided, &suffix, &options), want);
        }
        count += 1;
    }
    count
}

#[test]
fn tensors_print_as_in_pytorch() {
    let first: Vec<Json> = serde_json::from_str(include_str!("golden/tensor_str.json")).unwrap();
    assert_eq!(check_tensors(&first), 63);
    let more: Json = serde_json::from_str(include_str!("golden/text.json")).unwrap();
    assert_eq!(check_tensors(more["tensors"].as_array().unwrap()), 159);
}

fn value(node: &Json) -> Value {
    let data = &node[1];
    let items = || data.as_array().unwrap().iter().map(value).collect();
    let dict = |kind| {
        let mut out = Dict { kind, ..Dict::default() };
        out.entries = data.as_array().unwrap().iter().map(|pair| (value(&pair[0]), value(&pair[1]))).collect();
        Value::Dict(out)
    };
    match node[0].as_str().unwrap() {
        "none" => Value::None,
        "bool" => Value::Bool(data.as_bool().unwrap()),
        "int" => Value::Int(data.as_i64().unwrap()),
        "bigint" => Value::BigInt(hex(data)),
        "float" => Value::Float(float(data)),
        "complex" => Value::Complex(float(&data[0]), float(&data[1])),
        "str" => Value::from(data.as_str().unwrap()),
        "bytes" => Value::Bytes(hex(data)),
        "bytearray" => Value::ByteArray(hex(data)),
        "tensor" => {
            let tensor = tensor(&data[0], &data[1], &data[2]).unwrap();
            match (data[3].as_bool().unwrap(), data[4].as_bool().unwrap()) {
                (false, false) => Value::from(tensor),
                (requires_grad, parameter) => Value::Grad { tensor: Box::new(tensor), parameter, requires_grad },
            }
        }
        "size" => Value::Size(sizes(data)),
        "dtype" => Value::DType(data.as_str().unwrap().to_owned()),
        "device" => Value::Device(data.as_str().unwrap().to_owned()),
        "list" => Value::List(items()),
        "tuple" => Value::Tuple(items()),
        "set" => Value::Set(items()),
        "dict" => dict(DictKind::Plain),
        "OrderedDict" => dict(DictKind::Ordered),
        "Counter" => dict(DictKind::Counter),
        other => panic!("no node of kind {other}"),
    }
}

#[test]
fn values_print_as_in_python_and_ipython() {
    let golden: Json = serde_json::from_str(include_str!("golden/text.json")).unwrap();
    let cases = golden["values"].as_array().unwrap();
    assert_eq!(cases.len(), 140);
    for case in cases {
        let value = value(&case["node"]);
        for (got, want) in [(value.to_string(), &case["repr"]), (value.pretty(), &case["pretty"])] {
            let want = want.as_str().unwrap();
            assert_eq!(got, want, "\n{got}\ninstead of\n{want}");
        }
        assert_eq!(format!("{value:#?}"), value.pretty());
    }
}

#[test]
fn a_state_dict_prints_as_an_ordered_dict() {
    let mut state = StateDict::new();
    state.insert(
        "hidden.weight",
        Tensor::from_vec(vec![-0.1291f32, -0.4541, -0.0159, -0.5555, -0.3319, 0.4285], [2, 3]),
    );
    state.insert("hidden.bias", Tensor::from_vec(vec![-0.3046f32, -0.0209], [2]));
    state.insert("output.weight", Tensor::from_vec(vec![-0.4204f32, 0.4508], [1, 2]));
    state.insert("output.bias", Tensor::from_vec(vec![-0.5094f32], [1]));
    state.metadata.insert(String::new(), 1);
    let line = "OrderedDict([('hidden.weight', tensor([[-0.1291, -0.4541, -0.0159],
        [-0.5555, -0.3319,  0.4285]])), ('hidden.bias', tensor([-0.3046, -0.0209])), \
         ('output.weight', tensor([[-0.4204,  0.4508]])), ('output.bias', tensor([-0.5094]))])";
    assert_eq!(format!("{state}"), line);
    assert_eq!(format!("{state:?}"), line);
    let layout = "OrderedDict([('hidden.weight',
              tensor([[-0.1291, -0.4541, -0.0159],
                      [-0.5555, -0.3319,  0.4285]])),
             ('hidden.bias', tensor([-0.3046, -0.0209])),
             ('output.weight', tensor([[-0.4204,  0.4508]])),
             ('output.bias', tensor([-0.5094]))])";
    assert_eq!(state.pretty(), layout);
}
