//! Every file of the corpus against its sidecar: values, shapes, dtypes, names, order and aliasing of the good ones, a
//! clear error for the others.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use wengert_io::tensor::{Tensor, Value};

fn files(folder: &str) -> Vec<(PathBuf, Json)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut out: Vec<(PathBuf, Json)> = std::fs::read_dir(root)
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_none_or(|e| e != "json"))
        .map(|path| {
            let sidecar = std::fs::read_to_string(format!("{}.json", path.display())).expect("a sidecar");
            (path, serde_json::from_str(&sidecar).expect("valid JSON"))
        })
        .collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!out.is_empty());
    out
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("'{key}' is text in {json}"))
}

/// Compares a value with a sidecar's node and collects the tensors by their number.
fn same<'a>(value: &'a Value, node: &Json, tensors: &mut Vec<(usize, &'a Value)>, path: &str) {
    let list = |value: &'a Value| value.as_slice().unwrap_or_else(|| panic!("{path}: not a list"));
    let kind = text(node, "t");
    match (kind, value) {
        ("none", Value::None) => {}
        ("bool", Value::Bool(x)) => assert_eq!(*x, node["v"].as_bool().expect("bool"), "{path}"),
        ("int", Value::Int(x)) => assert_eq!(x.to_string(), text(node, "v"), "{path}"),
        ("int", Value::BigInt(x)) => assert_eq!(decimal(x), text(node, "v"), "{path}"),
        ("float", Value::Float(x)) => assert_eq!(format!("{:016x}", x.to_bits()), text(node, "bits"), "{path}"),
        ("complex", Value::Complex(..)) => {}
        ("str", Value::Str(x)) => assert_eq!(x, text(node, "v"), "{path}"),
        ("bytes", Value::Bytes(x)) | ("bytearray", Value::ByteArray(x)) => {
            assert_eq!(hex(x), text(node, "hex"), "{path}")
        }
        ("list", Value::List(_)) | ("tuple", Value::Tuple(_)) => {
            let items = node["items"].as_array().expect("items");
            assert_eq!(list(value).len(), items.len(), "{path}");
            for (i, (v, n)) in list(value).iter().zip(items).enumerate() {
                same(v, n, tensors, &format!("{path}.{i}"));
            }
        }
        ("set", Value::Set(items)) => {
            let wanted = node["unordered_items"].as_array().expect("items");
            assert_eq!(items.len(), wanted.len(), "{path}");
            for n in wanted {
                let found =
                    items.iter().any(|v| v.as_int().is_some_and(|i| Some(i.to_string().as_str()) == n["v"].as_str()));
                let texts = items.iter().any(|v| v.as_str().is_some() && v.as_str() == n["v"].as_str());
                assert!(found || texts, "{path}: {n} is missing");
            }
        }
        ("dict" | "odict" | "counter", Value::Dict(dict)) => {
            let class = match kind {
                "dict" => "Plain",
                "odict" => "Ordered",
                _ => "Counter",
            };
            assert_eq!(format!("{:?}", dict.kind), class, "{path}");
            let items = node["items"].as_array().expect("items");
            assert_eq!(dict.len(), items.len(), "{path}");
            for ((k, v), n) in dict.iter().zip(items) {
                same(k, &n[0], tensors, &format!("{path}[key]"));
                same(v, &n[1], tensors, &format!("{path}.{}", k.as_str().unwrap_or("?")));
            }
            let attributes = node["attrs"].as_array().map_or(&[][..], |a| a);
            assert_eq!(dict.attributes.len(), attributes.len(), "{path}: attributes");
            for ((name, v), n) in dict.attributes.iter().zip(attributes) {
                assert_eq!(name, n[0].as_str().expect("text"), "{path}");
                same(v, &n[1], tensors, &format!("{path}.#{name}"));
            }
        }
        ("size", Value::Size(dims)) => {
            let wanted: Vec<&str> =
                node["v"].as_array().expect("dims").iter().map(|d| d.as_str().expect("text")).collect();
            assert_eq!(dims.iter().map(usize::to_string).collect::<Vec<_>>(), wanted, "{path}");
        }
        ("dtype", Value::DType(name)) => assert_eq!(format!("torch.{name}"), text(node, "v"), "{path}"),
        ("device", Value::Device(name)) => assert_eq!(name, text(node, "v"), "{path}"),
        ("tensor", Value::Tensor(_) | Value::Grad { .. }) => {
            tensors.push((node["i"].as_u64().expect("index") as usize, value));
        }
        (wanted, found) => panic!("{path}: expected {wanted}, found {found}"),
    }
}

