//! Losses against PyTorch: values and gradients, as `torch.nn.functional` gives them in `float64`.

use wengert_autograd::functional::*;
use wengert_autograd::{Var, tensor::Tensor};

const X: [f64; 6] = [0.5, -1.0, 2.0, 1.5, 0.25, -0.75];
const P: [f64; 6] = [0.2, 0.3, 0.5, 0.1, 0.6, 0.3];

fn grid(data: [f64; 6]) -> Tensor {
    Tensor::from_vec(data.to_vec(), [2, 3])
}

#[track_caller]
fn check(f: impl Fn(&Var) -> Var, value: &[f64], grad: [f64; 6]) {
    let x = Var::leaf(grid(X));
    let y = f(&x);
    y.sum(()).backward();
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan()));
    let (have, slope) = (y.to_vec::<f64>(), x.grad().expect("a gradient").to_vec::<f64>());
    assert!(have.len() == value.len() && near(&have, value), "value {have:?}, expected {value:?}");
    assert!(near(&slope, &grad), "gradient {slope:?}, expected {grad:?}");
}

fn options(weighted: bool, smoothing: f64, reduction: Reduction) -> CrossEntropyOptions {
    let weight = weighted.then(|| Tensor::from_vec(vec![1.0f64, 2.0, 0.5], [3]));
    CrossEntropyOptions { weight, label_smoothing: smoothing, reduction, ..Default::default() }
}

#[test]
fn cross_entropy_of_classes() {
    let target = Tensor::from_vec(vec![2i64, 0], [2]);
    let ignoring = Tensor::from_vec(vec![2i64, -100], [2]);
    let ce = |t: &Tensor, o: CrossEntropyOptions| {
        let t = t.clone();
        move |x: &Var| cross_entropy_with(x, &t, &o)
    };
    let plain = [
        0.1752903921400367,
        0.03911257327068745,
        -0.21440296541072412,
        -0.2815596588489351,
        0.20583660399765155,
        0.07572305485128351,
    ];
    check(ce(&target, options(false, 0.0, Reduction::Mean)), &[0.285991953032191], plain.map(|g| g / 2.0));
    check(ce(&target, options(false, 0.0, Reduction::Sum)), &[0.571983906064381], plain);
    check(ce(&target, options(false, 0.0, Reduction::None)), &[0.241311296657157, 0.330672609407224], plain);
    let half = [
        0.08764519607001835,
        0.019556286635343725,
        -0.10720148270536206,
        -0.2815596588489351,
        0.20583660399765155,
        0.07572305485128351,
    ];
    check(ce(&target, options(true, 0.0, Reduction::Sum)), &[0.451328257735803], half);
    check(ce(&target, options(true, 0.0, Reduction::Mean)), &[0.300885505157202], half.map(|g| g / 1.5));
    let smooth = [
        0.06599788887935412,
        -0.04450287514661044,
        -0.02149501373274369,
        -0.20291898649641738,
        0.1426005473976124,
        0.0603184390988049,
    ];
    check(ce(&target, options(true, 0.1, Reduction::None)), &[0.386743068105722, 0.457017152897345], smooth);
    check(ce(&target, options(true, 0.1, Reduction::Mean)), &[0.562506814002045], smooth.map(|g| g / 1.5));
    let cut = [smooth[0], smooth[1], smooth[2], 0.0, 0.0, 0.0];
    check(ce(&ignoring, options(true, 0.1, Reduction::None)), &[0.386743068105722, 0.0], cut);
    check(ce(&ignoring, options(true, 0.1, Reduction::Mean)), &[0.773486136211445], cut.map(|g| g * 2.0));
}

#[test]
fn cross_entropy_of_probabilities() {
    let ce = |o: CrossEntropyOptions| move |x: &Var| cross_entropy_with(x, grid(P), &o);
    let plain = [
        -0.024709607859963317,
        -0.26088742672931253,
        0.2855970345892759,
        0.6184403411510649,
        -0.3941633960023484,
        -0.2242769451487165,
    ];
    check(ce(options(false, 0.0, Reduction::Mean)), &[1.598491953032191], plain.map(|g| g / 2.0));
    check(ce(options(false, 0.0, Reduction::None)), &[1.441311296657157, 1.755672609407224], plain);
    let both = [
        -0.027233367011327708,
        -0.5651421513776201,
        0.592375518388948,
        0.898049351669764,
        -0.8540356279833388,
        -0.044013723686425275,
    ];
    check(ce(options(true, 0.1, Reduction::Sum)), &[4.640881719658285], both);
}

