//! Products with sums and scales, special matrices, and linear systems.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use std::borrow::Borrow;
use wengert_tensor::shape::axis;
use wengert_tensor::{Category, DType, Scalar, Tensor, TriangularOptions, bug};

/// `beta * x + alpha * product`; where `beta` is 0, `x` is ignored, NaN and all.
#[track_caller]
fn accumulate(x: &Var, product: Var, beta: Scalar, alpha: Scalar) -> Var {
    // Of integers and booleans the factors are too, as in PyTorch.
    let whole = |factor: Scalar| match product.dtype().category() {
        Category::Float => factor,
        Category::Int => Scalar::Int(factor.to_i64()),
        Category::Bool => Scalar::Bool(factor.to_f64() != 0.0),
    };
    let (beta, alpha) = (whole(beta), whole(alpha));
    let product = if alpha.to_f64() == 1.0 { product } else { product * alpha };
    match beta.to_f64() {
        0.0 => product,
        1.0 => x + product,
        _ => x * beta + product,
    }
}

impl Var {
    /// `beta * self + alpha * mat1·mat2` (`torch.addmm`).
    #[track_caller]
    pub fn addmm_scaled(&self, mat1: &Var, mat2: &Var, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Var {
        accumulate(self, mat1.mm(mat2), beta.into(), alpha.into())
    }

    /// `beta * self + alpha * batch1·batch2` (`torch.baddbmm`).
    #[track_caller]
    pub fn baddbmm(&self, batch1: &Var, batch2: &Var, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Var {
        accumulate(self, batch1.bmm(batch2), beta.into(), alpha.into())
    }

    /// `beta * self + alpha * Σ batch1·batch2` over the batch (`torch.addbmm`).
    #[track_caller]
    pub fn addbmm(&self, batch1: &Var, batch2: &Var, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Var {
        accumulate(self, batch1.bmm(batch2).sum(0).to(batch1.dtype()), beta.into(), alpha.into())
    }

    /// `beta * self + alpha * mat·vec` (`torch.addmv`).
    #[track_caller]
    pub fn addmv(&self, mat: &Var, vec: &Var, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Var {
        accumulate(self, mat.mv(vec), beta.into(), alpha.into())
    }

    /// `beta * self + alpha * vec1⊗vec2` (`torch.addr`).
    #[track_caller]
    pub fn addr(&self, vec1: &Var, vec2: &Var, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) -> Var {
        accumulate(self, vec1.outer(vec2), beta.into(), alpha.into())
    }

    /// The products along the last axes of both (`torch.inner`).
    #[track_caller]
    pub fn inner(&self, other: &Var) -> Var {
        if self.rank() == 0 || other.rank() == 0 {
            return self * other;
        }
        if self.size(-1) != other.size(-1) {
            bug!(
                "",
                "inner() the last dimension must match on both input tensors but got shapes {} and {}",
                wengert_tensor::shape::size_text(self.shape()),
                wengert_tensor::shape::size_text(other.shape())
            );
        }
        self.tensordot_axes(other, &[-1], &[-1])
    }

    /// The products along one axis of both, which broadcast (`torch.linalg.vecdot`).
    #[track_caller]
    pub fn vecdot(&self, other: &Var, dim: isize) -> Var {
        (self * other).sum(dim)
    }

    /// The product of matrices in the order that takes the fewest multiplications (`torch.linalg.multi_dot`); the first and the
    /// last may be vectors.
    ///
    /// # Panics
    /// If there are fewer than two, or the shapes do not fit.
    #[track_caller]
    pub fn multi_dot(matrices: &[impl Borrow<Var>]) -> Var {
        let mut all: Vec<Var> = matrices.iter().map(|m| m.borrow().clone()).collect();
        let count = all.len();
        if count < 2 {
            bug!("", "multi_dot(): expected at least 2 tensors but got {count}");
        }
        let (first, last) = (all[0].rank() == 1, all[count - 1].rank() == 1);
        if first {
            all[0] = all[0].unsqueeze(0);
        }
        if last {
            all[count - 1] = all[count - 1].unsqueeze(1);
        }
        if let Some(at) = all.iter().position(|m| m.rank() != 2) {
            bug!("", "multi_dot(): tensor {at} must be 2D but got {}D", all[at].rank());
        }
        // The cheapest way to multiply matrices i..=j, and where it splits (Cormen et al., 14.2).
        let sizes: Vec<usize> = all.iter().map(|m| m.size(0)).chain([all[count - 1].size(1)]).collect();
        let mut cost = vec![vec![0usize; count]; count];
        let mut split = vec![vec![0usize; count]; count];
        for length in 1..count {
            for i in 0..count - length {
                let j = i + length;
                let way = |k: usize| cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1];
                let best = (i..j).min_by_key(|&k| way(k)).expect("there are at least two");
                (cost[i][j], split[i][j]) = (way(best), best);
            }
        }
        fn product(all: &[Var], split: &[Vec<usize>], i: usize, j: usize) -> Var {
            if i == j {
                return all[i].clone();
            }
            let k = split[i][j];
            product(all, split, i, k).mm(&product(all, split, k + 1, j))
        }
        let mut out = product(&all, &split, 0, count - 1);
        if last {
            out = out.squeeze([-1]);
        }
        if first { out.squeeze([0]) } else { out }
    }

    /// The power of square matrices (`torch.linalg.matrix_power`), by repeated squaring; a negative one is that of the inverse.
    #[track_caller]
    pub fn matrix_power(&self, n: i64) -> Var {
        if self.rank() < 2 || self.size(-1) != self.size(-2) {
            bug!("", "linalg.matrix_power: A must be batches of square matrices, but they are {:?}", self.shape());
        }
        if n < 0 {
            return self.inv().matrix_power(-n);
        }
        if n == 0 {
            let unit = Tensor::eye(self.size(-1), self.dtype()).expand(self.shape()).copy();
            return Var::from(unit) + self * 0.0;
        }
        let (mut square, mut left, mut out) = (self.clone(), n, None::<Var>);
        loop {
            if left & 1 == 1 {
                out = Some(out.map_or(square.clone(), |out| out.matmul(&square)));
            }
            left >>= 1;
            if left == 0 {
                return out.expect("the power is positive");
            }
            square = square.matmul(&square);
        }
    }

    /// The Kronecker product.
    pub fn kron(&self, other: &Var) -> Var {
        let rank = self.rank().max(other.rank());
        let padded = |x: &Var| -> Vec<usize> { [vec![1; rank - x.rank()], x.shape().to_vec()].concat() };
        let (a, b) = (padded(self), padded(other));
        let (left, right): (Vec<usize>, Vec<usize>) =
            ((0..rank).flat_map(|i| [a[i], 1]).collect(), (0..rank).flat_map(|i| [1, b[i]]).collect());
        let shape: Vec<usize> = (0..rank).map(|i| a[i] * b[i]).collect();
        (self.reshape(&left[..]) * other.reshape(&right[..])).reshape(&shape[..])
    }

    /// The cross product of vectors of three elements along an axis; the operands broadcast.
    ///
    /// # Panics
    /// If the axis does not have 3 elements.
    #[track_caller]
    pub fn cross(&self, other: &Var, dim: isize) -> Var {
        if self.rank() != other.rank() {
            bug!("", "linalg.cross: inputs must have the same number of dimensions.");
        }
        let (n, m) = (self.size(dim), other.size(dim));
        if n != 3 || m != 3 {
            bug!("", "linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {m}");
        }
        let shape = wengert_tensor::shape::broadcast("linalg.cross", self.shape(), other.shape());
        let (a, b) = (self.expand(&shape[..]), other.expand(&shape[..]));
        let turned = |x: &Var, by: isize| x.roll([by], [dim]);
        turned(&a, -1) * turned(&b, -2) - turned(&a, -2) * turned(&b, -1)
    }

    /// The sum of the diagonal of a matrix.
    ///
    /// # Panics
    /// If the operand is not a matrix.
    #[track_caller]
    pub fn trace(&self) -> Var {
        if self.rank() != 2 {
            bug!("", "trace: expected a matrix, but got tensor with dim {}", self.rank());
        }
        self.diagonal(0, 0, 1).sum(())
    }

    /// Matrices with the last axis on a diagonal; the diagonal lies in axes `dim1` and `dim2` of the result.
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Var {
        let rank = self.rank() + 1;
        let (d1, d2) = (axis("diag_embed", dim1, rank), axis("diag_embed", dim2, rank));
        if d1 == d2 {
            bug!("", "diagonal dimensions cannot be identical {dim1}, {dim2}");
        }
        let n = self.size(-1) + offset.unsigned_abs();
        let mut shape: Vec<usize> = self.shape()[..self.rank() - 1].to_vec();
        let (low, high) = (d1.min(d2), d1.max(d2));
        shape.insert(low, n);
        shape.insert(high, n);
        // With the axes exchanged the diagonal is on the other side.
        self.embedded(&shape, move |x| x.diagonal(offset, d1 as isize, d2 as isize))
    }

    /// A matrix with the vector on a diagonal, or the diagonal of a matrix (`torch.diag`).
    ///
    /// # Panics
    /// If the operand has no or more than two axes.
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Var {
        match self.rank() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1).copy(),
            rank => bug!("", "diag(): Supports 1D or 2D tensors. Got {rank}D"),
        }
    }

    /// A matrix with all elements on a diagonal.
    #[track_caller]
    pub fn diagflat(&self, offset: isize) -> Var {
        self.reshape([self.numel()]).diag_embed(offset, 0, 1)
    }

    /// The Vandermonde matrices of vectors: powers 0 to `n - 1` along a new last axis (`torch.linalg.vander`).
    #[track_caller]
    pub fn vander(&self, n: usize) -> Var {
        if self.rank() == 0 {
            return self.reshape([1]).vander(n);
        }
        let ones = Var::from(self.value.ones_like()).unsqueeze(-1);
        if n <= 1 {
            return ones.narrow(-1, 0, n);
        }
        let mut shape = self.shape().to_vec();
        shape.push(n - 1);
        let powers = self.unsqueeze(-1).expand(&shape[..]).cumprod(-1);
        Var::cat(&[ones.to(powers.dtype()), powers], -1)
    }

    /// A matrix with the matrices along its diagonal; vectors are rows, numbers matrices of one element.
    #[track_caller]
    pub fn block_diag(parts: &[impl Borrow<Var>]) -> Var {
        let parts: Vec<Var> = parts
            .iter()
            .map(|p| {
                let p: &Var = p.borrow();
                match p.rank() {
                    0 => p.reshape([1, 1]),
                    1 => p.unsqueeze(0),
                    2 => p.clone(),
                    rank => bug!(
                        "",
                        "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input has {rank} dimensions"
                    ),
                }
            })
            .collect();
        let dtype = parts.iter().map(Var::dtype).reduce(DType::promote).unwrap_or(DType::F32);
        let columns: usize = parts.iter().map(|p| p.size(1)).sum();
        let mut start = 0;
        let rows: Vec<Var> = parts
            .iter()
            .map(|p| {
                let (from, width) = (start, p.size(1));
                start += width;
                p.to(dtype).embedded(&[p.size(0), columns], move |x| x.narrow(1, from as isize, width))
            })
            .collect();
        if rows.is_empty() { Var::from(Tensor::zeros([1, 0], dtype)) } else { Var::cat(&rows, 0) }
    }

    /// All combinations of one element of each vector, as rows.
    #[track_caller]
    pub fn cartesian_prod(parts: &[impl Borrow<Var>]) -> Var {
        let parts: Vec<&Var> = parts.iter().map(Borrow::borrow).collect();
        if let Some(p) = parts.iter().find(|p| p.rank() != 1) {
            bug!("", "meshgrid: Expected 1D tensors, but got a tensor of rank {}", p.rank());
        }
        let sizes: Vec<usize> = parts.iter().map(|p| p.numel()).collect();
        if let [only] = parts[..] {
            return only.clone();
        }
        let columns: Vec<Var> = parts
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let mut shape = vec![1; parts.len()];
                shape[i] = sizes[i];
                p.reshape(&shape[..]).expand(&sizes[..]).reshape([-1isize])
            })
            .collect();
        Var::stack(&columns, 1)
    }

    /// Every way to take `r` elements of a vector, in order, as rows; with `replacement` an element may be taken again.
    #[track_caller]
    pub fn combinations(&self, r: usize, replacement: Replacement) -> Var {
        if self.rank() != 1 {
            bug!("", "Expect a 1D vector, but got shape {}", wengert_tensor::shape::size_text(self.shape()));
        }
        let n = self.numel();
        let mut rows: Vec<Vec<i64>> = vec![vec![]];
        for _ in 0..r {
            rows = rows
                .into_iter()
                .flat_map(|row| {
                    let start = match (row.last(), replacement) {
                        (None, _) => 0,
                        (Some(&last), Replacement::Yes) => last as usize,
                        (Some(&last), Replacement::No) => last as usize + 1,
                    };
                    (start..n).map(move |i| [row.clone(), vec![i as i64]].concat())
                })
                .collect();
        }
        let count = rows.len();
        let index = Tensor::from_vec(rows.concat(), [count * r]);
        if r == 0 { self.narrow(0, 0, 0) } else { self.index_select(0, &index).reshape([count, r]) }
    }

    /// The determinants of square matrices (`torch.linalg.det`).
    #[track_caller]
    pub fn det(&self) -> Var {
        let value = self.value.det();
        op::record("LinalgDetBackward0", value, [self], || {
            let a = self.clone();
            move |_: &Context<'_>, grad: &Var| [Some(grad.unsqueeze(-1).unsqueeze(-1) * cofactors(&a))]
        })
    }

    /// The signs of the determinants of square matrices, and the logarithms of their magnitudes (`torch.linalg.slogdet`).
    #[track_caller]
    pub fn slogdet(&self) -> (Tensor, Var) {
        let (sign, log) = self.value.slogdet();
        let log = op::record("LinalgSlogdetBackward0", log, [self], || {
            let a = self.clone();
            move |_: &Context<'_>, grad: &Var| [Some(grad.unsqueeze(-1).unsqueeze(-1) * a.inv().transpose(-1, -2))]
        });
        (sign, log)
    }

    /// The logarithms of the determinants of square matrices; NaN where they are negative (`torch.logdet`).
    #[track_caller]
    pub fn logdet(&self) -> Var {
        let (sign, log) = self.slogdet();
        log.masked_fill(&sign.lt(0.0), f64::NAN)
    }

    /// The inverses of square matrices.
    ///
    /// # Panics
    /// If a matrix is singular or not square.
    #[track_caller]
    pub fn inv(&self) -> Var {
        let value = self.value.inv();
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("LinalgInvExBackward0", value, [self], || {
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                let t = ctx.output(&value).transpose(-1, -2);
                [Some(-t.matmul(grad).matmul(&t))]
            }
        })
    }

    /// The solutions `X` of `self·X = other` (`torch.linalg.solve`); [`Tensor::solve`].
    #[track_caller]
    pub fn solve(&self, other: &Var) -> Var {
        let value = self.value.solve(&other.value);
        let vector = value.rank() + 1 == self.rank().max(2) && (other.rank() == 1 || other.rank() + 1 == self.rank());
        let saved = op::records(&[self, other]).then(|| value.clone());
        op::record("LinalgSolveExBackward0", value, [self, other], || {
            let (a, value) = (self.clone(), saved.expect("made under the same condition"));
            move |ctx: &Context<'_>, grad: &Var| {
                let (x, grad) = (ctx.output(&value), grad.clone());
                let column = |x: &Var| if vector { x.unsqueeze(-1) } else { x.clone() };
                let b = a.transpose(-1, -2).solve(&column(&grad));
                let of_a = ctx.needs(0).then(|| -b.matmul(&column(&x).transpose(-1, -2)));
                let of_b = ctx.needs(1).then(|| if vector { b.squeeze([-1]) } else { b.clone() });
                [of_a, of_b]
            }
        })
    }

    /// The lower Cholesky factors of symmetric positive definite matrices (`torch.linalg.cholesky`).
    ///
    /// # Panics
    /// If a matrix is not positive definite.
    #[track_caller]
    pub fn cholesky(&self) -> Var {
        let value = self.value.cholesky();
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("LinalgCholeskyExBackward0", value, [self], || {
            let value = saved.expect("made under the same condition");
            move |ctx: &Context<'_>, grad: &Var| {
                // Murray, Differentiation of the Cholesky decomposition (2016), equation 10.
                let l = ctx.output(&value);
                let lt = l.transpose(-1, -2);
                let phi = lt.matmul(grad).tril(0);
                let phi = &phi - phi.diagonal(0, -2, -1).diag_embed(0, -2, -1) * 0.5;
                let inverse = l.inv();
                let s = inverse.transpose(-1, -2).matmul(&phi).matmul(&inverse);
                [Some((&s + s.transpose(-1, -2)) * 0.5)]
            }
        })
    }

    /// The solutions `X` of `self·X = other` where `self` is triangular (`torch.linalg.solve_triangular`); what is not in the
    /// triangle is not looked at.
    #[track_caller]
    pub fn solve_triangular(&self, other: &Var, options: TriangularOptions) -> Var {
        let value = self.value.solve_triangular(&other.value, options);
        let saved = op::records(&[self, other]).then(|| value.clone());
        op::record("LinalgSolveTriangularBackward0", value, [self, other], || {
            let (a, value) = (self.clone(), saved.expect("made under the same condition"));
            move |ctx: &Context<'_>, grad: &Var| {
                let x = ctx.output(&value);
                let transposed = TriangularOptions { upper: !options.upper, ..options };
                let of_b = a.mt().solve_triangular(grad, transposed);
                let of_a = ctx.needs(0).then(|| {
                    let whole = if options.right { -x.mt().matmul(&of_b) } else { -of_b.matmul(&x.mt()) };
                    // What was not looked at has no gradient.
                    match (options.upper, options.unitriangular) {
                        (true, unit) => whole.triu(isize::from(unit)),
                        (false, unit) => whole.tril(-isize::from(unit)),
                    }
                });
                [of_a, ctx.needs(1).then_some(of_b)]
            }
        })
    }
}

