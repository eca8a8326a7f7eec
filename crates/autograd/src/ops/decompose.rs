//! Factors of matrices, and what comes of them: pseudo-inverses, least squares, conditions; and the matrix exponential.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{MatrixNorm, Var, is_grad_enabled, op};
use wengert_tensor::{DType, Factors, Tensor, TriangularOptions, bug};

/// `X - Xᵀ`.
fn skew(x: &Var) -> Var {
    x - x.mt()
}

/// `1 / (b_j - a_i)` off the diagonal, 0 on it.
fn gaps(values: &Var) -> Var {
    let n = values.size(-1);
    let unit = Tensor::eye(n, DType::Bool).expand([values.shape(), &[n]].concat());
    (values.unsqueeze(-2) - values.unsqueeze(-1)).masked_fill(&unit, 1.0).reciprocal().masked_fill(&unit, 0.0)
}

/// Values on the diagonal of matrices.
fn diagonal(values: &Var) -> Var {
    values.diag_embed(0, -2, -1)
}

/// A rule that gets the factors of its operand: constants, or `Var`s of the graph where its derivative is wanted too.
fn factor_rule<F: Clone + Send + Sync + 'static>(
    a: &Var,
    constants: &F,
    again: fn(&Var) -> F,
    rule: impl Fn(&Var, &Var, &F) -> Var + Send + Sync + 'static,
) -> impl Fn(&Context<'_>, &Var) -> [Option<Var>; 1] + Send + Sync + 'static {
    let (a, constants) = (a.clone(), constants.clone());
    move |_: &Context<'_>, grad: &Var| {
        let recorded;
        let factors = match is_grad_enabled() {
            true => {
                recorded = again(&a);
                &recorded
            }
            false => &constants,
        };
        [Some(rule(grad, &a, factors))]
    }
}

impl Var {
    /// [`Tensor::qr`]. The gradient takes the first rows or columns, as many as there are of the fewer, to be independent.
    ///
    /// # Panics
    /// As [`Tensor::qr`]; its gradient, if the factors are complete and there are more rows than columns.
    #[track_caller]
    pub fn qr(&self, factors: Factors) -> (Var, Var) {
        if let &[.., m, n] = self.shape()
            && m < n
        {
            // The first columns have the same Q; the others are Q times R's.
            let (q, r) = self.narrow(-1, 0, m).qr(Factors::Reduced);
            let rest = q.mt().matmul(&self.narrow(-1, m as isize, n - m));
            let r = Var::cat(&[r, rest], -1);
            return (q, r);
        }
        let (q, r) = self.value.qr(factors);
        if !op::records(&[self]) {
            return (Var::from(q), Var::from(r));
        }
        let (m, n) = (self.size(-2), self.size(-1));
        let known = (Var::from(&q), Var::from(&r));
        if factors == Factors::Complete && m > n {
            let refused = || {
                |_: &Context<'_>, _: &Var| -> [Option<Var>; 1] {
                    bug!("", "The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
                }
            };
            return (
                op::record("LinalgQrBackward0", q, [self], refused),
                op::record("LinalgQrBackward0", r, [self], refused),
            );
        }
        let again = |a: &Var| a.qr(Factors::Reduced);
        let through = |x: &Var, q: &Var, r: &Var| {
            // Walter and Lehmann, "Algorithmic differentiation of linear algebra functions", 2010: X with both triangles equal.
            let upper = x.triu(0);
            let both = &upper + upper.mt() - diagonal(&upper.diagonal(0, -2, -1));
            (q.matmul(&both), TriangularOptions { right: true, ..Default::default() }, r.mt())
        };
        let of_q = op::record("LinalgQrBackward0", q, [self], || {
            factor_rule(self, &known, again, move |grad, _, (q, r)| {
                let (x, options, rt) = through(&-q.mt().matmul(grad), q, r);
                rt.solve_triangular(&(x + grad), options)
            })
        });
        let of_r = op::record("LinalgQrBackward0", r, [self], || {
            factor_rule(self, &known, again, move |grad, _, (q, r)| {
                let (x, options, rt) = through(&grad.matmul(&r.mt()), q, r);
                rt.solve_triangular(&x, options)
            })
        });
        (of_q, of_r)
    }

