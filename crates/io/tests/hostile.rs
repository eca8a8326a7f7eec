//! Files that are made to exhaust memory or time: each is small, and each must fail at once with an error.

use std::io::Write;
use wengert_io::tensor::Value;

/// A record as it lies in an archive.
struct Record {
    name: String,
    method: u16,
    crc: u32,
    size: usize,
    packed: Vec<u8>,
}

fn stored(name: &str, data: &[u8]) -> Record {
    Record { name: format!("a/{name}"), method: 0, crc: crc32fast::hash(data), size: data.len(), packed: data.to_vec() }
}

fn deflated(name: &str, data: &[u8]) -> Record {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("to memory");
    Record { method: 8, packed: encoder.finish().expect("to memory"), ..stored(name, data) }
}

fn zip(records: &[Record]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for record in records {
        let mut common = vec![0, 0];
        common.extend(record.method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(record.crc.to_le_bytes());
        common.extend((record.packed.len() as u32).to_le_bytes());
        common.extend((record.size as u32).to_le_bytes());
        common.extend((record.name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(record.name.as_bytes());
        out.extend(b"PK\x03\x04\x14\x00");
        out.extend(common);
        out.extend(record.name.as_bytes());
        out.extend(&record.packed);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([(records.len() as u16).to_le_bytes(); 2].concat());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn load(pickle: &[u8]) -> Result<Value, wengert_io::Error> {
    wengert_io::from_bytes(&zip(&[stored("data.pkl", pickle), stored("version", b"3\n")]))
}

fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// Pickles by what they do; each ends with the stack as deep as it should be.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let long = "x".repeat(100_000);
    let mut out = Vec::new();
    out.push((
        "a text recalled",
        [b"\x80\x02](".to_vec(), text(&long), b"q\0".to_vec(), b"h\0".repeat(30_000)].concat(),
    ));
    let big = [b"\x8b".as_slice(), &100_000u32.to_le_bytes(), &[1; 100_000]].concat();
    out.push(("an integer recalled", [b"\x80\x02](".to_vec(), big, b"q\0".to_vec(), b"h\0".repeat(30_000)].concat()));
    let bytes = [b"B".as_slice(), &100_000u32.to_le_bytes(), &[1; 100_000]].concat();
    out.push(("bytes recalled", [b"\x80\x03](".to_vec(), bytes, b"q\0".to_vec(), b"h\0".repeat(30_000)].concat()));
    let list = [b"\x80\x02](](".to_vec(), b"N".repeat(50_000), b"e\x85q\x01".to_vec()].concat();
    let calls = [b"c__builtin__\nset\nq\0h\x01R".to_vec(), b"h\0h\x01R".repeat(20_000)].concat();
    out.push(("sets of one list", [list.clone(), calls].concat()));
    let pairs = [b"\x80\x02](](".to_vec(), b"K\x01K\x02\x86".repeat(20_000), b"e\x85q\x01".to_vec()].concat();
    let calls = [b"ccollections\nOrderedDict\nq\0h\x01R".to_vec(), b"h\0h\x01R".repeat(20_000)].concat();
    out.push(("ordered dicts of one list", [pairs, calls].concat()));
    let dict = [b"\x80\x02](}(".to_vec(), b"K\x01N".repeat(50_000), b"u\x85q\x01".to_vec()].concat();
    let calls = [b"ccollections\nCounter\nq\0h\x01R".to_vec(), b"h\0h\x01R".repeat(20_000)].concat();
    out.push(("counters of one dict", [dict, calls].concat()));
    let encode =
        [b"\x80\x02](".to_vec(), text(&long), text("latin1"), b"\x86q\x01c_codecs\nencode\nq\0h\x01R".to_vec()];
    out.push(("one text encoded", [encode.concat(), b"h\0h\x01R".repeat(20_000)].concat()));
    let array = [b"\x80\x03](B".as_slice(), &100_000u32.to_le_bytes(), &[1; 100_000], b"\x85q\x01"].concat();
    let calls = [b"c__builtin__\nbytearray\nq\0h\x01R".to_vec(), b"h\0h\x01R".repeat(20_000)].concat();
    out.push(("bytearrays of one text", [array, calls].concat()));
    // 64 dimensions per tensor, recalled from one tuple.
    let shape = [b"\x80\x02](((".to_vec(), b"K\x01".repeat(64), b"t\x85q\x01".to_vec()].concat();
    let calls = [b"ctorch\nSize\nq\0h\x01R".to_vec(), b"h\0h\x01R".repeat(200_000)].concat();
    out.push(("sizes of one tuple", [shape, calls].concat()));
    // Lists of lists, each twice in the next: 2^60 leaves.
    let mut nested = b"\x80\x02](]q\0".to_vec();
    for i in 0..60u8 {
        nested.extend([b']', b'(', b'h', i, b'h', i, b'e', b'q', i + 1]);
    }
    out.push(("doubled lists", nested));
    for (_, pickle) in &mut out {
        pickle.extend(b"e.");
    }
    // A key of tuples of one tuple of one tuple: 60^7 leaves.
    let mut key = [b"\x80\x02}".to_vec(), b"(".repeat(7), b"K\x01".repeat(60), b"t".to_vec()].concat();
    for i in 1..7u8 {
        key.extend([b'q', i]);
        key.extend([b'h', i].repeat(59));
        key.push(b't');
    }
    key.extend(b"Ns.");
    out.push(("a key of shared tuples", key));
    out
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
