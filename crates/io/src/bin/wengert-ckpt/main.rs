//! `wengert-ckpt`: what is in a checkpoint, in another format, is it whole, and do two differ.

mod convert;
mod diff;
mod inspect;
mod tree;
mod verify;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wengert_io::tensor::Value;
use wengert_io::{Error, ReadOptions};

const USAGE: &str = "\
Looks into checkpoints of any format that wengert-io reads: .pt, .pth (also whole models), .safetensors, .npz, .npy, .wgt.

    wengert-ckpt inspect [--stats | --list] [--json] FILE...
        Lists what is in it: names, dtypes, shapes, bytes, which tensors share memory, and all other values.
        --stats adds minimum, maximum, mean and the number of NaNs. --list reads no tensor, however large the file is, and
        lists what the file says of them; so does a file with dtypes that cannot be read.

    wengert-ckpt convert [--key NAME] [--json] IN OUT
        Writes it in the format that OUT's ending names, or as PyTorch if it names none. --key takes one entry, such as
        model or state.optimizer. OUT is replaced if it exists.

    wengert-ckpt verify [--json] FILE...
        Reads everything, checksums too, and says what is wrong.

    wengert-ckpt diff [--rtol X] [--atol X] [--json] A B
        Says which names are only in one, and which tensors and values differ, and by how much.
        Tensors within atol + rtol * |b| count as the same; both are 0 if not given.

A FILE named - is standard input. All take --help, and --widen, which reads dtypes that tensors here do not have as wider ones: uint16 as int32, uint32 and
uint64 as int64, float8 as float32, complex numbers with a last axis of 2. Results go to standard output, what went wrong to standard error; with --json it is in the JSON too.
Exit codes: 0 all is well, or the same; 1 a file is bad, or they differ; 2 the command line is wrong.
";

/// The command line, taken apart.
struct Arguments {
    files: Vec<PathBuf>,
    flags: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Flags stand alone, options take a value; `--` ends both.
    fn parse(words: &[OsString], flags: &[&str], options: &[&str]) -> Result<Arguments, String> {
        let mut out = Arguments { files: Vec::new(), flags: Vec::new(), options: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--") => out.files.extend(words.by_ref().map(PathBuf::from)),
                Some(flag) if flags.contains(&flag) => out.flags.push(flag.to_owned()),
                Some(option) if options.contains(&option) => {
                    let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
                    let value = value.to_str().ok_or_else(|| format!("the value of {option} is no text"))?;
                    out.options.push((option.to_owned(), value.to_owned()));
                }
                Some(other) if other.starts_with("--") => return Err(format!("unknown option {other}")),
                _ => out.files.push(word.into()),
            }
        }
        Ok(out)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Reads a file, whatever classes are in it, and says what format it has.
    fn load(&self, file: &Path) -> Result<(Value, &'static str), Error> {
        let options = ReadOptions { objects: true, widen: self.has("--widen") };
        if file != Path::new("-") {
            return Ok((wengert_io::load_with(file, options)?, wengert_io::format_of(file)?));
        }
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        Ok((wengert_io::from_bytes_with(&bytes, options)?, wengert_io::format_of_bytes(&bytes)))
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

fn run(words: &[OsString]) -> Result<Report, String> {
    let Some((command, rest)) = words.split_first() else { return Err("a command is missing".to_owned()) };
    if rest.iter().take_while(|word| *word != "--").any(|word| word == "--help" || word == "-h") {
        return Ok(Report { text: USAGE.to_owned(), well: true, ..Report::default() });
    }
    match command.to_string_lossy().as_ref() {
        "inspect" => inspect::run(&Arguments::parse(rest, &["--stats", "--list", "--widen", "--json"], &[])?),
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
    match run(&std::env::args_os().skip(1).collect::<Vec<_>>()) {
        Ok(report) => {
            // A reader that closed the pipe has seen what it wanted.
            let _ = std::io::stdout().write_all(report.text.as_bytes());
            let _ = std::io::stderr().write_all(report.errors.as_bytes());
            ExitCode::from(u8::from(!report.well))
        }
        Err(message) => {
            let message = tree::plain(&message);
            let _ = writeln!(std::io::stderr(), "wengert-ckpt: {message}\nwengert-ckpt --help says what there is.");
            ExitCode::from(2)
        }
    }
}
