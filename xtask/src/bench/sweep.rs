//! Random convolutions, products, reductions and everyday operations beside a peer's: what the table's shapes do not show.

use super::compare::{Measured, Plan, alternate};
use super::peer::{Side, write};
use super::{machine, number, table};
use crate::run::{Failed, Options};
use std::fmt::Write;

/// What a case may fall to and still count as kept up.
const KEEPS_UP: f64 = 0.8;
/// Multiplications and additions of the largest case: some ten milliseconds.
const MOST: usize = 500_000_000;
/// Elements of the largest operand.
const LARGEST: usize = 4_000_000;

pub(super) fn run(options: &Options<'_>) -> Result<(), Failed> {
    let plan = Plan::parse(options, 2, 0.05)?;
    let mut random = Random(number(options, "--seed", 1)?);
    let peer = Side::peer(options.value("--against").unwrap_or("torch"), options)?;
    let ours = Side::ours()?;
    let count: usize = number(options, "--sweep", 200)?;
    let cases: Vec<String> = (0..count).map(|_| random.case()).collect();
    let mut measured: Vec<Measured> = plan
        .threads
        .iter()
        .flat_map(|&t| cases.iter().map(move |c| (t, c)))
        .map(|(threads, case)| Measured { case: case.clone(), threads, budget: KEEPS_UP, ..Measured::default() })
        .collect();
    alternate(&plan, &ours, &peer, &mut measured)?;
    measured.retain(|m| !m.ours.is_empty() && !m.peer.is_empty());
    measured.sort_by(|a, b| a.ratio(plan.by).total_cmp(&b.ratio(plan.by)));
    let mut text = machine::line(&[&ours.version, &peer.version]);
    let _ = writeln!(
        text,
        "\n| family | threads | cases | at least {KEEPS_UP}x | geometric mean | least |\n|---|---|---|---|---|---|"
    );
    for family in ["conv", "matmul", "reduction", "everyday", "all"] {
        for &threads in &plan.threads {
            let member = |m: &&Measured| m.threads == threads && [family_of(&m.case), "all"].contains(&family);
            let ratios: Vec<f64> = measured.iter().filter(member).map(|m| m.ratio(plan.by)).collect();
            if ratios.is_empty() {
                continue;
            }
            let kept = ratios.iter().filter(|&&r| r >= KEEPS_UP).count();
            let mean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
            let _ = writeln!(
                text,
                "| {family} | {threads} | {} | {:.0} % | {mean:.2}x | {:.2}x |",
                ratios.len(),
                100.0 * kept as f64 / ratios.len() as f64,
                ratios[0]
            );
        }
    }
    let worst = &measured[..measured.len().min(10)];
    let _ = writeln!(text, "\nThe worst ten:\n\n{}", table::rows(worst, peer.name, plan.by));
    print!("{text}");
    let _ = writeln!(text, "\nAll:\n\n{}", table::rows(&measured, peer.name, plan.by));
    write(&format!("sweep-{}.md", peer.name), &text)
}

const REDUCTIONS: &[&str] =
    &["sum_last", "sum_first", "sum_all", "mean_last", "max_last", "argmax", "softmax", "log_softmax"];
const ELEMENTWISE: &[&str] = &[
    "add",
    "div",
    "maximum",
    "gt",
    "relu",
    "exp",
    "tanh",
    "gelu",
    "silu",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "atan",
    "sinh",
    "erf",
    "exp2",
    "log2",
    "round",
    "sign",
    "pow",
    "pow_scalar",
    "atan2",
    "remainder",
    "where",
    "masked_fill",
    "clamp",
    "lerp",
    "softplus",
    "elu",
    "leaky_relu",
    "hardswish",
    "mish",
    "gelu_tanh",
    "to_f64",
    "to_bf16",
    "to_f16",
    "to_i64",
    "to_u8",
    "to_bool",
    "cumsum",
    "dot",
    "norm",
    "zeros",
    "adam",
];
const MATRIX: &[&str] = &[
    "cumsum",
    "sort",
    "topk",
    "max_first",
    "argmax_first",
    "std_last",
    "softmax_first",
    "logsumexp",
    "index_select",
    "gather",
    "flip",
    "roll",
    "tril",
    "half_columns",
    "layer_norm",
    "layer_norm/step",
    "batch_norm/step",
    "softmax/step",
    "relu/step",
    "gelu/step",
    "silu/step",
    "tanh/step",
    "dropout/step",
    "cross_entropy/step",
    "mse/step",
    "embedding/step",
];
/// Of sizes as `everyday.rs` reads them.
const SEQUENCES: &[&str] = &["rnn", "gru", "lstm", "encoder", "attention"];

