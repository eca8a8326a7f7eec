//! Archives made by hand, and pickles that would grow without bounds.
// Each file of tests uses some of it.
#![allow(dead_code)]

use std::io::Write;

/// A record as it lies in an archive.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) size: usize,
    pub(crate) packed: Vec<u8>,
}

pub(crate) fn stored(name: &str, data: &[u8]) -> Record {
    Record { name: format!("a/{name}"), method: 0, crc: crc32fast::hash(data), size: data.len(), packed: data.to_vec() }
}

pub(crate) fn deflated(name: &str, data: &[u8]) -> Record {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("to memory");
    Record { method: 8, packed: encoder.finish().expect("to memory"), ..stored(name, data) }
}

pub(crate) fn zip(records: &[Record]) -> Vec<u8> {
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

pub(crate) fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// Pickles by what they do; each ends with the stack as deep as it should be.
pub(crate) fn bombs() -> Vec<(&'static str, Vec<u8>)> {
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
