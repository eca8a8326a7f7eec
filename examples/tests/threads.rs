//! Results have the same bits for any number of threads: training steps of whole nets, and operations that divide their work
//! in ways that these do not use, on the library's own threads. Alone in its file, as `set_num_threads` is for a whole process.

use nets::nets::{googlenet, lenet_bn, mlp, nin, resnet18, vgg11};
use wengert_autograd::{Var, functional::cross_entropy};
use wengert_nn::{Module, Sequential};
use wengert_optim::{Adam, AdamOptions};
use wengert_tensor::conv::Conv2dOptions;
use wengert_tensor::{Tensor, manual_seed, rand, randn, set_num_threads};

/// A net, the batch, and the height and width of its images.
type Case = (fn() -> Sequential, usize, usize);

/// Two training steps of each net: losses and what the parameters and buffers became.
fn trained() -> Vec<u8> {
    let nets: [Case; 6] = [
        (mlp, 256, 28),
        (lenet_bn, 96, 28),
        (|| resnet18(32), 5, 64),
        (|| vgg11(8), 2, 224),
        (googlenet, 3, 96),
        (nin, 3, 96),
    ];
    let mut bytes = Vec::new();
    for (build, batch, side) in nets {
        manual_seed(0);
        let net = build();
        let x = Var::from(rand([batch, 1, side, side]));
        net.forward(&x);
        let y = Tensor::from_vec((0..batch as i64).map(|i| i % 10).collect(), [batch]);
        let mut optimizer = Adam::new(net.parameters(), AdamOptions::default());
        for _ in 0..2 {
            let loss = cross_entropy(&net.forward(&x), &y);
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
            bytes.extend(loss.value().to_bytes());
        }
        net.state_dict().values().for_each(|tensor| bytes.extend(tensor.to_bytes()));
    }
    bytes
}

/// Products, depthwise convolutions, sums and others of sizes that are worth dividing.
fn computed() -> Vec<u8> {
    manual_seed(1);
    let (a, b) = (randn([300, 517]), randn([517, 411]));
    let batch = randn([7, 90, 130]);
    let images = randn([6, 40, 37, 41]);
    let depthwise = |kernel: usize, stride: usize| {
        let options = Conv2dOptions { groups: 40, stride: [stride; 2], padding: [kernel / 2; 2], ..Default::default() };
        images.conv2d(&randn([40, 1, kernel, kernel]), None, &options)
    };
    let long = randn([3, 700_001]);
    let results = [
        a.matmul(&b),
        b.t().matmul(&a.t()),
        a.narrow(0, 0, 5).matmul(&b),
        batch.matmul(&batch.transpose(1, 2)),
        depthwise(3, 1),
        depthwise(5, 2),
        long.sum(()),
        long.sum(1),
        long.mean(0),
        long.var((), 1.0),
        long.logsumexp(1),
        long.cumsum(1),
        long.softmax(1),
        images.softmax(1),
        images.log_softmax(-1),
        images.sum([0, 2, 3]),
        images.amax(2),
        long.argmax(1),
        long.sort(1).0,
        images.permute([3, 1, 0, 2]).contiguous(),
    ];
    results.iter().flat_map(|tensor| tensor.to_bytes()).collect()
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let all = |threads: usize| {
        set_num_threads(threads);
        (trained(), computed())
    };
    let one = all(1);
    for threads in [2, 3, 8] {
        let (trained, computed) = all(threads);
        assert!(trained == one.0, "training with {threads} threads differs from one");
        assert!(computed == one.1, "results with {threads} threads differ from one");
    }
}
