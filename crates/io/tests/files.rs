//! Files of rarer kinds as PyTorch, NumPy and safetensors write them: dtypes that tensors here do not have, odd views and
//! keys, objects among the data.

use std::path::PathBuf;
use wengert_io::tensor::{DType, Value};
use wengert_io::{Checkpoint, LoadOptions, ReadOptions, load_module_tree, load_with};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

fn names(start: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path("")).expect("the files");
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text"));
    let mut names: Vec<String> = names.filter(|name| name.starts_with(start)).collect();
    names.sort();
    names
}

const WIDEN: ReadOptions = ReadOptions { objects: false, widen: true };

/// Bits as they are, but of NaNs only that they are.
fn bits(tensor: &wengert_io::tensor::Tensor) -> Vec<u64> {
    let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    tensor.to(DType::F64).to_vec::<f64>().into_iter().map(bits).collect()
}

#[test]
fn dtypes_that_are_not_here_are_read_as_wider_ones_where_that_is_wanted() {
    let files = names("wide_");
    assert!(files.len() > 30, "{} files", files.len());
    for name in files {
        let path = path(&name);
        let error = wengert_io::load(&path).expect_err(&name).to_string();
        assert!(error.contains("'x'") && error.contains("the option `widen` reads it"), "{error}");
        let value = load_with(&path, WIDEN).unwrap_or_else(|e| panic!("{e}"));
        let state = value.to_state_dict().expect("two tensors");
        let (x, want) = (&state["x"], &state["want"]);
        assert_eq!((x.dtype(), x.shape()), (want.dtype(), want.shape()), "{name}");
        assert_eq!(bits(x), bits(want), "{name}");
        // Listed as it is in the file, refused alone, and read as the whole is.
        let open = Checkpoint::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let info = open.tensors().iter().find(|info| info.name == "x").expect("listed");
        assert_eq!((info.dtype, info.widened), (None, Some(want.dtype())), "{name}");
        let axes =
            want.rank() - usize::from(name.contains("omplex") || name.contains("_c") || name.contains("wide_views"));
        assert_eq!(info.shape, &want.shape()[..axes], "{name}");
        assert!(open.tensor("want").expect("of ours").is_some());
        assert_eq!(open.tensor("x").expect_err(&name).to_string(), error, "{name}");
        let part = LoadOptions { keep: Some(&|name| name == "x"), widen: true, ..LoadOptions::default() };
        assert_eq!(bits(&open.load(&part).expect("wanted")["x"]), bits(want), "{name}");
    }
}

#[test]
fn numbers_that_no_dtype_has_are_errors() {
    let old = load_with(path("legacy_complex.pt"), WIDEN).expect("before 1.6");
    let x = old.get("x").and_then(Value::as_tensor).expect("there");
    assert_eq!(x.to_vec::<f32>(), [0.0, 0.5, 1.0, -0.0, 2.0, -3.0, 3.0, 7.0, 4.0, 1.0, 5.0, 2.0]);
    let error = load_with(path("too_large.pt"), WIDEN).expect_err("above 63 bits").to_string();
    assert!(error.contains("too_large.pt") && error.contains("9223372036854775808"), "{error}");
    let open = Checkpoint::open(path("refuse_bits.pt")).expect("a description");
    assert_eq!(open.tensors()[0].widened, None);
    let options = LoadOptions { widen: true, ..LoadOptions::default() };
    let mixed = Checkpoint::open(path("refuse_mixed.npz")).expect("headers");
    let rows: Vec<_> =
        mixed.tensors().iter().map(|t| (t.name.as_str(), t.shape.len(), t.dtype_name.as_str())).collect();
    let fields = "[('a', '<f4'), ('b', '<i4', (2,))]";
    assert_eq!(rows, [("text", 1, "<U2"), ("fields", 1, fields), ("y", 1, "float32")]);
    assert_eq!(mixed.tensor("y").expect("of ours").expect("there").to_vec::<f32>(), [1.0]);
    let error = mixed.load(&options).expect_err("text").to_string();
    assert!(error.contains("array 'text': an array of dtype '<U2' is not supported"), "{error}");
    let error = open.load(&options).expect_err("bits").to_string();
    assert!(error.contains("dtype bits8 of tensor 'x'") && error.contains("save x.view(torch.uint8)"), "{error}");
    assert_eq!(open.tensor("y").expect("of ours").expect("there").to_vec::<f32>(), [1.0]);
}

#[test]
fn views_of_nothing_and_odd_keys_are_read_and_written() {
    let nothing = wengert_io::load(path("views_of_nothing.pt")).expect("legal");
    let shapes: Vec<_> =
        nothing.as_slice().into_iter().flatten().map(|v| v.as_tensor().expect("one").shape()).collect();
    assert_eq!(shapes, [&[2, 0, 2][..], &[3, 0], &[7, 0]]);
    let keys = wengert_io::load(path("keys.pt")).expect("legal");
    let again = wengert_io::from_bytes(&wengert_io::to_bytes(&keys).expect("hashable")).expect("just written");
    for value in [&keys, &again] {
        let entries = &value.as_dict().expect("a dict").entries;
        assert!(matches!(entries[0].0, Value::Complex(0.0, 1.0)));
        assert_eq!(entries[1].1.as_str(), Some("two"));
        assert_eq!(entries[2].0.as_tensor().expect("a tensor").to_vec::<f32>(), [1.0]);
        assert!(entries[3].0.as_slice().is_some() && entries[3].1.as_tensor().is_some());
    }
    // Lazily and whole they have the same names.
    let folder = std::env::temp_dir().join(format!("wengert-io-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let native = folder.join("keys.wgt");
    wengert_io::save(&native, &keys).expect("writable");
    for path in [path("keys.pt"), native] {
        let open = Checkpoint::open(&path).expect("just written");
        assert_eq!(open.tensors().iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["<key 3>"]);
    }
    std::fs::remove_dir_all(&folder).expect("ours");
}

#[test]
fn what_has_no_place_here_says_so_and_never_that_it_is_damaged() {
    for (name, words) in [
        ("refuse_two_dtypes.pt", "memory that tensors of two dtypes share"),
        ("refuse_frozenset_key.pt", "a frozenset as a key"),
        ("objects_quantized.pt", "torch._utils._rebuild_qtensor"),
        ("objects_nested.pt", "a nested tensor"),
        ("objects_numpy.pt", "a numpy object (numpy._core.multiarray.scalar)"),
        ("objects_class.pt", "a class or a function"),
    ] {
        let error = wengert_io::load(path(name)).expect_err(name).to_string();
        assert!(error.contains(words) && error.contains("not supported") && !error.contains("damaged"), "{error}");
        let Ok(tree) = load_module_tree(path(name)) else {
            assert!(name.starts_with("refuse_"), "{name}");
            continue;
        };
        assert_eq!(tree.get("y").and_then(Value::as_tensor).expect("the rest").to_vec::<f32>(), [1.0], "{name}");
    }
}
