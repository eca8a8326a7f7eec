//! The golden file of `xtask/golden/modules.py`: the samples of all modules with PyTorch's results.

use flate2::read::ZlibDecoder;
use serde_json::{Map, Value as Json};
use std::io::Read;
use std::sync::Arc;
use wengert_nn::tensor::{DType, Object, Tensor, Value};

/// The whole file.
pub(crate) struct Golden {
    pub(crate) modules: Vec<Json>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) keep: usize,
}

/// An input tensor, and whether it wants a gradient.
pub(crate) struct Input {
    pub(crate) value: Tensor,
    pub(crate) requires_grad: bool,
}

/// What is known of a result: all of it, or some elements and a weighed sum.
pub(crate) struct Known {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Vec<f64>,
    pub(crate) sum: Option<f64>,
}

impl Golden {
    pub(crate) fn read() -> Golden {
        let mut data = Vec::new();
        let packed: &[u8] = include_bytes!("../golden/modules.bin");
        ZlibDecoder::new(packed).read_to_end(&mut data).expect("the golden file");
        let (length, rest) = data.split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
        let head: Json = serde_json::from_slice(&rest[..length]).expect("the head");
        Golden {
            modules: list(&head["modules"]).to_vec(),
            bytes: rest[length..].to_vec(),
            keep: head["keep"].as_u64().expect("a number") as usize,
        }
    }

    /// A tensor that was stored whole.
    pub(crate) fn input(&self, json: &Json) -> Input {
        let (dtype, shape) = (dtype(&json[0]), sizes(&json[1]));
        let count: usize = shape.iter().product();
        let value = Tensor::from_bytes(dtype, &shape, self.at(&json[2], count * dtype.size())).expect("its bytes");
        Input { value, requires_grad: json[3].as_bool().expect("a bool") }
    }

    /// An argument as a value; `{"tensor": …}` is a tensor.
    pub(crate) fn value(&self, json: &Json) -> Value {
        match json {
            Json::Null => Value::None,
            Json::Bool(b) => (*b).into(),
            Json::Number(n) => n.as_i64().map_or_else(|| n.as_f64().expect("a float").into(), Value::Int),
            Json::String(s) => s.as_str().into(),
            Json::Array(items) => Value::List(items.iter().map(|x| self.value(x)).collect()),
            Json::Object(tagged) => self.tagged(tagged),
        }
    }

    fn tagged(&self, tagged: &Map<String, Json>) -> Value {
        let (tag, json) = tagged.iter().next().expect("a tag");
        match tag.as_str() {
            "tensor" => Value::from(self.input(json).value),
            "tuple" => Value::Tuple(list(json).iter().map(|x| self.value(x)).collect()),
            "dict" => Value::Dict(map(json).iter().map(|(k, v)| (k.as_str(), self.value(v))).collect()),
            "float" => json.as_str().expect("a text").parse::<f64>().expect("a float").into(),
            "object" => {
                let arguments = Some(list(&json[1]).iter().map(|x| self.value(x)).collect());
                Value::Object(Arc::new(Object { class: text(&json[0]).to_owned(), arguments, ..Object::default() }))
            }
            _ => Value::DType(json.to_string()),
        }
    }

    /// A result; `None` if there is none.
    pub(crate) fn known(&self, json: &Json) -> Option<Known> {
        let json = json.as_array()?;
        let (dtype, shape) = (dtype(&json[0]), sizes(&json[1]));
        let numel: usize = shape.iter().product();
        let count = numel.min(self.keep);
        let data = Tensor::from_bytes(dtype, &[count], self.at(&json[2], count * dtype.size())).expect("its bytes");
        Some(Known { dtype, shape, elements: data.to_vec(), sum: json.get(3).and_then(Json::as_f64) })
    }

    fn at(&self, place: &Json, length: usize) -> &[u8] {
        let start = place.as_u64().expect("a place") as usize;
        &self.bytes[start..start + length]
    }
}

/// The positions of the elements that are kept of a large tensor.
pub(crate) fn kept(keep: usize, numel: usize) -> Vec<usize> {
    (0..keep as u64).map(|k| (((k * 0x9E37_79B1) % (1 << 32) * numel as u64) >> 32) as usize).collect()
}

pub(crate) fn list(json: &Json) -> &[Json] {
    json.as_array().expect("a list")
}

pub(crate) fn map(json: &Json) -> &Map<String, Json> {
    json.as_object().expect("a map")
}

pub(crate) fn text(json: &Json) -> &str {
    json.as_str().expect("a text")
}

pub(crate) fn dtype(json: &Json) -> DType {
    match text(json) {
        "f32" => DType::F32,
        "f64" => DType::F64,
        "i64" => DType::I64,
        "i32" => DType::I32,
        "bool" => DType::Bool,
        other => panic!("no such dtype: {other}"),
    }
}

fn sizes(json: &Json) -> Vec<usize> {
    list(json).iter().map(|n| n.as_u64().expect("a size") as usize).collect()
}
