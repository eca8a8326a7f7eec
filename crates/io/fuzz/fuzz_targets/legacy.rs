//! Any bytes behind the magic number of PyTorch before 1.6.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wengert_io::ReadOptions;

fuzz_target!(|bytes: &[u8]| {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";
    let _ = wengert_io::from_bytes_with(&[&magic[..], bytes].concat(), ReadOptions { objects: true, widen: true });
});
