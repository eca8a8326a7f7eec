//! `einsum` and `tensordot`.

use crate::Var;
use crate::catalog::Entry;

pub(crate) fn catalog() -> Vec<Entry> {
    let two: &[&[usize]] = &[&[2, 3, 4], &[2, 4, 2]];
    vec![
        Entry::shaped("einsum", "", two, |x| Var::einsum("bij,bjk->bik", x)).sizes("b i j, b j k"),
        Entry::shaped("einsum of three", "", &[&[2, 3], &[3, 2], &[2]], |x| Var::einsum("ij,jk,k->i", x))
            .sizes("i j, j k, k"),
        Entry::shaped("einsum of a diagonal", "", &[&[3, 3]], |x| Var::einsum("ii->i", x)).sizes("i i"),
        Entry::shaped("tensordot", "", &[&[2, 3, 4], &[3, 4, 2]], |x| x[0].tensordot(&x[1], 2)).sizes("i j k, j k l"),
        Entry::shaped("tensordot_axes", "", &[&[2, 3, 4], &[4, 2]], |x| x[0].tensordot_axes(&x[1], &[2, 0], &[0, 1]))
            .sizes("i j k, k i"),
    ]
}
