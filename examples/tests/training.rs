//! A run that was left within an epoch goes on as if it had not been: PyTorch's here, ours here, ours in PyTorch.

use wengert_autograd::{Var, functional::cross_entropy};
use wengert_data::{Batches, DataLoader, DataLoaderOptions, TensorDataset};
use wengert_io::{SamplerState, TrainingState};
use wengert_nn::{BatchNorm1d, Dropout, Linear, Module, Sequential, Tanh, sequential};
use wengert_optim::{Adam, AdamOptions, Optimizer};
use wengert_tensor::{DType, Tensor, get_rng_state, manual_seed, set_rng_state};

/// A run and where it is; `golden/training.py` has the same in Python.
struct Run<'a> {
    net: Sequential,
    optimizer: Optimizer,
    loader: &'a DataLoader,
    batches: Option<Batches<'a>>,
    state: TrainingState,
}

fn loader() -> DataLoader {
    let x = Tensor::from_vec((0..360).map(|i| f64::from(i).sin()).collect::<Vec<_>>(), [60, 6]);
    let y = Tensor::from_vec((0..60).map(|i| i * 7 % 3).collect::<Vec<i64>>(), [60]);
    let options = DataLoaderOptions { batch_size: 8, shuffle: true, ..DataLoaderOptions::default() };
    DataLoader::new(TensorDataset::new([x, y]), options)
}

impl<'a> Run<'a> {
    fn new(loader: &'a DataLoader) -> Run<'a> {
        manual_seed(3);
        let net =
            sequential![Linear::new(6, 16), BatchNorm1d::new(16), Tanh::new(), Dropout::new(0.25), Linear::new(16, 3)];
        net.to(DType::F64);
        let options = AdamOptions { lr: 0.01, weight_decay: 0.001, ..AdamOptions::default() };
        let optimizer = Adam::new(net.parameters(), options);
        Run { net, optimizer, loader, batches: None, state: TrainingState::default() }
    }

    fn train(&mut self, steps: usize) -> Vec<f64> {
        let mut losses = Vec::new();
        for _ in 0..steps {
            let batches = self.batches.get_or_insert_with(|| {
                self.state.sampler = Some(SamplerState { rng_state: get_rng_state(), batch: 0 });
                self.loader.iter()
            });
            let batch = batches.next().expect("an epoch that is over is dropped");
            let loss = cross_entropy(&self.net.forward(&Var::from(batch[0].clone())), &batch[1]);
            self.optimizer.zero_grad();
            loss.backward();
            self.optimizer.step();
            losses.push(loss.item::<f64>());
            self.state.step += 1;
            let sampler = self.state.sampler.as_mut().expect("set when the epoch began");
            sampler.batch += 1;
            if sampler.batch as usize == self.loader.len() {
                self.state.epoch += 1;
                (self.state.sampler, self.batches) = (None, None);
            }
        }
        losses
    }

    fn save(&mut self, path: &str) {
        self.state.model = self.net.state_dict();
        self.state.optimizer = self.optimizer.state_dict();
        self.state.rng_state = Some(get_rng_state());
        self.state.save(path).expect("a writable folder");
    }

    fn load(&mut self, path: &str) {
        self.state = TrainingState::load(path).expect("a training state");
        self.net.load_state_dict(&self.state.model).expect("the same network");
        self.optimizer.load_state_dict(&self.state.optimizer).expect("the same optimizer");
        if let Some(sampler) = &self.state.sampler {
            set_rng_state(&sampler.rng_state).expect("a generator's state");
            let mut batches = self.loader.iter();
            for _ in 0..sampler.batch {
                batches.next();
            }
            self.batches = Some(batches);
        }
        set_rng_state(self.state.rng_state.as_ref().expect("saved")).expect("a generator's state");
    }
}

#[test]
fn a_run_of_pytorch_goes_on_within_its_epoch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/training.json")).expect("valid JSON");
    let expected: Vec<f64> =
        golden["next"].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect();
    let loader = loader();
    let mut run = Run::new(&loader);
    run.load(&format!("{}/tests/golden/training.pt", env!("CARGO_MANIFEST_DIR")));
    assert_eq!((run.state.epoch, run.state.step), (1, 11));
    let losses = run.train(10);
    for (a, b) in losses.iter().zip(&expected) {
        assert!((a - b).abs() <= 1e-12 * b.abs(), "{losses:?} instead of {expected:?}");
    }
    assert_eq!((run.state.epoch, run.state.step), (2, 21));
}

#[test]
fn a_run_that_is_saved_and_loaded_goes_on_bit_for_bit() {
    let loader = loader();
    let folder = std::env::temp_dir().join(format!("wengert-training-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    // Before the first step, within an epoch, and between two.
    for steps in [0, 11, 16] {
        let path = folder.join(format!("run-{steps}.pt"));
        let path = path.to_str().expect("the path is text");
        let mut run = Run::new(&loader);
        run.train(steps);
        run.save(path);
        let expected = run.train(10);
        let mut again = Run::new(&loader);
        again.load(path);
        assert_eq!(again.train(10), expected);
    }
    std::fs::remove_dir_all(folder).expect("ours");
}