    /// [`Tensor::eigh`]. The gradient of the vectors is finite where all values differ.
    ///
    /// # Panics
    /// As [`Tensor::eigh`].
    #[track_caller]
    pub fn eigh(&self) -> (Var, Var) {
        let (values, vectors) = self.value.eigh();
        let known = (Var::from(&values), Var::from(&vectors));
        let again = |a: &Var| a.eigh();
        let of_values = op::record("LinalgEighBackward0", values, [self], || {
            factor_rule(self, &known, again, |grad, _, (_, v)| (v * grad.unsqueeze(-2)).matmul(&v.mt()))
        });
        let of_vectors = op::record("LinalgEighBackward0", vectors, [self], || {
            factor_rule(self, &known, again, |grad, _, (l, v)| {
                v.matmul(&(v.mt().matmul(grad) * gaps(l))).matmul(&v.mt())
            })
        });
        (of_values, of_vectors)
    }

    /// [`Tensor::eigvalsh`].
    ///
    /// # Panics
    /// As [`Tensor::eigh`].
    #[track_caller]
    pub fn eigvalsh(&self) -> Var {
        self.eigh().0
    }

    /// [`Tensor::svd`]. The gradient of the vectors is finite where all singular values differ and none is 0; of complete factors
    /// only the first vectors have one, as in PyTorch.
    ///
    /// # Panics
    /// As [`Tensor::svd`].
    #[track_caller]
    pub fn svd(&self, factors: Factors) -> (Var, Var, Var) {
        let (u, s, vh) = self.value.svd(factors);
        if !op::records(&[self]) {
            return (Var::from(u), Var::from(s), Var::from(vh));
        }
        let k = s.size(-1);
        let known = (Var::from(u.narrow(-1, 0, k)), Var::from(&s), Var::from(vh.narrow(-2, 0, k)));
        let again = |a: &Var| a.svd(Factors::Reduced);
        // Townsend, "Differentiating the singular value decomposition", 2016.
        let of_u = op::record("LinalgSvdBackward0", u, [self], || {
            factor_rule(self, &known, again, |grad, a, (u, s, vh)| {
                let k = s.size(-1);
                let grad = &grad.narrow(-1, 0, k);
                let projected = u.mt().matmul(grad);
                let inner = u.matmul(&(skew(&projected) * gaps(&s.square()) * s.unsqueeze(-2)));
                let outer = (grad - u.matmul(&projected)) / s.unsqueeze(-2);
                let whole = if a.size(-2) > k { inner + outer } else { inner };
                whole.matmul(vh)
            })
        });
        let of_s = op::record("LinalgSvdBackward0", s, [self], || {
            factor_rule(self, &known, again, |grad, _, (u, _, vh)| (u * grad.unsqueeze(-2)).matmul(vh))
        });
        let of_vh = op::record("LinalgSvdBackward0", vh, [self], || {
            factor_rule(self, &known, again, |grad, a, (u, s, vh)| {
                let k = s.size(-1);
                let grad = &grad.narrow(-2, 0, k);
                let projected = vh.matmul(&grad.mt());
                let inner = (skew(&projected) * gaps(&s.square()) * s.unsqueeze(-1)).matmul(vh);
                let outer = (grad - projected.mt().matmul(vh)) / s.unsqueeze(-1);
                u.matmul(&if a.size(-1) > k { inner + outer } else { inner })
            })
        });
        (of_u, of_s, of_vh)
    }

    /// [`Tensor::svdvals`].
    ///
    /// # Panics
    /// As [`Tensor::svd`].
    #[track_caller]
    pub fn svdvals(&self) -> Var {
        self.svd(Factors::Reduced).1
    }

