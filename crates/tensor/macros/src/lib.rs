//! `#[profiled]` makes functions show up in profiles, each under its own name; `#[composed]` gives methods that are put together
//! from others to another type too.
#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Makes a function, or every `pub` method of an `impl` block, an operation in profiles.
///
/// Their bodies get a first line `let _span = crate::profile::span("name");` and nothing else changes. One attribute on
/// the block serves all methods in it, so that an operation cannot be left out when it is added.
#[proc_macro_attribute]
pub fn profiled(_: TokenStream, item: TokenStream) -> TokenStream {
    let is_impl = item.clone().into_iter().any(|token| word(&token).as_deref() == Some("impl"))
        && !item.clone().into_iter().any(|token| word(&token).as_deref() == Some("fn"));
    if !is_impl {
        return functions(item, Only::All);
    }
    // The last braces of an `impl` are its body.
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    if let Some(TokenTree::Group(body)) = tokens.last() {
        let body = braces(body, functions(body.stream(), Only::Public));
        tokens.pop();
        tokens.push(body);
    }
    tokens.into_iter().collect()
}

/// Gives the methods of an `impl` block to another type too: `#[composed(compose_norms)]` exports a macro of that name, and
/// `compose_norms!(Var);` writes the same `impl` for `Var`, which has methods of the same names to put them together from.
///
/// In such a block `Self` stands for the type and `Tensor` for a plain tensor, such as a mask; `x.value()` is the tensor in an
/// `x`, `Self::from(tensor)` a constant. What the bodies name must be in scope where the macro is called. The methods of the block
/// itself are compiled where they are used (`#[inline]`), so that they cost a build nothing.
#[proc_macro_attribute]
pub fn composed(name: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop() else { panic!("#[composed] stands on an impl block") };
    let parsed = |text: &str| -> TokenStream { text.parse().expect("a part of a macro") };
    let mut expansion = parsed("impl $type");
    expansion.extend([TokenTree::Group(body.clone())]);
    let mut rule = parsed("($type:ident) =>");
    rule.extend([TokenTree::Group(Group::new(Delimiter::Brace, expansion))]);
    let mut exported = parsed(&format!("#[doc(hidden)] #[macro_export] macro_rules! {name}"));
    exported.extend([TokenTree::Group(Group::new(Delimiter::Brace, rule))]);
    let lazy = body.stream().into_iter().flat_map(|token| match word(&token).as_deref() {
        Some("pub") => parsed("#[inline]").into_iter().chain([token]).collect::<Vec<_>>(),
        _ => vec![token],
    });
    tokens.push(braces(&body, lazy.collect()));
    tokens.into_iter().chain(exported).collect()
}

/// Which functions are meant.
#[derive(PartialEq)]
enum Only {
    All,
    Public,
}

/// The functions of a stream, each with a span at the start of its body: the first braces after its name.
fn functions(stream: TokenStream, only: Only) -> TokenStream {
    let mut out = Vec::new();
    let (mut public, mut name) = (false, None);
    let mut after_fn = false;
    for token in stream {
        match &token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                public = false;
                if let Some(name) = name.take() {
                    let span: TokenStream = format!("let _span = crate::profile::span({name:?});")
                        .parse()
                        .expect("a statement around a string literal is valid Rust");
                    out.push(braces(group, span.into_iter().chain(group.stream()).collect()));
                    continue;
                }
            }
            _ => match word(&token).as_deref() {
                Some("pub") => public = true,
                Some("fn") => after_fn = true,
                Some(word) if after_fn => {
                    after_fn = false;
                    name = (public || only == Only::All).then(|| word.to_owned());
                }
                _ => {}
            },
        }
        out.push(token);
    }
    out.into_iter().collect()
}

/// The identifier that a token is, also if a table's macro passed it on as `$vis` or `$name`.
fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            group.stream().into_iter().next().as_ref().and_then(word)
        }
        _ => None,
    }
}

fn braces(old: &Group, stream: TokenStream) -> TokenTree {
    let mut new = Group::new(Delimiter::Brace, stream);
    new.set_span(old.span());
    TokenTree::Group(new)
}
