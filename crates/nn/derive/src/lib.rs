//! `#[derive(Tree)]`, which names a module's children, parameters and buffers in declaration order, `#[derive(Rebuild)]`, which
//! makes it again from a file, and `#[module]`, which lets its forward pass be watched.
#![forbid(unsafe_code)]

mod attributes;
mod expand;
mod hooked;
mod rebuild;

/// Writes `wengert_nn::Tree` and `Display` for a struct or an enum.
///
/// Every field is visited in declaration order through `wengert_nn::Field`, so none can be forgotten; names are the
/// fields' names, or their positions in tuple structs. What each type of field means is said at `Field`. An enum shows
/// the fields of its current variant.
///
/// On the type: `#[tree(name = "Net")]` prints another name than the type's own (or one from a `fn(&Self) -> &str`);
/// `#[tree(extra_repr = Self::text)]` takes what stands in the parentheses when printed from a `fn(&Self) -> String`;
/// `#[tree(version = 2)]` sets the version in the state dict's metadata; `#[tree(no_display)]` leaves `Display` to
/// you; `#[tree(crate = "path")]` says where `wengert_nn` is, if it was renamed.
///
/// On a field: `#[tree(skip)]` passes over it; `#[tree(rename = "0")]` gives it another name; `#[tree(since = 2)]`
/// lets checkpoints of an older version of the type lack it; `#[tree(flatten)]` visits the fields of a field that is
/// itself a `Tree` as if they stood here.
#[proc_macro_derive(Tree, attributes(tree))]
pub fn derive_tree(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let tokens = match syn::parse(input).and_then(|input| expand::expand(&input)) {
        Ok(tokens) => tokens,
        Err(error) => error.to_compile_error(),
    };
    tokens.into()
}

/// Writes `wengert_nn::Rebuild` for a struct: the name of `#[rebuild(class = "my_crate.Net")]`, and each field as
/// `wengert_nn::RebuildField` says. `#[tree(rename = "0")]` holds here too; a field with `#[tree(skip)]` gets its
/// default when it is made again.
#[proc_macro_derive(Rebuild, attributes(rebuild, tree))]
pub fn derive_rebuild(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let tokens = match syn::parse(input).and_then(|input| rebuild::expand(&input)) {
        Ok(tokens) => tokens,
        Err(error) => error.to_compile_error(),
    };
    tokens.into()
}

/// On `impl Module for Net`: lets hooks, `summary` and error messages see the net's forward pass.
///
/// All layers of `wengert_nn` have it. Without it on a net of yours its layers are seen, but the net itself is not: hooks on
/// it never run, and an error does not say where in the net it happened.
#[proc_macro_attribute]
pub fn module(_: proc_macro::TokenStream, input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    match hooked::expand(input.clone().into()) {
        Ok(tokens) => tokens.into(),
        Err(error) => [proc_macro::TokenStream::from(error.to_compile_error()), input].into_iter().collect(),
    }
}
