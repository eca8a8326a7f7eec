//! Running other programs, and saying what failed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// A cargo command in the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs a step with its name and time; its output goes through.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<(), Failed> {
    println!("\n== {name}");
    let start = Instant::now();
    let status = command.status().map_err(|error| Failed(format!("{name}: cannot start {command:?}: {error}")))?;
    println!("== {name}: {:.1} s", start.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(Failed(format!("{name} failed: {command:?}"))) }
}

/// Options of the forms `--flag` and `--name value`. Unknown words are errors.
pub(crate) struct Options<'a> {
    flags: Vec<&'a str>,
    values: Vec<(&'a str, &'a str)>,
}

impl<'a> Options<'a> {
    pub(crate) fn parse(args: &'a [String], flags: &[&str], names: &[&str]) -> Result<Options<'a>, Failed> {
        let mut out = Options { flags: Vec::new(), values: Vec::new() };
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if flags.contains(&word) {
                out.flags.push(word);
            } else if names.contains(&word) {
                let value = words.next().ok_or_else(|| Failed(format!("option '{word}' needs a value")))?;
                out.values.push((word, value));
            } else {
                return Err(Failed(format!("unknown option '{word}'; --help lists the options")));
            }
        }
        Ok(out)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flags.contains(&name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.values.iter().find_map(|(n, v)| (*n == name).then_some(*v))
    }
}
