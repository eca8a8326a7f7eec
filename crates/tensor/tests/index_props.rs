//! Joining, indexing and sorting against loops that are obviously right, over random shapes and strides, small ones
//! with empty axes and large ones that are shared out among threads.

#![allow(clippy::unwrap_used)]

use std::ops::Range;
use wengert_tensor::{DType, Tensor};

/// A small generator (splitmix64): the same cases at each run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % n as u64) as usize
    }

    fn shape(&mut self, rank: Range<usize>) -> Vec<usize> {
        let rank = rank.start + self.below(rank.len());
        (0..rank).map(|_| [0, 1, 2, 3, 4, 5][self.below(6).max(self.below(6))]).collect()
    }

    /// Whole numbers of a shape in some memory order, sometimes as a part of a larger tensor.
    fn tensor(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        let mut order: Vec<isize> = (0..shape.len() as isize).collect();
        (1..order.len()).for_each(|i| order.swap(i, self.below(i + 1)));
        let mut inverse = vec![0isize; order.len()];
        order.iter().enumerate().for_each(|(i, &o)| inverse[o as usize] = i as isize);
        let mut memory: Vec<usize> = order.iter().map(|&o| shape[o as usize]).collect();
        let cut = self.below(shape.len() + 2);
        if cut < memory.len() {
            memory[cut] += 2;
        }
        let count: usize = memory.iter().product();
        let data: Vec<i64> = (0..count).map(|_| self.below(19) as i64 - 9).collect();
        let mut x = Tensor::from_vec(data, memory).to(dtype);
        if cut < shape.len() {
            x = x.narrow(cut as isize, 1, shape[order[cut] as usize]);
        }
        x.permute(inverse)
    }

    fn index(&mut self, shape: &[usize], below: usize) -> Tensor {
        let count: usize = shape.iter().product();
        let data: Vec<i64> = (0..count).map(|_| self.below(below) as i64).collect();
        let x = Tensor::from_vec(data, shape);
        if self.below(2) == 0 { x.to(DType::I32) } else { x }
    }
}

/// The coordinates of all elements in C order.
fn coordinates(shape: &[usize]) -> Vec<Vec<usize>> {
    let count: usize = shape.iter().product();
    let coordinate = |mut flat: usize| {
        let mut out: Vec<usize> = shape
            .iter()
            .rev()
            .map(|&size| {
                let i = flat % size;
                flat /= size;
                i
            })
            .collect();
        out.reverse();
        out
    };
    (0..count).map(coordinate).collect()
}

/// The place of a coordinate in C order.
fn flat(shape: &[usize], at: &[usize]) -> usize {
    shape.iter().zip(at).fold(0, |sum, (size, i)| sum * size + i)
}

fn replaced(mut at: Vec<usize>, d: usize, i: usize) -> Vec<usize> {
    at[d] = i;
    at
}

/// Shapes of the cases: many small ones, then a few that go to several threads.
fn shapes(random: &mut Random, rank: Range<usize>) -> Vec<Vec<usize>> {
    let mut out: Vec<_> = (0..150).map(|_| random.shape(rank.clone())).collect();
    out.extend([vec![400, 300], vec![3, 50_000], vec![50_000, 3], vec![6, 200, 150], vec![200_000], vec![300, 20, 40]]);
    out
}

const DTYPES: [DType; 3] = [DType::F32, DType::I64, DType::F16];

