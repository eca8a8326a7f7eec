//! `#[derive(Tree)]`: names a module's children, parameters and buffers in declaration order.
