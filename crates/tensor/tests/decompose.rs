//! Factors of matrices against their definitions: products give the matrix back, vectors are orthonormal.

use wengert_tensor::{DType, Factors, Generator, Tensor, TriangularOptions};

const SHAPES: [&[usize]; 9] =
    [&[1, 1], &[3, 3], &[5, 3], &[3, 5], &[2, 4, 4], &[2, 0, 3, 2], &[0, 0], &[3, 0], &[0, 2]];

/// Matrices of normal numbers, of rank one, and of zeros.
fn matrices(shape: &[usize]) -> Vec<Tensor> {
    let full = Generator::new(11).randn(shape, DType::F64);
    let single = full.narrow(-1, 0, shape[shape.len() - 1].min(1)).expand(shape).contiguous();
    vec![single, full.zeros_like(), full]
}

fn assert_near(a: &Tensor, b: &Tensor, what: &str) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    assert!(a.allclose(b, 1e-10, 1e-10), "{what}: {a} {b}");
}

/// The columns of `q` are orthonormal.
fn assert_orthonormal(q: &Tensor, what: &str) {
    let n = q.size(-1);
    let unit = Tensor::eye(n, DType::F64).expand([&q.shape()[..q.rank() - 2], &[n, n]].concat());
    assert_near(&q.mt().matmul(q), &unit, what);
}

#[test]
fn svd_gives_the_matrix_back_from_orthonormal_vectors() {
    for shape in SHAPES {
        for a in matrices(shape) {
            for factors in [Factors::Reduced, Factors::Complete] {
                let what = format!("{shape:?} {factors:?}");
                let (u, s, vh) = a.svd(factors);
                let k = s.size(-1);
                assert_orthonormal(&u, &what);
                assert_orthonormal(&vh.mt(), &what);
                let back = u.narrow(-1, 0, k).mul(s.unsqueeze(-2)).matmul(&vh.narrow(-2, 0, k));
                assert_near(&back, &a, &what);
                assert!(k < 2 || s.narrow(-1, 1, k - 1).le(s.narrow(-1, 0, k - 1)).all(()).item::<bool>(), "{what}");
                assert!(s.ge(0.0).all(()).item::<bool>(), "{what}");
            }
        }
    }
}

#[test]
fn qr_gives_the_matrix_back_from_a_triangle() {
    for shape in SHAPES {
        for a in matrices(shape) {
            for factors in [Factors::Reduced, Factors::Complete] {
                let (q, r) = a.qr(factors);
                let what = format!("{shape:?} {factors:?}");
                assert_orthonormal(&q, &what);
                assert_near(&q.matmul(&r), &a, &what);
                assert_near(&r.triu(0), &r, &what);
            }
        }
    }
}

#[test]
fn eigh_gives_the_matrix_back_from_its_lower_triangle() {
    for shape in SHAPES.iter().filter(|s| s[s.len() - 1] == s[s.len() - 2]) {
        for a in matrices(shape) {
            let symmetric = a.tril(0).add(a.tril(-1).mt());
            let (values, vectors) = a.eigh();
            assert_orthonormal(&vectors, "eigh");
            assert_near(&vectors.mul(values.unsqueeze(-2)).matmul(&vectors.mt()), &symmetric, "eigh");
        }
    }
}

#[test]
fn pseudo_inverses_satisfy_penroses_equations() {
    for shape in SHAPES {
        for a in matrices(shape) {
            let p = a.pinv(None);
            assert_near(&a.matmul(&p).matmul(&a), &a, "A P A");
            assert_near(&p.matmul(&a).matmul(&p), &p, "P A P");
            for symmetric in [a.matmul(&p), p.matmul(&a)] {
                assert_near(&symmetric.mt(), &symmetric, "symmetry");
            }
        }
    }
}

#[test]
fn triangular_systems_look_at_one_triangle_only() {
    let mut g = Generator::new(3);
    let (a, b) = (g.randn([2, 4, 4], DType::F64).add(Tensor::eye(4, DType::F64).mul(4.0)), g.randn([4, 3], DType::F64));
    for upper in [false, true] {
        for unitriangular in [false, true] {
            let options = TriangularOptions { upper, unitriangular, right: false };
            let triangle = if upper { a.triu(0) } else { a.tril(0) };
            let unit = Tensor::eye(4, DType::F64);
            let strict = if upper { a.triu(1) } else { a.tril(-1) };
            let triangle = if unitriangular { strict.add(&unit) } else { triangle };
            let x = a.solve_triangular(&b, options);
            assert_near(&triangle.matmul(&x), &b.expand([2, 4, 3]), "from the left");
            let x = a.solve_triangular(&b.mt(), TriangularOptions { right: true, ..options });
            assert_near(&x.matmul(&triangle), &b.mt().expand([2, 3, 4]), "from the right");
        }
    }
    let singular =
        Tensor::zeros([1, 1], DType::F64).solve_triangular(&Tensor::ones([1, 1], DType::F64), Default::default());
    assert_eq!(singular.item::<f64>(), f64::INFINITY);
}

#[test]
fn forms_in_place_change_no_other_tensor() {
    let kept = Tensor::from_vec(vec![-1.0f32, 0.25, 4.0], [3]);
    let mut x = kept.clone();
    x.clamp_(0.0, 1.0).masked_fill_(&kept.gt(3.0), 9.0).neg_();
    assert_eq!(x.to_vec::<f32>(), [-0.0, -0.25, -9.0]);
    assert_eq!(kept.to_vec::<f32>(), [-1.0, 0.25, 4.0]);
    let whole = std::panic::catch_unwind(|| Tensor::ones([2], DType::I64).sqrt_().clone());
    let text = *whole.expect_err("a float does not fit").downcast::<String>().expect("a text");
    assert_eq!(text, "result type Float can't be cast to the desired output type Long");
}
