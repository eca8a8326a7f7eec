//! [`summary`]: the layers of a net with their output shapes, parameters and multiply-adds.

use crate::walk::{self, Members};
use crate::{Module, MultiheadAttention, Var, hooks};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use wengert_autograd::no_grad;

/// One module of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The dotted name; empty for the net itself.
    pub path: String,
    /// The class.
    pub class: String,
    /// How deep in the tree.
    pub depth: usize,
    /// The shape of the last output; `None` if the module was not run, or has no `#[module]`.
    pub output: Option<Vec<usize>>,
    /// Parameters of the module's own, those of its children not counted; shared ones are counted where they come first.
    pub parameters: usize,
    /// Of these, how many get gradients.
    pub trainable: usize,
    /// Multiplications with an addition in all runs, children not counted.
    pub mult_adds: u64,
}

/// What [`summary`] found. It prints as a table.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The modules in the order of [`Module::named_modules`].
    pub rows: Vec<Row>,
    /// The shape of the input.
    pub input: Vec<usize>,
}

impl Summary {
    /// All parameters.
    pub fn total_parameters(&self) -> usize {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// The parameters that get gradients.
    pub fn trainable_parameters(&self) -> usize {
        self.rows.iter().map(|row| row.trainable).sum()
    }

    /// All multiply-adds.
    pub fn total_mult_adds(&self) -> u64 {
        self.rows.iter().map(|row| row.mult_adds).sum()
    }
}

/// Runs `net` on `input` in evaluation mode, without a graph, and tells of each module what came out, how many parameters it has,
/// and how many multiply-adds it took. Training modes and buffers are afterwards what they were.
///
/// Multiply-adds are those with weights, as torchinfo counts them: a weight of a convolution is used once for every position of the
/// output, one of a linear or recurrent layer or of an attention once for every row, others once for every sample.
///
/// # Panics
/// If the net does not take the input.
///
/// # Examples
/// ```
/// use wengert_nn::{Conv2d, Flatten, Linear, ReLU, sequential, summary, tensor::{DType, Tensor}};
/// let net = sequential![Conv2d::new(1, 6, 5), ReLU::new(), Flatten::new(), Linear::new(6 * 24 * 24, 10)];
/// let found = summary(&net, &Tensor::zeros([1, 1, 28, 28], DType::F32));
/// assert_eq!(found.rows[1].output, Some(vec![1, 6, 24, 24]));
/// assert_eq!(found.total_parameters(), 6 * 25 + 6 + 34560 + 10);
/// assert_eq!(found.total_mult_adds(), 156 * 24 * 24 + 34570);
/// println!("{found}");
/// ```
#[track_caller]
pub fn summary(net: &dyn Module, input: impl Into<Var>) -> Summary {
    let input = input.into();
    let net = walk::resolve(net);
    // By name, not by cell: a lazy module becomes another one in its first pass.
    let modes =
        net.named_modules().into_iter().filter_map(|(path, m)| Some((path, Members::of(m).mode?.is_training())));
    let _restore = Restore(net, modes.collect());
    net.eval();
    type Runs = HashMap<usize, (Vec<usize>, u64)>;
    let runs: Rc<RefCell<Runs>> = Rc::default();
    let notes = runs.clone();
    let note = move |module: &dyn Module, _: &Var, output: &Var| {
        let mut notes = notes.borrow_mut();
        let entry = notes.entry(address(module)).or_default();
        entry.0 = output.shape().to_vec();
        entry.1 += mult_adds(module, output.shape());
    };
    hooks::observing(note, || no_grad(|| net.forward(&input)));

    let runs = runs.borrow();
    let mut seen = std::collections::HashSet::new();
    let rows = net.named_modules().into_iter().map(|(path, module)| {
        let own: Vec<_> = Members::of(module).params.into_iter().filter(|(_, p)| seen.insert(p.id())).collect();
        let run = runs.get(&address(module));
        Row {
            depth: if path.is_empty() { 0 } else { path.split('.').count() },
            path,
            class: module.type_name().to_owned(),
            output: run.map(|(shape, _)| shape.clone()),
            parameters: own.iter().map(|(_, p)| p.numel()).sum(),
            trainable: own.iter().filter(|(_, p)| p.requires_grad()).map(|(_, p)| p.numel()).sum(),
            mult_adds: run.map_or(0, |(_, count)| *count),
        }
    });
    Summary { rows: rows.collect(), input: input.shape().to_vec() }
}

/// Puts the modules of a net back in the modes they had.
struct Restore<'a>(&'a dyn Module, HashMap<String, bool>);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        for (path, module) in self.0.named_modules() {
            if let (Some(mode), Some(training)) = (Members::of(module).mode, self.1.get(&path)) {
                mode.set(*training);
            }
        }
    }
}

