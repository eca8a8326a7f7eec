//! Layers that take their input's size from the first batch: [`Lazy`] of a layer, under PyTorch's names.

use crate::conv::class_name;
use crate::hooks::Level;
use crate::walk::Members;
use crate::{
    BatchNorm, BatchNormOptions, Buffer, Conv, ConvOptions, ConvTranspose, ConvTransposeOptions, InstanceNorm,
    InstanceNormOptions, Linear, LinearOptions, Module, Param, Parts, Rebuild, Size, SpecError, Tree, Var, Visitor,
    init,
};
use std::sync::OnceLock;
use wengert_tensor::shape::size_text;
use wengert_tensor::{Dict, bug, with_generator};

/// A layer that becomes an `L` in its first forward pass, which says what its input is like (`torch.nn.LazyLinear` and the other
/// lazy modules).
///
/// Until then its parameters are [uninitialised](Param::uninitialized), and it prints under its own name. Then it is an `L`
/// everywhere: in walks, in print, in files. Its parameters stay the same, so that an optimizer may be made before. It draws what
/// an `L` would draw when it is made, in the dtype that it has by then. Loading a state dict gives the parameters their shapes,
/// too.
///
/// Unlike in PyTorch, the state dict has empty tensors for uninitialised parameters.
///
/// # Examples
/// ```
/// use wengert_nn::{LazyLinear, Linear, Module, ReLU, Var, sequential, tensor::{DType, Tensor}};
/// let net = sequential![LazyLinear::new(256), ReLU::new(), LazyLinear::new(10)];
/// assert_eq!(net[0].to_string(), "LazyLinear(in_features=0, out_features=256, bias=True)");
/// assert_eq!(net.get_parameter("0.weight").to_string(), "<UninitializedParameter>");
/// net.forward(&Var::from(Tensor::ones([2, 20], DType::F32)));
/// assert_eq!(net[0].to_string(), "Linear(in_features=20, out_features=256, bias=True)");
/// assert!(net[0].is::<Linear>());
/// assert_eq!(net.num_parameters(), 21 * 256 + 257 * 10);
/// ```
pub struct Lazy<L: LazyLayer> {
    name: String,
    options: L::Options,
    /// Without a size: shows parameters, buffers and text until the first pass, and keeps hooks and mode for it.
    template: L,
    ready: OnceLock<L>,
}

/// A linear layer of any input size (`torch.nn.LazyLinear`).
pub type LazyLinear = Lazy<Linear>;
/// A convolution over sequences of any number of channels (`torch.nn.LazyConv1d`).
pub type LazyConv1d = Lazy<Conv<1>>;
/// A convolution over images of any number of channels (`torch.nn.LazyConv2d`).
pub type LazyConv2d = Lazy<Conv<2>>;
/// A convolution over volumes of any number of channels (`torch.nn.LazyConv3d`).
pub type LazyConv3d = Lazy<Conv<3>>;
/// A transposed convolution over sequences of any number of channels (`torch.nn.LazyConvTranspose1d`).
pub type LazyConvTranspose1d = Lazy<ConvTranspose<1>>;
/// A transposed convolution over images of any number of channels (`torch.nn.LazyConvTranspose2d`).
pub type LazyConvTranspose2d = Lazy<ConvTranspose<2>>;
/// A transposed convolution over volumes of any number of channels (`torch.nn.LazyConvTranspose3d`).
pub type LazyConvTranspose3d = Lazy<ConvTranspose<3>>;
/// Batch normalisation of any number of features (`torch.nn.LazyBatchNorm1d`).
pub type LazyBatchNorm1d = Lazy<BatchNorm<1>>;
/// Batch normalisation of images of any number of channels (`torch.nn.LazyBatchNorm2d`).
pub type LazyBatchNorm2d = Lazy<BatchNorm<2>>;
/// Batch normalisation of volumes of any number of channels (`torch.nn.LazyBatchNorm3d`).
pub type LazyBatchNorm3d = Lazy<BatchNorm<3>>;
/// Instance normalisation of sequences of any number of channels (`torch.nn.LazyInstanceNorm1d`).
pub type LazyInstanceNorm1d = Lazy<InstanceNorm<1>>;
/// Instance normalisation of images of any number of channels (`torch.nn.LazyInstanceNorm2d`).
pub type LazyInstanceNorm2d = Lazy<InstanceNorm<2>>;
/// Instance normalisation of volumes of any number of channels (`torch.nn.LazyInstanceNorm3d`).
pub type LazyInstanceNorm3d = Lazy<InstanceNorm<3>>;

