//! A process that is killed while it saves, and a disk that is full: the file is the old one or the new one, whole.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use wengert_io::tensor::{Tensor, Value};

/// Set for the process that saves; its value is the path.
const CHILD: &str = "WENGERT_TEST_SAVES_TO";

/// A checkpoint of 2 MB, every element of which is its number.
fn checkpoint(number: i64) -> Value {
    let tensors = (0..8).map(|_| Value::from(Tensor::from_vec(vec![number as f32; 65_536], [256, 256])));
    Value::dict([("number", Value::from(number)), ("tensors", Value::List(tensors.collect()))])
}

/// The number of a checkpoint, if it is whole.
fn number(path: &Path) -> i64 {
    let value = wengert_io::load(path).expect("a whole file");
    let number = value.get("number").and_then(Value::as_int).expect("a number");
    for i in 0..8 {
        let tensor = value.get("tensors").and_then(|t| t.at(i)).and_then(Value::as_tensor).expect("eight tensors");
        assert!(tensor.to_vec::<f32>().iter().all(|&x| x == number as f32), "tensor {i} of {number}");
    }
    number
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("wengert-io-crash-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a temporary folder");
    path
}

/// The test of that name in a process of its own.
fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([test, "--exact", "--nocapture"]).env(CHILD, path).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_killed_save_leaves_a_whole_file() {
    if let Some(path) = std::env::var_os(CHILD) {
        // Until it is killed, or its parent is gone.
        for i in 1..10_000 {
            wengert_io::save(&path, checkpoint(i)).expect("a writable folder");
        }
        return;
    }
    let folder = folder("kill");
    let path = folder.join("run.pt");
    wengert_io::save(&path, checkpoint(0)).expect("writable");
    let rounds = if std::env::var_os("WENGERT_FULL").is_some() { 200 } else { 8 };
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut replaced = 0;
    for _ in 0..rounds {
        let mut child = child("a_killed_save_leaves_a_whole_file", &path).spawn().expect("this program runs");
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        std::thread::sleep(Duration::from_micros(5_000 + state % 60_000));
        child.kill().expect("ours");
        child.wait().expect("ours");
        replaced += (number(&path) > 0) as usize;
    }
    // A slow machine may save little in so short a time, but not nothing in all rounds together.
    assert!(rounds < 200 || replaced > 0, "no save was ever completed");
    std::fs::remove_dir_all(&folder).expect("ours");
}

#[test]
fn a_full_disk_is_an_error_and_the_old_file_stays() {
    if let Some(path) = std::env::var_os(CHILD) {
        let error = wengert_io::save(&path, checkpoint(2)).expect_err("no room").to_string();
        assert!(error.contains("run.pt"), "{error}");
        return;
    }
    let folder = folder("full");
    let path = folder.join("run.pt");
    wengert_io::save(&path, checkpoint(1)).expect("writable");
    // A limit on the size of files fails a write as a full disk does, once the signal that comes with it is ignored.
    let limited = child("a_full_disk_is_an_error_and_the_old_file_stays", &path);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$@\"", "sh"]).arg(limited.get_program());
    shell.args(limited.get_args()).env(CHILD, &path).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(shell.status().expect("a shell").success());
    assert_eq!(number(&path), 1);
    assert_eq!(std::fs::read_dir(&folder).expect("readable").count(), 1, "a temporary file is left");
    std::fs::remove_dir_all(&folder).expect("ours");
}

#[test]
fn a_read_only_folder_is_an_error_and_the_old_file_stays() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("read-only");
    let path = folder.join("run.pt");
    wengert_io::save(&path, checkpoint(1)).expect("writable");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).expect("ours");
    // The superuser may write everywhere; then there is nothing to see here.
    if std::fs::write(folder.join("probe"), "").is_err() {
        let error = wengert_io::save(&path, checkpoint(2)).expect_err("read-only").to_string();
        assert!(error.contains("run.pt"), "{error}");
        assert_eq!(number(&path), 1);
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("ours");
    std::fs::remove_dir_all(&folder).expect("ours");
}
