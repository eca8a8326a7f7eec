//! The command-line tool, run as its users run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use wengert_io::tensor::{DType, StateDict, Tensor, Value};

/// What the tool answers: exit code, standard output, standard error.
fn tool(arguments: &[&str]) -> (i32, String, String) {
    answer(Command::new(env!("CARGO_BIN_EXE_wengert-ckpt")).args(arguments))
}

fn answer(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("the tool runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tool-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the target folder is writable");
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn state() -> StateDict {
    let weight = Tensor::from_vec(vec![1.0f32, -2.0, f32::NAN, 4.0], [2, 2]);
    let mut state = StateDict::new();
    state.insert("a.weight", weight.clone());
    state.insert("b.weight", weight);
    state.insert("steps", Tensor::from_vec(vec![7i64], [1]));
    state
}

fn checkpoint() -> Value {
    Value::dict([("model", Value::from(state())), ("epoch", Value::from(3)), ("note", Value::from("a\u{1b}[31m"))])
}

#[test]
fn inspect_lists_tensors_and_values() {
    let folder = Folder::new("inspect");
    let path = folder.path("run.pt");
    wengert_io::save(&path, checkpoint()).expect("writable");
    let (code, text, _) = tool(&["inspect", "--stats", &path]);
    assert_eq!(code, 0);
    let line = |name: &str| {
        let found = text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name} in\n{text}"));
        found.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert!(text.contains("run.pt: PyTorch, 3 tensors, 24 B, 2 other values"), "{text}");
    assert_eq!(line("model.a.weight"), "model.a.weight float32 (2, 2) 16 -2.000000 4.000000 1.000000 1");
    assert!(line("model.b.weight").ends_with("1 model.a.weight"), "{text}");
    assert_eq!(line("epoch"), "epoch 3");
    assert!(!text.contains('\u{1b}'), "control characters are shown, not obeyed");
    let (code, text, _) = tool(&["inspect", "--json", &path]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, 0);
    assert_eq!(json[0]["format"], "PyTorch");
    assert_eq!(json[0]["tensors"][1]["name"], "model.b.weight");
    assert_eq!(json[0]["tensors"][1]["shape"], serde_json::json!([2, 2]));
    assert_eq!(json[0]["tensors"][1]["shares_memory_with"], "model.a.weight");
    assert_eq!(json[0]["values"][0], serde_json::json!({ "name": "epoch", "value": "3" }));
}

#[test]
fn convert_goes_between_all_formats() {
    let folder = Folder::new("convert");
    let first = folder.path("a.pt");
    wengert_io::save(&first, state()).expect("writable");
    let mut last = first.clone();
    for ending in ["safetensors", "npz", "wgt", "pth", "wgt", "npz", "safetensors", "pt"] {
        let next = folder.path(&format!("from-{}.{ending}", last.len()));
        let (code, text, error) = tool(&["convert", &last, &next]);
        assert_eq!(code, 0, "{text}{error}");
        last = next;
    }
    assert_eq!(tool(&["diff", &first, &last]).0, 0);
    let run = folder.path("run.pt");
    wengert_io::save(&run, checkpoint()).expect("writable");
    let out = folder.path("model.safetensors");
    let (code, text, error) = tool(&["convert", &run, &out]);
    assert!(code == 1 && text.is_empty() && error.contains("--key model"), "{error}");
    assert_eq!(tool(&["convert", "--key", "model", &run, &out]).0, 0);
    assert_eq!(wengert_io::load_state_dict(&out).expect("just written").len(), 3);
    let one = folder.path("one.npy");
    assert_eq!(tool(&["convert", "--key", "model.steps", &run, &one]).0, 0);
    assert_eq!(wengert_io::load(&one).expect("just written").as_tensor().expect("one").to_vec::<i64>(), [7]);
    let (code, _, error) = tool(&["convert", "--key", "nothing", &run, &one]);
    assert!(code == 1 && error.contains("'model', 'epoch'"), "{error}");
    let (code, text, _) = tool(&["convert", "--json", "--key", "model", &run, &out]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json["format"], &json["tensors"]), (0, &"safetensors".into(), &3.into()));
}

#[test]
fn inspect_lists_what_cannot_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/good");
    let path = folder.join("complex.pt").to_str().expect("the path is text").to_owned();
    let (code, text, error) = tool(&["inspect", &path]);
    assert!(code == 1 && error.contains("not supported"), "{error}");
    assert!(text.lines().any(|l| l.split_whitespace().eq(["c64", "complex64", "(2,)", "with", "--widen"])), "{text}");
    let (code, text, _) = tool(&["inspect", "--json", &path]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json[0]["tensors"][1]["dtype"]), (1, &"complex128".into()));
    assert!(json[0]["error"].as_str().is_some());
    // Every command reads it where that is wanted.
    let (code, text, error) = tool(&["inspect", "--widen", &path]);
    assert!(code == 0, "{error}");
    assert!(text.lines().any(|l| l.split_whitespace().take(4).eq(["c64", "float32", "(2,", "2)"])), "{text}");
    let own = Folder::new("widened");
    let out = own.path("real.safetensors");
    assert_eq!(tool(&["convert", &path, &out]).0, 1);
    assert_eq!(tool(&["convert", "--widen", &path, &out]).0, 0);
    assert_eq!(tool(&["verify", "--widen", &path]).0, 0);
    assert_eq!(tool(&["diff", "--widen", &path, &out]).0, 0);
}

