//! Operations of `torch.nn.functional` that plain tensors have too: values that PyTorch 2.15 prints.

use wengert_tensor::{
    Align, AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions, OutputSize, Resample, Tensor,
    manual_seed, tensor,
};

#[track_caller]
fn same(ours: &Tensor, theirs: &[f32]) {
    let ours = ours.to_vec::<f32>();
    let close = ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= 1e-6 + 1e-6 * b.abs());
    assert!(ours.len() == theirs.len() && close, "{ours:?}, PyTorch has {theirs:?}");
}

/// Two channels of six, from -5 on.
fn lines() -> Tensor {
    Tensor::from_vec((-5..7).map(|x| x as f32).collect(), [1, 2, 6])
}

fn volume() -> Tensor {
    Tensor::from_vec((0..16).map(|x| x as f32).collect(), [1, 1, 2, 2, 4])
}

#[test]
fn convolutions_of_lines_and_volumes() {
    let weight = tensor![[[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]]];
    let options = ConvOptions { stride: [2], padding: [1], ..Default::default() };
    same(&lines().conv1d(&weight, Some(&tensor![0.5]), &options), &[5.5, 5.5, 11.5]);
    let start = lines().narrow(1, 0, 1).narrow(2, 0, 3);
    let options = ConvTransposeOptions { stride: [2], ..Default::default() };
    let spread = start.conv_transpose1d(&weight.narrow(1, 0, 1), None, &options);
    same(&spread, &[-5.0, 0.0, 1.0, 0.0, 1.0, 0.0, 3.0]);
    let ones = Tensor::from_vec(vec![1.0f32; 4], [1, 1, 2, 1, 2]);
    same(&volume().conv3d(&ones, None, &ConvOptions::default()), &[18.0, 22.0, 26.0, 34.0, 38.0, 42.0]);
}

#[test]
fn pools_of_lines_and_volumes() {
    let (values, positions) = lines().max_pool1d(&MaxPoolOptions::new([3]));
    same(&values, &[-3.0, 0.0, 3.0, 6.0]);
    assert_eq!(positions.to_vec::<i64>(), [2, 5, 2, 5]);
    same(&volume().avg_pool3d(&AvgPoolOptions::new([2, 2, 2])), &[6.5, 8.5]);
    let powers = [7.071068, 2.236068, 3.7416575, 8.774964];
    same(&lines().lp_pool(2.0, [3], None, false), &powers);
    same(&lines().adaptive_max_pool([Some(2)]).0, &[-3.0, 0.0, 3.0, 6.0]);
    let (values, positions) = lines().max_pool1d(&MaxPoolOptions::new([2]));
    let back = values.max_unpool(&positions, [6]);
    same(&back, &[0.0, -4.0, 0.0, -2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 4.0, 0.0, 6.0]);
}

#[test]
fn activations() {
    let x = lines();
    same(&x.glu(1).flatten(0, -1).narrow(0, 0, 2), &[-3.655293, -3.523188]);
    same(&x.softmin(2).flatten(0, -1).narrow(0, 0, 2), &[0.6336913, 0.233122]);
    same(&x.softsign().flatten(0, -1).narrow(0, 0, 2), &[-5.0 / 6.0, -0.8]);
    same(&x.tanhshrink().flatten(0, -1).narrow(0, 0, 2), &[-4.0000906, -3.0006707]);
    same(&x.prelu(&tensor![0.1, 0.2]).select(2, 0), &[-0.5, 1.0]);
    same(&tensor![3.0, 4.0].normalize(2.0, 0, 1e-12), &[0.6, 0.8]);
    manual_seed(0);
    same(&tensor![-1.0, 2.0, -3.0].rrelu(0.1, 0.4), &[-0.39101592, 2.0, -0.9370378]);
}

#[test]
fn pictures_of_bytes_are_resampled_in_whole_numbers() {
    let picture = Tensor::from_vec((0..40).map(|i| (i * 37 % 251) as u8).collect(), [1, 2, 4, 5]);
    let sized = |size: OutputSize, mode, align| picture.interpolate(&size, mode, align).to_vec::<u8>();
    assert_eq!(
        sized(OutputSize::Size(vec![3, 7]), Resample::Linear, Align::Edges),
        [
            31, 52, 67, 63, 89, 116, 137, 152, 173, 164, 101, 127, 100, 49, 64, 85, 112, 138, 164, 173, 170, 227, 129,
            66, 92, 88, 103, 124, 139, 160, 187, 213, 150, 87, 36, 51, 72, 99, 125, 151, 160, 157
        ]
    );
    assert_eq!(
        sized(OutputSize::Size(vec![6, 3]), Resample::Bicubic, Align::Corners),
        [
            0, 74, 148, 120, 14, 115, 193, 36, 60, 141, 165, 8, 86, 187, 81, 53, 127, 201, 238, 61, 135, 205, 181, 102,
            156, 254, 47, 122, 202, 0, 73, 147, 68, 40, 114, 188
        ]
    );
    assert_eq!(
        sized(OutputSize::Scale(vec![1.7, 0.6]), Resample::Bicubic, Align::Edges),
        [
            0, 80, 144, 89, 37, 113, 206, 6, 73, 187, 114, 63, 114, 200, 99, 76, 150, 166, 168, 43, 133, 178, 134, 94,
            183, 243, 46, 153, 231, 43, 102, 166, 87, 63, 127, 153
        ]
    );
}

#[test]
fn activations_of_integers_are_refused_as_in_pytorch() {
    let of = |f: fn(&Tensor) -> Tensor| std::panic::catch_unwind(move || f(&tensor![1, 2])).expect_err("no floats");
    let says = |f, words: &str| assert_eq!(of(f).downcast_ref::<String>().expect("words"), words);
    says(Tensor::gelu, "\"GeluKernelImpl\" not implemented for 'Long'");
    says(Tensor::silu, "\"silu_cpu\" not implemented for 'Long'");
    says(|x| x.softplus(1.0, 20.0), "\"softplus_cpu\" not implemented for 'Long'");
    says(|x| x.elu(1.0), "\"elu_cpu\" not implemented for 'Long'");
    says(|x| x.leaky_relu(0.1), "\"leaky_relu_cpu\" not implemented for 'Long'");
}

#[test]
fn forms_that_write_in_place_give_what_the_others_give() {
    let x = tensor![[1.5, -2.0], [0.25, 4.0], [3.0, 1.0]];
    let mut y = x.clone();
    y.addcmul_(&x, &x, 0.5).leaky_relu_(0.1).fmod_(2.0);
    same(&y, &x.addcmul(&x, &x, 0.5).leaky_relu(0.1).fmod(2.0).to_vec::<f32>());
    let mut filled = x.clone();
    same(filled.fill_diagonal_(9, true), &[9.0, -2.0, 0.25, 9.0, 3.0, 1.0]);
    let mut tall = Tensor::zeros([4, 2], x.dtype());
    same(tall.fill_diagonal_(1, true), &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!((x.nbytes(), x.element_size()), (24, 4));
    assert_eq!(x.type_as(&tensor![1]).to_vec::<i64>(), [1, -2, 0, 4, 3, 1]);
}
