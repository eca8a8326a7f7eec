//! Convolutions: `conv/BATCHxCHANNELSxSIZE/OUTkKERNELsSTRIDEpPADDING[dDILATIONgGROUPS]/forward`, or `step` with gradients.

use super::size::letter;
use super::{Case, Name, numbers};
use wengert_autograd::{GradOptions, Var, grad};
use wengert_tensor::{Conv2dOptions, Tensor, randn};

pub(super) fn find(name: &Name<'_>) -> Option<Case> {
    let (image, kernel) = (numbers(name.part(0)), name.part(1));
    let ("conv", &[batch, inputs, size]) = (name.family, image.as_slice()) else { return None };
    let outputs = *numbers(kernel).first()?;
    let (k, stride, padding) = (letter(kernel, 'k')?, letter(kernel, 's')?, letter(kernel, 'p')?);
    let (dilation, groups) = (letter(kernel, 'd').unwrap_or(1), letter(kernel, 'g').unwrap_or(1));
    let out = (size + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
    let flops = 2 * batch * out * out * outputs * inputs / groups * k * k;
    let options = Conv2dOptions { stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2], groups };
    let x = randn([batch, inputs, size, size]).to(name.dtype);
    let w = (randn([outputs, inputs / groups, k, k]) * 0.05).to(name.dtype);
    let b = Tensor::zeros([outputs], name.dtype);
    match name.part(2) {
        "forward" => Some(Case::new(move || x.conv2d(&w, Some(&b), &options)).flops(flops)),
        "step" => {
            let upstream = Var::from(randn([batch, outputs, out, out]).to(name.dtype));
            let [x, w, b] = [x, w, b].map(Var::leaf);
            let run = move || {
                let options_of_grad =
                    GradOptions { grad_outputs: vec![Some(upstream.clone())], ..GradOptions::default() };
                grad(&[&x.conv2d(&w, Some(&b), &options)], &[&x, &w, &b], &options_of_grad)
            };
            Some(Case::new(run).flops(3 * flops))
        }
        _ => None,
    }
}
