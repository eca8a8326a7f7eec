//! Any bytes behind NumPy's magic, as a file and as a record of an archive.
#![no_main]

mod archive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = [b"\x93NUMPY", bytes].concat();
    let _ = wengert_io::from_bytes(&file);
    let _ = wengert_io::from_bytes(&archive::archive(&[("a.npy", &file), ("b.npy", &file)]));
});