    /// [`Tensor::pinv`].
    ///
    /// # Panics
    /// As [`Tensor::svd`].
    #[track_caller]
    pub fn pinv(&self, rtol: impl Into<Option<f64>>) -> Var {
        let value = self.value.pinv(rtol);
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("LinalgPinvBackward0", value, [self], || {
            let (a, value) = (self.clone(), saved.expect("made under the same condition"));
            move |ctx: &Context<'_>, grad: &Var| {
                // Golub and Pereyra, "The differentiation of pseudo-inverses", 1973.
                let p = &ctx.output(&value);
                let (pt, gt) = (p.mt(), grad.mt());
                if a.size(-2) <= a.size(-1) {
                    let k = gt.matmul(p);
                    let kp = k.matmul(&pt);
                    let within = kp.clone() - a.matmul(&p.matmul(&kp)) - p.matmul(&k).mt();
                    [Some(within + pt.matmul(p).matmul(&(gt - k.matmul(&a))))]
                } else {
                    let k = p.matmul(&gt);
                    let pk = pt.matmul(&k);
                    let within = pk.clone() - pk.matmul(p).matmul(&a) - k.matmul(p).mt();
                    [Some((gt - a.matmul(&k)).matmul(p).matmul(&pt) + within)]
                }
            }
        })
    }

    /// The solutions `X` of least norm that make `|self·X - other|` least (the first result of `torch.linalg.lstsq`).
    ///
    /// # Panics
    /// If the rows are not as many, or as [`Tensor::svd`].
    #[track_caller]
    pub fn lstsq(&self, other: &Var) -> Var {
        if self.rank() < 2 {
            bug!("", "torch.linalg.lstsq: input must have at least 2 dimensions.");
        }
        let vector = other.rank() + 1 == self.rank();
        let b = if vector { other.unsqueeze(-1) } else { other.clone() };
        if b.rank() < 2 || b.size(-2) != self.size(-2) {
            let what = if vector { "other.size(-1)" } else { "other.size(-2)" };
            bug!("", "torch.linalg.lstsq: input.size(-2) should match {what}");
        }
        let x = self.pinv(None).matmul(&b);
        if vector { x.squeeze([-1]) } else { x }
    }

    /// The condition of matrices in a norm, by default the spectral one: how much it multiplies relative errors
    /// (`torch.linalg.cond`).
    ///
    /// # Panics
    /// If a matrix is not square and the norm is not spectral.
    #[track_caller]
    pub fn cond(&self, norm: impl Into<Option<MatrixNorm>>) -> Var {
        match norm.into().unwrap_or(MatrixNorm::Two) {
            kind @ (MatrixNorm::Two | MatrixNorm::NegTwo) => {
                let s = self.svdvals();
                let (largest, least) = (s.select(-1, 0), s.select(-1, -1));
                if kind == MatrixNorm::Two { largest / least } else { least / largest }
            }
            kind => {
                if self.rank() < 2 || self.size(-1) != self.size(-2) {
                    bug!("", "linalg.cond: A must be batches of square matrices, but they are {:?}", self.shape());
                }
                self.matrix_norm(kind, [-2, -1]) * self.inv().matrix_norm(kind, [-2, -1])
            }
        }
    }

    /// The exponential of square matrices, `Σ self^k / k!` (`torch.linalg.matrix_exp`).
    ///
    /// # Panics
    /// If the last two axes are not square or the dtype is not floating.
    #[track_caller]
    pub fn matrix_exp(&self) -> Var {
        match self.shape() {
            [.., n, m] if n == m => {}
            [.., n, m] => {
                bug!("", "linalg.matrix_exp: A must be batches of square matrices, but they are {n} by {m} matrices")
            }
            _ => bug!("", "linalg.matrix_exp: The input tensor A must have at least 2 dimensions."),
        }
        if !self.dtype().is_float() {
            let got = self.dtype().legacy_name();
            bug!("", "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got {got}");
        }
        if self.numel() == 0 {
            return self.copy();
        }
        // Halved until small, where 18 terms are exact in f64, then squared as often (Higham, Functions of Matrices, 10.3).
        let size = self.value.to(DType::F64).abs().sum(-1).max().item::<f64>();
        let halvings = if size.is_finite() { size.log2().ceil().clamp(0.0, 1023.0) as i32 } else { 0 };
        let x = self * 0.5f64.powi(halvings);
        let unit = Var::from(Tensor::eye(self.size(-1), self.dtype()));
        let series = (1..=18).rev().fold(&unit + &x * 0.0, |sum, k| &unit + x.matmul(&sum) / f64::from(k));
        (0..halvings).fold(series, |power, _| power.matmul(&power))
    }

    /// The solutions `X` of `A·X = self`, given the Cholesky factor of `A`: the lower one, or the upper one
    /// (`torch.cholesky_solve`).
    ///
    /// # Panics
    /// As [`Var::solve_triangular`].
    #[track_caller]
    pub fn cholesky_solve(&self, factor: &Var, triangle: Triangle) -> Var {
        let upper = TriangularOptions { upper: true, ..Default::default() };
        let lower = TriangularOptions::default();
        match triangle {
            Triangle::Lower => factor.mt().solve_triangular(&factor.solve_triangular(self, lower), upper),
            Triangle::Upper => factor.solve_triangular(&factor.mt().solve_triangular(self, lower), upper),
        }
    }

    /// The inverse of a matrix given its Cholesky factor (`torch.cholesky_inverse`).
    ///
    /// # Panics
    /// As [`Var::solve_triangular`].
    #[track_caller]
    pub fn cholesky_inverse(&self, triangle: Triangle) -> Var {
        let unit = Var::from(Tensor::eye(self.size(-1), self.dtype()).expand(self.shape()));
        unit.cholesky_solve(self, triangle)
    }
}

