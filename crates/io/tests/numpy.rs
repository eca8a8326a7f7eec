//! Arrays that NumPy wrote, and what it can read of ours.

use std::path::{Path, PathBuf};
use wengert_io::tensor::{DType, StateDict, Tensor, Value};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numpy").join(name)
}

fn tensor(name: &str) -> Tensor {
    let value = wengert_io::load(fixture(name)).unwrap_or_else(|e| panic!("{e}"));
    value.as_tensor().expect("one array").clone()
}

/// Every fixture counts upwards in its logical order.
fn assert_counts(name: &str, dtype: DType, shape: &[usize]) {
    let found = tensor(name);
    assert_eq!((found.dtype(), found.shape()), (dtype, shape), "{name}");
    let count = |i: usize| if dtype == DType::Bool { i.min(1) } else { i } as f64;
    let expected: Vec<f64> = (0..found.numel()).map(count).collect();
    assert_eq!(found.to(DType::F64).to_vec::<f64>(), expected, "{name}");
}

#[test]
fn arrays_of_every_dtype_order_and_version_are_read() {
    for (code, dtype) in [
        ("f8", DType::F64),
        ("f4", DType::F32),
        ("f2", DType::F16),
        ("i8", DType::I64),
        ("i4", DType::I32),
        ("i2", DType::I16),
    ] {
        assert_counts(&format!("le_{code}.npy"), dtype, &[2, 3]);
        assert_counts(&format!("be_{code}.npy"), dtype, &[2, 3]);
    }
    for (code, dtype) in [("i1", DType::I8), ("u1", DType::U8), ("b1", DType::Bool)] {
        assert_counts(&format!("{code}.npy"), dtype, &[2, 3]);
    }
    assert_counts("fortran.npy", DType::F32, &[2, 3, 4]);
    assert_counts("scalar.npy", DType::F64, &[]);
    assert_counts("empty.npy", DType::F32, &[3, 0, 2]);
    assert_counts("one.npy", DType::I64, &[5]);
    for version in 1..=3 {
        assert_counts(&format!("version{version}.npy"), DType::F32, &[2, 3]);
    }
}

#[test]
fn archives_are_read_stored_and_deflated() {
    for name in ["stored.npz", "deflated.npz"] {
        let state = wengert_io::load_state_dict(fixture(name)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(state.keys().collect::<Vec<_>>(), ["weight", "a/b.c", "z"], "{name}");
        assert_eq!(state["weight"].to_vec::<f32>(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(state["a/b.c"].to_vec::<i64>(), [0, 1]);
        assert_eq!(state["z"].shape(), [0usize; 0]);
    }
    let zeros = wengert_io::load_state_dict(fixture("zeros.npz")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(zeros["zeros"].to_vec::<f32>(), vec![0.0; 100_000]);
    assert!(wengert_io::load_state_dict(fixture("none.npz")).unwrap_or_else(|e| panic!("{e}")).is_empty());
}

#[test]
fn arrays_that_are_no_tensors_are_refused_with_advice() {
    for (name, what) in [
        ("object", "is not run"),
        ("structured", "each field"),
        ("text", "no text"),
        ("complex", "last axis of 2"),
        ("u4", "int64"),
        ("time", "int64"),
    ] {
        let error = wengert_io::load(fixture(&format!("refuse_{name}.npy"))).expect_err(name).to_string();
        assert!(error.contains(what), "{name}: {error}");
    }
}

#[test]
fn what_is_written_is_read_again_with_every_dtype() {
    let folder = std::env::temp_dir().join(format!("wengert-numpy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let base = Tensor::from_vec((0..6).map(f64::from).collect::<Vec<_>>(), [2, 3]);
    let mut state = StateDict::new();
    for dtype in [
        DType::F64,
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I64,
        DType::I32,
        DType::I16,
        DType::I8,
        DType::U8,
        DType::Bool,
    ] {
        state.insert(dtype.name(), base.to(dtype));
    }
    state.insert("transposed", base.t());
    state.insert("scalar", Tensor::zeros((), DType::F32));
    state.insert("empty", Tensor::zeros([0, 4], DType::F32));
    let path = folder.join("all.npz");
    wengert_io::save(&path, &state).expect("writable");
    let again = wengert_io::load_state_dict(&path).expect("just written");
    assert_eq!(again.keys().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
    for (name, tensor) in state.iter() {
        assert_eq!(again[name].dtype(), tensor.dtype(), "{name}");
        assert_eq!((again[name].shape(), again[name].to_bytes()), (tensor.shape(), tensor.to_bytes()), "{name}");
    }
    let path = folder.join("one.npy");
    wengert_io::save(&path, base.t()).expect("writable");
    let one = wengert_io::load(&path).expect("just written");
    assert_eq!(one.as_tensor().expect("one array").to_vec::<f64>(), base.t().to_vec::<f64>());
    assert!(wengert_io::save(&path, &state).is_err(), "an .npy holds one tensor");
    assert!(wengert_io::save(folder.join("x.npz"), Value::from(1)).is_err(), "an .npz holds named tensors");
    std::fs::remove_dir_all(&folder).expect("made above");
}

#[test]
fn damaged_arrays_are_errors_and_never_panic() {
    for name in ["le_f4.npy", "fortran.npy", "version3.npy", "stored.npz", "deflated.npz"] {
        let bytes = std::fs::read(fixture(name)).expect("a fixture");
        for len in 0..bytes.len() {
            assert!(wengert_io::from_bytes(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
        let mut seed = 1u32;
        let mut draw = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        for _ in 0..2000 {
            let mut damaged = bytes.clone();
            for _ in 0..=draw(4) {
                let at = draw(damaged.len());
                damaged[at] = draw(256) as u8;
            }
            // Any answer will do; a panic or an allocation beyond the file's size will not.
            let _ = wengert_io::from_bytes(&damaged);
        }
    }
    let mut huge = std::fs::read(fixture("le_f4.npy")).expect("a fixture");
    let at = huge.windows(6).position(|w| w == b"(2, 3)").expect("its shape");
    huge.splice(at..at + 6, *b"(9999999999999999999, 9999999999999999999)");
    assert!(wengert_io::from_bytes(&huge).is_err());
}

#[test]
fn every_format_goes_to_bytes_and_streams() {
    use wengert_io::Format;
    let state: StateDict = [("w", Tensor::from_vec(vec![1.0f32, 2.0], [2]))].into_iter().collect();
    let whole = Value::from(&state);
    let one = Value::from(state["w"].clone());
    for (format, value) in [
        (Format::Torch, &whole),
        (Format::Safetensors, &whole),
        (Format::Npz, &whole),
        (Format::Npy, &one),
        (Format::Native, &whole),
    ] {
        let bytes = wengert_io::to_bytes_as(value, format).expect("plain tensors");
        let mut stream = Vec::new();
        wengert_io::write_as(value, format, &mut stream).expect("plain tensors");
        assert!(bytes == stream, "{format:?}");
        let again = wengert_io::from_bytes(&bytes).expect("just written");
        let tensor = again.as_tensor().cloned().or_else(|| again.to_state_dict()?.get("w").cloned());
        assert_eq!(tensor.expect("there").to_vec::<f32>(), [1.0, 2.0], "{format:?}");
        let path = std::env::temp_dir().join(format!("wengert-io-as-{format:?}-{}", std::process::id()));
        wengert_io::save_as(&path, value.clone(), format).expect("writable");
        assert!(wengert_io::load(&path).is_ok(), "{format:?}");
        std::fs::remove_file(&path).expect("ours");
    }
    assert!(wengert_io::to_bytes_as(&whole, Format::Npy).is_err());
}
