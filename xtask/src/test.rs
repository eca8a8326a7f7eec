//! `cargo xtask test`: everything that must hold, cheapest first.

use crate::run::{Failed, Options, cargo, root, step};
use crate::tidy;

pub(crate) const HELP: &str = "\
Runs, in this order, and stops at the first failure:
  1. cargo fmt --check
  2. the repository's rules
  3. cargo clippy on all targets, warnings denied
  4. unit, golden, property and documentation tests of the whole workspace

Options:
  --fast   without clippy
  --full   longer property and mutation runs (sets WENGERT_FULL=1)";

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let options = Options::parse(args, &["--fast", "--full"], &[])?;
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let problems = tidy::check(&root());
    if !problems.is_empty() {
        return Err(Failed(format!("repository rules:\n{}", problems.join("\n"))));
    }
    if !options.flag("--fast") {
        step(
            "lints",
            &mut cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--features",
                "wengert-xtask/workloads",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ]),
        )?;
    }
    let mut tests = cargo(&["test", "--workspace"]);
    if options.flag("--full") {
        tests.env("WENGERT_FULL", "1");
    }
    step("tests", &mut tests)
}