/// A layer that can be [`Lazy`].
pub trait LazyLayer: Rebuild {
    /// The name of the lazy type in files.
    const LAZY: &'static str;
    /// What it is made with.
    type Options: Copy + Send + Sync + 'static;
    /// What this one was made with.
    fn options(&self) -> Self::Options;
    /// The options for inputs of `size` features or channels.
    fn sized(options: Self::Options, size: usize) -> Self::Options;
    /// How many features or channels an input has.
    ///
    /// # Panics
    /// If the layer does not take inputs of that rank.
    fn size_of(name: &str, input: &Var) -> usize;
    /// The layer.
    fn make(options: Self::Options) -> Self;
    /// Its parameters and buffers, as [`Tree::visit`] orders them.
    fn slots(&mut self) -> (Vec<&mut Param>, Vec<&mut Buffer>);
    /// Draws its parameters, if it draws any.
    fn draw(&self) {}
}

impl<L: LazyLayer> Lazy<L> {
    /// With options, in which the size of the input has no meaning.
    ///
    /// # Panics
    /// As the layer, if the options make no sense.
    #[track_caller]
    pub fn with(options: L::Options) -> Lazy<L> {
        let mut template = undrawn::<L>(L::sized(options, 0));
        let (params, buffers) = template.slots();
        params.into_iter().for_each(|param| *param = Param::uninitialized());
        buffers.into_iter().filter(|b| b.value().rank() > 0).for_each(|buffer| *buffer = Buffer::uninitialized());
        Lazy::of(template)
    }

    /// With a layer without a size.
    fn of(template: L) -> Lazy<L> {
        let (name, options) = (format!("Lazy{}", class_name(L::CLASS)), template.options());
        Lazy { name, options, template, ready: OnceLock::new() }
    }

    /// The layer, after the first forward pass.
    pub fn layer(&self) -> Option<&L> {
        self.ready.get()
    }

    /// The layer for inputs like this one.
    #[track_caller]
    fn made(&self, input: &Var) -> L {
        let _level = Level::new(self);
        let size = L::size_of(&self.name, input);
        let mut layer = undrawn::<L>(L::sized(self.options, size));
        let known = Members::of(&self.template);
        let draws = known.params.iter().any(|(_, param)| param.is_uninitialized());
        let (params, buffers) = layer.slots();
        for (own, (_, known)) in params.into_iter().zip(known.params) {
            if known.is_uninitialized() {
                known.set(own.value().to(known.dtype()));
            }
            *own = known.clone();
        }
        for (own, (_, known)) in buffers.into_iter().zip(known.buffers) {
            if known.is_uninitialized() {
                known.set(own.value().to(known.value().dtype()));
            }
            *own = known.clone();
        }
        if draws {
            layer.draw();
        }
        if let (Some(mode), Some(known)) = (Members::of(&layer).mode, known.mode) {
            mode.inherit(known);
        }
        layer
    }
}

/// A layer whose making leaves the random numbers as they were.
#[track_caller]
fn undrawn<L: LazyLayer>(options: L::Options) -> L {
    let before = with_generator(|generator| generator.clone());
    let layer = L::make(options);
    with_generator(|generator| *generator = before);
    layer
}

impl<L: LazyLayer> Tree for Lazy<L> {
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>) {
        self.ready.get().unwrap_or(&self.template).visit(visitor);
    }
    fn type_name(&self) -> &str {
        self.ready.get().map_or(&self.name, L::type_name)
    }
    fn extra_repr(&self) -> String {
        self.ready.get().unwrap_or(&self.template).extra_repr()
    }
    fn version(&self) -> i64 {
        self.template.version()
    }
    fn since(&self, name: &str) -> i64 {
        self.template.since(name)
    }
}

impl<L: LazyLayer> Module for Lazy<L> {
    #[track_caller]
    fn forward(&self, input: &Var) -> Var {
        let layer = match self.ready.get() {
            Some(layer) => layer,
            None => {
                let made = self.made(input);
                self.ready.get_or_init(|| made)
            }
        };
        layer.forward(input)
    }
    fn is_watched(&self) -> bool {
        true
    }
    fn pointee(&self) -> Option<&dyn Module> {
        self.ready.get().map(|layer| layer.as_module())
    }
}

