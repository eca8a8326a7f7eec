//! The programs that time workloads: ours and the peers', each a process that answers names with times.

use super::record::Record;
use crate::run::{Failed, Options, cargo, root, step};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How to start one side.
pub(super) struct Side {
    /// As the table calls it.
    pub(super) name: &'static str,
    /// Its name and version, for the record.
    pub(super) version: String,
    program: PathBuf,
    args: Vec<String>,
}

impl Side {
    /// Our runner, built.
    pub(super) fn ours() -> Result<Side, Failed> {
        let build =
            ["build", "--release", "--package", "wengert-xtask", "--features", "workloads", "--bin", "workloads"];
        step("our workloads", &mut cargo(&build))?;
        let version = format!("Wengert {}", env!("CARGO_PKG_VERSION"));
        Ok(Side { name: "ours", version, program: target().join("release/workloads"), args: Vec::new() })
    }

    /// A peer by its name, built if it must be.
    pub(super) fn peer(name: &str, options: &Options<'_>) -> Result<Side, Failed> {
        match name {
            "torch" => torch(options),
            "candle" => rust("candle", "candle 0.11.1"),
            "burn" => rust("burn", "burn 0.22.1, flex"),
            other => Err(Failed(format!("unknown peer '{other}'; known are torch, candle and burn"))),
        }
    }

    /// The command that runs it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env("BENCH_DATA", folder().join("data"));
        command
    }

    /// Times a workload a few times in a process of its own, whose peak memory is then the workload's.
    pub(super) fn alone(&self, case: &str, threads: usize) -> Result<Option<Record>, Failed> {
        self.start(threads, 0.0, 0)?.time(case)
    }

    /// Starts it for so many threads.
    pub(super) fn start(&self, threads: usize, budget: f64, retries: usize) -> Result<Running, Failed> {
        let mut command = self.command();
        for (option, value) in
            [("--threads", threads.to_string()), ("--budget", budget.to_string()), ("--retries", retries.to_string())]
        {
            command.arg(option).arg(value);
        }
        for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|e| Failed(format!("cannot start {command:?}: {e}")))?;
        let input = child.stdin.take().expect("it was asked for");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        Ok(Running { name: self.name, child, input: Some(input), output })
    }
}

/// PyTorch, if there is a Python that has it.
fn torch(options: &Options<'_>) -> Result<Side, Failed> {
    let python = options.value("--python").map(PathBuf::from);
    let python = python.or_else(|| std::env::var_os("PYTHON").map(PathBuf::from));
    let python = python.unwrap_or_else(|| "python3".into());
    let found = Command::new(&python).args(["-c", "import torch; print(torch.__version__)"]).output();
    let Some(output) = found.ok().filter(|output| output.status.success()) else {
        return Err(Failed(format!(
            "'{}' has no PyTorch: give a Python that has it by --python PATH or the variable PYTHON",
            python.display()
        )));
    };
    let version = format!("PyTorch {}", String::from_utf8_lossy(&output.stdout).trim());
    let script = root().join("xtask/peers/torch/bench.py");
    Ok(Side { name: "torch", version, program: python, args: vec![script.display().to_string()] })
}

/// A peer in Rust: a workspace of its own, built for this machine's processor as its own users would at best.
fn rust(name: &'static str, version: &str) -> Result<Side, Failed> {
    let (manifest, build) =
        (root().join("xtask/peers").join(name).join("Cargo.toml"), target().join("peers").join(name));
    let mut command = cargo(&["build", "--release", "--manifest-path"]);
    command.arg(manifest).arg("--target-dir").arg(&build).env("RUSTFLAGS", "-C target-cpu=native");
    step(&format!("{version}; the first build takes minutes and the network"), &mut command)?;
    Ok(Side { name, version: version.to_owned(), program: build.join("release/peer"), args: Vec::new() })
}

/// A side that waits for names.
pub(super) struct Running {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Times a workload; `None` if this side has none of this name.
    pub(super) fn time(&mut self, case: &str) -> Result<Option<Record>, Failed> {
        let lost = |e: std::io::Error| Failed(format!("{} stopped at {case}: {e}", self.name));
        if let Some(input) = &mut self.input {
            writeln!(input, "{case}").and_then(|()| input.flush()).map_err(lost)?;
        }
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(lost)? == 0 {
                return Err(Failed(format!("{} stopped at {case}", self.name)));
            }
            if let Some(record) = Record::parse(&line).filter(|record| record.text("case") == Some(case)) {
                return Ok(record.number("missing").is_none().then_some(record));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its input ends it; it holds nothing that must be saved.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// Where builds go.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where results go.
pub(super) fn folder() -> PathBuf {
    target().join("bench")
}

/// Writes a result beside the others and says where.
pub(super) fn write(name: &str, text: &str) -> Result<(), Failed> {
    let path = folder().join(name);
    let written = std::fs::create_dir_all(folder()).and_then(|()| std::fs::write(&path, text));
    written.map_err(|e| Failed(format!("{}: {e}", path.display())))?;
    println!("written: {}", path.display());
    Ok(())
}

/// The rows of the table, from our runner.
pub(super) fn rows(ours: &Side) -> Result<Vec<Record>, Failed> {
    let output = ours.command().arg("--list").output().map_err(|e| Failed(format!("cannot start our runner: {e}")))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(Record::parse).collect())
}
