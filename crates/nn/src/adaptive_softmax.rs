//! [`AdaptiveLogSoftmaxWithLoss`].

use crate::{Linear, LinearOptions, Mode, Module, ModuleList, Parts, Rebuild, SpecError, Tree, Var, sequential};
use wengert_tensor::{DType, Dict, Tensor, Value, bug};

/// A softmax over many classes, sorted by frequency, that computes the rare ones only where they occur
/// (`torch.nn.AdaptiveLogSoftmaxWithLoss`; Grave et al., *Efficient softmax approximation for GPUs*, 2016).
///
/// # Examples
/// ```
/// use wengert_nn::{AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss, Var, tensor::{DType, Tensor}};
/// let softmax = AdaptiveLogSoftmaxWithLoss::new(AdaptiveLogSoftmaxOptions::new(8, 20, [4, 10]));
/// let x = Var::from(Tensor::ones([3, 8], DType::F32));
/// let (output, loss) = softmax.forward(&x, &Tensor::from_vec(vec![0i64, 7, 19], [3]));
/// assert_eq!((output.shape(), loss.shape()), (&[3][..], &[][..]));
/// assert_eq!(softmax.log_prob(&x).shape(), [3, 20]);
/// ```
#[derive(Tree)]
pub struct AdaptiveLogSoftmaxWithLoss {
    /// From inputs to the frequent classes and one number per cluster.
    pub head: Linear,
    /// From inputs to the classes of each cluster, through fewer numbers.
    pub tail: ModuleList,
    #[tree(skip)]
    options: AdaptiveLogSoftmaxOptions,
    mode: Mode,
}

/// What [`AdaptiveLogSoftmaxWithLoss::new`] takes.
#[derive(Clone, Debug)]
pub struct AdaptiveLogSoftmaxOptions {
    /// Size of the input's last axis.
    pub in_features: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// The first class of each cluster.
    pub cutoffs: Vec<usize>,
    /// Each cluster has so many times fewer numbers between input and classes than the one before: 4.
    pub div_value: f64,
    /// Whether the head adds a bias: no.
    pub head_bias: bool,
}

impl AdaptiveLogSoftmaxOptions {
    /// The defaults.
    pub fn new(in_features: usize, n_classes: usize, cutoffs: impl Into<Vec<usize>>) -> AdaptiveLogSoftmaxOptions {
        AdaptiveLogSoftmaxOptions { in_features, n_classes, cutoffs: cutoffs.into(), div_value: 4.0, head_bias: false }
    }

    /// What is wrong with them.
    fn problem(&self) -> Option<&'static str> {
        if self.cutoffs.is_empty() {
            return Some("cutoffs should be a sequence of length larger than 0");
        }
        let ends =
            self.cutoffs.first().is_some_and(|&c| c > 0) && self.cutoffs.last().is_some_and(|&c| c < self.n_classes);
        let sorted = self.cutoffs.windows(2).all(|pair| pair[0] < pair[1]);
        (!ends || !sorted).then_some(
            "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is \
             between 1 and n_classes-1",
        )
    }

    /// First and past-the-last class of the head and of each cluster.
    fn ranges(&self) -> Vec<(usize, usize)> {
        let starts = std::iter::once(&0).chain(&self.cutoffs);
        starts.zip(self.cutoffs.iter().chain([&self.n_classes])).map(|(&from, &to)| (from, to)).collect()
    }
}

impl AdaptiveLogSoftmaxWithLoss {
    /// With options.
    ///
    /// # Panics
    /// If the cutoffs are not some of the classes in order.
    #[track_caller]
    pub fn new(options: AdaptiveLogSoftmaxOptions) -> AdaptiveLogSoftmaxWithLoss {
        if let Some(problem) = options.problem() {
            bug!("", "{problem}");
        }
        let ranges = options.ranges();
        let linear = |from, to, bias| Linear::with(LinearOptions { bias, ..LinearOptions::new(from, to) });
        let head = linear(options.in_features, options.cutoffs[0] + ranges.len() - 1, options.head_bias);
        let mut tail = ModuleList::new();
        for (i, (from, to)) in ranges.into_iter().skip(1).enumerate() {
            let between = (options.in_features as f64 / options.div_value.powi(i as i32 + 1)).floor() as usize;
            tail.push(sequential![linear(options.in_features, between, false), linear(between, to - from, false)]);
        }
        AdaptiveLogSoftmaxWithLoss { head, tail, options, mode: Mode::default() }
    }