/// Whether an element may be taken again in [`Var::combinations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// It may.
    Yes,
    /// It may not.
    No,
}

/// The matrices of cofactors: the derivative of the determinant, also where that is 0.
#[track_caller]
fn cofactors(a: &Var) -> Var {
    let n = a.size(-1);
    if n == 0 {
        return a.clone();
    }
    if n == 1 {
        return a * 0.0 + 1.0;
    }
    if a.value.det().ne(0.0).all(()).item::<bool>() {
        let det = a.det();
        return a.inv().transpose(-1, -2) * det.unsqueeze(-1).unsqueeze(-1);
    }
    // Singular ones: by the determinants of the minors.
    let keep = |skip: usize| -> Tensor {
        let rest: Vec<i64> = (0..n).filter(|&i| i != skip).map(|i| i as i64).collect();
        Tensor::from_vec(rest, [n - 1])
    };
    let rows: Vec<Var> = (0..n)
        .map(|i| {
            let cells: Vec<Var> = (0..n)
                .map(|j| {
                    let minor = a.index_select(-2, &keep(i)).index_select(-1, &keep(j)).det();
                    if (i + j) % 2 == 0 { minor } else { -minor }
                })
                .collect();
            Var::stack(&cells, -1)
        })
        .collect();
    Var::stack(&rows, -2)
}

