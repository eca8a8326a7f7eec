//! `cargo xtask miri`.

use crate::run::{Failed, Options, step};
use crate::tidy::UNSAFE_FILES;

pub(crate) const HELP: &str = "\
Runs the unit tests of every file that holds unsafe code under Miri, which finds undefined behaviour.
Needs a nightly toolchain with the component: rustup toolchain install nightly --component miri.

Options:
  --toolchain NAME   the toolchain that has Miri (default nightly)";

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let options = Options::parse(args, &[], &["--toolchain"])?;
    let toolchain = format!("+{}", options.value("--toolchain").unwrap_or("nightly"));
    let rustup = |args: &[&str]| {
        let mut command = std::process::Command::new("cargo");
        command.arg(&toolchain).args(args).current_dir(crate::run::root());
        // The toolchain that runs this program must not decide which one runs Miri.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
        command
    };
    if !rustup(&["miri", "--version"]).output().is_ok_and(|o| o.status.success()) {
        return Err(Failed(format!(
            "Miri is not installed for toolchain '{}'.\nInstall it: rustup toolchain install nightly --component miri",
            &toolchain[1..]
        )));
    }
    let mut command = rustup(&["miri", "test", "--package", "wengert-tensor", "--lib", "--"]);
    // `cpu/gemm.rs` holds the tests `cpu::gemm::…`.
    for file in UNSAFE_FILES {
        let module = file.trim_start_matches("crates/tensor/src/").trim_end_matches(".rs").replace('/', "::");
        command.arg(format!("{module}::"));
    }
    // Views and copies use storage in every way there is.
    command.args(["ops::view::", "cpu::copy::"]);
    step("miri", command.env("MIRIFLAGS", "-Zmiri-disable-isolation"))
}