#[test]
fn verify_finds_damage() {
    let folder = Folder::new("verify");
    let (good, bad) = (folder.path("good.pt"), folder.path("bad.pt"));
    wengert_io::save(&good, state()).expect("writable");
    let mut bytes = std::fs::read(&good).expect("just written");
    let at = bytes.windows(4).position(|w| w == (-2.0f32).to_le_bytes()).expect("the data");
    bytes[at] ^= 1;
    std::fs::write(&bad, bytes).expect("writable");
    let (code, text, _) = tool(&["verify", &good]);
    assert!(code == 0 && text.contains("good.pt: ok, PyTorch, 3 tensors"), "{text}");
    assert!(text.contains("note: a.weight has infinite values or NaNs"), "{text}");
    let (code, text, _) = tool(&["verify", &good, &bad]);
    assert!(code == 1 && text.contains("good.pt: ok") && text.contains("CRC-32"), "{text}");
    let (code, text, _) = tool(&["verify", "--json", &bad, "/no/such/file"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json[0]["ok"], &json[1]["ok"]), (1, &false.into(), &false.into()));
}

#[test]
fn diff_says_where_and_by_how_much() {
    let folder = Folder::new("diff");
    let (a, b) = (folder.path("a.pt"), folder.path("b.safetensors"));
    wengert_io::save(&a, state()).expect("writable");
    let mut other = state();
    other.remove("steps");
    other.insert("a.weight", Tensor::from_vec(vec![1.0f32, -2.5, f32::NAN, 4.0], [2, 2]));
    other.insert("b.weight", Tensor::zeros([4], DType::F32));
    other.insert("c", Tensor::zeros([1], DType::F32));
    wengert_io::save(&b, &other).expect("writable");
    let (code, text, _) = tool(&["diff", &a, &b]);
    assert_eq!(code, 1);
    assert!(text.contains("a.pt: steps") && text.contains("b.safetensors: c"), "{text}");
    assert!(text.contains("1 of 4 elements differ, by at most 5.000e-1 absolute, 2.000e-1 relative"), "{text}");
    assert!(text.contains("shapes (2, 2) and (4,)"), "{text}");
    let (code, text, _) = tool(&["diff", "--json", &a, &b]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json["same"], &json["only_in_a"][0]), (1, &false.into(), &"steps".into()));
    assert_eq!(json["different"][0]["max_abs"], 0.5);
    assert_eq!(tool(&["diff", &a, &a]).0, 0, "NaN is as good as NaN");
    let near = folder.path("near.wgt");
    let mut state = state();
    state.insert("a.weight", Tensor::from_vec(vec![1.0f32, -2.001, f32::NAN, 4.0], [2, 2]));
    wengert_io::save(&near, &state).expect("writable");
    assert_eq!(tool(&["diff", &a, &near]).0, 1);
    assert_eq!(tool(&["diff", "--rtol", "1e-3", &a, &near]).0, 0);
}

#[test]
fn mistakes_on_the_command_line_are_told_from_bad_files() {
    for arguments in [
        &[][..],
        &["look"],
        &["inspect"],
        &["diff", "a"],
        &["convert", "a"],
        &["inspect", "--colour", "a"],
        &["diff", "--rtol", "-1", "a", "b"],
        &["inspect", "--list", "--stats", "a"],
    ] {
        let (code, text, error) = tool(arguments);
        assert!(
            code == 2 && text.is_empty() && error.ends_with("wengert-ckpt --help says what there is.\n"),
            "{arguments:?}: {error}"
        );
    }
    for arguments in [&["--help"][..], &["diff", "--help"], &["inspect", "-h"], &["--version"]] {
        let (code, text, error) = tool(arguments);
        assert!(code == 0 && text.contains("wengert-ckpt") && error.is_empty(), "{arguments:?}: {error}");
    }
    let (code, text, _) = tool(&["diff", "--json", "/no/such/file.pt", "/nor/this"]);
    assert!(code == 1 && text.contains("\"error\""), "{text}");
    assert_eq!(tool(&["inspect", "/no/such/file.pt"]).0, 1);
}

