//! Sums and means to the last bit, since printed text shows it (`golden/sums.json`).

use serde_json::Value as Json;
use wengert_tensor::{DType, Tensor};

#[test]
fn sums_have_pytorchs_last_bits() {
    let golden: Json = serde_json::from_str(include_str!("golden/sums.json")).expect("valid JSON");
    for row in golden["rows"].as_array().expect("a list") {
        let n = row["n"].as_u64().expect("a size") as usize;
        let x = Tensor::from_vec((0..n).map(|i| ((i * 37 + 11) % 101) as f64 / 7.0 - 5.0).collect(), [n]);
        let single = x.to(DType::F32);
        let text = |key: &str| row[key].as_str().expect("text").to_owned();
        let hex = |x: f32| format!("{:08x}", x.to_bits());
        assert_eq!(hex(single.sum(()).item()), text("sum_f32"), "sum of {n}");
        assert_eq!(hex(single.mean(()).item()), text("mean_f32"), "mean of {n}");
        let rows = Tensor::stack(&[&single, &single], 0).sum(1).to_vec::<f32>();
        assert_eq!(hex(rows[1]), text("row_f32"), "row of {n}");
        assert_eq!(format!("{:016x}", x.sum(()).item::<f64>().to_bits()), text("sum_f64"), "f64 sum of {n}");
    }
}
