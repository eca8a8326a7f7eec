//! Files that are made to exhaust memory or time: each is small, and each must fail at once with an error.

mod bombs;

use bombs::{Record, bombs, deflated, stored, text, zip};
use wengert_io::tensor::Value;

fn load(pickle: &[u8]) -> Result<Value, wengert_io::Error> {
    wengert_io::from_bytes(&zip(&[stored("data.pkl", pickle), stored("version", b"3\n")]))
}

#[test]
fn shared_parts_do_not_multiply() {
    for (what, pickle) in bombs() {
        let start = std::time::Instant::now();
        let error = load(&pickle).err().unwrap_or_else(|| panic!("{what}: loaded")).to_string();
        assert!(error.contains("beyond all measure"), "{what}: {error}");
        assert!(start.elapsed().as_secs() < 5, "{what}: {:?}", start.elapsed());
    }
}

#[test]
fn moderate_sharing_loads() {
    // A million labels that are one text, and one list in forty places.
    let labels =
        [b"\x80\x02](".to_vec(), text("cat"), b"q\0".to_vec(), b"h\0".repeat(1_000_000), b"e.".to_vec()].concat();
    let value = load(&labels).expect("plain data");
    assert_eq!(value.at(1_000_000).and_then(Value::as_str), Some("cat"));
    let lists = [b"\x80\x02](](K\x01K\x02eq\0".to_vec(), b"h\0".repeat(40), b"e.".to_vec()].concat();
    assert_eq!(load(&lists).expect("plain data").at(40).and_then(|l| l.at(1)).and_then(Value::as_int), Some(2));
}

#[test]
fn deflated_records_are_limited_together() {
    // Each stays below the ratio that one record may have.
    let mut pickle = b"\x80\x02](".to_vec();
    let mut records = vec![];
    let mut data = vec![0; 2_000_000];
    data[..12_000].iter_mut().enumerate().for_each(|(i, b)| *b = (i * i * 31 + i / 7 * 13) as u8 ^ (i >> 5) as u8);
    for i in 0..60 {
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.extend(text("storage"));
        pickle.extend(b"ctorch\nByteStorage\n");
        pickle.extend(text(&i.to_string()));
        pickle.extend(text("cpu"));
        pickle.extend(b"J\x80\x84\x1e\0tQK\0J\x80\x84\x1e\0\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR");
        records.push(deflated(&format!("data/{i}"), &data));
    }
    pickle.extend(b"e.");
    records.insert(0, stored("data.pkl", &pickle));
    records.push(stored("version", b"3\n"));
    let bytes = zip(&records);
    let error = wengert_io::from_bytes(&bytes).expect_err("120 MB").to_string();
    assert!(error.contains("inflates to 2000000 bytes"), "{error}");
    // Fewer are read.
    let mut few = pickle[..4].to_vec();
    let one = &pickle[4..];
    let end = one.windows(2).position(|w| w == b"tR").map_or(0, |at| at + 2);
    few.extend(&one[..end]);
    few.extend(b"e.");
    let bytes = zip(&[stored("data.pkl", &few), deflated("data/0", &data), stored("version", b"3\n")]);
    let value = wengert_io::from_bytes(&bytes).expect("one record of a plausible ratio");
    assert_eq!(value.at(0).and_then(Value::as_tensor).expect("a tensor").numel(), 2_000_000);
}

