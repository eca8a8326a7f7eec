//! Maxima of images with their positions, and rows of the catalog for pooling in any number of dimensions.

use crate::Var;
use crate::catalog::Entry;
use wengert_tensor::pool::Pool2dOptions;
use wengert_tensor::{AvgPoolOptions, MaxPoolOptions, Tensor};

impl Var {
    /// The maxima of windows of images, and their positions `row * width + column`; [`Var::max_pool2d`] with positions.
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, options: &Pool2dOptions) -> (Var, Tensor) {
        let (_, positions) = self.value().max_pool2d(options);
        (self.max_pool2d(options), positions)
    }
}

pub(crate) fn catalog() -> Vec<Entry> {
    let deep = MaxPoolOptions { padding: [1, 0, 1], stride: Some([2, 1, 1]), ..MaxPoolOptions::new([2, 2, 2]) };
    let line = MaxPoolOptions { dilation: [2], ..MaxPoolOptions::new([2]) };
    let means = AvgPoolOptions { padding: [1, 0, 1], count_include_pad: false, ..AvgPoolOptions::new([2, 2, 2]) };
    let places = Tensor::from_vec(vec![4i64, 1, 7], [1, 1, 3]);
    vec![
        Entry::shaped("max_pool1d", "", &[&[2, 6]], move |x| x[0].max_pool1d(&line).0).sizes("n l3"),
        Entry::shaped("max_pool3d", "", &[&[1, 1, 3, 3, 2]], move |x| x[0].max_pool3d(&deep).0).sizes("n c d h2 w"),
        Entry::shaped("avg_pool1d", "", &[&[2, 6]], |x| x[0].avg_pool1d(&AvgPoolOptions::new([3]))).sizes("n l3"),
        Entry::shaped("avg_pool3d", "", &[&[1, 1, 3, 4, 3]], move |x| x[0].avg_pool3d(&means)).sizes("n c d h2 w"),
        Entry::shaped("lp_pool", "", &[&[2, 6]], |x| (&x[0] + 3.0).lp_pool(3.0, [2], None, false)).sizes("n l2"),
        Entry::shaped("adaptive_avg_pool1d", "", &[&[2, 5]], |x| x[0].adaptive_avg_pool1d(3)).sizes("n l"),
        Entry::shaped("adaptive_avg_pool3d", "", &[&[1, 3, 4, 3]], |x| {
            x[0].adaptive_avg_pool3d([Some(2), None, Some(2)])
        })
        .sizes("n d h w"),
        Entry::shaped("adaptive_max_pool", "", &[&[1, 4, 5]], |x| x[0].adaptive_max_pool([Some(2), Some(3)]).0)
            .sizes("n h w"),
        Entry::shaped("max_pool2d_with_indices", "MaxPool2DWithIndicesBackward0", &[&[1, 4, 4]], |x| {
            x[0].max_pool2d_with_indices(&wengert_tensor::pool::Pool2dOptions::new([2, 2])).0
        })
        .sizes("c h2 w2"),
        Entry::shaped("fractional_max_pool", "", &[&[1, 4, 5]], |x| {
            let samples = Tensor::full([1, x[0].size(0), 2], 0.4, x[0].dtype());
            x[0].fractional_max_pool([2, 2], [2, 2], Some(&samples)).0
        })
        .sizes("c h4 w4"),
        Entry::shaped("max_unpool", "", &[&[1, 1, 3]], move |x| x[0].max_unpool(&places, [8])),
    ]
}
