//! `einsum`: sums of products written with subscripts, as a chain of batched matrix products.

use crate::shape::axis;
use crate::{Tensor, bug};
use std::borrow::Borrow;
use wengert_tensor_macros::{composed, profiled};

/// An axis: a letter, or an axis that an ellipsis stands for, counted from the last one.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Label {
    /// The last axis of an ellipsis is 0.
    Dots(usize),
    /// A letter.
    Letter(char),
}

#[doc(hidden)]
pub fn name(label: Label) -> String {
    match label {
        Label::Letter(c) => c.to_string(),
        Label::Dots(_) => "...".to_owned(),
    }
}

/// The labels of a term; `rank` tells how many axes an ellipsis stands for.
#[doc(hidden)]
#[track_caller]
pub fn labels(term: &str, rank: Option<usize>, number: usize) -> Vec<Label> {
    let letters = term.chars().filter(|c| c.is_ascii_alphabetic()).count();
    if let Some(bad) = term.chars().find(|c| !c.is_ascii_alphabetic() && *c != '.') {
        bug!(
            "",
            "einsum(): invalid subscript given at index {number} in the equation string, subscripts must be in [a-zA-Z] (got '{bad}')"
        );
    }
    let dots = term.matches("...").count();
    if term.matches('.').count() != 3 * dots || dots > 1 {
        bug!("", "einsum(): found '.' for operand {number} that is not part of any ellipsis");
    }
    let rank = rank.expect("the rank of an operand is known");
    if letters > rank || (dots == 0 && letters != rank) {
        bug!(
            "",
            "einsum(): the number of subscripts in the equation ({letters}) does not match the number of dimensions ({rank}) for \
             operand {number} and no ellipsis was given"
        );
    }
    expand_dots(term, rank - letters)
}

#[doc(hidden)]
pub fn labels_of_output(text: &str, dots: usize) -> Vec<Label> {
    expand_dots(text, dots)
}

#[doc(hidden)]
pub fn expand_dots(term: &str, count: usize) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut rest = term;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            labels.extend((0..count).rev().map(Label::Dots));
            rest = after;
        } else {
            labels.push(Label::Letter(c));
            rest = &rest[c.len_utf8()..];
        }
    }
    labels
}

