//! Any bytes behind NumPy's magic, as a file and as a record of an archive.
#![no_main]

mod archive;

use libfuzzer_sys::fuzz_target;
use wengert_io::ReadOptions;

fuzz_target!(|bytes: &[u8]| {
    let file = [b"\x93NUMPY", bytes].concat();
    let options = ReadOptions { objects: true, widen: true };
    let _ = wengert_io::from_bytes_with(&file, options);
    let _ = wengert_io::from_bytes_with(&archive::archive(&[("a.npy", &file), ("b.npy", &file)]), options);
});
