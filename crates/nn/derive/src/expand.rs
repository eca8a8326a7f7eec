//! From a type's definition to its `Tree` and `Display` impls.

use crate::attributes::{FieldAttributes, Name, TypeAttributes};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::collections::HashMap;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Generics, LitStr, Path, Result, parse_quote};

/// The impls, or what is wrong with the definition.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let attributes = TypeAttributes::parse(&input.attrs)?;
    let krate = attributes.krate.clone().unwrap_or_else(|| parse_quote!(::wengert_nn));
    let mut generics = input.generics.clone();
    let mut since = Vec::new();
    let places = places(&input.data, &krate)?;
    let body = match &input.data {
        Data::Struct(data) => {
            let (pattern, calls) = fields(&data.fields, &krate, &mut generics, &mut since)?;
            quote! { let Self #pattern = self; #calls }
        }
        Data::Enum(data) if data.variants.is_empty() => quote! { match *self {} },
        Data::Enum(data) => {
            let mut arms = TokenStream::new();
            for variant in &data.variants {
                let name = &variant.ident;
                let (pattern, calls) = fields(&variant.fields, &krate, &mut generics, &mut since)?;
                arms.extend(quote! { Self::#name #pattern => { #calls } });
            }
            quote! { match self { #arms } }
        }
        Data::Union(data) => {
            return Err(Error::new(
                data.union_token.span,
                "Tree cannot be derived for a union: use a struct or an enum",
            ));
        }
    };
    let ident = &input.ident;
    let name = match attributes.name {
        Some(Name::Function(path)) => quote! { #path(self) },
        Some(Name::Text(text)) => text.into_token_stream(),
        None => ident.unraw().to_string().into_token_stream(),
    };
    let extra_repr = attributes.extra_repr.map(|path| {
        quote! { fn extra_repr(&self) -> ::std::string::String { #path(self) } }
    });
    let version = attributes.version.map(|version| quote! { fn version(&self) -> i64 { #version } });
    let since = (!since.is_empty()).then(|| {
        quote! { fn since(&self, name: &str) -> i64 { match name { #(#since,)* _ => 1 } } }
    });
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let display = (!attributes.no_display).then(|| {
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::fmt::Display for #ident #type_generics #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    #krate::format_tree(self, f)
                }
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Tree for #ident #type_generics #where_clause {
            fn visit<'__tree>(&'__tree self, visitor: &mut dyn #krate::Visitor<'__tree>) {
                let _ = &visitor;
                #body
            }
            fn type_name(&self) -> &str { #name }
            #extra_repr
            #version
            #since
            #places
        }
        #display
    })
}

/// The pattern that binds the fields of a struct or variant, and the calls that visit them.
///
/// A field whose type mentions a type parameter adds the bound it needs to the generics.
/// `since` receives an arm `"name" => version` for each field that says in which version it came.
fn fields(
    fields: &Fields,
    krate: &Path,
    generics: &mut Generics,
    since: &mut Vec<TokenStream>,
) -> Result<(TokenStream, TokenStream)> {
    let parameters: Vec<Ident> = generics.type_params().map(|p| p.ident.clone()).collect();
    let (mut bindings, mut calls) = (TokenStream::new(), TokenStream::new());
    let mut seen: HashMap<String, Span> = HashMap::new();
    for (index, field) in fields.iter().enumerate() {
        let attributes = FieldAttributes::parse(&field.attrs)?;
        if attributes.skip {
            continue;
        }
        // With the type's span, so that a type that is no field is what the compiler underlines.
        let binding = Ident::new(&format!("field_{index}"), syn::spanned::Spanned::span(&field.ty));
        let member =
            field.ident.as_ref().map_or_else(|| syn::Index::from(index).into_token_stream(), ToTokens::to_token_stream);
        bindings.extend(quote! { #member: #binding, });
        let trait_name = if attributes.flatten {
            calls.extend(quote! { #krate::Tree::visit(#binding, visitor); });
            quote! { #krate::Tree }
        } else {
            let span = field.ident.as_ref().map_or_else(|| syn::spanned::Spanned::span(&field.ty), Ident::span);
            let own = field.ident.as_ref().map_or_else(|| index.to_string(), |i| i.unraw().to_string());
            let name = attributes.rename.unwrap_or_else(|| LitStr::new(&own, span));
            if seen.insert(name.value(), name.span()).is_some() {
                return Err(Error::new(name.span(), format!("two fields are named \"{}\" here", name.value())));
            }
            if let Some(version) = attributes.since {
                since.push(quote! { #name => #version });
            }
            calls.extend(quote! { #krate::Field::visit_field(#binding, #name, visitor); });
            quote! { #krate::Field }
        };
        if mentions(field.ty.to_token_stream(), &parameters) {
            let ty = &field.ty;
            generics.make_where_clause().predicates.push(parse_quote!(#ty: #trait_name));
        }
    }
    Ok((quote! { { #bindings .. } }, calls))
}

/// The method that finds the fields of a struct that may be children, by name.
fn places(data: &Data, krate: &Path) -> Result<Option<TokenStream>> {
    let Data::Struct(data) = data else { return Ok(None) };
    let mut arms = TokenStream::new();
    for (index, field) in data.fields.iter().enumerate() {
        let attributes = FieldAttributes::parse(&field.attrs)?;
        if attributes.skip || is_plain(&field.ty) {
            continue;
        }
        let member =
            field.ident.as_ref().map_or_else(|| syn::Index::from(index).into_token_stream(), ToTokens::to_token_stream);
        if attributes.flatten {
            arms.extend(quote! {
                if let Some(place) = #krate::Tree::child_mut(&mut self.#member, name) { return Some(place); }
            });
            continue;
        }
        let own = field.ident.as_ref().map_or_else(|| index.to_string(), |i| i.unraw().to_string());
        let name = attributes.rename.map_or(own, |name| name.value());
        arms.extend(quote! { if name == #name { return #krate::Field::slot(&mut self.#member); } });
    }
    Ok((!arms.is_empty()).then(|| {
        quote! {
            fn child_mut(&mut self, name: &str) -> ::core::option::Option<&mut dyn #krate::Slot> { #arms None }
        }
    }))
}

/// Whether a type is one that is surely no module, by its name: what is asked needlessly costs no more than a line of code.
fn is_plain(ty: &syn::Type) -> bool {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    let inner = text.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&text);
    let plain = ["Param", "Buffer", "Mode", "usize", "isize", "f64", "f32", "bool", "i64", "String", "&'staticstr"];
    plain.contains(&inner)
        || inner.starts_with("Vec<usize")
        || inner.starts_with('[') && inner.ends_with("]") && inner.contains("usize;")
}

/// Whether one of the type parameters occurs in the type.
fn mentions(tokens: TokenStream, parameters: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => parameters.contains(&ident),
        TokenTree::Group(group) => mentions(group.stream(), parameters),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: DeriveInput) -> String {
        expand(&input).unwrap().to_string().replace(' ', "")
    }

    fn error(input: DeriveInput) -> String {
        expand(&input).unwrap_err().to_string()
    }

    #[test]
    fn fields_are_visited_in_declaration_order_under_their_names() {
        let text = text(parse_quote! {
            struct Net { b: Linear, #[tree(skip)] x: Other, r#type: Param, #[tree(rename = "0")] a: Linear }
        });
        let places: Vec<_> = ["\"b\"", "\"type\"", "\"0\""].iter().map(|n| text.find(n).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(!text.contains("\"x\""));
    }

    #[test]
    fn only_types_that_mention_a_parameter_are_bounded() {
        let text = text(parse_quote! { struct Net<M> { a: Vec<M>, b: Linear } });
        assert!(text.contains("whereVec<M>:::wengert_nn::Field"), "{text}");
        assert!(!text.contains("Linear:::"), "{text}");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(error(parse_quote! { union U { a: u32 } }).contains("union"));
        assert!(error(parse_quote! { struct N { #[tree(skipp)] a: u32 } }).contains("expected skip"));
        assert!(error(parse_quote! { #[tree(versio = 2)] struct N; }).contains("unknown attribute of a type"));
        assert!(error(parse_quote! { struct N { a: L, #[tree(rename = "a")] b: L } }).contains("two fields are named"));
        assert!(error(parse_quote! { struct N { #[tree(rename = "a.b")] b: L } }).contains("can't contain"));
        assert!(error(parse_quote! { struct N { #[tree(skip, flatten)] b: L } }).contains("stand alone"));
    }
}
