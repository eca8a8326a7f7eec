//! The rows of the comparison with PyTorch, for criterion: to save a baseline and compare with it.

#[expect(dead_code, reason = "criterion counts no operations and judges no budgets")]
mod cases;

use criterion::Criterion;
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for row in cases::ROWS {
        criterion.bench_function(row.name, |bench| {
            // Prepared in here, so that a filter spares the rest.
            if let Some(mut case) = cases::find(row.name) {
                bench.iter(|| (case.run)());
            }
        });
    }
    criterion.final_summary();
}