#[composed(compose_einsum)]
#[profiled]
impl Tensor {
    /// The sum of products that `equation` describes, such as `"bij,bjk->bik"` (`torch.einsum`).
    ///
    /// Letters name axes; `...` stands for axes that broadcast. Without `->` the result has the axes of the ellipsis and then
    /// the letters that occur once, in alphabetical order. A letter twice in one term takes the diagonal. Products are taken
    /// from left to right.
    ///
    /// # Panics
    /// If the equation does not fit the operands.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{Tensor, tensor};
    /// let a = tensor![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(Tensor::einsum("ii", &[&a]).item::<f32>(), 5.0);
    /// assert_eq!(Tensor::einsum("ij,kj->ik", &[&a, &a]).to_vec::<f32>(), [5.0, 11.0, 11.0, 25.0]);
    /// ```
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[impl Borrow<Self>]) -> Self {
        let compact: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match compact.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (compact.as_str(), None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if operands.is_empty() {
            bug!("", "einsum(): must provide at least one operand");
        }
        if terms.len() != operands.len() {
            let more = if terms.len() > operands.len() { "fewer" } else { "more" };
            bug!("", "einsum(): {more} operands were provided than specified in the equation");
        }
        let mut parts: Vec<(Self, Vec<Label>)> = Vec::new();
        let mut counts: Vec<(Label, usize)> = Vec::new();
        for (number, (term, operand)) in terms.iter().zip(operands).enumerate() {
            let x: &Self = operand.borrow();
            let labels = labels(term, Some(x.rank()), number);
            for &label in &labels {
                match counts.iter_mut().find(|(l, _)| *l == label) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((label, 1)),
                }
            }
            parts.push(Self::einsum_diagonals(x, labels, number));
        }
        let dots = counts.iter().filter(|(l, _)| matches!(l, Label::Dots(_))).count();
        let output = match right {
            Some(text) => {
                let output = labels_of_output(text, dots);
                for (i, label) in output.iter().enumerate() {
                    if output[..i].contains(label) {
                        bug!("", "einsum(): output subscript {} appears more than once in the output", name(*label));
                    }
                    if !counts.iter().any(|(l, _)| l == label) {
                        bug!(
                            "",
                            "einsum(): output subscript {} does not appear in the equation for any input operand",
                            name(*label)
                        );
                    }
                }
                output
            }
            None => {
                let mut letters: Vec<Label> =
                    counts.iter().filter(|(l, n)| matches!(l, Label::Letter(_)) && *n == 1).map(|(l, _)| *l).collect();
                letters.sort();
                (0..dots).rev().map(Label::Dots).chain(letters).collect()
            }
        };
        Self::einsum_check_sizes(&parts);
        let single = parts.len() == 1;
        let mut rest = parts.into_iter();
        let mut total = rest.next().expect("there is an operand");
        while let Some(next) = rest.next() {
            let later: Vec<Label> = rest.as_slice().iter().flat_map(|(_, l)| l.clone()).chain(output.clone()).collect();
            total = Self::einsum_contract(total, next, &later);
        }
        let dtype = total.0.dtype();
        let (x, labels) = Self::einsum_sum_out(total, &output);
        // A sum of one operand is a sum as any: small integers become i64.
        let x = if single { x } else { x.to(dtype) };
        // An ellipsis that stood for fewer axes than another's, or none, broadcasts.
        Self::einsum_align(&x, &labels, &output)
    }

    /// The sums of products over the last `axes` axes of `self` and the first of `other` (`torch.tensordot`).
    ///
    /// # Panics
    /// If there are fewer axes or the sizes differ.
    #[track_caller]
    pub fn tensordot(&self, other: &Self, axes: usize) -> Self {
        if axes > self.rank() || axes > other.rank() {
            bug!("", "tensordot expects dims <= the number of dimensions of both tensors, but got dims={axes}");
        }
        let rank = self.rank() as isize;
        let left: Vec<isize> = (rank - axes as isize..rank).collect();
        let right: Vec<isize> = (0..axes as isize).collect();
        self.tensordot_axes(other, &left, &right)
    }

    /// [`Self::tensordot`] over given axes of each.
    ///
    /// # Panics
    /// If an axis is out of range or named twice, or the sizes differ.
    #[track_caller]
    pub fn tensordot_axes(&self, other: &Self, left: &[isize], right: &[isize]) -> Self {
        if left.len() != right.len() {
            bug!("", "both dimension lists should have same length");
        }
        let axes =
            |dims: &[isize], rank: usize| -> Vec<usize> { dims.iter().map(|&d| axis("tensordot", d, rank)).collect() };
        let (left, right) = (axes(left, self.rank()), axes(right, other.rank()));
        let (mut a, mut b) = (self.clone(), other.clone());
        for (&l, &r) in left.iter().zip(&right) {
            let (n, m) = (self.shape()[l], other.shape()[r]);
            if n == 1 && m != 1 {
                b = b.sum_keepdim(r as isize).to(b.dtype());
            } else if m == 1 && n != 1 {
                a = a.sum_keepdim(l as isize).to(a.dtype());
            } else if n != m {
                bug!(
                    "",
                    "contracted dimensions need to match, but first has size {n} in dim {l} and second has size {m} in dim {r}"
                );
            }
        }
        let rest = |used: &[usize], rank: usize| -> Vec<usize> { (0..rank).filter(|i| !used.contains(i)).collect() };
        let (kept_left, kept_right) = (rest(&left, self.rank()), rest(&right, other.rank()));
        let sizes = |x: &Self, axes: &[usize]| -> usize { axes.iter().map(|&a| x.shape()[a]).product() };
        let order =
            |first: &[usize], then: &[usize]| -> Vec<isize> { first.iter().chain(then).map(|&a| a as isize).collect() };
        let rows = a.permute(order(&kept_left, &left)).reshape([sizes(&a, &kept_left), sizes(&a, &left)]);
        let columns = b.permute(order(&right, &kept_right)).reshape([sizes(&b, &right), sizes(&b, &kept_right)]);
        let shape: Vec<usize> =
            kept_left.iter().map(|&i| self.shape()[i]).chain(kept_right.iter().map(|&i| other.shape()[i])).collect();
        rows.mm(&columns).reshape(&shape[..])
    }

    /// Takes the diagonal of axes with one label.
    #[track_caller]
    fn einsum_diagonals(x: &Self, mut labels: Vec<Label>, number: usize) -> (Self, Vec<Label>) {
        let mut x = x.clone();
        let mut first = 0;
        while first < labels.len() {
            let Some(second) = (first + 1..labels.len()).find(|&i| labels[i] == labels[first]) else {
                first += 1;
                continue;
            };
            if x.shape()[first] != x.shape()[second] {
                bug!(
                    "",
                    "einsum(): subscript {} is repeated for operand {number} but the sizes don't match, {} != {}",
                    name(labels[first]),
                    x.shape()[second],
                    x.shape()[first]
                );
            }
            // The diagonal comes last.
            x = x.diagonal(0, first as isize, second as isize);
            let label = labels.remove(second);
            labels.remove(first);
            labels.push(label);
        }
        (x, labels)
    }

    #[track_caller]
    fn einsum_check_sizes(parts: &[(Self, Vec<Label>)]) {
        let mut sizes: Vec<(Label, usize)> = Vec::new();
        for (number, (x, labels)) in parts.iter().enumerate() {
            for (&label, &size) in labels.iter().zip(x.shape()) {
                match sizes.iter_mut().find(|(l, _)| *l == label) {
                    Some((_, known)) if *known == 1 => *known = size,
                    Some((_, known)) if size != 1 && *known != size => bug!(
                        "",
                        "einsum(): operands do not broadcast with remapped shapes: subscript {} has size {size} for operand {number} which \
                         does not broadcast with previously seen size {known}",
                        name(label)
                    ),
                    Some(_) => {}
                    None => sizes.push((label, size)),
                }
            }
        }
    }

    /// Sums over the axes whose label is not in `keep`.
    fn einsum_sum_out((x, labels): (Self, Vec<Label>), keep: &[Label]) -> (Self, Vec<Label>) {
        let gone: Vec<isize> = (0..labels.len()).filter(|&i| !keep.contains(&labels[i])).map(|i| i as isize).collect();
        if gone.is_empty() {
            return (x, labels);
        }
        (x.sum(&gone[..]), labels.into_iter().filter(|l| keep.contains(l)).collect())
    }

    /// The axes in the order of `order`; those that are missing have size 1.
    fn einsum_align(x: &Self, labels: &[Label], order: &[Label]) -> Self {
        let present: Vec<isize> =
            order.iter().filter_map(|label| labels.iter().position(|l| l == label)).map(|i| i as isize).collect();
        let mut x = x.permute(present);
        for (i, label) in order.iter().enumerate() {
            if !labels.contains(label) {
                x = x.unsqueeze(i as isize);
            }
        }
        x
    }

    /// The product of two terms, summed over what neither the output nor a later term has.
    fn einsum_contract(a: (Self, Vec<Label>), b: (Self, Vec<Label>), later: &[Label]) -> (Self, Vec<Label>) {
        // What only one of them has and nobody needs is summed before.
        let needed = |other: &[Label]| -> Vec<Label> { later.iter().chain(other).copied().collect() };
        let (keep_a, keep_b) = (needed(&b.1), needed(&a.1));
        let (dtype_a, dtype_b) = (a.0.dtype(), b.0.dtype());
        let (a, of_a) = Self::einsum_sum_out(a, &keep_a);
        let (b, of_b) = Self::einsum_sum_out(b, &keep_b);
        let (a, b) = (a.to(dtype_a), b.to(dtype_b));
        let size = |x: &Self, labels: &[Label], label: Label| -> usize {
            labels.iter().position(|&l| l == label).map_or(1, |i| x.shape()[i])
        };
        let (mut batch, mut left, mut right, mut summed) = (vec![], vec![], vec![], vec![]);
        let all = of_a.iter().chain(of_b.iter().filter(|l| !of_a.contains(l)));
        for &label in all {
            // An axis of size 1 that the other has longer belongs to the other alone.
            let (n, m) = (size(&a, &of_a, label), size(&b, &of_b, label));
            let kept = later.contains(&label);
            match (n == m, kept) {
                (true, true) if of_a.contains(&label) && of_b.contains(&label) => batch.push(label),
                (true, false) => summed.push(label),
                (true, true) if of_a.contains(&label) => left.push(label),
                (true, true) => right.push(label),
                (false, true) if n != 1 => left.push(label),
                (false, true) => right.push(label),
                // Summed over one of them: before the product.
                (false, false) => summed.push(label),
            }
        }
        let expanded = |x: &Self, labels: &[Label], other: &Self, of_other: &[Label]| -> Self {
            let shape: Vec<usize> = labels
                .iter()
                .zip(x.shape())
                .map(|(&l, &n)| if summed.contains(&l) { n.max(size(other, of_other, l)) } else { n })
                .collect();
            if shape == x.shape() { x.clone() } else { x.expand(&shape[..]) }
        };
        let (x, y) = (expanded(&a, &of_a, &b, &of_b), expanded(&b, &of_b, &a, &of_a));
        // Axes that one of them lacks, or has with size 1, do not belong to its matrix.
        let matrix = |x: &Self, labels: &[Label], groups: [&[Label]; 3]| -> Self {
            let drop: Vec<isize> = (0..labels.len())
                .filter(|&i| !groups.iter().any(|g| g.contains(&labels[i])))
                .map(|i| i as isize)
                .collect();
            let kept: Vec<Label> = labels.iter().copied().filter(|l| groups.iter().any(|g| g.contains(l))).collect();
            let x = if drop.is_empty() { x.clone() } else { x.squeeze(&drop[..]) };
            let order: Vec<Label> = groups.concat();
            let sizes = |g: &[Label]| -> usize { g.iter().map(|&l| size(&x, &kept, l)).product() };
            let shape = groups.map(sizes);
            Self::einsum_align(&x, &kept, &order).reshape(shape)
        };
        let (p, q) = (matrix(&x, &of_a, [&batch, &left, &summed]), matrix(&y, &of_b, [&batch, &summed, &right]));
        let shape: Vec<usize> = batch
            .iter()
            .chain(&left)
            .map(|&l| size(&a, &of_a, l))
            .chain(right.iter().map(|&l| size(&b, &of_b, l)))
            .collect();
        let labels = [batch, left, right].concat();
        (p.bmm(&q).reshape(&shape[..]), labels)
    }
}
