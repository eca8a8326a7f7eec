//! Whole models in files: architecture, tensors, training flags and what is shared, without naming a type.

use crate::{Module, Registry, Spec, SpecError};
use std::path::Path;
use std::sync::Arc;
use wengert_tensor::Value;

/// Why a model could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file.
    #[error(transparent)]
    File(#[from] wengert_io::Error),
    /// What is in it, or in the model.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

/// Saves a model of this crate's layers, whole: natively, or as `torch.save(net, path)` does if the path ends in
/// `.pt` or `.pth`. Then PyTorch loads it with `torch.load(path, weights_only=False)`.
///
/// # Errors
/// If a type is not known (register it and use [`Registry::save`]), or the file cannot be written.
///
/// # Examples
/// ```no_run
/// use wengert_nn::{Linear, Module, ReLU, load_model, save_model, sequential};
/// let net = sequential![Linear::new(4, 3), ReLU::new(), Linear::new(3, 1)];
/// save_model("net.wgt", &net)?;
/// assert_eq!(load_model("net.wgt")?.to_string(), net.to_string());
/// # Ok::<(), wengert_nn::ModelError>(())
/// ```
pub fn save_model(path: impl AsRef<Path>, module: &dyn Module) -> Result<(), ModelError> {
    Registry::new().save(path, module)
}

/// Loads a model that [`save_model`] or `torch.save(net, path)` wrote, if all its classes are layers of this crate.
///
/// # Errors
/// If a class is not known (register it and use [`Registry::load`]), or the file cannot be read.
pub fn load_model(path: impl AsRef<Path>) -> Result<Arc<dyn Module>, ModelError> {
    Registry::new().load(path)
}

impl Registry {
    /// Saves a model of registered types; see [`save_model`].
    ///
    /// # Errors
    /// If a type is not registered, PyTorch should read it but lacks a class, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>, module: &dyn Module) -> Result<(), ModelError> {
        let path = path.as_ref();
        let spec = self.describe(module)?;
        if path.extension().is_some_and(|e| e == "pt" || e == "pth") {
            check_for_torch("", &spec)?;
            return Ok(wengert_io::save(path, &spec)?);
        }
        Ok(wengert_io::save_native(path, &Value::from(&spec))?)
    }

    /// Loads a model of registered types; see [`load_model`].
    ///
    /// # Errors
    /// If a class is not registered, or the file cannot be read or holds no model.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Arc<dyn Module>, ModelError> {
        Ok(self.build(&Spec::try_from(wengert_io::load_module_tree(path)?)?)?)
    }
}

/// Refuses what Python could not find.
fn check_for_torch(path: &str, spec: &Spec) -> Result<(), SpecError> {
    if !spec.class().starts_with("torch.nn.") {
        let what = format!("PyTorch has no class {}: save the model as .wgt, or its state dict", spec.class());
        return Err(SpecError::Invalid { place: crate::spec::place(path), what });
    }
    if spec.is_uninitialized() {
        let what = "PyTorch's lazy layers need functions that are not written: run the model once, or save it as .wgt";
        return Err(SpecError::Invalid { place: crate::spec::place(path), what: what.to_owned() });
    }
    spec.children().iter().try_for_each(|(name, child)| check_for_torch(&crate::walk::join(path, name), child))
}