/// The row of a case in the table of families.
fn family_of(case: &str) -> &str {
    let family = case.split('/').next().unwrap_or_default();
    if ["conv", "matmul"].contains(&family) {
        family
    } else if REDUCTIONS.contains(&family) && !case.ends_with("/step") {
        "reduction"
    } else {
        "everyday"
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same cases for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }

    /// From `low` to `high`, small ones as often as large ones.
    fn size(&mut self, low: usize, high: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let (low, high) = (low as f64, (high + 1) as f64);
        (low * (high / low).powf(unit)) as usize
    }

    /// Half are convolutions.
    fn case(&mut self) -> String {
        match self.next() % 6 {
            0 => self.matmul(),
            1 => self.reduction(),
            2 => self.everyday(),
            _ => self.conv(),
        }
    }

    fn matmul(&mut self) -> String {
        loop {
            let [m, k, n] = [0; 3].map(|_| self.size(1, 2048));
            if 2 * m * k * n <= MOST {
                return format!("matmul/{m}x{k}x{n}");
            }
        }
    }

    fn reduction(&mut self) -> String {
        let family = self.pick(REDUCTIONS);
        loop {
            let [rows, columns] = [0; 2].map(|_| self.size(1, 20_000));
            if rows * columns <= LARGEST {
                return format!("{family}/{rows}x{columns}");
            }
        }
    }

    /// Elementwise functions, operations on matrices, layers of sequences.
    fn everyday(&mut self) -> String {
        match self.next() % 4 {
            0 | 1 => format!("{}/{}", self.pick(ELEMENTWISE), self.size(100, LARGEST / 2)),
            2 => loop {
                let (rows, columns) = (self.size(1, 20_000), self.size(1, 5_000));
                if rows * columns <= LARGEST / 4 {
                    let name = self.pick(MATRIX);
                    let (family, step) = name.split_at(name.find('/').unwrap_or(name.len()));
                    return format!("{family}/{rows}x{columns}{step}");
                }
            },
            _ => loop {
                let [a, b] = [0; 2].map(|_| self.size(1, 64));
                let [c, d] = [0; 2].map(|_| 8 * self.size(1, 64));
                if a * b * c * d <= 4 * LARGEST {
                    return format!("{}/{a}x{b}x{c}x{d}", self.pick(SEQUENCES));
                }
            },
        }
    }

    fn conv(&mut self) -> String {
        loop {
            let (batch, image, kernel) = (self.size(1, 256), self.size(7, 224), self.pick(&[1, 2, 3, 3, 3, 5, 7]));
            let (stride, dilation) = (self.pick(&[1, 1, 1, 2, 3]), self.pick(&[1, 1, 1, 1, 2]));
            let padding = self.pick(&[0, kernel / 2, kernel / 2]);
            let (mut inputs, mut outputs) = (self.size(1, 512), self.size(1, 512));
            // Ungrouped, in groups, or a channel each.
            let groups = match self.next() % 8 {
                0 => {
                    let groups = self.size(2, 8);
                    (inputs, outputs) = (inputs.div_ceil(groups) * groups, outputs.div_ceil(groups) * groups);
                    groups
                }
                1 => {
                    outputs = inputs;
                    inputs
                }
                _ => 1,
            };
            let span = dilation * (kernel - 1) + 1;
            if image + 2 * padding < span {
                continue;
            }
            let out = (image + 2 * padding - span) / stride + 1;
            let flops = 2 * batch * out * out * outputs * inputs / groups * kernel * kernel;
            let largest = batch * (inputs * image * image).max(outputs * out * out);
            let what = self.pick(&["forward", "step"]);
            let passes = if what == "step" { 3 } else { 1 };
            if passes * flops <= MOST && largest <= LARGEST {
                let more = if (dilation, groups) == (1, 1) { String::new() } else { format!("d{dilation}g{groups}") };
                return format!("conv/{batch}x{inputs}x{image}/{outputs}k{kernel}s{stride}p{padding}{more}/{what}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn cases_depend_on_the_seed_only() {
        let draw = |seed| {
            let mut random = Random(seed);
            (0..400).map(|_| random.case()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let all = draw(1);
        for what in ["conv/", "matmul/", "/step", "/forward", "k5", "k7", "s2", "s3", "d2", "sum_first/", "lstm/"] {
            assert!(all.iter().any(|case| case.contains(what)), "no case has '{what}'");
        }
    }
}