/// Before the first forward pass; afterwards it is an `L` in files too.
impl<L: LazyLayer> Rebuild for Lazy<L> {
    const CLASS: &'static str = L::LAZY;
    const PARAMS: &'static [&'static str] = L::PARAMS;
    const BUFFERS: &'static [&'static str] = L::BUFFERS;
    fn config(&self) -> Dict {
        self.template.config()
    }
    fn rebuild(parts: &mut Parts<'_>) -> Result<Lazy<L>, SpecError> {
        Ok(Lazy::of(L::rebuild(parts)?))
    }
}

impl<L: LazyLayer> std::fmt::Display for Lazy<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::format_tree(self, f)
    }
}

impl Lazy<Linear> {
    /// With a bias.
    pub fn new(out_features: usize) -> LazyLinear {
        Lazy::with(LinearOptions::new(0, out_features))
    }
}

impl<const AXES: usize> Lazy<Conv<AXES>> {
    /// With stride 1, no padding and a bias.
    #[track_caller]
    pub fn new(out_channels: usize, kernel_size: impl Into<Size<AXES>>) -> Self {
        Lazy::with(ConvOptions::new(0, out_channels, kernel_size))
    }
}

impl<const AXES: usize> Lazy<ConvTranspose<AXES>> {
    /// With stride 1, nothing cut off and a bias.
    #[track_caller]
    pub fn new(out_channels: usize, kernel_size: impl Into<Size<AXES>>) -> Self {
        Lazy::with(ConvTransposeOptions::new(0, out_channels, kernel_size))
    }
}

impl<const AXES: usize> Lazy<BatchNorm<AXES>> {
    /// With the defaults.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Lazy::with(BatchNormOptions::new(0))
    }
}

impl<const AXES: usize> Lazy<InstanceNorm<AXES>> {
    /// With PyTorch's defaults for a lazy one: scale, shift and running statistics, which the layer itself has not.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Lazy::with(InstanceNormOptions { affine: true, track_running_stats: true, ..InstanceNormOptions::new(0) })
    }
}

impl LazyLayer for Linear {
    const LAZY: &'static str = "torch.nn.modules.linear.LazyLinear";
    type Options = LinearOptions;
    fn options(&self) -> LinearOptions {
        LinearOptions { bias: self.bias.is_some(), ..LinearOptions::new(self.in_features, self.out_features) }
    }
    fn sized(options: LinearOptions, in_features: usize) -> LinearOptions {
        LinearOptions { in_features, ..options }
    }
    #[track_caller]
    fn size_of(_: &str, input: &Var) -> usize {
        input.size(-1)
    }
    fn make(options: LinearOptions) -> Linear {
        Linear::with(options)
    }
    fn slots(&mut self) -> (Vec<&mut Param>, Vec<&mut Buffer>) {
        ([&mut self.weight].into_iter().chain(&mut self.bias).collect(), Vec::new())
    }
    fn draw(&self) {
        init::draw_affine(&self.weight, self.bias.as_ref());
    }
}

/// The channels of an image with or without a batch.
#[track_caller]
fn channels(name: &str, axes: usize, input: &Var) -> usize {
    let rank = input.rank();
    if rank != axes + 1 && rank != axes + 2 {
        let size = size_text(input.shape());
        bug!(
            "",
            "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {size}",
            axes + 1,
            axes + 2
        );
    }
    input.size(rank as isize - axes as isize - 1)
}

impl<const AXES: usize> LazyLayer for Conv<AXES> {
    const LAZY: &'static str = match AXES {
        1 => "torch.nn.modules.conv.LazyConv1d",
        2 => "torch.nn.modules.conv.LazyConv2d",
        3 => "torch.nn.modules.conv.LazyConv3d",
        _ => "wengert.LazyConv",
    };
    type Options = ConvOptions<AXES>;
    fn options(&self) -> ConvOptions<AXES> {
        self.options
    }
    fn sized(options: ConvOptions<AXES>, in_channels: usize) -> ConvOptions<AXES> {
        ConvOptions { in_channels, ..options }
    }
    #[track_caller]
    fn size_of(name: &str, input: &Var) -> usize {
        channels(name, AXES, input)
    }
    #[track_caller]
    fn make(options: ConvOptions<AXES>) -> Self {
        Conv::with(options)
    }
    fn slots(&mut self) -> (Vec<&mut Param>, Vec<&mut Buffer>) {
        ([&mut self.weight].into_iter().chain(&mut self.bias).collect(), Vec::new())
    }
    fn draw(&self) {
        init::draw_affine(&self.weight, self.bias.as_ref());
    }
}