#[test]
fn a_deflated_pickle_is_paid_by_its_size_in_the_file() {
    let pickle = [b"\x80\x02](".to_vec(), b"]".repeat(4_000_000), b"e.".to_vec()].concat();
    let mut padding = vec![0; 22_000];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for byte in &mut padding {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
    let mut padded = [b"\x80\x02(B".as_slice(), &22_000u32.to_le_bytes(), &padding].concat();
    padded.extend(&pickle[2..pickle.len() - 1]);
    padded.extend(b"t.");
    let bytes = zip(&[deflated("data.pkl", &padded), stored("version", b"3\n")]);
    assert!(bytes.len() < 100_000);
    let error = wengert_io::from_bytes(&bytes).expect_err("too much for so small a file").to_string();
    assert!(error.contains("beyond all measure"), "{error}");
}

#[test]
fn newer_protocols_are_read() {
    // pickle.dumps({'a': [1, 2.5, b'xy', bytearray(b'z'), {3}, frozenset([4])], 'b': 2**70}, 5), by hand in its opcodes.
    let mut pickle = b"\x80\x05\x95\0\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94]\x94(K\x01G".to_vec();
    pickle.extend(2.5f64.to_be_bytes());
    pickle.extend(b"C\x02xy\x94\x96\x01\0\0\0\0\0\0\0z\x94\x8f\x94(K\x03\x90(K\x04\x91\x94e");
    pickle.extend(
        b"\x8c\x01b\x94\x8a\x09\0\0\0\0\0\0\0\0\x40\x8c\x01c\x94\x8c\x05torch\x94\x8c\x07float32\x94\x93\x94u.",
    );
    let value = load(&pickle).expect("plain data");
    let wanted = "{'a': [1, 2.5, b'xy', bytearray(b'z'), {3}, {4}], 'b': 1180591620717411303424, 'c': torch.float32}";
    assert_eq!(value.to_string(), wanted);
}

#[test]
fn arrays_of_zeros_load_and_records_that_no_array_needs_do_not() {
    let array = |shape: &str| {
        let mut out = b"\x93NUMPY\x01\0\x76\0".to_vec();
        out.extend(format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape},), }}").bytes());
        out.resize(127, b' ');
        out.push(b'\n');
        out
    };
    let named = |record: Record| Record { name: "z.npy".to_owned(), ..record };
    let size = 70 << 20;
    let zeros = [array(&size.to_string()), vec![0; size]].concat();
    let bytes = zip(&[named(deflated("", &zeros))]);
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    let value = wengert_io::from_bytes(&bytes).expect("as numpy.savez_compressed writes them");
    assert_eq!(value.to_state_dict().expect("named arrays")["z"].numel(), size);
    // The same record, said to be a small array: an error before it is inflated.
    let lie = [array("12"), vec![0; size]].concat();
    let error = wengert_io::from_bytes(&zip(&[named(deflated("", &lie))])).expect_err("a lie").to_string();
    assert!(error.contains("does not fit"), "{error}");
}

