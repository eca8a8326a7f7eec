//! [`RebuildField`]: what `#[derive(Rebuild)]` makes of each field.

use crate::setting::Setting;
use crate::{Buffer, Mode, Module, Param, Parts, Rebuild, SpecError};
use std::sync::Arc;
use wengert_tensor::{Dict, Value};

/// A type that a field of a `#[derive(Rebuild)]` type may have.
///
/// | field | means |
/// |---|---|
/// | any [`Rebuild`] type | a child |
/// | `Arc<dyn Module>` | a child of any registered type |
/// | [`Param`], [`Buffer`] | a parameter, a buffer, of whatever shape the file has |
/// | `Option` of a child, a parameter or a buffer | the same, or nothing |
/// | [`Mode`] | the training flag |
/// | `f64`, `i64`, `usize`, `bool`, `String`, `Vec<usize>` | configuration |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a `#[derive(Rebuild)]` type",
    label = "neither a module that can be rebuilt nor a parameter, a buffer or known configuration",
    note = "if it is a module: derive or implement `Rebuild` for it",
    note = "if it can be made anew: mark the field `#[tree(skip)]`, and it gets its default"
)]
pub trait RebuildField: Sized {
    /// Makes the field of a module's parts.
    ///
    /// # Errors
    /// If the part is missing or does not fit.
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Self, SpecError>;

    /// Adds the field to what the module was made with, if it is configuration.
    fn config_field(&self, _name: &str, _config: &mut Dict) {}
}

impl<M: Rebuild> RebuildField for M {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<M, SpecError> {
        parts.child(name)
    }
}

impl<M: Rebuild> RebuildField for Option<M> {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Option<M>, SpecError> {
        if parts.has_child(name) { parts.child(name).map(Some) } else { Ok(None) }
    }
}

impl RebuildField for Arc<dyn Module> {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Arc<dyn Module>, SpecError> {
        parts.any_child(name)
    }
}

impl RebuildField for Option<Param> {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Option<Param>, SpecError> {
        Ok(parts.params()?.into_iter().find(|(own, _)| own == name).map(|(_, param)| param))
    }
}

impl RebuildField for Param {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Param, SpecError> {
        match Option::<Param>::rebuild_field(parts, name)? {
            Some(param) => Ok(param),
            None => parts.invalid(format!("parameter '{name}' is missing")),
        }
    }
}

impl RebuildField for Option<Buffer> {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Option<Buffer>, SpecError> {
        parts.any_buffer(name)
    }
}

impl RebuildField for Buffer {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Buffer, SpecError> {
        match parts.any_buffer(name)? {
            Some(buffer) => Ok(buffer),
            None => parts.invalid(format!("buffer '{name}' is missing")),
        }
    }
}

impl RebuildField for Mode {
    fn rebuild_field(parts: &mut Parts<'_>, _name: &str) -> Result<Mode, SpecError> {
        Ok(parts.mode())
    }
}

/// Types of configuration.
macro_rules! settings {
    ($($ty:ty),*) => {$(
        impl RebuildField for $ty {
            fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<$ty, SpecError> {
                parts.get(name)
            }
            fn config_field(&self, name: &str, config: &mut Dict) {
                config.insert(name, value(self.clone()));
            }
        }
    )*};
}
settings!(f64, i64, usize, bool, String);

impl RebuildField for Vec<usize> {
    fn rebuild_field(parts: &mut Parts<'_>, name: &str) -> Result<Vec<usize>, SpecError> {
        parts.get(name)
    }
    fn config_field(&self, name: &str, config: &mut Dict) {
        config.insert(name, Value::Tuple(self.iter().map(|&n| Value::from(n)).collect()));
    }
}

fn value<T: Setting + Into<Value>>(setting: T) -> Value {
    setting.into()
}
