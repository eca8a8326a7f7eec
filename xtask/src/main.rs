//! `cargo xtask`: tests, benches, golden files, Miri, docs and CI of the workspace.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod golden;
mod miri;
mod run;
mod test;
mod tidy;

use run::Failed;
use std::process::ExitCode;

/// One command: its name, what it does in one line, its help, and the function.
struct Command {
    name: &'static str,
    about: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<(), Failed>,
}

/// All commands; a new one is a row here and a file beside this one.
const COMMANDS: &[Command] = &[
    Command { name: "test", about: "format, lints, repository rules, every test", help: test::HELP, run: test::run },
    Command { name: "bench", about: "benchmarks, alone or against PyTorch", help: bench::HELP, run: bench::run },
    Command {
        name: "golden",
        about: "rewrite or check the golden files with PyTorch",
        help: golden::HELP,
        run: golden::run,
    },
    Command {
        name: "miri",
        about: "the tests of the files with unsafe code, under Miri",
        help: miri::HELP,
        run: miri::run,
    },
    Command { name: "doc", about: "documentation, warnings denied", help: ci::DOC_HELP, run: ci::doc },
    Command { name: "ci", about: "what must pass before a change lands", help: ci::HELP, run: ci::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(command) = args.first().and_then(|name| COMMANDS.iter().find(|c| c.name == name)) else {
        let asked = args.first().is_none_or(|a| a == "--help" || a == "-h" || a == "help");
        if !asked {
            eprintln!("unknown command '{}'\n", args[0]);
        }
        println!("cargo xtask COMMAND [OPTIONS]; COMMAND --help says more\n");
        COMMANDS.iter().for_each(|c| println!("  {:<8} {}", c.name, c.about));
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    if args[1..].iter().any(|a| a == "--help" || a == "-h") {
        println!("cargo xtask {}: {}\n\n{}", command.name, command.about, command.help);
        return ExitCode::SUCCESS;
    }
    match (command.run)(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("\n{failed}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, run, tidy};

    #[test]
    fn the_repository_keeps_its_rules() {
        let problems = tidy::check(&run::root());
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }

    #[test]
    fn every_command_has_help() {
        for command in COMMANDS {
            assert!(!command.help.trim().is_empty() && !command.about.is_empty(), "{}", command.name);
        }
    }
}
