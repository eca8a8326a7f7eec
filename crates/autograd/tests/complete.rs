//! Every public operation is in the catalog, whose rows are differentiated by property tests, or in the one list of operations
//! without a derivative.

use std::collections::BTreeSet;
use std::path::PathBuf;
use wengert_autograd::{NON_DIFFERENTIABLE, catalog};

/// Public functions in the sources of operations that are none themselves.
const OTHERS: [&str; 1] = [
    // A constructor of options.
    "new",
];

/// The sources of operations: name and text.
fn sources() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // Those of the second folder are written for tensors, and `src/ops/composed.rs` has them written again.
    let folders = ["src/ops", "../tensor/src/ops/composed"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|f| std::fs::read_dir(f).expect("a folder of operations"));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.push(root.join("src/functional.rs"));
    files.sort();
    files
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("a readable source")))
        .collect()
}

/// The names of public functions and methods that a source writes out, but for what documentation hides.
fn public(text: &str) -> impl Iterator<Item = &str> {
    let mut hidden = false;
    text.lines().filter_map(move |line| {
        hidden |= line.trim() == "#[doc(hidden)]";
        if line == "}" {
            hidden = false;
        }
        if hidden {
            return None;
        }
        let name = line.trim_start().strip_prefix("pub fn ")?;
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        Some(&name[..end]).filter(|name| !name.is_empty())
    })
}

/// The first words of the catalog's rows: `index by a mask` is a row of `index`.
fn catalogued() -> BTreeSet<&'static str> {
    let first = |name: &'static str| name.split([' ', ',']).next().expect("a name has a first word");
    catalog().iter().map(|entry| first(entry.name)).collect()
}

#[test]
fn every_operation_is_in_the_catalog_or_in_the_list_of_those_without_a_derivative() {
    let catalogued = catalogued();
    let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
    for (file, text) in sources() {
        for name in public(&text) {
            seen.insert(name.to_owned());
            let known = catalogued.contains(name) || NON_DIFFERENTIABLE.contains(&name) || OTHERS.contains(&name);
            if !known {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(seen.len() > 250, "only {} operations seen: are the sources where they should be?", seen.len());
    assert!(missing.is_empty(), "operations without a row that a test would differentiate:\n{}", missing.join("\n"));
}

#[test]
fn tables_that_make_methods_make_rows_of_the_catalog_too() {
    for (file, text) in sources().iter().filter(|(_, text)| text.contains("pub fn $")) {
        let tables = text.matches("macro_rules!").count();
        let rows = ["Entry::", "const NON_DIFFERENTIABLE"].iter().any(|made| text.contains(made));
        assert!(tables > 0 && rows, "{file} makes methods by a table, but no rows");
    }
}

#[test]
fn no_operation_is_both_differentiable_and_not() {
    let both: Vec<&str> = catalogued().into_iter().filter(|name| NON_DIFFERENTIABLE.contains(name)).collect();
    assert!(both.is_empty(), "{both:?}");
}