#[test]
fn select_and_gather_read_the_elements_they_name() {
    let mut random = Random(1);
    for shape in shapes(&mut random, 1..5) {
        let dtype = DTYPES[random.below(3)];
        let x = random.tensor(&shape, dtype);
        let data = x.to_vec::<i64>();
        let d = random.below(shape.len());
        if shape[d] == 0 {
            continue;
        }
        let count = random.below(2 * shape[d].min(500));
        let index = random.index(&[count], shape[d]);
        let entries = index.to_vec::<i64>();
        let got = x.index_select(d as isize - shape.len() as isize, &index);
        let target = replaced(shape.clone(), d, count);
        let want: Vec<i64> = coordinates(&target)
            .into_iter()
            .map(|at| {
                let i = entries[at[d]] as usize;
                data[flat(&shape, &replaced(at, d, i))]
            })
            .collect();
        assert_eq!((got.shape(), got.dtype(), got.to_vec::<i64>()), (&target[..], dtype, want));

        let smaller: Vec<usize> = shape.iter().map(|&s| if random.below(3) == 0 { s.div_ceil(2) } else { s }).collect();
        let index = random.index(&smaller, shape[d]);
        let entries = index.to_vec::<i64>();
        let want: Vec<i64> = coordinates(&smaller)
            .into_iter()
            .zip(&entries)
            .map(|(at, &i)| data[flat(&shape, &replaced(at, d, i as usize))])
            .collect();
        assert_eq!(x.gather(d as isize, &index).to_vec::<i64>(), want);
    }
}

#[test]
fn views_are_copied_element_by_element() {
    let mut random = Random(6);
    for shape in shapes(&mut random, 1..5) {
        let dtype = [DType::F64, DType::F32, DType::F16, DType::U8, DType::Bool][random.below(5)];
        let x = random.tensor(&shape, DType::I64).remainder(7).to(dtype);
        let data = x.to_vec::<i64>();
        let d = random.below(shape.len());
        let size = shape[d];
        let turned = x.flip([d as isize]);
        let mut target = shape.clone();
        let step = 1 + random.below(3);
        target[d] = size.div_ceil(step);
        let stepped = x.slice(d as isize, None, None, step).contiguous();
        let from = |shape: &[usize], place: &dyn Fn(usize) -> usize| -> Vec<i64> {
            let read = |at: Vec<usize>| data[flat(x.shape(), &replaced(at.clone(), d, place(at[d])))];
            coordinates(shape).into_iter().map(read).collect()
        };
        assert_eq!(turned.to_vec::<i64>(), from(&shape, &|i| size - 1 - i), "flip {shape:?} along {d}");
        assert_eq!(stepped.to_vec::<i64>(), from(&target, &|i| i * step), "every {step} of {shape:?} along {d}");
    }
}

#[test]
fn an_index_that_repeats_along_an_axis_is_read_where_it_lies() {
    let mut random = Random(7);
    for shape in shapes(&mut random, 1..4) {
        let x = random.tensor(&shape, DType::F32);
        let d = random.below(shape.len());
        let once: Vec<usize> =
            shape.iter().map(|&size| if random.below(2) == 0 { size.min(1) } else { size }).collect();
        if shape[d] > 0 {
            let index = random.index(&once, shape[d]).expand(&shape[..]);
            assert_eq!(
                x.gather(d as isize, &index).to_vec::<f32>(),
                x.gather(d as isize, &index.copy()).to_vec::<f32>(),
                "{once:?} of {shape:?} along {d}"
            );
        }
    }
}

#[test]
fn chosen_elements_are_those_of_a_loop() {
    let mut random = Random(8);
    for shape in shapes(&mut random, 1..4) {
        let x = random.tensor(&shape, DType::F32);
        let mask = random.tensor(&shape, DType::I64).gt(if random.below(3) == 0 { -99 } else { 0 });
        let chosen: Vec<(Vec<usize>, i64)> = coordinates(&shape)
            .into_iter()
            .zip(x.to_vec::<i64>())
            .zip(mask.to_vec::<bool>())
            .filter_map(|(element, chosen)| chosen.then_some(element))
            .collect();
        assert_eq!(x.masked_select(&mask).to_vec::<i64>(), chosen.iter().map(|(_, v)| *v).collect::<Vec<_>>());
        let places: Vec<i64> = chosen.iter().flat_map(|(at, _)| at.iter().map(|&i| i as i64)).collect();
        assert_eq!(mask.nonzero().to_vec::<i64>(), places);
    }
}

