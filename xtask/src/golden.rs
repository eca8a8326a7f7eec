//! `cargo xtask golden`: rewrites the golden files with PyTorch, or checks that they are what it gives.

use crate::run::{Failed, Options, root};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const HELP: &str = "\
Runs the scripts of xtask/golden with a Python that has PyTorch 2.15 and writes the files that tests compare with.
Nothing else needs Python.

Options:
  --python PATH   the Python to use (default: the variable WENGERT_PYTHON, else python3)
  --only NAME     only the script NAME.py
  --check         writes nothing; fails if a file would change";

/// The version that the golden files are made with.
const TORCH: &str = "2.15";

/// Scripts and the folders where their files belong. A script gets a folder and writes its files there.
const SCRIPTS: &[(&str, &str)] = &[
    ("averaged", "crates/nn/tests/golden"),
    ("char_lstm", "examples/tests/golden"),
    ("checkpoint_files", "crates/io/tests/files"),
    ("conv", "crates/tensor/tests/golden"),
    ("elementwise", "crates/tensor/tests/golden"),
    ("fashion", "examples/tests/golden"),
    ("index", "crates/tensor/tests/golden"),
    ("interop", "examples/tests/golden"),
    ("models", "crates/nn/tests/models"),
    ("modules", "crates/nn/tests/golden"),
    ("nets", "examples/tests/golden"),
    ("nn", "crates/nn/tests/golden"),
    ("norm", "crates/tensor/tests/golden"),
    ("numpy_files", "crates/io/tests/numpy"),
    ("op_db", "crates/autograd/tests/op_db/golden"),
    ("optim", "crates/optim/tests/golden"),
    ("parametrizations", "crates/nn/tests/golden"),
    ("pool", "crates/tensor/tests/golden"),
    ("resume", "examples/tests/golden"),
    ("rng", "crates/tensor/tests/golden"),
    ("schedulers", "crates/optim/tests/golden"),
    ("sequence", "crates/nn/tests/golden"),
    ("sums", "crates/tensor/tests/golden"),
    ("text", "crates/tensor/tests/golden"),
    ("training", "examples/tests/golden"),
];

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let options = Options::parse(args, &["--check"], &["--python", "--only"])?;
    let python = options
        .value("--python")
        .map(str::to_owned)
        .or_else(|| std::env::var("WENGERT_PYTHON").ok())
        .unwrap_or_else(|| "python3".to_owned());
    let version = Command::new(&python).args(["-c", "import torch; print(torch.__version__)"]).output();
    let version =
        version.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    match version {
        Some(v) if v.starts_with(TORCH) => println!("{python} has PyTorch {v}"),
        Some(v) => return Err(Failed(format!("{python} has PyTorch {v}; the golden files are made with {TORCH}"))),
        None => {
            return Err(Failed(format!(
                "{python} has no PyTorch; install it (pip install torch=={TORCH}.* numpy) or give another with --python"
            )));
        }
    }
    let mut differing = Vec::new();
    for (script, folder) in SCRIPTS.iter().filter(|(s, _)| options.value("--only").is_none_or(|only| only == *s)) {
        println!("== {script}");
        let scratch = std::env::temp_dir().join(format!("wengert-golden-{}-{script}", std::process::id()));
        let io = |error: std::io::Error| Failed(format!("{script}: {error}"));
        std::fs::create_dir_all(&scratch).map_err(io)?;
        let status = Command::new(&python)
            .arg(root().join("xtask/golden").join(format!("{script}.py")))
            .arg(&scratch)
            .current_dir(root())
            .status()
            .map_err(io)?;
        if !status.success() {
            return Err(Failed(format!("{script}.py failed")));
        }
        let target = root().join(folder);
        for file in files(&scratch).map_err(io)? {
            let name = file.file_name().expect("a file has a name");
            let new = std::fs::read(&file).map_err(io)?;
            let place = target.join(name);
            if std::fs::read(&place).is_ok_and(|old| old == new) {
                continue;
            }
            differing.push(format!("{folder}/{}", name.to_string_lossy()));
            if !options.flag("--check") {
                std::fs::create_dir_all(&target).map_err(io)?;
                std::fs::write(place, new).map_err(io)?;
            }
        }
        std::fs::remove_dir_all(scratch).map_err(io)?;
    }
    match (differing.is_empty(), options.flag("--check")) {
        (true, _) => println!("all golden files are what PyTorch gives"),
        (false, false) => println!("rewritten:\n  {}", differing.join("\n  ")),
        (false, true) => return Err(Failed(format!("these would change:\n  {}", differing.join("\n  ")))),
    }
    Ok(())
}

/// The files of a folder, in order.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_has_a_row_and_every_row_a_script() {
        let mut scripts: Vec<String> = files(&root().join("xtask/golden"))
            .expect("the folder is there")
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e == "py"))
            .map(|f| f.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        scripts.sort();
        let mut rows: Vec<String> = SCRIPTS.iter().map(|(s, _)| s.to_string()).collect();
        rows.sort();
        assert_eq!(scripts, rows);
    }
}