#[test]
fn what_contains_itself_is_refused_or_cut_where_objects_are_kept() {
    // A module whose attribute is itself, as methods that are hooks make it.
    let pickle = [b"\x80\x02cmy.code\nNet\n)\x81q\0}(".to_vec(), text("own"), b"h\0".to_vec(), text("x")].concat();
    let pickle = [pickle, b"K\x05ub.".to_vec()].concat();
    let bytes = zip(&[stored("data.pkl", &pickle), stored("version", b"3\n")]);
    let path = std::env::temp_dir().join(format!("wengert-io-cycle-{}.pt", std::process::id()));
    std::fs::write(&path, &bytes).expect("writable");
    let error = wengert_io::load(&path).expect_err("a class").to_string();
    assert!(error.contains("my.code.Net"), "{error}");
    let value = wengert_io::load_module_tree(&path).expect("a tree");
    let net = value.as_object().expect("an object");
    assert_eq!(net.attributes.get("x").and_then(Value::as_int), Some(5));
    let own = net.attributes.get("own").and_then(Value::as_object).expect("a mention of itself");
    assert_eq!((own.class.as_str(), own.attributes.len()), ("my.code.Net", 0));
    std::fs::remove_file(&path).expect("ours");
    for (pickle, word) in [
        (b"\x80\x02]q\0h\0a.".to_vec(), "containing itself"),
        (b"\x80\x02}q\0K\x01h\0s.".to_vec(), "containing itself"),
        (b"\x80\x02c__builtin__\nset\n]]a\x85R.".to_vec(), "cannot be one"),
    ] {
        let error = load(&pickle).expect_err("no data").to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn layouts_survive_and_sets_have_each_member_once() {
    let layout = [b"\x80\x02ctorch.serialization\n_get_layout\n".to_vec(), text("torch.strided")].concat();
    let value = load(&[layout, b"\x85R.".to_vec()].concat()).expect("plain data");
    assert_eq!(value.to_string(), "torch.strided");
    let again = wengert_io::from_bytes(&wengert_io::to_bytes(&value).expect("plain data")).expect("just written");
    assert_eq!(again.to_string(), "torch.strided");
    let twice = b"\x80\x02c__builtin__\nset\n](K\x01K\x01K\x02e\x85R.";
    assert_eq!(load(twice).expect("plain data").to_string(), "{1, 2}");
    // frozenset({1}) in a set: legal in Python, but a set here is one that cannot be hashed when it is written.
    let nested = b"\x80\x02c__builtin__\nset\n]c__builtin__\nfrozenset\n](K\x01e\x85Ra\x85R.";
    assert!(load(nested).expect_err("refused").to_string().contains("a frozenset as a key"));
}

#[test]
fn negative_views_are_read_and_conjugate_ones_refused() {
    let tensor = |bit: &str, rest: &[u8]| {
        let head = [b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(), text("storage")].concat();
        let storage = [b"ctorch\nFloatStorage\n".to_vec(), text("0"), text("cpu"), b"K\x02tQK\0".to_vec()].concat();
        let pickle = [head, storage, rest.to_vec(), b"\x89ccollections\nOrderedDict\n)R}".to_vec()].concat();
        let pickle = [pickle, text(bit), b"\x88stR.".to_vec()].concat();
        let data = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
        let records = [stored("data.pkl", &pickle), stored("data/0", &data), stored("version", b"3\n")];
        wengert_io::from_bytes(&zip(&records))
    };
    // torch._neg_view(torch.tensor([1.5, -2.]))
    let value = tensor("neg", b"K\x02\x85K\x01\x85").expect("legal");
    assert_eq!(value.as_tensor().expect("a tensor").to_vec::<f32>(), [-1.5, 2.0]);
    for (bit, rest, word) in [
        ("conj", &b"K\x02\x85K\x01\x85"[..], "only complex numbers have a conjugate"),
        ("neg", b"J\xff\xff\xff\x7f\x85K\0\x85", "larger than its storage"),
        ("other", b"K\x02\x85K\x01\x85", "tensor metadata 'other'"),
    ] {
        let error = tensor(bit, rest).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let half = load(b"\x80\x02X\x03\0\0\0\xed\xa0\x80.").expect_err("no text").to_string();
    assert!(half.contains("half of a surrogate pair is not supported"), "{half}");
    let old = load(b"(lp0\nI1\na.").expect_err("protocol 0").to_string();
    assert!(old.contains("protocol 0 or 1 is not supported"), "{old}");
    let class = load(b"\x80\x02c__builtin__\nint\n.").expect_err("a class").to_string();
    assert!(class.contains("a class or a function"), "{class}");
    let archive = |name: &str| {
        let error = wengert_io::from_bytes(&zip(&[stored("archive_version", b"0"), stored(name, b"x")]));
        error.expect_err("no checkpoint").to_string()
    };
    assert!(archive("constants.pkl").contains("TorchScript"));
    assert!(archive("archive_format").contains("torch.export"));
    assert!(archive(".data/extern_modules").contains("torch.package"));
    let mut tar = vec![0; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, word) in [
        (&tar[..], "tar"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
        (b"GGUF\x03\0\0\0\0\0", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\x80\x04\x95\x05\0\0\0\0\0\0\0}\x94.", "torch.save did not write is not supported"),
    ] {
        let error = wengert_io::from_bytes(bytes).expect_err("no checkpoint").to_string();
        assert!(error.contains(word), "{error}");
    }
}
