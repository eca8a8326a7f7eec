//! [`Tree`]: what a module is made of. Which types may be its fields, and what each kind of field means.

use crate::replace::Slot;
use crate::{Buffer, Mode, Module};
use wengert_autograd::{Param, Var};
use wengert_tensor::{DType, Device, Scalar, Tensor};

/// A structure whose parameters, buffers and children have names: what every module is first.
///
/// `#[derive(Tree)]` writes this trait from the fields, and `Display` with it, so that a module prints as in PyTorch:
///
/// ```
/// use wengert_nn::{Linear, Module, Tree};
///
/// #[derive(Tree)]
/// struct Mlp {
///     hidden: Linear,
///     output: Linear,
/// }
/// impl Module for Mlp {
///     fn forward(&self, x: &wengert_nn::Var) -> wengert_nn::Var {
///         self.output.forward(&self.hidden.forward(x).relu())
///     }
/// }
///
/// let net = Mlp { hidden: Linear::new(3, 2), output: Linear::new(2, 1) };
/// assert_eq!(
///     net.to_string(),
///     "Mlp(\n  (hidden): Linear(in_features=3, out_features=2, bias=True)\n  \
///      (output): Linear(in_features=2, out_features=1, bias=True)\n)"
/// );
/// let names: Vec<_> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]);
/// ```
///
/// Every field counts, so none can be forgotten; a type that cannot be a field is a compile error:
///
/// ```compile_fail,E0277
/// struct Settings;
/// #[derive(wengert_nn::Tree)]
/// struct Net {
///     settings: Settings, // #[tree(skip)] is missing
/// }
/// ```
pub trait Tree {
    /// Shows the visitor every parameter, buffer, child and mode cell, in declaration order.
    fn visit<'a>(&'a self, visitor: &mut dyn Visitor<'a>);

    /// The name that is printed and that error messages use.
    fn type_name(&self) -> &str;

    /// What is printed between the parentheses, before the children.
    fn extra_repr(&self) -> String {
        String::new()
    }

    /// The version written to the state dict's metadata.
    fn version(&self) -> i64 {
        1
    }

    /// The version with which a parameter or buffer of this module came: an older state dict may lack it.
    fn since(&self, _name: &str) -> i64 {
        1
    }

    /// The place of a child, to put another module there; `None` if there is no such child, or it is shared.
    #[doc(hidden)]
    fn child_mut(&mut self, _name: &str) -> Option<&mut dyn Slot> {
        None
    }

    /// Whether equal children in a row are printed once, as `(0-2): 3 x Linear(…)`, like PyTorch's `ModuleList`.
    fn prints_repeats_once(&self) -> bool {
        false
    }
}

/// What [`Tree::visit`] shows a tree's members to. Names are those within the tree.
pub trait Visitor<'a> {
    /// A child module.
    fn child(&mut self, _name: &str, _module: &'a dyn Module) {}
    /// A parameter.
    fn param(&mut self, _name: &str, _param: &'a Param) {}
    /// A buffer.
    fn buffer(&mut self, _name: &str, _buffer: &'a Buffer) {}
    /// The cell that says whether the module is in training mode.
    fn mode(&mut self, _mode: &'a Mode) {}
}

/// A type that a field of a `#[derive(Tree)]` type may have.
///
/// | field | means |
/// |---|---|
/// | any [`Module`], also in a `Box` or an `Arc` (shared) | a child |
/// | [`Param`], [`Buffer`] | a parameter, a buffer |
/// | [`Mode`] | the module's training flag |
/// | `Vec` or array of modules, `Vec<Param>` | a child that is a list, as `ModuleList` and `ParameterList` |
/// | `Option` of these | the same, or nothing |
/// | [`Tensor`], [`Var`] | a plain attribute: neither parameter nor in the state dict, as in PyTorch |
/// | numbers, `bool`, text, arrays, `Vec`s and tuples of these, locks and cells around anything | configuration: passed over |
///
/// For all others there is `#[tree(skip)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a `#[derive(Tree)]` type",
    label = "neither a module nor a parameter, a buffer or known configuration",
    note = "if it is a module: derive `Tree` and implement `Module` for it",
    note = "if it is configuration: mark the field `#[tree(skip)]`"
)]
pub trait Field {
    /// Shows the field to the visitor under its name.
    fn visit_field<'a>(&'a self, name: &str, visitor: &mut dyn Visitor<'a>);

    /// The field as the place of a child, if it is one.
    #[doc(hidden)]
    fn slot(&mut self) -> Option<&mut dyn Slot> {
        None
    }
}

impl<M: Module> Field for M {
    fn visit_field<'a>(&'a self, name: &str, visitor: &mut dyn Visitor<'a>) {
        visitor.child(name, self);
    }
    fn slot(&mut self) -> Option<&mut dyn Slot> {
        Some(self)
    }
}

impl Field for Param {
    fn visit_field<'a>(&'a self, name: &str, visitor: &mut dyn Visitor<'a>) {
        visitor.param(name, self);
    }
}

impl Field for Buffer {
    fn visit_field<'a>(&'a self, name: &str, visitor: &mut dyn Visitor<'a>) {
        visitor.buffer(name, self);
    }
}

impl Field for Mode {
    fn visit_field<'a>(&'a self, _name: &str, visitor: &mut dyn Visitor<'a>) {
        visitor.mode(self);
    }
}

impl<T: Field> Field for Option<T> {
    fn visit_field<'a>(&'a self, name: &str, visitor: &mut dyn Visitor<'a>) {
        if let Some(field) = self {
            field.visit_field(name, visitor);
        }
    }
    fn slot(&mut self) -> Option<&mut dyn Slot> {
        self.as_mut().and_then(T::slot)
    }
}

/// Types that are configuration: `plain!(usize)` lets it, its arrays and its vectors be fields without a meaning.
macro_rules! plain {
    ($($ty:ty),* $(,)?) => {$(
        plain!(@ $ty);
        plain!(@ Vec<$ty>);
        plain!(@ [$ty; N], const N: usize);
    )*};
    (@ $ty:ty $(, $($generics:tt)*)?) => {
        impl$(<$($generics)*>)? Field for $ty {
            fn visit_field<'a>(&'a self, _name: &str, _visitor: &mut dyn Visitor<'a>) {}
        }
    };
}
plain!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    bool,
    char,
    String,
    &'static str,
    Tensor,
    Var,
    DType,
    Device,
    Scalar,
);
plain!(@ ());
plain!(@ (A, B), A: Field, B: Field);
plain!(@ (A, B, C), A: Field, B: Field, C: Field);
plain!(@ (A, B, C, D), A: Field, B: Field, C: Field, D: Field);
plain!(@ std::marker::PhantomData<T>, T: ?Sized);
plain!(@ std::sync::Mutex<T>, T: ?Sized);
plain!(@ std::sync::RwLock<T>, T: ?Sized);
plain!(@ std::sync::OnceLock<T>, T);
plain!(@ std::sync::atomic::AtomicBool);
plain!(@ std::sync::atomic::AtomicUsize);
plain!(@ std::sync::atomic::AtomicU64);
