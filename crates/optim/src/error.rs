//! What can be wrong with options and saved states.

/// An error of an optimizer's options or of a state that was to be loaded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is out of its range; the text is PyTorch's.
    #[error("{0}")]
    InvalidOption(String),
    /// An option is missing or of the wrong kind.
    #[error("parameter group: option '{key}' should be {expected}")]
    BadOption {
        /// The option.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The saved state has another number of groups.
    #[error("loaded state dict has a different number of parameter groups")]
    GroupCount,
    /// A saved group has another number of parameters.
    #[error("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")]
    GroupSize,
    /// The value is not an optimizer's state.
    #[error("not an optimizer's state dict: {0}")]
    NotAState(String),
    /// The norm of all gradients is infinite or not a number; the order of the norm as Python shows it.
    #[error(
        "The total norm of order {0} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this \
         error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
    )]
    NonFiniteNorm(String),
    /// The value is not the state of such a scheduler.
    #[error("not a scheduler's state dict: {0}")]
    NotASchedule(String),
    /// A state tensor does not have its parameter's shape.
    #[error("state '{slot}' of parameter {index} has shape {found:?} instead of {expected:?}")]
    SlotShape {
        /// Index of the parameter over all groups.
        index: usize,
        /// Name of the state.
        slot: String,
        /// Shape in the saved state.
        found: Vec<usize>,
        /// Shape that it should have: the parameter's, or none for a single number.
        expected: Vec<usize>,
    },
}
