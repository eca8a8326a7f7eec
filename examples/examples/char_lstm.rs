//! Learns a text letter by letter with an LSTM, and goes on with it.

use nets::nets::{CharLstm, States, TIME_MACHINE, Vocabulary, lines};
use wengert_autograd::functional::cross_entropy;
use wengert_nn::Module;
use wengert_optim::{Adam, AdamOptions, clip_grad_norm_};
use wengert_tensor::manual_seed;

fn main() {
    manual_seed(0);
    let text = TIME_MACHINE.trim_end();
    let vocabulary = Vocabulary::new(text);
    let net = CharLstm::new(vocabulary.size());
    println!("{net}");
    let mut optimizer = Adam::new(net.parameters(), AdamOptions { lr: 0.01, ..AdamOptions::default() });
    let (x, y) = lines(&vocabulary, text, 4);
    for epoch in 0..=80 {
        // The states go on from window to window, the gradients do not.
        let mut states: Option<States> = None;
        let mut last = 0.0;
        for start in (0..x.size(0) - 15).step_by(16) {
            let (scores, (h, c)) = net.run(&x.narrow(0, start as isize, 16), states.as_ref());
            states = Some((h.detach(), c.detach()));
            let loss = cross_entropy(&scores.flatten(0, 1), y.narrow(0, start as isize, 16).reshape([-1isize]));
            optimizer.zero_grad();
            loss.backward();
            clip_grad_norm_(&net.parameters(), 1.0, 2.0);
            optimizer.step();
            last = loss.item::<f32>();
        }
        if epoch % 20 == 0 {
            net.eval();
            let sample = net.continue_text(&vocabulary, "the time", 40);
            net.train();
            println!("epoch {epoch:2}  perplexity {:6.3}  {sample}", last.exp());
        }
    }
}
