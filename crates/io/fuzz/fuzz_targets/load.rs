//! Any bytes: an error or a value, which must then survive being written.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = wengert_io::from_bytes(bytes) else { return };
    if let Ok(written) = wengert_io::to_bytes(&value) {
        let again = wengert_io::from_bytes(&written).expect("what was written can be read");
        assert_eq!(again.to_string(), value.to_string());
    }
});
