//! Opening without reading, subsets, conversion, renaming, and state dicts in several files.

use std::path::PathBuf;
use wengert_io::tensor::{DType, Device, StateDict, Tensor, Value};
use wengert_io::{Checkpoint, LoadOptions};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("wengert-io-lazy-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn state() -> StateDict {
    let mut state = StateDict::new();
    let base = Tensor::from_vec((0..24).map(|i| i as f32).collect(), [4, 6]);
    state.insert("body.weight", base.clone());
    state.insert("body.tied", base.t());
    state.insert("head.steps", Tensor::from_vec(vec![3i64], ()));
    state
}

#[test]
fn every_format_is_listed_and_read_in_parts() {
    let folder = Folder::new("formats");
    for ending in ["pt", "safetensors", "npz"] {
        let path = folder.0.join(format!("net.{ending}"));
        wengert_io::save(&path, state()).expect("writable");
        let file = Checkpoint::open(&path).expect("just saved");
        let mut names: Vec<_> = file.tensors().iter().map(|t| (t.name.as_str(), t.shape.clone(), t.dtype)).collect();
        names.sort_by_key(|row| row.0);
        let wanted = [
            ("body.tied", vec![6, 4], Some(DType::F32)),
            ("body.weight", vec![4, 6], Some(DType::F32)),
            ("head.steps", vec![], Some(DType::I64)),
        ];
        assert_eq!(names, wanted, "{ending}");
        let tied = file.tensor("body.tied").expect("undamaged").expect("there");
        assert_eq!(tied.to_bytes(), state()["body.tied"].to_bytes(), "{ending}");
        assert!(file.tensor("body").expect("undamaged").is_none());
        let options = LoadOptions {
            keep: Some(&|name| name != "body.tied"),
            rename: Some(&|name| name.replace("body.", "")),
            dtype: Some(DType::F64),
            device: Some(Device::Cpu),
            widen: false,
        };
        let part = file.load(&options).expect("undamaged");
        assert_eq!(part.len(), 2);
        assert_eq!(part["weight"].dtype(), DType::F64);
        assert_eq!(part["head.steps"].dtype(), DType::I64, "integers stay");
        let twice = LoadOptions { rename: Some(&|_| "x".to_owned()), ..LoadOptions::default() };
        assert!(file.load(&twice).expect_err("one name").to_string().contains("'x'"));
        let all = file.load(&LoadOptions::default()).expect("undamaged");
        assert_eq!(all["body.weight"].shares_storage(&all["body.tied"]), ending == "pt");
    }
}

#[test]
fn nested_names_are_joined_and_unread_damage_is_not_seen() {
    let folder = Folder::new("nested");
    let path = folder.0.join("run.pt");
    let steps = Value::List(vec![Value::from(Tensor::from_vec(vec![1u8; 300], [300])), Value::None]);
    let mut optimizer = wengert_io::tensor::Dict::new();
    optimizer.insert(0, Value::dict([("exp_avg", Value::from(Tensor::from_vec(vec![0.5f32; 4], [4])))]));
    wengert_io::save(&path, Value::dict([("state", Value::Dict(optimizer)), ("list", steps)])).expect("writable");
    let file = Checkpoint::open(&path).expect("just saved");
    assert_eq!(file.tensors().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["state.0.exp_avg", "list.0"]);
    // A flipped bit in one storage spoils that tensor alone.
    let mut bytes = std::fs::read(&path).expect("just saved");
    let at = bytes.windows(300).position(|w| w == [1; 300]).expect("the data");
    bytes[at + 7] = 3;
    std::fs::write(&path, bytes).expect("writable");
    let file = Checkpoint::open(&path).expect("the description is whole");
    assert!(file.tensor("state.0.exp_avg").expect("undamaged").is_some());
    let error = file.tensor("list.0").expect_err("damaged").to_string();
    assert!(error.contains("run.pt") && error.contains("CRC"), "{error}");
    assert!(wengert_io::load(&path).is_err());
}

