//! PyTorch's modules on the sample inputs of its own tests (`module_db`): initial parameters, outputs, gradients, buffers,
//! printed text, and what a whole-model file says of them.
//!
//! `golden/modules.bin` holds the samples of all modules (`cargo xtask golden --only modules`). A row maps PyTorch's name to
//! the making of ours from the constructor's arguments, which are all there by name, defaults too:
//! `("ELU", |a| layer(ELU::new(a.get("alpha"))))`. Every sample runs in f64 and f32 at PyTorch's own tolerances.
//! `module_db_skipped.txt` lists what is left out, with the reason; a listed sample that passes fails the test.
//!
//! `MODULE=ELU cargo test -p wengert-nn --test module_db` runs one module and prints every failure.

#[path = "module_db/activation.rs"]
mod activation;
#[path = "module_db/attention.rs"]
mod attention;
#[path = "module_db/case.rs"]
mod case;
#[path = "module_db/check.rs"]
mod check;
#[path = "module_db/file.rs"]
mod file;
#[path = "module_db/layer.rs"]
mod layer;
#[path = "module_db/loss.rs"]
mod loss;
#[path = "module_db/pooling.rs"]
mod pooling;
#[path = "module_db/recurrent.rs"]
mod recurrent;
#[path = "module_db/spatial.rs"]
mod spatial;

use case::{Arguments, Case};

/// A module by PyTorch's name, and how ours is made and called.
pub(crate) type Row = (&'static str, fn(&Arguments) -> Case);

#[test]
fn modules_compute_what_pytorch_computes() {
    check::all(
        &[activation::ROWS, attention::ROWS, layer::ROWS, loss::ROWS, pooling::ROWS, recurrent::ROWS, spatial::ROWS]
            .concat(),
    );
}