    /// The log-probabilities of the targets, and their negative mean, for inputs `[n, in]` and targets `[n]`, or `[in]` and `[]`.
    ///
    /// # Panics
    /// In PyTorch's words if shapes do not fit or a target is no class.
    #[track_caller]
    pub fn forward(&self, input: &Var, target: &Tensor) -> (Var, Var) {
        match target.rank() {
            1 if input.rank() == 0 || input.size(0) != target.shape()[0] => {
                bug!("", "Input and target should have the same size in the batch dimension.")
            }
            1 if input.rank() != 2 => bug!(
                "",
                "1D target tensor expects 2D input tensors, but found inputs with size {}",
                wengert_tensor::shape::size_text(input.shape())
            ),
            0 if input.rank() != 1 => bug!(
                "",
                "0D target tensor expects 1D input tensors, but found inputs with size {}",
                wengert_tensor::shape::size_text(input.shape())
            ),
            0 | 1 => {}
            _ => bug!("", "0D or 1D target tensor expected, multi-target not supported"),
        }
        if target.rank() == 0 {
            let (output, loss) = self.forward(&input.unsqueeze(0), &target.reshape([1]));
            return (output.squeeze([0]), loss);
        }
        let classes = target.to(DType::I64).to_vec::<i64>();
        let last = self.options.n_classes as i64 - 1;
        if classes.iter().any(|class| !(0..=last).contains(class)) {
            let (least, most) = (classes.iter().min().unwrap_or(&0), classes.iter().max().unwrap_or(&0));
            bug!("", "Target values should be in [0, {last}], but values in range [{least}, {most}] were found. ");
        }
        let shortlist = self.options.cutoffs[0];
        let mut heads = classes.clone();
        let mut output = Var::from(Tensor::zeros([classes.len()], input.dtype()));
        for (i, (from, to)) in self.options.ranges().into_iter().enumerate().skip(1) {
            let rows: Vec<usize> =
                (0..classes.len()).filter(|&r| (from..to).contains(&(classes[r] as usize))).collect();
            if rows.is_empty() {
                continue;
            }
            let count = rows.len();
            let own = rows.iter().map(|&row| classes[row] - from as i64).collect();
            rows.iter().for_each(|&row| heads[row] = (shortlist + i - 1) as i64);
            let rows = Tensor::from_vec(rows.into_iter().map(|row| row as i64).collect(), [count]);
            let within = self.tail[i as isize - 1].forward(&input.index_select(0, &rows)).log_softmax(1);
            let within = within.gather(1, &Tensor::from_vec(own, [count, 1])).squeeze([1]);
            output = output.index_copy(0, &rows, &within);
        }
        let heads = Tensor::from_vec(heads, [classes.len(), 1]);
        let output = output + self.head.forward(input).log_softmax(1).gather(1, &heads).squeeze([1]);
        let loss = (-&output).mean(());
        (output, loss)
    }

    /// The log-probabilities of all classes, for inputs `[n, in]`.
    #[track_caller]
    pub fn log_prob(&self, input: &Var) -> Var {
        let shortlist = self.options.cutoffs[0];
        let head = self.head.forward(input).log_softmax(1);
        let mut parts = vec![head.narrow(1, 0, shortlist)];
        for (i, cluster) in self.tail.iter().enumerate() {
            parts.push(cluster.forward(input).log_softmax(1) + head.narrow(1, (shortlist + i) as isize, 1));
        }
        Var::cat(&parts, 1)
    }

    /// The most probable class of each input `[n, in]`.
    ///
    /// As PyTorch's, it is the head's choice where that is a frequent class, and else the best of all classes.
    #[track_caller]
    pub fn predict(&self, input: &Var) -> Tensor {
        let first = self.head.forward(input).value().argmax(1);
        let frequent = first.lt(self.options.cutoffs[0] as i64);
        if frequent.all(()).item::<bool>() {
            return first;
        }
        Tensor::where_(&frequent, &first, self.log_prob(input).value().argmax(1))
    }
}

#[wengert_nn_derive::module]
impl Module for AdaptiveLogSoftmaxWithLoss {}

impl Rebuild for AdaptiveLogSoftmaxWithLoss {
    const CLASS: &'static str = "torch.nn.modules.adaptive.AdaptiveLogSoftmaxWithLoss";
    fn config(&self) -> Dict {
        let o = &self.options;
        let cutoffs = o.cutoffs.iter().chain([&o.n_classes]).map(|&class| Value::from(class)).collect();
        [
            ("in_features", Value::from(o.in_features)),
            ("n_classes", Value::from(o.n_classes)),
            ("cutoffs", Value::List(cutoffs)),
            ("div_value", Value::from(o.div_value)),
            ("head_bias", Value::from(o.head_bias)),
            ("shortlist_size", Value::from(o.cutoffs[0])),
            ("n_clusters", Value::from(o.cutoffs.len())),
            ("head_size", Value::from(o.cutoffs[0] + o.cutoffs.len())),
        ]
        .into_iter()
        .collect()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<AdaptiveLogSoftmaxWithLoss, SpecError> {
        let mut cutoffs: Vec<usize> = parts.get("cutoffs")?;
        cutoffs.pop();
        let options = AdaptiveLogSoftmaxOptions {
            in_features: parts.get("in_features")?,
            n_classes: parts.get("n_classes")?,
            cutoffs,
            div_value: parts.get("div_value")?,
            head_bias: parts.get("head_bias")?,
        };
        if let Some(problem) = options.problem() {
            return parts.invalid(problem);
        }
        let (head, tail): (Linear, ModuleList) = (parts.child("head")?, parts.child("tail")?);
        if tail.len() != options.cutoffs.len() {
            return parts.invalid("the number of clusters is not that of the cutoffs");
        }
        Ok(AdaptiveLogSoftmaxWithLoss { head, tail, options, mode: parts.mode() })
    }
}