#[test]
fn state_dicts_in_several_files_are_one() {
    let folder = Folder::new("shards");
    let (mut one, mut two) = (StateDict::new(), StateDict::new());
    one.insert("a", Tensor::from_vec(vec![1.0f32, 2.0], [2]));
    two.insert("b", Tensor::from_vec(vec![3i64], [1]));
    two.insert("unlisted", Tensor::from_vec(vec![3i64], [1]));
    wengert_io::save(folder.0.join("m-1.safetensors"), &one).expect("writable");
    wengert_io::save(folder.0.join("m-2.pt"), &two).expect("writable");
    let path = folder.0.join("m.safetensors.index.json");
    let write = |map: &str| {
        std::fs::write(&path, format!("{{\"metadata\": {{\"total_size\": 16}}, \"weight_map\": {{{map}}}}}"))
            .expect("writable");
    };
    write(r#""a": "m-1.safetensors", "b": "m-2.pt""#);
    let state = wengert_io::load_state_dict(&path).expect("both are there");
    assert_eq!(state.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(state["b"].to_vec::<i64>(), [3]);
    for (map, word) in [
        (r#""a": "m-2.pt""#, "'a' is not in"),
        (r#""a": "../m-1.safetensors""#, "no name of a file"),
        (r#""a": "/etc/passwd""#, "no name of a file"),
        (r#""a": "..""#, "no name of a file"),
        (r#""a": "m.safetensors.index.json""#, "no name of a file"),
        (r#""a": "m-3.safetensors""#, "m-3.safetensors"),
        (r#""a": 3"#, "invalid type"),
        (r#""a": "m-1.safetensors", "a": "m-1.safetensors""#, "'a' occurs twice"),
    ] {
        write(map);
        let error = wengert_io::load(&path).expect_err(map).to_string();
        assert!(error.contains(word), "{map}: {error}");
    }
}

#[test]
fn streams_of_before_1_6_are_opened_without_their_storages() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/good");
    let path = corpus.join("legacy_shared_views.pt");
    let file = Checkpoint::open(&path).expect("undamaged");
    let whole = wengert_io::load_state_dict(&path).expect("undamaged");
    assert!(file.tensors().iter().map(|info| info.name.as_str()).eq(whole.keys()));
    let part = file.load(&LoadOptions { keep: Some(&|name| name < "d"), ..Default::default() }).expect("undamaged");
    assert!(part["a"].shares_storage(&part["b"]) && part["a"].shares_storage(&part["c"]));
    for (name, tensor) in part.iter() {
        assert_eq!(tensor.to_bytes(), whole[name].to_bytes(), "{name}");
    }
    // A pickle that is longer than what is looked at first, and one that goes nowhere.
    let bytes = std::fs::read(corpus.join("legacy_state_dict.pt")).expect("the corpus");
    let magic = bytes.windows(3).position(|w| w == b"P\x19.").map_or(0, |at| at + 3);
    let text = |len: u32| [b"X".as_slice(), &len.to_le_bytes(), &vec![b'x'; len as usize]].concat();
    let head = b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.\x80\x02".to_vec();
    let long = [&bytes[..magic], &head, &text(5 << 20), b".\x80\x02]."].concat();
    assert_eq!(wengert_io::from_bytes(&long).expect("legal").as_str().map(str::len), Some(5 << 20));
    let error = wengert_io::from_bytes(&long[..long.len() - 2]).expect_err("cut").to_string();
    assert!(error.contains("ends too early"), "{error}");
}

#[test]
fn large_storages_are_summed_beside_being_written_and_read_in_parts() {
    // Three parts of a megabyte and a bit: the sum of the whole is joined from theirs.
    let tensor = Tensor::from_vec((0..800_001).map(|i| i as f32).collect(), [800_001]);
    let state: StateDict =
        [("w", tensor.clone()), ("part", tensor.slice(0, Some(5), Some(9), 1))].into_iter().collect();
    let mut bytes = wengert_io::to_bytes(&Value::from(&state)).expect("plain tensors");
    let found = wengert_io::from_bytes(&bytes).expect("just written").to_state_dict().expect("a state dict");
    assert!(found["w"].to_bytes() == tensor.to_bytes());
    assert_eq!(found["part"].to_vec::<f32>(), [5.0, 6.0, 7.0, 8.0]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(wengert_io::from_bytes(&bytes).expect_err("damaged").to_string().contains("CRC-32"));
}

#[test]
fn what_is_a_state_dict_but_for_some_entries_says_which() {
    let extra = Value::dict([("seen", Value::from(3))]);
    let entries = [("weight", Value::from(Tensor::zeros([1], DType::F32))), ("_extra_state", extra)];
    let folder = Folder::new("extra");
    let path = folder.0.join("net.pt");
    wengert_io::save(&path, Value::dict(entries)).expect("writable");
    let error = wengert_io::load_state_dict(&path).expect_err("an entry that is no tensor").to_string();
    assert!(error.contains("1 of the 2 entries are no tensors under names: '_extra_state'"), "{error}");
    let open = Checkpoint::open(&path).expect("just saved");
    assert_eq!(open.load(&LoadOptions::default()).expect("undamaged").keys().collect::<Vec<_>>(), ["weight"]);
}