/// A half of a square matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Triangle {
    /// Below the diagonal, with it.
    #[default]
    Lower,
    /// Above the diagonal, with it.
    Upper,
}

pub(crate) fn catalog() -> Vec<Entry> {
    let (square, tall, wide): (&[&[usize]], &[&[usize]], &[&[usize]]) = (&[&[3, 3]], &[&[2, 4, 3]], &[&[2, 4]]);
    /// A symmetric matrix with values well apart.
    fn symmetric(x: &Var) -> Var {
        let n = x.size(-1);
        let apart = Tensor::from_vec((0..n).map(|i| 4.0 * i as f64).collect(), [n]);
        (x + x.mt()) * 0.3 + Var::from(apart).diag_embed(0, -2, -1)
    }
    /// A matrix with singular values well apart.
    fn apart(x: &Var) -> Var {
        let (m, n) = (x.size(-2), x.size(-1));
        let large: Vec<f64> =
            (0..m * n).map(|at| if at / n == at % n { 4.0 + 5.0 * (at % n) as f64 } else { 0.0 }).collect();
        x * 0.5 + Var::from(Tensor::from_vec(large, [m, n]))
    }
    vec![
        Entry::shaped("qr", "LinalgQrBackward0", tall, |x| apart(&x[0]).qr(Factors::Reduced).0).sizes("... 4 n"),
        Entry::shaped("qr, triangle", "", tall, |x| apart(&x[0]).qr(Factors::Reduced).1).sizes("n m"),
        Entry::shaped("qr, wide", "", wide, |x| {
            let (q, r) = apart(&x[0]).qr(Factors::Complete);
            q.mean(()) + r
        })
        .sizes("... 2 n2"),
        Entry::shaped("eigh", "LinalgEighBackward0", square, |x| symmetric(&x[0]).eigh().1.abs()).sizes("... n n"),
        Entry::shaped("eigvalsh", "LinalgEighBackward0", square, |x| symmetric(&x[0]).eigvalsh()).sizes("... n n"),
        Entry::shaped("svd", "", tall, |x| apart(&x[0]).svd(Factors::Reduced).0.square()).sizes("... n m"),
        Entry::shaped("svd, right", "", tall, |x| apart(&x[0]).svd(Factors::Complete).2.narrow(-2, 0, 1).square())
            .sizes("... n m"),
        Entry::shaped("svdvals", "LinalgSvdBackward0", tall, |x| apart(&x[0]).svdvals()).sizes("... n m"),
        Entry::shaped("pinv", "LinalgPinvBackward0", tall, |x| apart(&x[0]).pinv(None)).sizes("... n m"),
        Entry::shaped("lstsq", "", &[&[4, 3], &[4, 2]], |x| apart(&x[0]).lstsq(&x[1])).sizes("n m, n k"),
        Entry::shaped("cond", "DivBackward0", tall, |x| apart(&x[0]).cond(None)).sizes("... n m"),
        Entry::shaped("matrix_exp", "", square, |x| x[0].matrix_exp()).sizes("... n n"),
        Entry::shaped("cholesky_solve", "", &[&[3, 2], &[3, 3]], |x| {
            x[0].cholesky_solve(&apart(&x[1]), Triangle::Lower)
        })
        .sizes("n k, n n"),
        Entry::shaped("cholesky_inverse", "", square, |x| apart(&x[0]).cholesky_inverse(Triangle::Upper)).sizes("n n"),
    ]
}