/// A two's complement integer in decimal.
fn decimal(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut magnitude: Vec<u8> = bytes.iter().map(|&b| if negative { !b } else { b }).collect();
    if negative {
        for b in &mut magnitude {
            let (next, carry) = b.overflowing_add(1);
            *b = next;
            if !carry {
                break;
            }
        }
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|&b| b != 0) {
        let mut rest = 0u32;
        for b in magnitude.iter_mut().rev() {
            let now = rest << 8 | *b as u32;
            *b = (now / 10) as u8;
            rest = now % 10;
        }
        digits.push(char::from(b'0' + rest as u8));
    }
    let text: String = digits.iter().rev().collect();
    if negative { format!("-{text}") } else { text }
}

fn check_tensor(tensor: &Tensor, wanted: &Json, place: &str) {
    assert_eq!(tensor.dtype().name(), text(wanted, "dtype"), "{place}");
    let shape: Vec<u64> = tensor.shape().iter().map(|&s| s as u64).collect();
    let wanted_shape: Vec<u64> =
        wanted["shape"].as_array().expect("a list").iter().map(|s| s.as_u64().expect("size")).collect();
    assert_eq!(shape, wanted_shape, "{place}");
    assert_eq!(hex(Sha256::digest(tensor.to_bytes())), text(wanted, "sha256"), "{place}");
}

fn check_good(path: &Path, value: &Value, sidecar: &Json) {
    let name = path.file_name().expect("a name").to_string_lossy();
    let wanted = sidecar["tensors"].as_array().expect("tensors");
    if path.extension().is_some_and(|e| e == "safetensors") {
        // safetensors: names and tensors, in any order of the file.
        let state = value.to_state_dict().expect("a state dict");
        assert_eq!(state.len(), wanted.len(), "{name}");
        for w in wanted {
            let tensor_name = text(w, "name");
            check_tensor(state.get(tensor_name).expect("there"), w, &format!("{name}: {tensor_name}"));
        }
        return;
    }
    let mut found = Vec::new();
    same(value, &sidecar["tree"], &mut found, &name);
    for (i, value) in &found {
        let (w, place) = (&wanted[*i], format!("{name}: tensor {i}"));
        let tensor = value.as_tensor().expect("a tensor");
        check_tensor(tensor, w, &place);
        let (parameter, requires_grad) = match value {
            Value::Grad { parameter, requires_grad, .. } => (*parameter, *requires_grad),
            _ => (false, false),
        };
        assert_eq!(Some(parameter), w["parameter"].as_bool(), "{place}");
        assert_eq!(Some(requires_grad), w["requires_grad"].as_bool(), "{place}");
        for (j, other) in &found {
            let alias = tensor.shares_storage(other.as_tensor().expect("a tensor"));
            assert_eq!(alias, w["storage"] == wanted[*j]["storage"], "{place} and {j}: aliasing");
        }
    }
}

#[test]
fn good_files_are_what_their_sidecars_say() {
    for (path, sidecar) in files("good") {
        match (wengert_io::load(&path), text(&sidecar, "expect")) {
            (Ok(value), _) => check_good(&path, &value, &sidecar),
            (Err(error), "ok_or_refuse") => assert!(error.to_string().contains("not supported"), "{error}"),
            (Err(error), _) => panic!("{error}"),
        }
    }
}

#[test]
fn good_files_survive_writing_and_reading() {
    for (path, sidecar) in files("good") {
        let Ok(value) = wengert_io::load(&path) else { continue };
        let bytes = wengert_io::to_bytes(&value).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let again = wengert_io::from_bytes(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        check_good(&path, &again, &sidecar);
    }
}

#[test]
fn refused_files_say_what_they_are() {
    for (path, sidecar) in files("refuse") {
        let error = match wengert_io::load(&path) {
            Ok(_) if sidecar["loading_it_is_also_fine"] == true => continue,
            Ok(_) => panic!("{} was loaded", path.display()),
            Err(error) => error.to_string(),
        };
        for word in sidecar["error_should_mention"].as_array().expect("words") {
            assert!(error.contains(word.as_str().expect("text")), "{error} does not mention {word}");
        }
        assert!(error.contains(&*path.file_name().expect("a name").to_string_lossy()), "{error}");
    }
}

#[test]
fn hostile_files_fail_in_time_and_execute_nothing() {
    for (path, sidecar) in files("hostile") {
        let start = std::time::Instant::now();
        let result = wengert_io::load(&path);
        assert!(start.elapsed().as_secs() < 5, "{} took {:?}", path.display(), start.elapsed());
        if sidecar["expect"] == "error" {
            assert!(result.is_err(), "{} was loaded", path.display());
        }
        for marker in ["marker", "marker_file"] {
            if let Some(marker) = sidecar[marker].as_str() {
                assert!(!Path::new(marker).exists(), "{} was executed", path.display());
            }
        }
    }
}
