//! Saved states with one entry replaced by junk, for tests that loading refuses them or goes on.

use wengert_tensor::{DType, Dict, Tensor, Value};

/// The state with each of its entries, however deep, replaced by each piece of junk.
pub(crate) fn spoiled(state: &Value) -> Vec<Value> {
    let junk = [
        Value::None,
        Value::Int(0),
        Value::Int(-1),
        Value::Int(i64::MAX),
        Value::Int(i64::MIN),
        Value::Float(f64::NAN),
        Value::Float(1e300),
        Value::from("x"),
        Value::List(Vec::new()),
        Value::List(vec![Value::from("x"); 3]),
        Value::Dict(Dict::new()),
        Value::from(&Tensor::zeros([2], DType::F32)),
    ];
    dicts(state.as_dict().expect("a state is a dict"), &junk).into_iter().map(Value::Dict).collect()
}

/// The dict, or one within it, with an entry replaced: all such dicts.
fn dicts(dict: &Dict, junk: &[Value]) -> Vec<Dict> {
    let mut out = Vec::new();
    for (i, (_, value)) in dict.entries.iter().enumerate() {
        let mut with = |value: Value| {
            let mut copy = dict.clone();
            copy.entries[i].1 = value;
            out.push(copy);
        };
        junk.iter().cloned().for_each(&mut with);
        match value {
            Value::Dict(inner) => dicts(inner, junk).into_iter().for_each(|inner| with(Value::Dict(inner))),
            Value::List(list) => {
                for (j, item) in list.iter().enumerate() {
                    let mut with_item = |item: Value| {
                        let mut list = list.clone();
                        list[j] = item;
                        with(Value::List(list));
                    };
                    junk.iter().cloned().for_each(&mut with_item);
                    if let Value::Dict(inner) = item {
                        dicts(inner, junk).into_iter().for_each(|inner| with_item(Value::Dict(inner)));
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// What a panic says, if there is one.
pub(crate) fn message(run: impl FnOnce()) -> Option<String> {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
}
