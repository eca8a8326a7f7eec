//! Products with sums and scales, special matrices, and linear systems.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, op};
use wengert_tensor::{LuSolveOptions, Replacement, Tensor, TriangularOptions, bug};

impl Var {
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
            move |_: &Context<'_>, grad: &Var| {
                let singular = a.value.det().eq(0.0).any(()).item::<bool>();
                // Of singular ones, infinities and NaN, through which nothing flows.
                let inverse = if singular { Var::from(unchecked_inverse(&a.value)) } else { a.inv() };
                [Some(grad.unsqueeze(-1).unsqueeze(-1) * inverse.transpose(-1, -2))]
            }
        });
        (sign, log)
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

/// Inverses, with infinities and NaN where there is none.
fn unchecked_inverse(a: &Tensor) -> Tensor {
    let (factors, pivots) = a.lu_factor();
    let unit = Tensor::eye(a.size(-1), a.dtype()).expand(a.shape());
    factors.lu_solve(&pivots, &unit, LuSolveOptions::default())
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
