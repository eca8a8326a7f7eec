//! `#[module]`: lets a forward pass be watched.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::quote;

/// `impl Module for T { fn forward(…) {…} }` with the body moved to a method of `T`, and a `forward` that runs it under watch.
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

    let items: Vec<TokenTree> = body.stream().into_iter().collect();
    let Some(keyword) =
        (0..items.len().saturating_sub(1)).find(|&i| is_ident(&items[i], "fn") && is_ident(&items[i + 1], "forward"))
    else {
        // A list has no forward pass.
        let items: TokenStream = items.into_iter().collect();
        return Ok(quote! { #whole { #items fn is_watched(&self) -> bool { true } } });
    };
    let Some(end) = (keyword..items.len()).find(|&i| is_group(&items[i], Delimiter::Brace)) else {
        return Err(syn::Error::new(items[keyword].span(), "`forward` has no body"));
    };
    let mut first = keyword;
    while first >= 2 && matches!(&items[first - 2], TokenTree::Punct(p) if p.as_char() == '#') {
        first -= 2;
    }
    let before: TokenStream = items[..first].iter().cloned().collect();
    let rest: TokenStream = items[end + 1..].iter().cloned().collect();
    // `(&self, x: &Var) -> Var { … }`
    let signature: TokenStream = items[keyword + 2..=end].iter().cloned().collect();
    let name = Ident::new("__forward", items[keyword + 1].span());
    Ok(quote! {
        impl #generics #target {
            #[doc(hidden)]
            #[track_caller]
            #[inline]
            fn #name #signature
        }

        #whole {
            #before
            #[track_caller]
            fn forward(&self, __input: &::wengert_nn::Var) -> ::wengert_nn::Var {
                if ::wengert_nn::hooks::plain(self) {
                    let __level = ::wengert_nn::hooks::Level::new(self);
                    return self.#name(__input);
                }
                ::wengert_nn::hooks::watched(self, __input, &|__input: &::wengert_nn::Var| self.#name(__input))
            }
            fn is_watched(&self) -> bool { true }
            #rest
        }
    })
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
    fn what_has_no_forward_is_watched_by_methods_of_its_own() {
        assert_eq!(text(quote! { impl Module for List {} }), "implModuleforList{fnis_watched(&self)->bool{true}}");
        assert!(text(quote! { struct S; }).contains("belongson"));
    }
}