#[test]
fn triangles_keep_what_lies_on_their_side() {
    let mut random = Random(9);
    for shape in shapes(&mut random, 2..4).into_iter().filter(|shape| shape.len() > 1) {
        let x = random.tensor(&shape, DType::I32).add(20);
        for k in [0, 1, -2, isize::MAX, isize::MIN] {
            let side = |keep: &dyn Fn(isize, isize) -> bool| -> Vec<i64> {
                let kept = |at: &Vec<usize>| keep(at[at.len() - 2] as isize, at[at.len() - 1] as isize);
                coordinates(&shape).iter().zip(x.to_vec::<i64>()).map(|(at, v)| if kept(at) { v } else { 0 }).collect()
            };
            assert_eq!(x.tril(k).to_vec::<i64>(), side(&|row, column| column - row <= k), "tril({k}) of {shape:?}");
            assert_eq!(x.triu(k).to_vec::<i64>(), side(&|row, column| column - row >= k), "triu({k}) of {shape:?}");
        }
    }
}

#[test]
fn scatter_and_index_add_write_in_the_order_of_the_index() {
    let mut random = Random(2);
    for shape in shapes(&mut random, 1..5) {
        let dtype = [DType::F32, DType::I64, DType::F64][random.below(3)];
        let x = random.tensor(&shape, dtype);
        let d = random.below(shape.len());
        if shape[d] == 0 {
            continue;
        }
        let smaller: Vec<usize> = shape.iter().map(|&s| if random.below(3) == 0 { s.div_ceil(2) } else { s }).collect();
        let index = random.index(&smaller, shape[d]);
        let source = random.tensor(&shape, dtype);
        let (entries, from) = (index.to_vec::<i64>(), source.to_vec::<i64>());
        let (mut added, mut put) = (x.to_vec::<i64>(), x.to_vec::<i64>());
        for (at, &i) in coordinates(&smaller).into_iter().zip(&entries) {
            let v = from[flat(&shape, &at)];
            let target = flat(&shape, &replaced(at, d, i as usize));
            added[target] += v;
            put[target] = v;
        }
        let before = x.to_vec::<i64>();
        assert_eq!(x.scatter_add(d as isize, &index, &source).to_vec::<i64>(), added);
        assert_eq!(x.scatter(d as isize, &index, &source).to_vec::<i64>(), put);
        assert_eq!(x.to_vec::<i64>(), before);

        let count = random.below(2 * shape[d].min(500));
        let index = random.index(&[count], shape[d]);
        let slices = replaced(shape.clone(), d, count);
        let source = random.tensor(&slices, dtype);
        let (entries, from) = (index.to_vec::<i64>(), source.to_vec::<i64>());
        let (mut added, mut put) = (before.clone(), before.clone());
        // `index_copy` goes by slices, so that the last slice of a position wins: C order does the same.
        for (at, &v) in coordinates(&slices).into_iter().zip(&from) {
            let i = entries[at[d]] as usize;
            let target = flat(&shape, &replaced(at, d, i));
            added[target] += v;
            put[target] = v;
        }
        assert_eq!(x.index_add(d as isize, &index, &source).to_vec::<i64>(), added);
        assert_eq!(x.index_copy(d as isize, &index, &source).to_vec::<i64>(), put);
    }
}

#[test]
fn index_reads_what_index_put_wrote() {
    let mut random = Random(3);
    for shape in shapes(&mut random, 2..5) {
        if shape.contains(&0) || shape.len() < 2 {
            continue;
        }
        let x = random.tensor(&shape, DType::F32);
        // Distinct positions on two axes, side by side or not.
        let (a, b) = (0, 1 + random.below(shape.len() - 1));
        let count = shape[a].min(shape[b]);
        let diagonal = Tensor::arange(0, count as i64, 1);
        let mut indices: Vec<Option<&Tensor>> = vec![None; shape.len()];
        indices[a] = Some(&diagonal);
        indices[b] = Some(&diagonal);
        let read = x.index(&indices);
        let values = random.tensor(read.shape(), DType::F32);
        let written = x.index_put(&indices, &values);
        assert_eq!(written.index(&indices).to_vec::<f32>(), values.to_vec::<f32>());
        let changed = coordinates(&shape).into_iter().zip(written.to_vec::<f32>().into_iter().zip(x.to_vec::<f32>()));
        for (at, (new, old)) in changed {
            assert!(at[a] == at[b] || new == old, "{at:?} is not on the diagonal");
        }
        let sum = written.index_put_accumulate(&indices, &values);
        assert_eq!(sum.index(&indices).to_vec::<f32>(), values.mul(2.0).to_vec::<f32>());
        let doubled = x.index_put_accumulate(&indices, &read);
        assert_eq!(doubled.index(&indices).to_vec::<f32>(), read.mul(2.0).to_vec::<f32>());
    }
}

