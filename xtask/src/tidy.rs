//! The repository's rules, as a test.

use std::path::{Path, PathBuf};

/// The only files that may hold unsafe code; ARCHITECTURE.md says why for each.
pub(crate) const UNSAFE_FILES: &[&str] = &[
    "crates/tensor/src/cache.rs",
    "crates/tensor/src/storage.rs",
    "crates/tensor/src/cpu/simd.rs",
    "crates/tensor/src/cpu/finish.rs",
    "crates/tensor/src/cpu/gemm.rs",
    "crates/tensor/src/cpu/lanes.rs",
    "crates/tensor/src/cpu/sums.rs",
    "crates/tensor/src/cpu/tile.rs",
    "crates/tensor/src/cpu/transpose.rs",
    "crates/tensor/src/cpu/turn.rs",
    "crates/io/src/mapped.rs",
    "xtask/benches/cases/file.rs",
];

/// What the `lib.rs` of crates with unsafe code says of it instead of forbidding it.
const UNSAFE_CRATES: &[(&str, &str)] = &[("crates/tensor/", ""), ("crates/io/", "#![deny(unsafe_code)]")];

/// Lines that a source file should not pass; beyond it holds more than one idea.
const MAX_LINES: usize = 750;

/// All breaches of the rules, one line each.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for folder in ["crates", "examples", "xtask"] {
        collect(&root.join(folder), &mut sources);
    }
    sources.sort();
    if sources.len() < 20 {
        problems.push(format!("only {} source files found: are they where they should be?", sources.len()));
    }
    for path in &sources {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(path).expect("a source file is readable text");
        check_file(&name, &text, &mut problems);
    }
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    for file in UNSAFE_FILES {
        if !architecture.contains(&format!("`{file}`")) {
            problems.push(format!("ARCHITECTURE.md does not name {file} among the files with unsafe code"));
        }
    }
    let changelog = std::fs::read_to_string(root.join("CHANGELOG.md")).unwrap_or_default();
    if !changelog.contains("## [Unreleased]") {
        problems.push("CHANGELOG.md has no section '## [Unreleased]'".to_owned());
    }
    problems
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target") {
                collect(&path, out);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn check_file(name: &str, text: &str, problems: &mut Vec<String>) {
    let mut problem = |line: usize, what: &str| problems.push(format!("{name}:{line}: {what}"));
    if !text.starts_with("//! ") {
        problem(1, "the first line is not a `//!` sentence on what lives here");
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        problem(lines, &format!("{lines} lines, more than {MAX_LINES}: is it still one idea?"));
    }
    let library = name.starts_with("crates/") && name.contains("/src/");
    if library && name.ends_with("/src/lib.rs") {
        // A procedural macro crate cannot hold unsafe code that reaches anyone, and yet says so.
        let row = UNSAFE_CRATES.iter().find(|(start, _)| name.starts_with(start));
        let wanted = row.map_or("#![forbid(unsafe_code)]", |(_, attribute)| attribute);
        if !text.contains(wanted) {
            problem(1, &format!("a crate without unsafe code, or with one file of it, says so: {wanted}"));
        }
    }
    if name.starts_with("crates/tensor/src/ops/") {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let operation = line.trim() == "impl Tensor {" || line.starts_with("pub fn ");
            let attributes = lines[..i].iter().rev().take_while(|line| line.trim().starts_with("#["));
            if operation && !attributes.clone().any(|line| line.contains("profiled") || line.contains("doc(hidden)")) {
                problem(i + 1, "operations that profiles do not see: put #[profiled] above");
            }
        }
    }
    let mut in_tests = false;
    for (i, line) in text.lines().enumerate() {
        in_tests |= line.starts_with("#[cfg(test)]") || line.starts_with("mod tests");
        let code = line.split("//").next().unwrap_or("");
        if has_unsafe(code) && !UNSAFE_FILES.contains(&name) && !name.starts_with("xtask/src/tidy") {
            problem(i + 1, "unsafe code outside the files that may hold it");
        }
        if code.contains("#[ignore") && !name.starts_with("xtask/src/tidy") {
            problem(i + 1, "an ignored test");
        }
        if library && !in_tests {
            for word in ["todo!(", "unimplemented!(", "dbg!(", "println!(", ".unwrap()"] {
                if code.contains(word) {
                    problem(i + 1, &format!("`{word}` in library code"));
                }
            }
        }
    }
}

/// Whether a line holds the keyword, as code.
fn has_unsafe(code: &str) -> bool {
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"].iter().any(|word| code.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaches_are_found() {
        let check = |name: &str, text: &str| {
            let mut problems = Vec::new();
            check_file(name, text, &mut problems);
            problems.len()
        };
        assert_eq!(check("crates/io/src/zip.rs", "//! Zip.\nfn f() {}\n"), 0);
        assert_eq!(check("crates/io/src/zip.rs", "fn f() {}\n"), 1);
        assert_eq!(check("crates/io/src/zip.rs", "//! Zip.\nfn f() { g().unwrap() }\n"), 1);
        assert_eq!(check("crates/io/src/zip.rs", "//! Zip.\n#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\n"), 0);
        assert_eq!(check("crates/io/src/zip.rs", "//! Zip.\nfn f() { unsafe { g() } }\n"), 1);
        assert_eq!(check("crates/tensor/src/cache.rs", "//! Cache.\nfn f() { unsafe { g() } }\n"), 0);
        assert_eq!(check("crates/nn/src/lib.rs", "//! Nn.\n#![deny(unsafe_code)]\n"), 1);
        assert_eq!(check("crates/io/src/lib.rs", "//! Io.\n"), 1);
        assert_eq!(check("crates/io/src/lib.rs", "//! Io.\n#![deny(unsafe_code)]\n"), 0);
        assert_eq!(check("crates/tensor/src/ops/x.rs", "//! X.\nimpl Tensor {\n}\npub fn f() {}\n"), 2);
        assert_eq!(check("crates/tensor/src/ops/x.rs", "//! X.\n#[profiled]\n#[track_caller]\npub fn f() {}\n"), 0);
        assert_eq!(check("crates/io/tests/x.rs", "//! Tests.\n#[test]\n#[ignore]\nfn f() {}\n"), 1);
    }
}
