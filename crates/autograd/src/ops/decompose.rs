//! Factors of matrices, and what comes of them: pseudo-inverses, least squares, conditions; and the matrix exponential.

use crate::catalog::Entry;
use crate::op::Context;
use crate::{Var, is_grad_enabled, op};
use wengert_tensor::{DType, Factors, LuSolveOptions, Tensor, Triangle, TriangularOptions, bug};

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

/// The sum of a matrix and its transpose.
fn doubled(x: &Var) -> Var {
    x + x.mt()
}

/// `x·L` of a lower factor `L`, `U·x` of an upper one.
fn triangle_product(x: &Var, factor: &Var, triangle: Triangle) -> Var {
    match triangle {
        Triangle::Lower => x.matmul(factor),
        Triangle::Upper => factor.matmul(x),
    }
}

/// The factors of square matrices that need no pivots.
fn unpivoted(a: &Var) -> (Var, Var) {
    let (_, lower, upper) = a.value.lu();
    let known = (Var::from(&lower), Var::from(&upper));
    // X L⁻ᵀ from the left and U⁻ᵀ from the right.
    let through = |x: &Var, l: &Var, u: &Var| {
        let right = u.mt().solve_triangular(x, TriangularOptions { right: true, ..Default::default() });
        let unit = TriangularOptions { upper: true, unitriangular: true, ..Default::default() };
        l.mt().solve_triangular(&right, unit)
    };
    let of_lower = op::record("LinalgLuBackward0", lower, [a], || {
        factor_rule(a, &known, unpivoted, move |grad, _, (l, u)| through(&l.mt().matmul(grad).tril(-1), l, u))
    });
    let of_upper = op::record("LinalgLuBackward0", upper, [a], || {
        factor_rule(a, &known, unpivoted, move |grad, _, (l, u)| through(&grad.matmul(&u.mt()).triu(0), l, u))
    });
    (of_lower, of_upper)
}

impl Var {
    /// [`Tensor::lu`]. The gradient takes the rows to stay in the order of this elimination, and the first rows or columns, as many
    /// as there are of the fewer, to be independent.
    ///
    /// # Panics
    /// As [`Tensor::lu_factor`].
    #[track_caller]
    pub fn lu(&self) -> (Tensor, Var, Var) {
        let (permutation, lower, upper) = self.value.lu();
        if !op::records(&[self]) || self.numel() == 0 {
            return (permutation, Var::from(lower), Var::from(upper));
        }
        let (m, n) = (self.size(-2), self.size(-1));
        let k = m.min(n);
        let ordered = Var::from(permutation.mt()).matmul(self);
        let (mut lower, mut upper) = unpivoted(&ordered.narrow(-2, 0, k).narrow(-1, 0, k));
        if m > k {
            let below = ordered.narrow(-2, k as isize, m - k);
            let options = TriangularOptions { upper: true, right: true, ..Default::default() };
            let rest = upper.solve_triangular(&below, options);
            lower = Var::cat(&[lower, rest], -2);
        }
        if n > k {
            let beside = ordered.narrow(-1, k as isize, n - k);
            let options = TriangularOptions { unitriangular: true, ..Default::default() };
            let rest = lower.solve_triangular(&beside, options);
            upper = Var::cat(&[upper, rest], -1);
        }
        (permutation, lower, upper)
    }

    /// [`Tensor::lu_factor`], with a gradient as [`Var::lu`] has.
    ///
    /// # Panics
    /// As [`Tensor::lu_factor`].
    #[track_caller]
    pub fn lu_factor(&self) -> (Var, Tensor) {
        let (factors, pivots) = self.value.lu_factor();
        if !op::records(&[self]) || self.numel() == 0 {
            return (Var::from(factors), pivots);
        }
        let (_, lower, upper) = self.lu();
        let (m, n) = (self.size(-2) as isize, self.size(-1) as isize);
        let k = m.min(n);
        (lower.tril(-1).pad(&[0, n - k], 0.0) + upper.pad(&[0, 0, 0, m - k], 0.0), pivots)
    }

    /// [`Tensor::cholesky_solve`]. As in PyTorch the gradient of the factor is not cut to the triangle that is read.
    ///
    /// # Panics
    /// As [`Tensor::cholesky_solve`].
    #[track_caller]
    pub fn cholesky_solve(&self, factor: &Var, triangle: Triangle) -> Var {
        let value = self.value.cholesky_solve(&factor.value, triangle);
        let saved = op::records(&[self, factor]).then(|| value.clone());
        op::record("CholeskySolveBackward0", value, [self, factor], || {
            let (saved, factor) = (saved.expect("made under the same condition"), factor.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                let own = grad.cholesky_solve(&factor, triangle);
                let common = doubled(&own.matmul(&ctx.output(&saved).mt()));
                let factor = ctx.needs(1).then(|| -triangle_product(&common, &factor, triangle));
                [Some(own), factor]
            }
        })
    }

