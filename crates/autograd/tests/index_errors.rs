//! What indexing, joining and shaping say to wrong arguments: PyTorch's words (from its own `error_inputs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use wengert_autograd::Var;
use wengert_autograd::functional::{EmbeddingOptions, embedding};
use wengert_autograd::tensor::{DType, Draw, ScatterReduceOptions, Tensor, multinomial};

type Row = (&'static str, fn());

fn x(shape: &[usize]) -> Var {
    Var::leaf(Tensor::zeros(shape, DType::F32))
}

fn ints(data: &[i64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape)
}

const ROWS: &[Row] = &[
    ("Dimension out of range (expected to be in range of [-2, 1], but got 10000)", || {
        drop(x(&[10, 20]).diagonal(0, 10000, 1))
    }),
    ("diagonal dimensions cannot be identical 1, 1", || drop(x(&[10, 20]).diagonal(0, 1, 1))),
    ("step must be nonzero", || drop(Tensor::arange(0, 3, 0))),
    ("upper bound and lower bound inconsistent with step sign", || drop(Tensor::arange(0, -3, 2))),
    ("unsupported range: 0 -> inf", || drop(Tensor::arange(0, f64::INFINITY, 2))),
    ("unsupported range: -inf -> 1", || drop(Tensor::arange(f64::NEG_INFINITY, 1, 2))),
    ("a Tensor with 10 elements cannot be converted to Scalar", || {
        x(&[10]).item::<f32>();
    }),
    ("self and mat2 must have the same dtype, but got Double and Float", || {
        let (a, b) = (x(&[2, 2]).to(DType::F64), x(&[2, 2]));
        drop(a.addmm_scaled(&b, &b, 1, 1));
    }),
    ("addmv input tensors must have the same dtype, but got Float, Float, and Double", || {
        drop(x(&[2]).addmv(&x(&[2, 2]), &x(&[2]).to(DType::F64), 1, 1));
    }),
    ("Input dtypes must be the same, got: input double, batch1: float, batch2: float", || {
        drop(x(&[1]).to(DType::F64).baddbmm(&x(&[1, 2, 2]), &x(&[1, 2, 2]), 1, 1));
    }),
    ("The expanded size of the tensor (1) must match the existing size (2) at non-singleton dimension 1", || {
        drop(x(&[2]).addr(&x(&[3]), &x(&[1]), 1, 1));
    }),
    ("index_reduce_(): Number of indices (2) should be equal to source.size(dim): (3), for dim: 0", || {
        drop(x(&[3, 4]).index_reduce(0, &ints(&[0, 1], &[2]), &x(&[3, 4]), &ScatterReduceOptions::default()));
    }),
    ("Got self.shape = [3, 4] source.shape = [2, 3]", || {
        drop(x(&[3, 4]).index_reduce(0, &ints(&[0, 1], &[2]), &x(&[2, 3]), &ScatterReduceOptions::default()));
    }),
    ("index_reduce_(): Index is supposed to be a vector, but got dim: 2 with type: Long and size: [1, 2]", || {
        drop(x(&[3, 4]).index_reduce(0, &ints(&[0, 1], &[1, 2]), &x(&[2, 4]), &ScatterReduceOptions::default()));
    }),
    ("meshgrid expects all tensors to have the same dtype", || {
        drop(Var::meshgrid(&[x(&[2]), x(&[2]).to(DType::F64)]));
    }),
    ("but got query.dtype: double key.dtype: float and value.dtype: float instead.", || {
        let key = x(&[2, 3, 4]);
        drop(key.to(DType::F64).scaled_dot_product_attention(&key, &key, &Default::default()));
    }),
    ("Input must be >= 2-d.", || drop(x(&[1]).fliplr())),
    ("Input must be >= 1-d.", || drop(x(&[]).flipud())),
    ("kthvalue(): selected number k out of range for dimension 0", || drop(x(&[2, 2]).kthvalue(3, 0))),
    ("kthvalue(): selected number k out of range for dimension 1", || drop(x(&[2, 2]).kthvalue(3, -1))),
    ("selected index k out of range", || drop(x(&[2, 2]).topk(3, 0))),
    ("masked_fill_ only supports a 0-dimensional value tensor, but got tensor with 1 dimension(s).", || {
        drop(x(&[2, 2]).masked_fill_tensor(&Tensor::zeros((), DType::Bool), &x(&[1])));
    }),
    ("masked_scatter_ only supports boolean masks, but got mask with dtype Float", || {
        drop(x(&[1, 3]).masked_scatter(x(&[1, 3]).value(), &x(&[3, 4])));
    }),
    ("narrow() cannot be applied to a 0-dim tensor.", || drop(x(&[]).narrow(0, 0, 1))),
    ("Dimension out of range (expected to be in range of [-3, 2], but got 3)", || {
        drop(x(&[10, 5, 20]).narrow(3, 0, 0))
    }),
    ("start out of range (expected to be in range of [-10, 10], but got 11)", || drop(x(&[20, 10]).narrow(1, 11, 0))),
    ("start (0) + length (11) exceeds dimension size (10).", || drop(x(&[5, 20, 10]).narrow(2, 0, 11))),
    ("shifts and dimensions must align. shifts: 2, dims:1", || drop(x(&[5, 5]).roll([2, 1], [0]))),
    ("Dimension out of range (expected to be in range of [-1, 0], but got 2)", || drop(x(&[5]).roll([0], [2]))),
    ("Dimension specified as 0 but tensor has no dimensions", || drop(x(&[]).roll([0], [0]))),
    ("expected total dims >= 2, but got total dims = 1", || drop(x(&[5]).rot90(1, [0, 1]))),
    ("expected rotation dims to be different, but got dim0 = 1 and dim1 = 1", || drop(x(&[5, 5]).rot90(1, [1, 1]))),
    ("torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!", || {
        drop(x(&[]).hsplit(0));
    }),
    (
        "torch.hsplit attempted to split along dimension 1, but the size of the dimension 5 is not divisible by the \
         split_size 0!",
        || drop(x(&[5, 5, 5]).hsplit(0)),
    ),
    ("torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with 1 dimensions!", || {
        drop(x(&[5]).vsplit(0));
    }),
    ("torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with 1 dimensions!", || {
        drop(x(&[5]).dsplit(0));
    }),
    ("shape '[4, 2]' is invalid for input of size 12", || drop(x(&[4, 3]).reshape([4, 2]))),
    ("shape '[4, 2]' is invalid for input of size 12", || drop(x(&[4, 3]).view_as(&x(&[4, 2])))),
    ("shape '[5, -1, 2]' is invalid for input of size 15", || drop(x(&[1, 3, 5]).reshape([5, -1, 2]))),
    ("unflatten: Provided sizes [2, 2] don't multiply up to the size of dim 1 (6) in the input tensor", || {
        drop(x(&[2, 6]).unflatten(1, [2, 2]));
    }),
    ("unflatten: Provided sizes [-1, 4] don't multiply up to the size of dim 1 (6) in the input tensor", || {
        drop(x(&[2, 6]).unflatten(-1, [-1, 4]));
    }),
    ("unflatten: sizes must be non-empty", || drop(x(&[2, 6]).unflatten(1, [0isize; 0]))),
    ("only one dimension can be inferred", || drop(x(&[1, 3, 5]).view([5, -1, -1]))),
    (
        "cannot reshape tensor of 0 elements into shape [0, -1] because the unspecified dimension size -1 can be any value \
         and is ambiguous",
        || drop(x(&[0, 5]).reshape([0, -1])),
    ),
    (
        "Size does not match at dimension 0 expected index [2, 2] to be no larger than self [1, 1] apart from dimension 1",
        || drop(x(&[1, 1]).gather(1, &ints(&[0; 4], &[2, 2]))),
    ),
    ("Index tensor must have the same number of dimensions as input tensor", || {
        drop(x(&[2, 2]).gather(1, &ints(&[0; 2], &[2])));
    }),
    ("index 23 is out of bounds for dimension 1 with size 2", || {
        drop(x(&[2, 2]).gather(1, &ints(&[0, 23, 0, 0], &[2, 2])));
    }),
    (
        "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = [3, 2] \
         source.shape = [2]",
        || drop(x(&[3, 2]).index_add(0, &ints(&[0, 1], &[2]), &x(&[2]))),
    ),
    ("Expected self.dtype to be equal to src.dtype", || {
        drop(x(&[3, 5]).scatter(0, &ints(&[0; 4], &[2, 2]), &x(&[2, 5]).double()));
    }),
    ("Index tensor must have the same number of dimensions as self tensor", || {
        drop(x(&[3, 5, 3]).scatter_add(0, &ints(&[0; 4], &[2, 2]), &x(&[2, 5])));
    }),
    ("Index tensor must have the same number of dimensions as src tensor", || {
        drop(x(&[3, 5]).scatter(0, &ints(&[0; 4], &[2, 2]), &x(&[2, 5, 2])));
    }),
    ("index 34 is out of bounds for dimension 0 with size 3", || {
        drop(x(&[3, 5]).scatter(0, &ints(&[34, 0, 0, 0], &[2, 2]), &x(&[2, 5])));
    }),
    ("prob_dist must be 1 or 2 dim", || drop(multinomial(x(&[1, 2, 3]).value(), 2, Draw::Once))),
    ("cannot sample n_sample <= 0 samples", || drop(multinomial(x(&[2]).value(), 0, Draw::Once))),
    ("cannot sample n_sample > prob_dist.size(-1) samples without replacement", || {
        drop(multinomial(x(&[2]).value(), 3, Draw::Once));
    }),
    ("invalid multinomial distribution (sum of probabilities <= 0)", || {
        drop(multinomial(x(&[2]).value(), 2, Draw::Once))
    }),
    ("Tensors must have same number of dimensions: got 1 and 4", || drop(Var::hstack(&[x(&[5]), x(&[5, 5, 5, 5])]))),
    ("hstack expects a non-empty TensorList", || drop(Var::hstack(&[] as &[Var]))),
    ("vstack expects a non-empty TensorList", || drop(Var::vstack(&[] as &[Var]))),
    ("dstack expects a non-empty TensorList", || drop(Var::dstack(&[] as &[Var]))),
    ("torch.cat(): expected a non-empty list of Tensors", || drop(Var::cat(&[] as &[Var], 1))),
    (
        "Sizes of tensors must match except in dimension 1. Expected size 10 but got size 1 for tensor number 1 in the list.",
        || drop(Var::cat(&[x(&[5, 1, 10]), x(&[5, 1, 1]), x(&[5, 10, 1])], 1)),
    ),
    ("Tensors must have same number of dimensions: got 2 and 3", || drop(Var::cat(&[x(&[20, 1]), x(&[20, 1, 1])], 0))),
    ("zero-dimensional tensor (at position 0) cannot be concatenated", || drop(Var::cat(&[x(&[]), x(&[])], 0))),
    ("Dimension specified as 0 but tensor has no dimensions", || drop(x(&[]).unbind(0))),
    ("Dimension out of range (expected to be in range of [-1, 0], but got 2)", || drop(x(&[2]).unbind(2))),
    ("boundaries tensor must be 1 dimension, but got dim(2)", || drop(x(&[5]).bucketize(x(&[5, 5]).value()))),
    (
        "movedim: Invalid source or destination dims: source ([3, -3] dims) should contain the same number of dims as \
         destination ([1, 0, -1] dims)",
        || drop(x(&[2, 3, 4, 5, 6]).movedim([3, -3], [1, 0, -1])),
    ),
    ("movedim: repeated dim in `source` ([0, 4, -5])", || drop(x(&[2, 3, 4, 5, 6]).movedim([0, 4, -5], [1, 0, 2]))),
    ("movedim: repeated dim in `destination` ([0, 4, -5])", || {
        drop(x(&[2, 3, 4, 5, 6]).movedim([1, 0, 2], [0, 4, -5]))
    }),
    ("Dimension out of range (expected to be in range of [-5, 4], but got -6)", || {
        drop(x(&[2, 3, 4, 5, 6]).movedim(3, -6))
    }),
    ("t() expects a tensor with <= 2 dimensions, but self is 4D", || drop(x(&[2, 3, 4, 5]).t())),
    ("'weight' must be 2-D", || drop(embedding(&ints(&[0], &[1]), &x(&[1, 1, 1]), &EmbeddingOptions::default()))),
    ("index out of range in self", || drop(embedding(&ints(&[7], &[1]), &x(&[2, 1]), &EmbeddingOptions::default()))),
    ("maximum size for tensor at dimension 1 is 2 but size is 3", || drop(x(&[2, 2]).unfold(1, 3, 1))),
    ("Class values must be non-negative.", || drop(ints(&[-1], &[1]).one_hot(3))),
    ("Class values must be smaller than num_classes.", || drop(ints(&[3], &[1]).one_hot(3))),
    ("Can not infer total number of classes from empty tensor.", || drop(ints(&[], &[0]).one_hot(None))),
    ("number of sections must be larger than 0, got 0", || drop(x(&[2]).tensor_split(0, 0))),
    ("index_select(): Index is supposed to be a vector", || drop(x(&[2]).index_select(0, &ints(&[0], &[1, 1])))),
    ("out of range: tried to access index 6 on a tensor of 6 elements.", || drop(x(&[2, 3]).take(&ints(&[6], &[1])))),
    ("repeats can not be negative", || drop(x(&[2]).repeat_interleave_each(&ints(&[-1, 1], &[2]), 0))),
    ("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor", || {
        drop(x(&[2, 2]).repeat(&[2]));
    }),
    ("Padding length should be less than or equal to two times the input dimension", || {
        drop(x(&[2]).pad(&[1; 4], 0.0))
    }),
];

#[test]
fn wrong_arguments_get_pytorchs_words() {
    let mut wrong = Vec::new();
    for (number, (words, call)) in ROWS.iter().enumerate() {
        let panic = catch_unwind(AssertUnwindSafe(call)).err();
        let text = panic.map(|p| p.downcast_ref::<String>().cloned().unwrap_or_default());
        match text {
            Some(text) if text.contains(words) => {}
            other => wrong.push(format!("{number}: {words}\n    {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
