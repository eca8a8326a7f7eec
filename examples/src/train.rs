//! The book's training loop: epochs over a loader, mean loss, training and test accuracy.

use crate::chart::{Series, svg};
use wengert_autograd::{Var, functional::cross_entropy, no_grad};
use wengert_data::DataLoader;
use wengert_nn::Module;
use wengert_optim::Optimizer;
use wengert_tensor::{DType, Tensor, Value};

/// What the book prints for one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Mean over the batches of each batch's loss.
    pub loss: f64,
    /// Share of training images that were classified rightly while training.
    pub train_acc: f64,
    /// Share of test images that are classified rightly after the epoch.
    pub test_acc: f64,
}

/// The number of rows of `output` whose largest entry is at the label.
fn right(output: &Tensor, labels: &Tensor) -> i64 {
    output.argmax(1).eq(labels).sum(()).item()
}

/// One pass over the loader with updates: mean loss and accuracy. `tick` is called after each batch.
pub fn train_epoch(
    net: &dyn Module,
    loader: &mut DataLoader,
    optimizer: &mut Optimizer,
    dtype: DType,
    mut tick: impl FnMut(),
) -> (f64, f64) {
    net.train();
    let (mut total, mut hits, mut seen, mut batches) = (0.0, 0, 0, 0);
    for batch in loader.iter() {
        let (x, y) = (Var::from(batch[0].to(dtype)), &batch[1]);
        let output = net.forward(&x);
        let loss = cross_entropy(&output, y);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        total += loss.item::<f64>();
        hits += right(output.value(), y);
        seen += y.numel();
        batches += 1;
        tick();
    }
    (total / batches.max(1) as f64, hits as f64 / seen.max(1) as f64)
}

/// The share of a loader's samples that the net, in eval mode, classifies rightly.
pub fn accuracy(net: &dyn Module, loader: &mut DataLoader, dtype: DType) -> f64 {
    net.eval();
    let (mut hits, mut seen) = (0, 0);
    no_grad(|| {
        for batch in loader.iter() {
            hits += right(net.forward(&Var::from(batch[0].to(dtype))).value(), &batch[1]);
            seen += batch[1].numel();
        }
    });
    hits as f64 / seen.max(1) as f64
}

/// The epochs so far as a chart.
pub fn chart(title: &str, history: &[Epoch]) -> String {
    let curve = |f: fn(&Epoch) -> f64| history.iter().map(f).collect();
    svg(
        title,
        &[
            Series { name: "train loss", color: "#1f77b4", values: curve(|e| e.loss), right: false },
            Series { name: "train acc", color: "#d62728", values: curve(|e| e.train_acc), right: true },
            Series { name: "test acc", color: "#2ca02c", values: curve(|e| e.test_acc), right: true },
        ],
    )
}

/// The epochs as data for a checkpoint.
pub fn history_to_value(history: &[Epoch]) -> Value {
    Value::List(
        history
            .iter()
            .map(|e| {
                Value::dict([
                    ("loss", Value::from(e.loss)),
                    ("train_acc", Value::from(e.train_acc)),
                    ("test_acc", Value::from(e.test_acc)),
                ])
            })
            .collect(),
    )
}

/// The epochs of a checkpoint; `None` if the data is not what [`history_to_value`] gives.
pub fn history_from_value(value: &Value) -> Option<Vec<Epoch>> {
    let number = |e: &Value, key: &str| e.get(key).and_then(Value::as_float);
    value
        .as_slice()?
        .iter()
        .map(|e| {
            Some(Epoch {
                loss: number(e, "loss")?,
                train_acc: number(e, "train_acc")?,
                test_acc: number(e, "test_acc")?,
            })
        })
        .collect()
}
