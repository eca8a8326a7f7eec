//! Loaders give PyTorch's order, whole epochs and typed errors.

use serde_json::Value as Json;
use wengert_data::{DataLoader, DataLoaderOptions, Dataset, FashionMnist, TensorDataset, digits, random_split};
use wengert_tensor::{DType, Generator, Tensor, manual_seed};

fn iota(n: usize) -> TensorDataset {
    TensorDataset::new([Tensor::from_vec((0..n as i64).collect(), [n])])
}

fn order(loader: &DataLoader) -> Vec<i64> {
    loader.iter().flat_map(|batch| batch[0].to_vec::<i64>()).collect()
}

#[test]
fn shuffled_epochs_are_pytorchs() {
    let text = include_str!("../../tensor/tests/golden/rng.json");
    let golden: Json = serde_json::from_str(text).expect("valid JSON");
    for case in golden["dataloader"].as_array().expect("a list") {
        manual_seed(case["seed"].as_str().expect("text").parse::<i64>().expect("an integer"));
        let n = case["n"].as_u64().expect("a size") as usize;
        let loader = DataLoader::new(iota(n), DataLoaderOptions { batch_size: 4, shuffle: true, ..Default::default() });
        for epoch in case["epoch_orders"].as_array().expect("a list") {
            let want: Vec<i64> = epoch.as_array().expect("a list").iter().map(|i| i.as_i64().expect("int")).collect();
            assert_eq!(order(&loader), want);
        }
    }
}

#[test]
fn a_sequential_epoch_draws_one_seed_too() {
    manual_seed(3);
    let loader = DataLoader::new(iota(5), DataLoaderOptions { batch_size: 2, ..Default::default() });
    assert_eq!(order(&loader), [0, 1, 2, 3, 4]);
    let mut same = Generator::new(3);
    same.random_i64();
    assert_eq!(wengert_tensor::rand([2]).to_vec::<f32>(), same.rand([2], DType::F32).to_vec::<f32>());
}

#[test]
fn a_generator_of_ones_own_gives_pytorchs_epochs_too() {
    // list(DataLoader(range(10), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(7))), three times.
    let generator = Some(Generator::new(7));
    let options = DataLoaderOptions { batch_size: 4, shuffle: true, generator, ..Default::default() };
    let loader = DataLoader::new(iota(10), options);
    assert_eq!(order(&loader), [1, 3, 5, 7, 9, 4, 6, 2, 8, 0]);
    assert_eq!(order(&loader), [5, 1, 6, 0, 9, 7, 8, 4, 3, 2]);
    let state = loader.with_generator(|g| g.state()).expect("it has one");
    assert_eq!(order(&loader), [4, 3, 2, 8, 1, 0, 6, 5, 9, 7]);
    loader.with_generator(|g| g.set_state(&state)).expect("it has one").expect("its own state");
    assert_eq!(order(&loader), [4, 3, 2, 8, 1, 0, 6, 5, 9, 7]);
    let next = loader.with_generator(|g| g.rand([1], DType::F32).item::<f32>()).expect("it has one");
    assert!((next - 0.4414).abs() < 5e-5, "{next}");
}

#[test]
fn the_last_batch_is_short_or_dropped() {
    let sizes = |drop_last| -> Vec<usize> {
        let loader = DataLoader::new(iota(7), DataLoaderOptions { batch_size: 3, drop_last, ..Default::default() });
        assert_eq!(loader.iter().len(), loader.len());
        loader.iter().map(|b| b[0].numel()).collect()
    };
    assert_eq!((sizes(false), sizes(true)), (vec![3, 3, 1], vec![3, 3]));
}

#[test]
fn a_dataset_of_ones_own_is_stacked_or_collated() {
    struct Squares;
    impl Dataset for Squares {
        fn len(&self) -> usize {
            5
        }
        fn get(&self, i: usize) -> Vec<Tensor> {
            vec![Tensor::from_vec(vec![i as f32, (i * i) as f32], [2])]
        }
    }
    let options = DataLoaderOptions { batch_size: 2, ..Default::default() };
    let batches: Vec<_> = DataLoader::new(Squares, options.clone()).iter().collect();
    assert_eq!(batches[1][0].to_vec::<f32>(), [2.0, 4.0, 3.0, 9.0]);
    assert_eq!(batches[2][0].shape(), [1, 2]);
    let counted = DataLoader::new(Squares, options).with_collate(|s| vec![Tensor::from_vec(vec![s.len() as i64], [1])]);
    assert_eq!(counted.iter().map(|b| b[0].item::<i64>()).collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn random_split_covers_everything_once() {
    let parts = random_split(iota(10), &[7, 3], &mut Generator::new(0));
    // torch.utils.data.random_split(range(10), [7, 3], generator=torch.Generator().manual_seed(0))
    assert_eq!((parts[0].indices(), parts[1].indices()), (&[4, 1, 7, 5, 3, 9, 0][..], &[8, 6, 2][..]));
    assert_eq!((parts[0].len(), parts[1].len()), (7, 3));
}

#[test]
fn mistakes_panic_in_pytorchs_words() {
    let said = |f: fn()| {
        let caught = std::panic::catch_unwind(f).expect_err("should panic");
        caught.downcast_ref::<String>().cloned().unwrap_or_else(|| caught.downcast_ref::<&str>().unwrap().to_string())
    };
    let zero = said(|| drop(DataLoader::new(iota(3), DataLoaderOptions { batch_size: 0, ..Default::default() })));
    assert_eq!(zero, "batch_size should be a positive integer value, but got batch_size=0");
    let sizes = said(|| {
        drop(TensorDataset::new([Tensor::from_vec(vec![1.0f32], [1]), Tensor::from_vec(vec![1.0f32; 2], [2])]));
    });
    assert!(sizes.contains("Size mismatch between tensors"), "{sizes}");
}

#[test]
fn embedded_data_is_whole() {
    let data = FashionMnist::embedded();
    assert_eq!(data.train_images.shape(), [512, 1, 28, 28]);
    assert_eq!(data.test_labels.shape(), [256]);
    assert_eq!(data.train_labels.narrow(0, 0, 5).to_vec::<i64>(), [9, 0, 0, 3, 0]);
    let pixels = data.train_images.to_vec::<f32>();
    assert!(pixels.iter().all(|p| (0.0..=1.0).contains(p)) && pixels.contains(&1.0));
    let (images, labels) = digits::load();
    assert_eq!((images.size(0), labels.to_vec::<i64>()[..3].to_vec()), (1797, vec![0, 1, 2]));
}

#[test]
fn a_folder_without_files_says_which_is_missing() {
    let error = FashionMnist::open("/no/such/folder").err().expect("nothing there").to_string();
    assert!(error.contains("train-images-idx3-ubyte") && error.contains("/no/such/folder"), "{error}");
}