#[test]
fn tensors_that_repeat_a_little_memory_beyond_all_measure_are_no_burden() {
    let folder = Folder::new("expanded");
    let (path, out) = (folder.path("large.pt"), folder.path("large.safetensors"));
    let row = Tensor::from_vec(vec![1.0f32, f32::NAN], [1, 2]);
    let large = row.expand([1 << 30, 2]);
    let state: StateDict = [("x", large)].into_iter().collect();
    wengert_io::save(&path, &state).expect("strides are kept");
    let (code, text, error) = tool(&["inspect", "--stats", &path]);
    assert!(code == 0 && text.contains("8.0 GiB") && text.contains("1073741824"), "{text}{error}");
    let (code, text, _) = tool(&["verify", &path]);
    assert!(code == 0 && text.contains("x has infinite values or NaNs"), "{text}");
    assert_eq!(tool(&["diff", &path, &path]).0, 0);
    for name in ["large.safetensors", "large.npz"] {
        let (code, _, error) = tool(&["convert", &path, &folder.path(name)]);
        assert!(code == 1 && error.contains("tensor 'x' of shape [1073741824, 2] repeats 8 bytes"), "{error}");
    }
    assert!(!Path::new(&out).exists());
    let options = wengert_io::LoadOptions { dtype: Some(DType::F64), ..Default::default() };
    let error = wengert_io::Checkpoint::open(&path).and_then(|open| open.load(&options)).expect_err("too much");
    assert!(error.to_string().contains("'x'"), "{error}");
}

#[test]
fn names_of_any_bytes_standard_input_and_endings_of_any_case_are_taken() {
    let folder = Folder::new("names");
    let path = folder.path("a \u{202e}b.pt");
    wengert_io::save(&path, checkpoint()).expect("writable");
    let (code, text, _) = tool(&["verify", &path]);
    assert!(code == 0 && text.contains(r"a \u{202e}b.pt: ok"), "{text}");
    let mut verify = Command::new(env!("CARGO_BIN_EXE_wengert-ckpt"));
    let (code, text, _) = answer(verify.args(["verify", "-"]).stdin(std::fs::File::open(&path).expect("just saved")));
    assert_eq!((code, text.lines().next()), (0, Some("-: ok, PyTorch, 3 tensors")));
    let (code, _, error) = tool(&["convert", &path, "-"]);
    assert!(code == 1 && error.contains("./-"), "{error}");
    let out = folder.path("MODEL.SafeTensors");
    let (code, text, _) = tool(&["convert", "--key", "model", &path, &out]);
    assert!(code == 0 && text.contains("safetensors, 3 tensors"), "{text}");
    #[cfg(unix)]
    {
        let odd = folder.0.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff.wgt"));
        wengert_io::save(&odd, checkpoint()).expect("writable");
        let mut diff = Command::new(env!("CARGO_BIN_EXE_wengert-ckpt"));
        assert_eq!(answer(diff.arg("diff").args([Path::new(&path), &odd])).0, 0);
    }
}

#[test]
fn descriptions_are_listed_alone_and_text_beside_tensors_is_kept() {
    let folder = Folder::new("list");
    let path = folder.path("net.safetensors");
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    wengert_io::save_safetensors(&path, &state(), &metadata).expect("writable");
    let (code, text, _) = tool(&["inspect", "--list", &path]);
    assert!(
        code == 0 && text.lines().any(|l| l.split_whitespace().eq(["a.weight", "F32", "(2,", "2)", "yes"])),
        "{text}"
    );
    let (code, text, _) = tool(&["inspect", "--list", "--json", &path, "/no/such/file"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json[0]["tensors"][0]["shape"]), (1, &serde_json::json!([1])));
    assert!(json[1]["error"].as_str().is_some());
    assert!(tool(&["inspect", &path]).1.contains("__metadata__.format  'pt'"));
    let copy = folder.path("copy.safetensors");
    assert_eq!(tool(&["convert", &path, &copy]).0, 0);
    assert_eq!(std::fs::read(&path).expect("there"), std::fs::read(&copy).expect("there"));
    // An object among the data is none that this format holds, and none that it loses.
    let sparse = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/refuse/sparse_coo.pt");
    let sparse = sparse.to_str().expect("the path is text");
    assert_eq!(tool(&["convert", sparse, &copy]).0, 1);
}

#[test]
fn large_integers_are_told_apart() {
    let folder = Folder::new("integers");
    let (a, b) = (folder.path("a.npy"), folder.path("b.npy"));
    wengert_io::save(&a, Tensor::from_vec(vec![1i64 << 60, 5], [2])).expect("writable");
    wengert_io::save(&b, Tensor::from_vec(vec![(1i64 << 60) + 1, 5], [2])).expect("writable");
    let (code, text, _) = tool(&["diff", &a, &b]);
    assert!(code == 1 && text.contains("1 of 2 elements differ, by at most 1.000e0 absolute"), "{text}");
}
