//! Tests, benches, goldens and CI of the workspace.
fn main() {}
