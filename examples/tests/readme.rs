//! The README's program, as it stands there.

use std::error::Error;

/// The program: what follows `BEGIN` and goes before `END` is the README's first block of Rust.
fn program() -> Result<(), Box<dyn Error>> {
    // BEGIN
    use wengert_autograd::{Var, functional::cross_entropy};
    use wengert_nn::{Linear, Module, ReLU, sequential};
    use wengert_optim::{Adam, AdamOptions};
    use wengert_tensor::{Tensor, manual_seed, randn};

    manual_seed(0);
    let net = sequential![Linear::new(4, 16), ReLU::new(), Linear::new(16, 3)];
    let mut optimizer = Adam::new(net.parameters(), AdamOptions { lr: 0.01, ..AdamOptions::default() });
    let (x, y) = (Var::from(randn([8, 4])), Tensor::from_vec(vec![0i64, 1, 2, 0, 1, 2, 0, 1], [8]));
    for _ in 0..100 {
        let loss = cross_entropy(&net.forward(&x), &y);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
    }
    println!("{net}");
    wengert_io::save("net.pt", net.state_dict())?; // torch.load("net.pt") accepts it
    let state = wengert_io::load_state_dict("net.pt")?; // and so does this, from PyTorch or from here
    println!("{}", net.load_state_dict(&state)?); // <All keys matched successfully>
    // END
    Ok(())
}

/// Code without spaces, quotes aside: what a formatter may not change.
fn compact(text: &str) -> String {
    text.lines()
        .map(|line| line.split(" // ").next().unwrap_or_default())
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect()
}

#[test]
fn the_program_in_the_readme_runs() -> Result<(), Box<dyn Error>> {
    let readme = include_str!("../../README.md");
    let block = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .ok_or("the README has a block of Rust")?;
    let own = include_str!("readme.rs");
    let body = own.split("// BEGIN").nth(1).and_then(|rest| rest.split("// END").next()).ok_or("this file has one")?;
    let words = |text: &str| {
        // The formatter sorts imports; their order is no matter.
        let mut lines: Vec<String> = text.lines().map(compact).filter(|line| !line.is_empty()).collect();
        lines.sort();
        let mut letters: Vec<char> = lines.concat().chars().collect();
        letters.sort_unstable();
        letters
    };
    assert_eq!(words(block), words(body), "the README's program is not this one");
    let folder = std::env::temp_dir().join(format!("wengert-readme-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let before = std::env::current_dir()?;
    std::env::set_current_dir(&folder)?;
    let outcome = program();
    std::env::set_current_dir(before)?;
    std::fs::remove_dir_all(&folder)?;
    outcome
}
