//! `#[module]`: lets a forward pass be watched.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::quote;

/// `impl Module for T { fn forward(…) {…} }` with the body moved to a method of `T`, and a `forward` that runs it under watch.
///
/// So with `forward_relu`, which goes through `forward` if that is watched.
pub(crate) fn expand(input: TokenStream) -> Result<TokenStream, syn::Error> {
    let mut tokens: Vec<TokenTree> = input.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop().filter(|t| is_group(t, Delimiter::Brace)) else {
        return Err(syn::Error::new(Span::call_site(), "#[module] belongs on `impl Module for …`"));
    };
    let Some(start) = tokens.iter().position(|t| is_ident(t, "impl")) else {
        return Err(syn::Error::new(Span::call_site(), "#[module] belongs on `impl Module for …`"));
    };
    let (generics, after) = generics(&tokens[start + 1..]);
    let header = &tokens[start + 1 + after..];
    let Some(at) = header.iter().position(|t| is_ident(t, "for")) else {
        return Err(syn::Error::new(Span::call_site(), "#[module] belongs on `impl Module for …`"));
    };
    let target: TokenStream = header[at + 1..].iter().cloned().collect();
    let whole: TokenStream = tokens.iter().cloned().collect();
    let generics: TokenStream = generics.into_iter().collect();

    let mut items: Vec<TokenTree> = body.stream().into_iter().collect();
    let (mut moved, mut methods) = (TokenStream::new(), TokenStream::new());
    for (name, watched) in [
        (
            "forward",
            quote! { ::wengert_nn::hooks::watched(self, __input, &|__input: &::wengert_nn::Var| self.__forward(__input)) },
        ),
        ("forward_relu", quote! { ::wengert_nn::Module::forward(self, __input).relu() }),
    ] {
        let Some((name, signature)) = take(&mut items, name)? else {
            // A list has no forward pass, and few layers have one that goes on with a ReLU.
            continue;
        };
        let inner = Ident::new(&format!("__{name}"), name.span());
        moved.extend(quote! {
            #[doc(hidden)]
            #[track_caller]
            #[inline]
            fn #inner #signature
        });
        methods.extend(quote! {
            #[track_caller]
            fn #name(&self, __input: &::wengert_nn::Var) -> ::wengert_nn::Var {
                if ::wengert_nn::hooks::plain(self) {
                    let __level = ::wengert_nn::hooks::Level::new(self);
                    return self.#inner(__input);
                }
                #watched
            }
        });
    }
    let items: TokenStream = items.into_iter().collect();
    // Lists may be foreign types, which can have no methods of their own here.
    let own = (!moved.is_empty()).then(|| quote! { impl #generics #target { #moved } });
    Ok(quote! {
        #own

        #whole {
            #items
            #methods
            fn is_watched(&self) -> bool { true }
        }
    })
}

/// Takes a method with its attributes out of the items: its name, and `(&self, x: &Var) -> Var { … }`.
fn take(items: &mut Vec<TokenTree>, name: &str) -> Result<Option<(Ident, TokenStream)>, syn::Error> {
    let found = items.windows(2).position(|pair| is_ident(&pair[0], "fn") && is_ident(&pair[1], name));
    let Some((keyword, TokenTree::Ident(name))) = found.map(|at| (at, items[at + 1].clone())) else {
        return Ok(None);
    };
    let Some(end) = (keyword..items.len()).find(|&i| is_group(&items[i], Delimiter::Brace)) else {
        return Err(syn::Error::new(name.span(), format!("`{name}` has no body")));
    };
    let mut first = keyword;
    while first >= 2 && matches!(&items[first - 2], TokenTree::Punct(p) if p.as_char() == '#') {
        first -= 2;
    }
    let method: Vec<TokenTree> = items.drain(first..=end).collect();
    Ok(Some((name, method[keyword + 2 - first..].iter().cloned().collect())))
}

fn is_ident(token: &TokenTree, text: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == text)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// The `<…>` at the beginning, and how many tokens it takes.
fn generics(tokens: &[TokenTree]) -> (Vec<TokenTree>, usize) {
    let mut depth = 0usize;
    let mut arrow = false;
    for (i, token) in tokens.iter().enumerate() {
        if let TokenTree::Punct(p) = token {
            match p.as_char() {
                '<' => depth += 1,
                // The `>` of `->` closes nothing.
                '>' if !arrow => depth -= 1,
                _ => {}
            }
            arrow = p.as_char() == '-';
        } else {
            arrow = false;
        }
        if depth == 0 {
            return if i == 0 { (Vec::new(), 0) } else { (tokens[..=i].to_vec(), i + 1) };
        }
    }
    (Vec::new(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: TokenStream) -> String {
        expand(input).map_or_else(|e| e.to_string(), |t| t.to_string()).replace(' ', "")
    }

    #[test]
    fn the_body_moves_to_a_method_of_the_type() {
        let text = text(quote! {
            impl<F: Fn(&Var) -> Var, const N: usize> Module for Net<F, N> where F: Send {
                fn other(&self) {}
                #[track_caller]
                fn forward(&self, x: &Var) -> Var { x.relu() }
            }
        });
        assert!(text.contains("impl<F:Fn(&Var)->Var,constN:usize>Net<F,N>whereF:Send{"), "{text}");
        assert!(text.contains("fn__forward(&self,x:&Var)->Var{x.relu()}"), "{text}");
        assert!(
            text.contains("ModuleforNet<F,N>whereF:Send{fnother(&self){}#[track_caller]fnforward(&self,__input"),
            "{text}"
        );
    }

    #[test]
    fn a_forward_with_a_relu_is_not_run_where_the_forward_alone_is_watched() {
        let text = text(quote! {
            impl Module for Net {
                #[track_caller]
                fn forward_relu(&self, x: &Var) -> Var { x.fused() }
                fn forward(&self, x: &Var) -> Var { x.plain() }
            }
        });
        assert!(text.contains("fn__forward_relu(&self,x:&Var)->Var{x.fused()}"), "{text}");
        assert!(
            text.contains("returnself.__forward_relu(__input);}::wengert_nn::Module::forward(self,__input).relu()")
        );
    }

    #[test]
    fn what_has_no_forward_is_watched_by_methods_of_its_own() {
        assert_eq!(text(quote! { impl Module for List {} }), "implModuleforList{fnis_watched(&self)->bool{true}}");
        assert!(text(quote! { struct S; }).contains("belongson"));
    }
}
