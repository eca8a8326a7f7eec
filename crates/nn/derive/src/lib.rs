//! `#[derive(Tree)]`: names a module's children, parameters and buffers in declaration order.
#![forbid(unsafe_code)]

mod attributes;
mod expand;

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
