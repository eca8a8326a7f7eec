//! `wengert-ckpt`: what is in a checkpoint, in another format, is it whole, and do two differ.

mod convert;
mod diff;
mod inspect;
mod tree;
mod verify;

use std::io::Write;
use std::process::ExitCode;
use wengert_io::tensor::Value;
use wengert_io::{Error, ReadOptions};

const USAGE: &str = "\
Looks into checkpoints of any format that wengert-io reads: .pt, .pth (also whole models), .safetensors, .npz, .npy, .wgt.

    wengert-ckpt inspect [--stats] [--json] FILE...
        Lists what is in it: names, dtypes, shapes, bytes, which tensors share memory, and all other values.
        --stats adds minimum, maximum, mean and the number of NaNs.
        Of a file with dtypes that cannot be read it lists what the file says of its tensors.

    wengert-ckpt convert [--key NAME] [--json] IN OUT
        Writes it in the format that OUT's ending names, or as PyTorch if it names none. --key takes one entry, such as
        model or state.optimizer. OUT is replaced if it exists.

    wengert-ckpt verify [--json] FILE...
        Reads everything, checksums too, and says what is wrong.

    wengert-ckpt diff [--rtol X] [--atol X] [--json] A B
        Says which names are only in one, and which tensors and values differ, and by how much.
        Tensors within atol + rtol * |b| count as the same; both are 0 if not given.

All take --help, and --widen, which reads dtypes that tensors here do not have as wider ones: uint16 as int32, uint32 and
uint64 as int64, float8 as float32, complex numbers with a last axis of 2. Results go to standard output, what went wrong to standard error; with --json it is in the JSON too.
Exit codes: 0 all is well, or the same; 1 a file is bad, or they differ; 2 the command line is wrong.
";

/// The command line, taken apart.
struct Arguments {
    files: Vec<String>,
    flags: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Flags stand alone, options take a value; `--` ends both.
    fn parse(words: &[String], flags: &[&str], options: &[&str]) -> Result<Arguments, String> {
        let mut out = Arguments { files: Vec::new(), flags: Vec::new(), options: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                out.files.extend(words.by_ref().cloned());
            } else if flags.contains(&word.as_str()) {
                out.flags.push(word.clone());
            } else if options.contains(&word.as_str()) {
                let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                out.options.push((word.clone(), value.clone()));
            } else if word.starts_with("--") {
                return Err(format!("unknown option {word}"));
            } else {
                out.files.push(word.clone());
            }
        }
        Ok(out)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Reads a file, whatever classes are in it.
    fn load(&self, file: &str) -> Result<Value, Error> {
        wengert_io::load_with(file, ReadOptions { objects: true, widen: self.has("--widen") })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// What a command prints, what went wrong, and whether all was well.
#[derive(Default)]
struct Report {
    text: String,
    errors: String,
    well: bool,
}

impl Report {
    /// What goes to standard error, as a line.
    fn error(&mut self, message: &str) {
        self.well = false;
        self.errors += &format!("wengert-ckpt: {}\n", tree::plain(message));
    }
}

fn run(words: &[String]) -> Result<Report, String> {
    let Some((command, rest)) = words.split_first() else { return Err("a command is missing".to_owned()) };
    let asks = |word: &String| matches!(word.as_str(), "--help" | "-h");
    if rest.iter().take_while(|word| *word != "--").any(asks) {
        return Ok(Report { text: USAGE.to_owned(), well: true, ..Report::default() });
    }
    match command.as_str() {
        "inspect" => inspect::run(&Arguments::parse(rest, &["--stats", "--widen", "--json"], &[])?),
        "convert" => convert::run(&Arguments::parse(rest, &["--widen", "--json"], &["--key"])?),
        "verify" => verify::run(&Arguments::parse(rest, &["--widen", "--json"], &[])?),
        "diff" => diff::run(&Arguments::parse(rest, &["--widen", "--json"], &["--rtol", "--atol"])?),
        "help" | "--help" | "-h" => Ok(Report { text: USAGE.to_owned(), well: true, ..Report::default() }),
        "--version" | "-V" => {
            let text = concat!("wengert-ckpt ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
            Ok(Report { text, well: true, ..Report::default() })
        }
        other => Err(format!("unknown command {other}")),
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match run(&words) {
        Ok(report) => {
            // A reader that closed the pipe has seen what it wanted.
            let _ = std::io::stdout().write_all(report.text.as_bytes());
            let _ = std::io::stderr().write_all(report.errors.as_bytes());
            ExitCode::from(u8::from(!report.well))
        }
        Err(message) => {
            let _ = write!(std::io::stderr(), "wengert-ckpt: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
