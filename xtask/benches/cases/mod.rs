//! The workloads: each has a name that says all of it, so that a peer can build the same one from the name alone.
//!
//! A name is `family/sizes[/what][/f64]`: `matmul/512x784x256`, `conv/8x64x56/64k3s1p1/step`, `net/vgg11/1x224/forward`.

mod conv;
mod everyday;
mod file;
mod net;
mod ops;
mod size;
mod table;
mod tape;

pub(crate) use size::numbers;
pub(crate) use table::ROWS;

use wengert_tensor::DType;

/// A workload that is ready to be timed.
pub(crate) struct Case {
    /// One repetition.
    pub(crate) run: Box<dyn FnMut()>,
    /// Floating-point operations of a repetition, where they can be counted.
    pub(crate) flops: f64,
    /// Bytes that a repetition reads and writes at least.
    pub(crate) bytes: f64,
}

impl Case {
    /// A workload that nothing is counted of.
    fn new<R>(mut run: impl FnMut() -> R + 'static) -> Case {
        let run = Box::new(move || {
            std::hint::black_box(run());
        });
        Case { run, flops: 0.0, bytes: 0.0 }
    }

    fn flops(self, flops: usize) -> Case {
        Case { flops: flops as f64, ..self }
    }

    fn bytes(self, bytes: usize) -> Case {
        Case { bytes: bytes as f64, ..self }
    }
}

/// A name taken apart.
struct Name<'a> {
    family: &'a str,
    /// What lies between the family and the dtype.
    parts: Vec<&'a str>,
    dtype: DType,
}

impl Name<'_> {
    fn part(&self, index: usize) -> &str {
        self.parts.get(index).copied().unwrap_or("")
    }
}

/// Prepares a workload; `None` if no family knows the name.
pub(crate) fn find(name: &str) -> Option<Case> {
    let mut parts: Vec<&str> = name.split('/').collect();
    let dtype = match parts.last() {
        Some(&"f64") => DType::F64,
        Some(&"f16") => DType::F16,
        Some(&"bf16") => DType::BF16,
        _ => DType::F32,
    };
    if dtype != DType::F32 {
        parts.pop();
    }
    let family = parts.remove(0);
    let name = Name { family, parts, dtype };
    [ops::find, conv::find, tape::find, net::find, file::find, everyday::find].iter().find_map(|family| family(&name))
}
