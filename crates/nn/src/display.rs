//! Trees as text: PyTorch's `print(net)`.

use crate::Tree;
use crate::walk::{self, Members};
use std::fmt;

/// Writes a tree as PyTorch prints it: what `#[derive(Tree)]` uses for `Display`.
///
/// # Errors
/// Those of the formatter.
pub fn format_tree(tree: &dyn Tree, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&text(tree))
}

fn text(tree: &dyn Tree) -> String {
    let extra = tree.extra_repr();
    let children = Members::of(tree).children;
    let name = walk::class_name(tree);
    if children.is_empty() && !extra.contains('\n') {
        return format!("{name}({extra})");
    }
    let mut lines: Vec<String> = if extra.is_empty() { Vec::new() } else { vec![extra.replace('\n', "\n  ")] };
    let children: Vec<_> = children.into_iter().map(|(name, child)| (name, text(child))).collect();
    let same = |a: &(String, String), b: &(String, String)| tree.prints_repeats_once() && a.1 == b.1;
    for run in children.chunk_by(same) {
        let line = match run {
            [(first, text), .., (last, _)] => format!("({first}-{last}): {} x {text}", run.len()),
            [(name, text)] => format!("({name}): {text}"),
            [] => continue,
        };
        lines.push(indent(&line));
    }
    format!("{name}(\n  {}\n)", lines.join("\n  "))
}

/// Two blanks before every line but the first; blank lines stay empty.
fn indent(text: &str) -> String {
    let indented: Vec<_> = text
        .split('\n')
        .enumerate()
        .map(|(i, line)| match line.trim().is_empty() {
            true if i > 0 => String::new(),
            _ if i == 0 => line.to_owned(),
            _ => format!("  {line}"),
        })
        .collect();
    indented.join("\n")
}

/// `Display` for trees written by hand, as the derive gives it to the others.
macro_rules! display {
    ($($ty:ty),*) => {$(
        impl std::fmt::Display for $ty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::format_tree(self, f)
            }
        }
    )*};
}
pub(crate) use display;