pub(crate) fn catalog() -> Vec<Entry> {
    let square: &[&[usize]] = &[&[2, 3, 3]];
    // Away from singular matrices.
    fn regular(x: &Var) -> Var {
        x + Tensor::eye(x.size(-1), x.dtype()) * 9.0
    }
    vec![
        Entry::shaped("addmm_scaled", "", &[&[4], &[2, 3], &[3, 4]], |x| x[0].addmm_scaled(&x[1], &x[2], 0.5, 2))
            .sizes("m, n k0, k m"),
        Entry::shaped("baddbmm", "", &[&[4], &[2, 2, 3], &[2, 3, 4]], |x| x[0].baddbmm(&x[1], &x[2], 0.5, 2))
            .sizes("m, b n k, b k m"),
        Entry::shaped("addbmm", "", &[&[4], &[2, 2, 3], &[2, 3, 4]], |x| x[0].addbmm(&x[1], &x[2], 1, 2))
            .sizes("m, b n k, b k m"),
        Entry::shaped("addmv", "", &[&[2], &[2, 3], &[3]], |x| x[0].addmv(&x[1], &x[2], 1, 1)).sizes("n, n k, k"),
        Entry::shaped("addr", "", &[&[3], &[2], &[3]], |x| x[0].addr(&x[1], &x[2], 1, 1)).sizes("m, n, m"),
        Entry::shaped("inner", "", &[&[2, 3], &[4, 3]], |x| x[0].inner(&x[1])).sizes("a k, b k"),
        Entry::shaped("multi_dot", "", &[&[2, 3], &[3, 4], &[4, 2]], Var::multi_dot).sizes("i j, j k, k l"),
        Entry::shaped("matrix_power", "", square, |x| x[0].matrix_power(3)).sizes("... n n"),
        Entry::shaped("kron", "", &[&[2, 3], &[2]], |x| x[0].kron(&x[1])).sizes("a b, c"),
        Entry::shaped("cross", "", &[&[2, 3], &[1, 3]], |x| x[0].cross(&x[1], -1)).sizes("n 3, 1 3"),
        Entry::shaped("trace", "", &[&[2, 3]], |x| x[0].trace()).sizes("n m"),
        Entry::shaped("diagflat", "", &[&[2, 2]], |x| x[0].diagflat(1)).sizes("n m"),
        Entry::shaped("vecdot", "SumBackward1", &[&[3, 4], &[3, 4]], |x| x[0].vecdot(&x[1], -1)).sizes("n m, n m"),
        Entry::shaped("diag_embed", "EmbedBackward0", &[&[2, 3]], |x| x[0].diag_embed(1, -2, -1)).sizes("... n"),
        Entry::shaped("diag", "EmbedBackward0", &[&[3]], |x| x[0].diag(-1)).sizes("n"),
        Entry::shaped("diag of a matrix", "CloneBackward0", &[&[3, 4]], |x| x[0].diag(1)).sizes("n m2"),
        Entry::shaped("logdet", "MaskedFillBackward0", square, |x| regular(&x[0]).logdet()).sizes("... n n"),
        Entry::shaped("vander", "", &[&[2, 3]], |x| x[0].vander(4)).sizes("m n"),
        Entry::shaped("block_diag", "", &[&[2, 3], &[2]], Var::block_diag).sizes("n m, k"),
        Entry::shaped("cartesian_prod", "", &[&[2], &[3]], Var::cartesian_prod).sizes("n, m"),
        Entry::shaped("combinations", "", &[&[4]], |x| x[0].combinations(2, Replacement::No)).sizes("n2"),
        Entry::shaped("det", "LinalgDetBackward0", square, |x| regular(&x[0]).det()).sizes("... n n"),
        Entry::shaped("slogdet", "LinalgSlogdetBackward0", square, |x| regular(&x[0]).slogdet().1).sizes("... n n"),
        Entry::shaped("inv", "LinalgInvExBackward0", square, |x| regular(&x[0]).inv()).sizes("... n n"),
        Entry::shaped("solve", "LinalgSolveExBackward0", &[&[2, 3, 3], &[2, 3, 2]], |x| regular(&x[0]).solve(&x[1]))
            .sizes("... n n, ... n m"),
        Entry::shaped("cholesky", "LinalgCholeskyExBackward0", square, |x| {
            (x[0].matmul(&x[0].transpose(-1, -2)) + Tensor::eye(x[0].size(-1), x[0].dtype())).cholesky()
        })
        .sizes("... n n"),
        Entry::shaped("solve_triangular", "LinalgSolveTriangularBackward0", &[&[3, 3], &[3, 2]], |x| {
            regular(&x[0]).solve_triangular(&x[1], TriangularOptions::default())
        })
        .sizes("... n n, ... n m"),
        Entry::shaped("solve_triangular from the right", "LinalgSolveTriangularBackward0", &[&[3, 3], &[2, 3]], |x| {
            let options = TriangularOptions { upper: true, right: true, unitriangular: true };
            regular(&x[0]).solve_triangular(&x[1], options)
        })
        .sizes("n n, m n"),
    ]
}
