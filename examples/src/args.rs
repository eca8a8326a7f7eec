//! Command-line options of the form `--name value`, with a help text.

use std::collections::HashMap;
use std::error::Error;
use std::process::{ExitCode, exit};

/// A program's exit code, after saying in words why it failed if it did.
pub fn report(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Options read from the command line.
pub struct Args {
    values: HashMap<String, String>,
}

impl Args {
    /// Reads `--name value` pairs; `known` lists `(name, default, what it is)`. `--help` prints them and ends the
    /// program; an unknown name ends it with an error.
    pub fn parse(about: &str, known: &[(&str, &str, &str)]) -> Args {
        match Args::read(std::env::args().skip(1), known) {
            Ok(Some(args)) => args,
            Ok(None) => {
                println!("{about}\n\nOptions:");
                for (name, default, what) in known {
                    let shown = if default.is_empty() { String::new() } else { format!(" (default {default})") };
                    println!("  --{name:<12} {what}{shown}");
                }
                exit(0)
            }
            Err(message) => {
                eprintln!("{message}");
                exit(2)
            }
        }
    }

    fn read(mut words: impl Iterator<Item = String>, known: &[(&str, &str, &str)]) -> Result<Option<Args>, String> {
        let mut values: HashMap<String, String> =
            known.iter().map(|(name, default, _)| (name.to_string(), default.to_string())).collect();
        while let Some(word) = words.next() {
            if word == "--help" || word == "-h" {
                return Ok(None);
            }
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let slot = name.strip_prefix("--").and_then(|n| values.get_mut(n));
            let Some(slot) = slot else {
                return Err(format!("unknown option '{name}'; --help lists the options"));
            };
            *slot = inline.or_else(|| words.next()).ok_or_else(|| format!("option '{name}' needs a value"))?;
        }
        Ok(Some(Args { values }))
    }

    /// The text of an option; empty if it was not given and has no default.
    pub fn text(&self, name: &str) -> &str {
        &self.values[name]
    }

    /// An option as a number or other parsed type; ends the program with an error if it is none.
    pub fn get<T: std::str::FromStr>(&self, name: &str) -> T {
        self.values[name].parse().unwrap_or_else(|_| {
            eprintln!("option '--{name}' cannot be '{}'", self.values[name]);
            exit(2)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    const KNOWN: &[(&str, &str, &str)] = &[("epochs", "5", "how many"), ("data", "", "where")];

    fn read(words: &[&str]) -> Result<Option<Args>, String> {
        Args::read(words.iter().map(|w| w.to_string()), KNOWN)
    }

    #[test]
    fn options_override_defaults_and_unknown_ones_are_errors() {
        let args = read(&["--epochs", "7", "--data=x"]).unwrap().unwrap();
        assert_eq!((args.get::<usize>("epochs"), args.text("data")), (7, "x"));
        assert!(read(&["--epoch", "7"]).is_err());
        assert!(read(&["--epochs"]).is_err());
        assert!(read(&["--help"]).unwrap().is_none());
    }
}