/// Where a module is: modules of one tree that have state are at different places, but for a struct and its first field.
fn address(module: &dyn Module) -> usize {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    walk::identity(module).hash(&mut hasher);
    hasher.finish() as usize
}

/// Multiply-adds with the module's own weights for such an output.
fn mult_adds(module: &dyn Module, output: &[usize]) -> u64 {
    let mut count: usize = Members::of(module).params.iter().map(|(_, p)| p.numel()).sum();
    let class = module.type_name();
    if let Some(attention) = module.downcast_ref::<MultiheadAttention>() {
        // It uses these weights itself.
        count += attention.out_proj.num_parameters();
    }
    let every_row = ["Linear", "Bilinear", "RNN", "GRU", "LSTM", "MultiheadAttention"].contains(&class);
    let uses: usize = match output {
        [] => 1,
        [batch, _, rest @ ..] if class.starts_with("Conv") => batch * rest.iter().product::<usize>(),
        [rows @ .., _] if every_row => rows.iter().product(),
        [batch, ..] => *batch,
    };
    (count * uses) as u64
}

/// `1234567` as `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |row: &Row| {
            let last = row.path.rsplit('.').next().unwrap_or_default();
            let own = if last.is_empty() { row.class.clone() } else { format!("{} ({last})", row.class) };
            format!("{}{own}", "  ".repeat(row.depth))
        };
        let shape = |row: &Row| row.output.as_ref().map_or("--".to_owned(), |shape| format!("{shape:?}"));
        let number = |n: u64| if n == 0 { "--".to_owned() } else { grouped(n) };
        let mut table = vec![["Layer (name)", "Output Shape", "Param #", "Mult-Adds"].map(str::to_owned)];
        table.extend(
            self.rows.iter().map(|row| [name(row), shape(row), number(row.parameters as u64), number(row.mult_adds)]),
        );
        let width: [usize; 4] =
            std::array::from_fn(|i| table.iter().map(|line| line[i].chars().count()).max().unwrap_or(0));
        let line = "=".repeat(width.iter().sum::<usize>() + 6);
        writeln!(f, "{line}")?;
        for (i, [a, b, c, d]) in table.iter().enumerate() {
            let [wa, wb, wc, wd] = width;
            writeln!(f, "{}", format!("{a:<wa$}  {b:<wb$}  {c:>wc$}  {d:>wd$}").trim_end())?;
            if i == 0 {
                writeln!(f, "{line}")?;
            }
        }
        writeln!(f, "{line}")?;
        let (all, trained) = (self.total_parameters(), self.trainable_parameters());
        writeln!(f, "Input shape: {:?}", self.input)?;
        writeln!(f, "Total params: {}", grouped(all as u64))?;
        writeln!(f, "Trainable params: {}", grouped(trained as u64))?;
        writeln!(f, "Non-trainable params: {}", grouped((all - trained) as u64))?;
        writeln!(f, "Total mult-adds: {}", grouped(self.total_mult_adds()))?;
        write!(f, "{line}")
    }
}
