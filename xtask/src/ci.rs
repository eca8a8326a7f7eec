//! `cargo xtask ci` and `cargo xtask doc`.

use crate::run::{Failed, Options, cargo, step};

pub(crate) const DOC_HELP: &str = "\
Builds the documentation of the workspace's crates with warnings denied.

Options:
  --open   shows it in a browser";

pub(crate) const HELP: &str = "\
Runs `cargo xtask test`, builds the documentation with warnings denied, and builds the examples in release mode.
Needs only the Rust toolchain.";

pub(crate) fn doc(args: &[String]) -> Result<(), Failed> {
    let options = Options::parse(args, &["--open"], &[])?;
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    if options.flag("--open") {
        command.arg("--open");
    }
    step("documentation", command.env("RUSTDOCFLAGS", "-D warnings"))
}

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    Options::parse(args, &[], &[])?;
    doc(&[])?;
    crate::test::run(&[])
}
