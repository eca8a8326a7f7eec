//! Any bytes as the header of a native file, with 64 bytes of data behind it and checksums that agree.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let start = (40 + bytes.len()).next_multiple_of(64);
    let mut file = b"\x89WGT\r\n\x1a\n\x01\0\0\0\0\0\0\0".to_vec();
    file.extend((start as u64 + 64).to_le_bytes());
    file.extend((bytes.len() as u64).to_le_bytes());
    file.extend(crc32fast::hash(bytes).to_le_bytes());
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.extend(bytes);
    file.resize(start, 0);
    file.extend([7; 64]);
    let _ = wengert_io::from_bytes(&file);
});