    /// [`Tensor::cholesky_inverse`], with a gradient as [`Var::cholesky_solve`] has.
    ///
    /// # Panics
    /// As [`Tensor::cholesky_inverse`].
    #[track_caller]
    pub fn cholesky_inverse(&self, triangle: Triangle) -> Var {
        let value = self.value.cholesky_inverse(triangle);
        let saved = op::records(&[self]).then(|| value.clone());
        op::record("CholeskyInverseBackward0", value, [self], || {
            let (saved, factor) = (saved.expect("made under the same condition"), self.clone());
            move |ctx: &Context<'_>, grad: &Var| {
                let inverse = ctx.output(&saved);
                let common = inverse.matmul(&doubled(grad)).matmul(&inverse);
                [Some(-triangle_product(&common, &factor, triangle))]
            }
        })
    }

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
}

pub(crate) fn catalog() -> Vec<Entry> {
    let square: &[&[usize]] = &[&[3, 3]];
    let tall: &[&[usize]] = &[&[2, 4, 3]];
    let wide: &[&[usize]] = &[&[2, 4]];
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
        Entry::shaped("eigh", "AbsBackward0", square, |x| symmetric(&x[0]).eigh().1.abs()).sizes("... n n"),
        Entry::shaped("eigvalsh", "LinalgEighBackward0", square, |x| symmetric(&x[0]).eigvalsh()).sizes("... n n"),
        Entry::shaped("svd", "", tall, |x| apart(&x[0]).svd(Factors::Reduced).0.square()).sizes("... n m"),
        Entry::shaped("svd, right", "", tall, |x| apart(&x[0]).svd(Factors::Complete).2.narrow(-2, 0, 1).square())
            .sizes("... n m"),
        Entry::shaped("svdvals", "LinalgSvdBackward0", tall, |x| apart(&x[0]).svdvals()).sizes("... n m"),
        Entry::shaped("pinv", "LinalgPinvBackward0", tall, |x| apart(&x[0]).pinv(None)).sizes("... n m"),
        Entry::shaped("lstsq", "", &[&[4, 3], &[4, 2]], |x| apart(&x[0]).lstsq(&x[1])).sizes("n m, n k"),
        Entry::shaped("cond", "DivBackward0", tall, |x| apart(&x[0]).cond(None)).sizes("... n m"),
        Entry::shaped("lu", "", square, |x| apart(&x[0]).lu().1).sizes("... n n"),
        Entry::shaped("lu, upper", "", square, |x| apart(&x[0]).lu().2).sizes("... n n"),
        Entry::shaped("lu_factor", "AddBackward0", tall, |x| apart(&x[0]).lu_factor().0).sizes("... 4 n"),
        Entry::shaped("lu_factor, wide", "AddBackward0", wide, |x| apart(&x[0]).lu_factor().0).sizes("... 2 n2"),
        Entry::shaped("lu_unpack", "AddBackward0", tall, |x| {
            let (factors, pivots) = apart(&x[0]).lu_factor();
            factors.lu_unpack(&pivots).1
        })
        .sizes("... 4 n"),
        Entry::shaped("lu_solve", "LinalgSolveTriangularBackward0", &[&[3, 3], &[3, 2]], |x| {
            let (factors, pivots) = apart(&x[0]).lu_factor();
            factors.lu_solve(&pivots, &x[1], LuSolveOptions::default())
        })
        .sizes("n n, n m"),
        Entry::shaped("lu_solve from the right", "", &[&[3, 3], &[2, 3]], |x| {
            let (factors, pivots) = apart(&x[0]).lu_factor();
            factors.lu_solve(&pivots, &x[1], LuSolveOptions { right: true, adjoint: true })
        })
        .sizes("n n, m n"),
        Entry::shaped("matrix_exp", "", square, |x| x[0].matrix_exp()).sizes("... n n"),
        Entry::shaped("cholesky_solve", "CholeskySolveBackward0", &[&[3, 2], &[3, 3]], |x| {
            x[0].cholesky_solve(&apart(&x[1]).tril(0), Triangle::Lower)
        })
        .sizes("n k, n n"),
        Entry::shaped("tensorinv", "", &[&[2, 2, 4]], |x| apart(&x[0].reshape([4, 4])).reshape([2, 2, 4]).tensorinv(2)),
        Entry::shaped("tensorsolve", "", &[&[2, 2, 4], &[2, 2]], |x| {
            apart(&x[0].reshape([4, 4])).reshape([2, 2, 4]).tensorsolve(&x[1], &[])
        }),
        Entry::shaped("cholesky_inverse", "CholeskyInverseBackward0", square, |x| {
            apart(&x[0]).triu(0).cholesky_inverse(Triangle::Upper)
        })
        .sizes("n n"),
    ]
}