impl<const AXES: usize> LazyLayer for ConvTranspose<AXES> {
    const LAZY: &'static str = match AXES {
        1 => "torch.nn.modules.conv.LazyConvTranspose1d",
        2 => "torch.nn.modules.conv.LazyConvTranspose2d",
        3 => "torch.nn.modules.conv.LazyConvTranspose3d",
        _ => "wengert.LazyConvTranspose",
    };
    type Options = ConvTransposeOptions<AXES>;
    fn options(&self) -> ConvTransposeOptions<AXES> {
        self.options
    }
    fn sized(options: ConvTransposeOptions<AXES>, in_channels: usize) -> ConvTransposeOptions<AXES> {
        ConvTransposeOptions { in_channels, ..options }
    }
    #[track_caller]
    fn size_of(name: &str, input: &Var) -> usize {
        channels(name, AXES, input)
    }
    #[track_caller]
    fn make(options: ConvTransposeOptions<AXES>) -> Self {
        ConvTranspose::with(options)
    }
    fn slots(&mut self) -> (Vec<&mut Param>, Vec<&mut Buffer>) {
        ([&mut self.weight].into_iter().chain(&mut self.bias).collect(), Vec::new())
    }
    fn draw(&self) {
        init::draw_affine(&self.weight, self.bias.as_ref());
    }
}

impl<const AXES: usize> LazyLayer for BatchNorm<AXES> {
    const LAZY: &'static str = match AXES {
        1 => "torch.nn.modules.batchnorm.LazyBatchNorm1d",
        2 => "torch.nn.modules.batchnorm.LazyBatchNorm2d",
        3 => "torch.nn.modules.batchnorm.LazyBatchNorm3d",
        _ => "wengert.LazyBatchNorm",
    };
    type Options = BatchNormOptions;
    fn options(&self) -> BatchNormOptions {
        self.options
    }
    fn sized(options: BatchNormOptions, num_features: usize) -> BatchNormOptions {
        BatchNormOptions { num_features, ..options }
    }
    #[track_caller]
    fn size_of(_: &str, input: &Var) -> usize {
        let (rank, most) = (input.rank(), AXES + 2);
        if rank != most && (AXES > 1 || rank != 2) {
            let want = if AXES == 1 { "2D or 3D".to_owned() } else { format!("{most}D") };
            bug!("", "expected {want} input (got {rank}D input)");
        }
        input.size(1)
    }
    fn make(options: BatchNormOptions) -> Self {
        BatchNorm::with(options)
    }
    fn slots(&mut self) -> (Vec<&mut Param>, Vec<&mut Buffer>) {
        let buffers = [&mut self.running_mean, &mut self.running_var, &mut self.num_batches_tracked];
        ([&mut self.weight, &mut self.bias].into_iter().flatten().collect(), buffers.into_iter().flatten().collect())
    }
}

impl<const AXES: usize> LazyLayer for InstanceNorm<AXES> {
    const LAZY: &'static str = match AXES {
        1 => "torch.nn.modules.instancenorm.LazyInstanceNorm1d",
        2 => "torch.nn.modules.instancenorm.LazyInstanceNorm2d",
        3 => "torch.nn.modules.instancenorm.LazyInstanceNorm3d",
        _ => "wengert.LazyInstanceNorm",
    };
    type Options = InstanceNormOptions;
    fn options(&self) -> InstanceNormOptions {
        self.options
    }
    fn sized(options: InstanceNormOptions, num_features: usize) -> InstanceNormOptions {
        InstanceNormOptions { num_features, ..options }
    }
    #[track_caller]
    fn size_of(_: &str, input: &Var) -> usize {
        let rank = input.rank();
        if rank != AXES + 1 && rank != AXES + 2 {
            bug!("", "expected {}D or {}D input (got {rank}D input)", AXES + 1, AXES + 2);
        }
        input.size(rank as isize - AXES as isize - 1)
    }
    fn make(options: InstanceNormOptions) -> Self {
        InstanceNorm::with(options)
    }
    fn slots(&mut self) -> (Vec<&mut Param>, Vec<&mut Buffer>) {
        let buffers = [&mut self.running_mean, &mut self.running_var, &mut self.num_batches_tracked];
        ([&mut self.weight, &mut self.bias].into_iter().flatten().collect(), buffers.into_iter().flatten().collect())
    }
}
