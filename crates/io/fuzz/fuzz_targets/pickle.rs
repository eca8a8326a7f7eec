//! Any bytes as the pickle of an archive that has one storage of 64 bytes.
#![no_main]

mod archive;

use libfuzzer_sys::fuzz_target;
use wengert_io::ReadOptions;

fuzz_target!(|bytes: &[u8]| {
    let file = archive::archive(&[("a/data.pkl", bytes), ("a/data/0", &[7; 64]), ("a/version", b"3\n")]);
    let _ = wengert_io::from_bytes_with(&file, ReadOptions { objects: true, widen: true });
});
