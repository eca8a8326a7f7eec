//! `#[derive(Tree)]` on every shape of type.

use std::sync::{Arc, Mutex};
use wengert_nn::{Buffer, Field, Mode, Module, Param, Tensor, Tree, Var};

fn param(value: f32) -> Param {
    Param::new(Tensor::from_vec(vec![value], [1]))
}

#[derive(Tree)]
struct Leaf {
    weight: Param,
}
impl Module for Leaf {}

fn leaf() -> Leaf {
    Leaf { weight: param(1.0) }
}

fn keys(module: &dyn Module) -> Vec<String> {
    module.state_dict().keys().map(str::to_owned).collect()
}

fn children(module: &dyn Module) -> Vec<String> {
    module.named_children().into_iter().map(|(name, _)| name).collect()
}

#[derive(Tree)]
struct Unit;
impl Module for Unit {}

#[derive(Tree)]
struct Tuple(Leaf, Param, usize, #[tree(rename = "last")] Leaf);
impl Module for Tuple {}

#[derive(Tree)]
struct Generic<M, const N: usize>
where
    M: Send,
{
    inner: M,
    many: Vec<M>,
    row: [M; N],
    maybe: Option<M>,
}
impl<M: Module, const N: usize> Module for Generic<M, N> {}

struct Foreign;

#[derive(Tree)]
#[tree(name = "Everything", extra_repr = Self::text, version = 3)]
struct Mixed {
    b: Leaf,
    #[tree(skip)]
    _settings: Option<Foreign>,
    constant: Tensor,
    moving: Mutex<Tensor>,
    history: Vec<Var>,
    sizes: [usize; 2],
    window: (f64, bool, Option<String>),
    boxed: Box<dyn Module>,
    shared: Arc<Leaf>,
    again: Arc<Leaf>,
    params: Vec<Param>,
    running: Buffer,
    scratch: Buffer,
    none: Option<Param>,
    mode: Mode,
    r#type: Param,
    #[tree(flatten)]
    core: Leaf,
}
impl Module for Mixed {}
impl Mixed {
    fn text(&self) -> String {
        format!("{}, {}", self.sizes[0], self.window.1)
    }
}

#[derive(Tree)]
enum Either {
    Left { inner: Leaf },
    Right(Unit, Leaf),
    Neither,
}
impl Module for Either {}

#[test]
fn unit_and_tuple_structs() {
    assert_eq!(Unit.to_string(), "Unit()");
    let tuple = Tuple(leaf(), param(2.0), 7, leaf());
    assert_eq!(keys(&tuple), ["1", "0.weight", "last.weight"]);
    assert_eq!(tuple.to_string(), "Tuple(\n  (0): Leaf()\n  (last): Leaf()\n)");
    assert_eq!(tuple.2, 7);
}

#[test]
fn generic_structs_take_modules_vectors_arrays_and_options_of_them() {
    let net: Generic<Leaf, 2> =
        Generic { inner: leaf(), many: vec![leaf(), leaf(), leaf()], row: [leaf(), leaf()], maybe: None };
    assert_eq!(
        keys(&net),
        ["inner.weight", "many.0.weight", "many.1.weight", "many.2.weight", "row.0.weight", "row.1.weight"]
    );
    assert_eq!(
        net.to_string(),
        "Generic(\n  (inner): Leaf()\n  (many): ModuleList(\n    (0-2): 3 x Leaf()\n  )\n  \
         (row): ModuleList(\n    (0-1): 2 x Leaf()\n  )\n)"
    );
    let boxes: Generic<Box<dyn Module>, 0> =
        Generic { inner: Box::new(leaf()), many: vec![], row: [], maybe: Some(Box::new(Unit)) };
    assert_eq!(children(&boxes), ["inner", "many", "row", "maybe"]);
    assert!(boxes.get("maybe").unwrap().is::<Unit>());
}

#[test]
fn every_kind_of_field_finds_its_place() {
    let shared = Arc::new(leaf());
    let net = Mixed {
        b: leaf(),
        _settings: None,
        constant: Tensor::from_vec(vec![1.0f32], [1]),
        moving: Mutex::new(Tensor::from_vec(vec![1.0f32], [1])),
        history: Vec::new(),
        sizes: [4, 5],
        window: (0.5, true, None),
        boxed: Box::new(Tuple(leaf(), param(0.0), 0, leaf())),
        shared: shared.clone(),
        again: shared,
        params: vec![param(1.0), param(2.0)],
        running: Buffer::new(Tensor::from_vec(vec![3i64], [1])),
        scratch: Buffer::non_persistent(Tensor::from_vec(vec![0f32], [1])),
        none: None,
        mode: Mode::default(),
        r#type: param(3.0),
        core: leaf(),
    };
    assert_eq!(net.constant.numel() + net.history.len() + net.moving.lock().unwrap().numel(), 2);
    assert_eq!(
        keys(&net),
        [
            "type",
            "weight",
            "running",
            "b.weight",
            "boxed.1",
            "boxed.0.weight",
            "boxed.last.weight",
            "shared.weight",
            "again.weight",
            "params.0",
            "params.1"
        ]
    );
    assert_eq!(children(&net), ["b", "boxed", "shared", "params"]);
    let names = |named: Vec<(String, Param)>| named.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(net.named_parameters()),
        [
            "type",
            "weight",
            "b.weight",
            "boxed.1",
            "boxed.0.weight",
            "boxed.last.weight",
            "shared.weight",
            "params.0",
            "params.1"
        ]
    );
    assert_eq!(net.named_buffers().into_iter().map(|(n, _)| n).collect::<Vec<_>>(), ["running", "scratch"]);
    assert_eq!(net.state_dict().metadata[""], 3);
    assert!(net.to_string().starts_with("Everything(\n  4, true\n  (b): Leaf()\n"), "{net}");
    net.eval();
    assert!(!net.training() && !net.mode.is_training());
}

#[test]
fn an_enum_shows_its_variant() {
    assert_eq!(keys(&Either::Left { inner: leaf() }), ["inner.weight"]);
    assert_eq!(keys(&Either::Right(Unit, leaf())), ["1.weight"]);
    assert_eq!(Either::Neither.to_string(), "Either()");
}

#[test]
fn pointers_and_options_are_fields_of_the_same_name() {
    fn name<F: Field>(field: &F) -> Vec<String> {
        struct Names(Vec<String>);
        impl<'a> wengert_nn::Visitor<'a> for Names {
            fn child(&mut self, name: &str, _: &'a dyn Module) {
                self.0.push(name.to_owned());
            }
        }
        let mut names = Names(Vec::new());
        field.visit_field("x", &mut names);
        names.0
    }
    assert_eq!(name(&leaf()), ["x"]);
    assert_eq!(name(&Box::new(leaf())), ["x"]);
    assert_eq!(name(&Some(Arc::new(leaf()))), ["x"]);
    assert_eq!(name(&None::<Leaf>), Vec::<String>::new());
    assert_eq!(name(&3usize), Vec::<String>::new());
}
