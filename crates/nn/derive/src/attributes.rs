//! The `#[tree(…)]` attributes of types and of fields.

use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, LitInt, LitStr, Path, Result};

/// The printed name of a type: a text, or the path of a `fn(&Self) -> &str`.
pub(crate) enum Name {
    Text(LitStr),
    Function(Path),
}

impl Parse for Name {
    fn parse(input: ParseStream<'_>) -> Result<Name> {
        if input.peek(LitStr) { input.parse().map(Name::Text) } else { input.parse().map(Name::Function) }
    }
}

/// What `#[tree(…)]` says on a struct or an enum.
#[derive(Default)]
pub(crate) struct TypeAttributes {
    pub(crate) name: Option<Name>,
    pub(crate) extra_repr: Option<Path>,
    pub(crate) version: Option<LitInt>,
    pub(crate) no_display: bool,
    pub(crate) krate: Option<Path>,
}

/// What `#[tree(…)]` says on a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) skip: bool,
    pub(crate) flatten: bool,
    pub(crate) rename: Option<LitStr>,
    pub(crate) since: Option<LitInt>,
}

impl TypeAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<TypeAttributes> {
        let mut out = TypeAttributes::default();
        each(attributes, |meta| {
            if meta.path.is_ident("name") {
                out.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("extra_repr") {
                out.extra_repr = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("version") {
                out.version = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("no_display") {
                out.no_display = true;
            } else if meta.path.is_ident("crate") {
                out.krate = Some(meta.value()?.parse::<LitStr>()?.parse()?);
            } else {
                return Err(meta.error(
                    "unknown attribute of a type: expected name = \"…\", extra_repr = path, version = 2, \
                     no_display or crate = \"path\"",
                ));
            }
            Ok(())
        })?;
        Ok(out)
    }
}

impl FieldAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<FieldAttributes> {
        let mut out = FieldAttributes::default();
        each(attributes, |meta| {
            if meta.path.is_ident("skip") {
                out.skip = true;
            } else if meta.path.is_ident("flatten") {
                out.flatten = true;
            } else if meta.path.is_ident("rename") {
                let name: LitStr = meta.value()?.parse()?;
                if name.value().is_empty() || name.value().contains('.') {
                    return Err(syn::Error::new(name.span(), "a name can't be empty and can't contain \".\""));
                }
                out.rename = Some(name);
            } else if meta.path.is_ident("since") {
                out.since = Some(meta.value()?.parse()?);
            } else {
                return Err(
                    meta.error("unknown attribute of a field: expected skip, rename = \"…\", since = 2 or flatten")
                );
            }
            let named = out.rename.is_some() || out.since.is_some();
            if usize::from(out.skip) + usize::from(out.flatten) + usize::from(named) > 1 {
                return Err(meta.error("skip and flatten stand alone: such a field has no name of its own"));
            }
            Ok(())
        })?;
        Ok(out)
    }
}

/// Calls `read` with every item of every `#[tree(…)]`.
fn each(attributes: &[Attribute], mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    attributes.iter().filter(|a| a.path().is_ident("tree")).try_for_each(|a| a.parse_nested_meta(&mut read))
}
