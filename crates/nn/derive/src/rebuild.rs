//! From a struct's definition to its `Rebuild` impl.

use crate::attributes::{FieldAttributes, TypeAttributes};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Path, Result, parse_quote};

/// The impl, or what is wrong with the definition.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let krate: Path = TypeAttributes::parse(&input.attrs)?.krate.unwrap_or_else(|| parse_quote!(::wengert_nn));
    let class = class(input)?;
    if !input.generics.params.is_empty() {
        let what = "Rebuild cannot be derived for a generic type, since one class would name several: implement it";
        return Err(Error::new_spanned(&input.generics, what));
    }
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(Span::call_site(), "Rebuild is derived for structs only: implement it"));
    };
    let (mut makes, mut configs) = (TokenStream::new(), TokenStream::new());
    let (mut params, mut buffers) = (Vec::new(), Vec::new());
    for (index, field) in data.fields.iter().enumerate() {
        let attributes = FieldAttributes::parse(&field.attrs)?;
        let member =
            field.ident.as_ref().map_or_else(|| syn::Index::from(index).into_token_stream(), ToTokens::to_token_stream);
        if attributes.flatten {
            return Err(Error::new_spanned(&field.ty, "a flattened field cannot be rebuilt: implement Rebuild"));
        }
        if attributes.skip {
            makes.extend(quote! { #member: ::core::default::Default::default(), });
            continue;
        }
        let own = field.ident.as_ref().map_or_else(|| index.to_string(), |i| i.unraw().to_string());
        let name = attributes.rename.map_or(own, |name| name.value());
        makes.extend(quote! { #member: #krate::RebuildField::rebuild_field(parts, #name)?, });
        configs.extend(quote! { #krate::RebuildField::config_field(&self.#member, #name, &mut config); });
        match &*field.ty.to_token_stream().to_string().replace(' ', "") {
            "Param" | "Option<Param>" => params.push(name),
            "Buffer" | "Option<Buffer>" => buffers.push(name),
            _ => {}
        }
    }
    let make = if matches!(data.fields, Fields::Unit) {
        quote! { Self }
    } else {
        quote! { Self { #makes } }
    };
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl #krate::Rebuild for #ident {
            const CLASS: &'static str = #class;
            const PARAMS: &'static [&'static str] = &[#(#params),*];
            const BUFFERS: &'static [&'static str] = &[#(#buffers),*];
            fn config(&self) -> #krate::Dict {
                let mut config = #krate::Dict::new();
                let _ = &mut config;
                #configs
                config
            }
            fn rebuild(parts: &mut #krate::Parts<'_>) -> ::core::result::Result<Self, #krate::SpecError> {
                let _ = &parts;
                ::core::result::Result::Ok(#make)
            }
        }
    })
}

/// The name in files, from `#[rebuild(class = "…")]`.
fn class(input: &DeriveInput) -> Result<LitStr> {
    let mut class = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("rebuild")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("class") {
                return Err(meta.error("unknown attribute: expected class = \"my_crate.Net\""));
            }
            class = Some(meta.value()?.parse::<LitStr>()?);
            Ok(())
        })?;
    }
    match class {
        Some(class) if class.value().contains('.') => Ok(class),
        Some(class) => Err(Error::new(class.span(), "a class of yours wants a dot, as in \"my_crate.Net\"")),
        None => {
            let what = "Rebuild needs the type's name in files, which must never change: \
                        #[rebuild(class = \"my_crate.Net\")]";
            Err(Error::new(input.ident.span(), what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(input: DeriveInput) -> String {
        expand(&input).unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_known_by_their_types_and_skipped_fields_are_made_anew() {
        let input = parse_quote! {
            #[rebuild(class = "my.Net")]
            struct Net { a: Linear, #[tree(rename = "w")] weight: Option<Param>, seen: Buffer, #[tree(skip)] x: Other }
        };
        let text = expand(&input).unwrap().to_string().replace(' ', "");
        assert!(text.contains(r#"PARAMS:&'static[&'staticstr]=&["w"]"#), "{text}");
        assert!(text.contains(r#"BUFFERS:&'static[&'staticstr]=&["seen"]"#), "{text}");
        assert!(text.contains("x:::core::default::Default::default()"), "{text}");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(error(parse_quote! { struct N { a: L } }).contains("class = \"my_crate.Net\""));
        assert!(error(parse_quote! { #[rebuild(class = "N")] struct N; }).contains("wants a dot"));
        assert!(error(parse_quote! { #[rebuild(clas = "a.N")] struct N; }).contains("unknown attribute"));
        assert!(error(parse_quote! { #[rebuild(class = "a.N")] struct N<M> { a: M } }).contains("generic"));
        assert!(error(parse_quote! { #[rebuild(class = "a.N")] enum N { A } }).contains("structs only"));
        assert!(
            error(parse_quote! { #[rebuild(class = "a.N")] struct N { #[tree(flatten)] a: L } }).contains("flatten")
        );
    }
}
