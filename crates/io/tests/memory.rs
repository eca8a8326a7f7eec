//! What hostile files cost: peak memory, measured by the system, file by file. Nothing else runs in this process.

mod bombs;

#[cfg(target_os = "linux")]
use bombs::{bombs, stored, zip};

/// Memory that any file may take besides some multiple of its size.
#[cfg(target_os = "linux")]
const ALLOWED: u64 = 96 << 20;

/// A line of `/proc/self/status` in bytes.
#[cfg(target_os = "linux")]
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Linux has it");
    let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// The most memory that a run takes above what there was before.
#[cfg(target_os = "linux")]
fn peak(run: impl FnOnce()) -> u64 {
    // Resets the peak to what is in use.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux allows it");
    let before = status("VmRSS");
    run();
    status("VmHWM").saturating_sub(before)
}

#[cfg(target_os = "linux")]
#[test]
fn hostile_files_take_little_memory() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for folder in ["hostile", "refuse"] {
        for entry in std::fs::read_dir(corpus.join(folder)).expect("the corpus") {
            let path = entry.expect("readable").path();
            if path.extension().is_none_or(|e| e != "json") {
                files.push((path.display().to_string(), std::fs::read(&path).expect("readable")));
            }
        }
    }
    for (what, pickle) in bombs() {
        files.push((what.to_owned(), zip(&[stored("data.pkl", &pickle), stored("version", b"3\n")])));
    }
    assert!(files.len() > 60, "{} files", files.len());
    for (what, bytes) in files {
        let limit = ALLOWED + 8 * bytes.len() as u64;
        let taken = peak(|| drop(wengert_io::from_bytes(&bytes)));
        assert!(taken <= limit, "{what}: {} MiB for {} bytes", taken >> 20, bytes.len());
    }
}
