//! Any bytes as the pickle of an archive that has one storage of 64 bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let records: [(&str, &[u8]); 3] = [("a/data.pkl", bytes), ("a/data/0", &[7; 64]), ("a/version", b"3\n")];
    for (name, data) in records {
        let start = out.len() as u32;
        // Stored, and with a checksum of 0, which says that none was computed.
        let mut common = vec![0; 12];
        common.extend([(data.len() as u32).to_le_bytes(); 2].concat());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04\x14\0");
        out.extend(common);
        out.extend(name.as_bytes());
        out.extend(data);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x03\0\x03\0");
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    let _ = wengert_io::from_bytes(&out);
});