#[test]
fn cat_undoes_split() {
    let mut random = Random(4);
    for shape in shapes(&mut random, 1..5) {
        let dtype = DTYPES[random.below(3)];
        let x = random.tensor(&shape, dtype);
        let d = random.below(shape.len());
        let parts = x.split(1 + random.below(shape[d] + 1), d as isize);
        let joined = Tensor::cat(&parts, d as isize);
        // Two axes are needed for an empty part to count: of shape [0] it is skipped.
        assert_eq!((joined.shape(), joined.to_vec::<i64>()), (&shape[..], x.to_vec::<i64>()));
        if shape[d] > 0 && shape[d] < 100 {
            let slices = x.unbind(d as isize);
            assert_eq!(Tensor::stack(&slices, d as isize).to_vec::<i64>(), x.to_vec::<i64>());
        }
        let shift = random.below(7) as isize - 3;
        let rolled = x.roll(shift, d as isize);
        assert_eq!(rolled.roll(-shift, d as isize).to_vec::<i64>(), x.to_vec::<i64>());
        if shape[d] > 0 {
            let first = rolled.select(d as isize, shift.rem_euclid(shape[d] as isize));
            assert_eq!(first.to_vec::<i64>(), x.select(d as isize, 0).to_vec::<i64>());
        }
    }
}

#[test]
fn sort_is_the_stable_order_and_topk_its_head() {
    let mut random = Random(5);
    for shape in shapes(&mut random, 1..5) {
        let dtype = [DType::F32, DType::I64, DType::BF16, DType::I8, DType::Bool][random.below(5)];
        let x = random.tensor(&shape, dtype);
        let d = random.below(shape.len()) as isize;
        let (up, down) = (x.sort(d), x.sort_descending(d));
        assert_eq!(x.take_along_dim(&up.1, d).to_vec::<i64>(), up.0.to_vec::<i64>());
        assert_eq!(x.take_along_dim(&down.1, d).to_vec::<i64>(), down.0.to_vec::<i64>());
        let lanes = |t: &Tensor| -> Vec<Vec<i64>> {
            let n = t.size(d);
            let all = t.transpose(d, -1).to_vec::<i64>();
            if n == 0 { Vec::new() } else { all.chunks(n).map(<[i64]>::to_vec).collect() }
        };
        let k = random.below(shape[d as usize] + 1);
        let heads = if k == 0 { Vec::new() } else { lanes(&x.topk(k, d).1) };
        let tails = if k == 0 { Vec::new() } else { lanes(&x.topk_smallest(k, d).1) };
        for (i, (lane, (up, down))) in lanes(&x).iter().zip(lanes(&up.1).iter().zip(lanes(&down.1))).enumerate() {
            let mut order: Vec<i64> = (0..lane.len() as i64).collect();
            order.sort_by_key(|&i| lane[i as usize]);
            assert_eq!(*up, order);
            order.sort();
            order.sort_by_key(|&i| -lane[i as usize]);
            assert_eq!(down, order);
            if k > 0 {
                assert_eq!(heads[i], down[..k]);
                assert_eq!(tails[i], up[..k]);
            }
        }
        if shape[d as usize] > 0 {
            let nth = 1 + random.below(shape[d as usize]);
            assert_eq!(x.kthvalue(nth, d).1.to_vec::<i64>(), up.1.select(d, nth as isize - 1).to_vec::<i64>());
        }
        let found = x.unique();
        let flat = x.reshape([-1isize]);
        assert_eq!(
            found.values.index_select(0, &found.inverse.reshape([-1isize])).to_vec::<i64>(),
            flat.to_vec::<i64>()
        );
        assert_eq!(found.counts.to_vec::<i64>().iter().sum::<i64>(), x.numel() as i64);
        assert!(found.values.to_vec::<i64>().windows(2).all(|w| w[0] < w[1]));
    }
}
