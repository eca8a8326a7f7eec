//! Any bytes as a header, with 64 bytes of data behind it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wengert_io::ReadOptions;

fuzz_target!(|bytes: &[u8]| {
    let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
    file.extend(bytes);
    file.extend([7; 64]);
    let _ = wengert_io::from_bytes_with(&file, ReadOptions { objects: true, widen: true });
});