#[test]
fn negative_log_likelihood() {
    let nll = |t: [i64; 2], o: CrossEntropyOptions| move |x: &Var| nll_loss_with(x, &Tensor::from_slice(&t, [2]), &o);
    let third = 1.0 / 3.0;
    check(nll([2, 0], options(true, 0.0, Reduction::Mean)), &[-5.0 / 3.0], [0.0, 0.0, -third, -2.0 * third, 0.0, 0.0]);
    check(nll([2, -100], options(false, 0.0, Reduction::Mean)), &[-2.0], [0.0, 0.0, -1.0, 0.0, 0.0, 0.0]);
    check(nll([-100, -100], options(false, 0.0, Reduction::Mean)), &[f64::NAN], [0.0; 6]);
}

#[test]
fn losses_of_differences() {
    let t = || grid(P);
    let (a, b) = (1.0 / 6.0, 0.35 / 3.0);
    check(|x| mse_loss(x, t()), &[1.2025], [0.1, -1.3 / 3.0, 0.5, 1.4 / 3.0, -b, -0.35]);
    check(|x| l1_loss(x, t()), &[5.9 / 6.0], [a, -a, a, a, -a, -a]);
    check(|x| smooth_l1_loss(x, t(), 0.5, Reduction::Mean), &[0.74375], [0.1, -a, a, a, -b, -a]);
    let half = a / 2.0;
    check(|x| huber_loss(x, t(), 0.5, Reduction::Mean), &[0.371875], [0.05, -half, half, half, -b / 2.0, -half]);
}

#[test]
fn binary_cross_entropies_and_divergence() {
    let t = || grid(P);
    let plain = [
        0.07040988853364243,
        -0.0051764297716674805,
        0.06346617966298039,
        0.11959574603227394,
        -0.006303916519033652,
        0.0034702168041011723,
    ];
    check(|x| binary_cross_entropy(&x.sigmoid(), t(), None, Reduction::Mean), &[0.908915064452966], plain);
    let logits = |w: Option<&Tensor>, p: Option<&Tensor>, x: &Var| {
        binary_cross_entropy_with_logits(x, t(), w, p, Reduction::Mean)
    };
    check(|x| logits(None, None, x), &[0.908915064452966], plain);
    let weight = Tensor::from_vec(vec![1.0f64, 2.0, 0.5], [3]);
    let positive = Tensor::from_vec(vec![1.0f64, 2.0, 3.0], [3]);
    let weighted = [
        0.07040988853364243,
        -0.08345871740633544,
        0.02179951299631372,
        0.11959574603227394,
        -0.10017253286090766,
        -0.032223826556719064,
    ];
    check(|x| logits(Some(&weight), Some(&positive), x), &[1.292816934876238], weighted);
    let batch = KlDivOptions { batch_mean: true, ..Default::default() };
    let grad = [
        -0.012354803929981659,
        -0.13044371336465627,
        0.14279851729463794,
        0.30922017057553247,
        -0.1970816980011742,
        -0.11213847257435824,
    ];
    check(|x| kl_div(&x.log_softmax(1), t(), &batch), &[0.634692583571514], grad);
    let mean = KlDivOptions { log_target: true, ..Default::default() };
    check(|x| kl_div(&x.log_softmax(1), t().log(), &mean), &[0.211564194523838], grad.map(|g| g / 3.0));
}

#[test]
fn mistakes_are_reported_in_pytorchs_words() {
    let x = Var::from(grid(X));
    let text = |f: &dyn Fn() -> Var| {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("must panic");
        payload.downcast_ref::<String>().expect("text").clone()
    };
    let classes = |c: &[i64]| Tensor::from_slice(c, [c.len()]);
    let weighted = options(true, 0.0, Reduction::Mean);
    assert_eq!(text(&|| cross_entropy_with(&x, classes(&[5, 0]), &weighted)), "Target 5 is out of bounds.");
    assert!(text(&|| cross_entropy(&x, classes(&[5, 0]))).contains("Target 5 is out of bounds."));
    let sizes = "Expected input batch_size (2) to match target batch_size (3).";
    assert!(text(&|| cross_entropy(&x, classes(&[0, 1, 2]))).ends_with(sizes));
    assert_eq!(text(&|| nll_loss(&x, &classes(&[0, 1, 2]))), sizes);
    assert!(
        text(&|| mse_loss(&x, Tensor::zeros([3, 2], x.dtype())))
            .ends_with("The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 1")
    );
    assert_eq!(text(&|| dropout(&x, 1.5)), "dropout probability has to be between 0 and 1, but got 1.5");
}
