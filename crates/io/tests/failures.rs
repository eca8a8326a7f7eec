//! What happens when something goes wrong: damaged files give errors, failed saves leave the old file.

use std::path::PathBuf;
use wengert_io::tensor::{Dict, DictKind, StateDict, Tensor, Value};

/// A folder of one test's own, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("wengert-io-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).expect("readable");
        names.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sample() -> Value {
    let mut state = StateDict::new();
    state.insert("weight", Tensor::from_vec((0..60).map(|i| i as f32).collect(), [3, 20]));
    state.insert("steps", Tensor::from_vec(vec![7i64], ()));
    state.metadata.insert(String::new(), 1);
    Value::dict([
        ("model", Value::from(state)),
        ("betas", Value::Tuple(vec![Value::from(0.9), Value::from(0.999)])),
        ("names", Value::List(vec![Value::from("a"), Value::None, Value::from(true), Value::from(-70000)])),
    ])
}

/// A small generator, so that the same inputs are tried every time.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = wengert_io::to_bytes(&sample()).expect("plain values");
    for len in 0..bytes.len() {
        assert!(wengert_io::from_bytes(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn damaged_bytes_never_panic_and_data_is_never_silently_changed() {
    let value = sample();
    let bytes = wengert_io::to_bytes(&value).expect("plain values");
    let rounds = if std::env::var_os("WENGERT_FULL").is_some() { 300_000 } else { 20_000 };
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..rounds {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random(&mut state) % 3 {
            let at = random(&mut state) as usize % damaged.len();
            damaged[at] = random(&mut state) as u8;
        }
        // Padding and the like may change without harm; what loads must be what was saved.
        if let Ok(loaded) = wengert_io::from_bytes(&damaged) {
            assert_eq!(loaded.to_string(), value.to_string());
        }
    }
}

#[test]
fn mutated_pickles_never_panic() {
    // Without a CRC the pickle machine itself must stand everything. The corpus has such a file.
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/good/no_crc.pt");
    let bytes = std::fs::read(path).expect("in the corpus");
    let start = bytes.windows(2).position(|w| w == [0x80, 2]).expect("a pickle");
    let rounds = if std::env::var_os("WENGERT_FULL").is_some() { 300_000 } else { 20_000 };
    let mut state = 0x2545_f491_4f6c_dd1d;
    let mut loaded = 0;
    for _ in 0..rounds {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random(&mut state) % 3 {
            let at = start + random(&mut state) as usize % 400;
            damaged[at] = random(&mut state) as u8;
        }
        loaded += wengert_io::from_bytes(&damaged).is_ok() as usize;
    }
    // Some mutations, such as in a key's letters, are still checkpoints.
    assert!(loaded > 0 && loaded < rounds);
}

#[test]
fn a_failed_save_leaves_the_old_file_and_nothing_else() {
    let folder = Folder::new("failed-save");
    let path = folder.0.join("run.pt");
    wengert_io::save(&path, sample()).expect("a writable folder");
    let before = std::fs::read(&path).expect("just saved");
    // Fails halfway: the second entry cannot be pickled.
    let bad = Value::dict([("good", Value::from(1)), ("bad", Value::BigInt(vec![1; 300]))]);
    let error = wengert_io::save(&path, &bad).expect_err("cannot be saved").to_string();
    assert!(error.contains("run.pt") && error.contains("255 bytes"), "{error}");
    assert!(std::fs::read(&path).expect("still there") == before);
    assert_eq!(folder.files(), ["run.pt"]);
    let error = wengert_io::save(folder.0.join("no/such/folder.pt"), sample()).expect_err("no folder").to_string();
    assert!(error.contains("folder.pt"), "{error}");
    assert!(wengert_io::save(&folder.0, sample()).is_err());
}

#[test]
fn saving_replaces_and_formats_follow_the_ending() {
    let folder = Folder::new("replace");
    let path = folder.0.join("net.pt");
    wengert_io::save(&path, Value::from(1)).expect("writable");
    wengert_io::save(&path, sample()).expect("writable");
    assert_eq!(wengert_io::load(&path).expect("just saved").to_string(), sample().to_string());
    let state = sample().get("model").and_then(Value::to_state_dict).expect("a state dict");
    let path = folder.0.join("net.safetensors");
    wengert_io::save(&path, &state).expect("writable");
    assert_eq!(
        wengert_io::load_state_dict(&path).expect("just saved")["weight"].to_bytes(),
        state["weight"].to_bytes()
    );
    assert!(wengert_io::save(&path, sample()).is_err(), "safetensors holds only tensors");
    assert_eq!(wengert_io::load_state_dict(&path).expect("still there").len(), 2);
}

#[test]
fn large_files_are_replaced_whole_and_who_reads_the_old_one_goes_on() {
    let folder = Folder::new("large");
    // Other threads flush and close files of more than 4 MB.
    let state = |first: i32| {
        let mut state = StateDict::new();
        for (name, numel) in [("large", 3_000_000), ("small", 10), ("odd", 1_500_001)] {
            state.insert(name, Tensor::from_vec((first..first + numel).collect(), [numel as usize]));
        }
        state
    };
    for name in ["net.pt", "net.safetensors", "net.wgt"] {
        let path = folder.0.join(name);
        wengert_io::save(&path, state(0)).expect("writable");
        let before = std::fs::read(&path).expect("just saved");
        let mut reader = std::fs::File::open(&path).expect("just saved");
        wengert_io::save(&path, state(7)).expect("writable");
        let loaded = wengert_io::load_state_dict(&path).expect("just saved");
        for (name, tensor) in state(7).iter() {
            assert!(loaded[name].to_bytes() == tensor.to_bytes(), "{name}");
        }
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut read).expect("still open");
        assert!(cfg!(windows) || read == before, "{name}");
    }
    assert_eq!(folder.files().len(), 3);
}

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    let missing = wengert_io::load("/no/such/run.pt").expect_err("missing").to_string();
    assert!(missing.contains("/no/such/run.pt") && missing.contains("No such file"), "{missing}");
    let folder = Folder::new("errors");
    let path = folder.0.join("nested.pt");
    wengert_io::save(&path, sample()).expect("writable");
    let nested = wengert_io::load_state_dict(&path).expect_err("no state dict").to_string();
    assert!(nested.contains("nested.pt") && nested.contains("'model' (a state dict)"), "{nested}");
}

#[test]
fn deep_and_shared_values_are_kept_or_refused() {
    let mut deep = Value::None;
    for _ in 0..200 {
        deep = Value::List(vec![deep]);
    }
    let bytes = wengert_io::to_bytes(&deep).expect("not too deep");
    assert_eq!(wengert_io::from_bytes(&bytes).expect("not too deep").to_string(), deep.to_string());
    let tied = Tensor::from_vec(vec![1.0f32; 6], [2, 3]);
    let views =
        Value::dict([("a", Value::from(&tied)), ("b", Value::from(tied.t())), ("c", Value::from(tied.select(0, 1)))]);
    let loaded = wengert_io::from_bytes(&wengert_io::to_bytes(&views).expect("plain")).expect("plain");
    let part = |key: &str| loaded.get(key).and_then(Value::as_tensor).expect("a tensor");
    assert!(part("a").shares_storage(part("b")) && part("a").shares_storage(part("c")));
    assert_eq!(part("b").strides(), [1, 3]);
    let keys = Dict { kind: DictKind::Plain, entries: vec![(Value::List(vec![]), Value::None)], ..Dict::default() };
    assert!(wengert_io::to_bytes(&Value::Dict(keys)).is_err());
}

#[cfg(unix)]
#[test]
fn saving_follows_links_and_keeps_permissions() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new("links");
    let place = |name: &str| folder.0.join(name);
    std::fs::create_dir(place("sub")).expect("writable");
    wengert_io::save(place("sub/real.pt"), Value::from(1)).expect("writable");
    std::fs::set_permissions(place("sub/real.pt"), std::fs::Permissions::from_mode(0o640)).expect("ours");
    symlink("sub/real.pt", place("link.pt")).expect("writable");
    symlink("link.pt", place("link-to-link.pt")).expect("writable");
    wengert_io::save(place("link-to-link.pt"), Value::from(2)).expect("writable");
    let is_link = |name: &str| place(name).symlink_metadata().expect("there").is_symlink();
    assert!(is_link("link.pt") && is_link("link-to-link.pt") && !is_link("sub/real.pt"));
    assert_eq!(wengert_io::load(place("sub/real.pt")).expect("saved").as_int(), Some(2));
    assert_eq!(place("sub/real.pt").metadata().expect("there").permissions().mode() & 0o777, 0o640);
    // A link to nothing: what it points to is made.
    symlink("sub/new.pt", place("dangling.pt")).expect("writable");
    wengert_io::save(place("dangling.pt"), Value::from(3)).expect("writable");
    assert!(is_link("dangling.pt") && !is_link("sub/new.pt"));
    assert_eq!(wengert_io::load(place("sub/new.pt")).expect("saved").as_int(), Some(3));
    // A link to itself, and one into a folder that is not there.
    symlink("loop.pt", place("loop.pt")).expect("writable");
    assert!(wengert_io::save(place("loop.pt"), Value::from(4)).is_err());
    symlink("no/such.pt", place("nowhere.pt")).expect("writable");
    assert!(wengert_io::save(place("nowhere.pt"), Value::from(4)).is_err());
    let mut files = folder.files();
    files.sort();
    assert_eq!(files, ["dangling.pt", "link-to-link.pt", "link.pt", "loop.pt", "nowhere.pt", "sub"]);
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_refused() {
    let error = wengert_io::save("/dev/null", sample()).expect_err("no file").to_string();
    assert!(error.contains("/dev/null") && error.contains("device"), "{error}");
    assert!(wengert_io::load("/dev/zero").is_err());
    let folder = Folder::new("pipe");
    let pipe = folder.0.join("pipe.pt");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        // Opening it would wait for a writer.
        assert!(wengert_io::load(&pipe).is_err());
        assert!(wengert_io::save(&pipe, sample()).is_err());
        assert_eq!(folder.files(), ["pipe.pt"]);
    }
}

#[test]
fn messages_are_short_whatever_a_file_says() {
    let long = "x".repeat(3 << 20);
    for header in [
        format!(r#"{{"{long}":{{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}}}"#),
        format!(r#"{{"{long}":{{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}}}"#),
        format!(r#"{{"a":{{"dtype":"{long}","shape":[1],"data_offsets":[0,4]}}}}"#),
        format!(r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#, "1,".repeat(1 << 20)),
    ] {
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
        let error = wengert_io::from_bytes(&bytes).expect_err("bad").to_string();
        assert!(error.len() < 4000, "{} bytes", error.len());
    }
}

#[test]
fn long_names_are_saved() {
    let folder = Folder::new("long");
    let path = folder.0.join(format!("{}.pt", "n".repeat(252)));
    wengert_io::save(&path, Value::from(1)).expect("as long as names may be");
    assert_eq!(wengert_io::load(&path).expect("saved").as_int(), Some(1));
}
