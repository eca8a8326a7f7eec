//! Means of windows that divide lines and volumes evenly.

use crate::{Tensor, bug};
use wengert_tensor_macros::{composed, profiled};

#[composed(compose_pool)]
#[profiled]
impl Tensor {
    /// The means of `output` windows that divide the axis evenly.
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, output: usize) -> Self {
        let rank = self.rank();
        if rank != 2 && rank != 3 {
            bug!(
                "",
                "Expected 2 to 3 dimensions, but got {rank}-dimensional tensor for argument #1 'self' (while checking arguments for \
                 adaptive_avg_pool1d)"
            );
        }
        self.unsqueeze(-2).adaptive_avg_pool2d([Some(1), Some(output)]).squeeze([-2])
    }

    /// The means of windows that divide each of the last three axes evenly; `None` leaves an axis as it is.
    #[track_caller]
    pub fn adaptive_avg_pool3d(&self, output: [Option<usize>; 3]) -> Self {
        let rank = self.rank();
        if rank != 4 && rank != 5 {
            bug!("", "adaptive_avg_pool3d(): Expected 4D or 5D tensor, but got {:?}", self.shape());
        }
        let [d, h, w] = [self.shape()[rank - 3], self.shape()[rank - 2], self.shape()[rank - 1]];
        let sizes = [output[0].unwrap_or(d), output[1].unwrap_or(h), output[2].unwrap_or(w)];
        let lead = &self.shape()[..rank - 3];
        let outer: usize = lead.iter().product();
        let images = self.reshape([outer, d, h, w]).adaptive_avg_pool2d([Some(sizes[1]), Some(sizes[2])]);
        let area = sizes[1] * sizes[2];
        let deep = images.reshape([outer, 1, d, area]).adaptive_avg_pool2d([Some(sizes[0]), Some(area)]);
        let shape: Vec<usize> = lead.iter().copied().chain(sizes).collect();
        deep.reshape(&shape[..])
    }
}
