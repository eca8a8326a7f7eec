//! [`StateDict`]: the ordered map from names to tensors that modules and checkpoints exchange.

use crate::Tensor;
use indexmap::IndexMap;

/// Names and tensors in the order in which a module declares them, with PyTorch's `_metadata`.
///
/// Tensors share memory with the module they came from, and yet the dict is a snapshot: writes copy first.
///
/// # Examples
/// ```
/// use wengert_tensor::{StateDict, Tensor};
/// let mut state = StateDict::new();
/// state.insert("weight", Tensor::from_vec(vec![1.0f32, 2.0], [2]));
/// assert_eq!(state["weight"].shape(), [2]);
/// assert_eq!(state.keys().collect::<Vec<_>>(), ["weight"]);
/// ```
#[derive(Clone, Default)]
pub struct StateDict {
    entries: IndexMap<String, Tensor>,
    /// Version per module path, as PyTorch keeps it under `_metadata`: `""` is the root. May be empty.
    pub metadata: IndexMap<String, i64>,
}

impl StateDict {
    /// An empty dict.
    pub fn new() -> StateDict {
        StateDict::default()
    }

    /// Adds an entry at the end, or replaces the one of that name in its place; returns the old one.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Option<Tensor> {
        self.entries.insert(name.into(), tensor)
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries.get(name)
    }

    /// Removes an entry, keeping the order of the others.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.entries.shift_remove(name)
    }

    /// Takes a prefix off the names that have it, as `consume_prefix_in_state_dict_if_present` of `torch.nn.modules.utils`
    /// does: `"module."` of what was saved from a `DataParallel`. As there, those names come last.
    ///
    /// # Examples
    /// ```
    /// use wengert_tensor::{DType, StateDict, Tensor};
    /// let mut state: StateDict = [("module.weight", Tensor::zeros([2], DType::F32))].into_iter().collect();
    /// state.consume_prefix("module.");
    /// assert_eq!(state.keys().collect::<Vec<_>>(), ["weight"]);
    /// ```
    pub fn consume_prefix(&mut self, prefix: &str) {
        let names: Vec<String> = self.keys().filter(|name| name.starts_with(prefix)).map(str::to_owned).collect();
        for name in names {
            if let Some(tensor) = self.entries.shift_remove(&name) {
                self.insert(&name[prefix.len()..], tensor);
            }
        }
        let paths: Vec<String> = self.metadata.keys().filter(|path| !path.is_empty()).cloned().collect();
        for path in paths {
            // The module itself is named without the dot.
            if path.starts_with(prefix) || path == prefix.replace('.', "") {
                let version = self.metadata.shift_remove(&path).unwrap_or(1);
                self.metadata.insert(path.get(prefix.len()..).unwrap_or_default().to_owned(), version);
            }
        }
    }

    /// Whether there is an entry of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Tensors in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Tensor> {
        self.entries.values()
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(k, v)| (k.as_str(), v))
    }
}

impl std::ops::Index<&str> for StateDict {
    type Output = Tensor;

    /// # Panics
    /// If there is no such name.
    fn index(&self, name: &str) -> &Tensor {
        match self.get(name) {
            Some(tensor) => tensor,
            None => {
                crate::bug!("StateDict", "no entry named '{name}'; there are {:?}", self.keys().collect::<Vec<_>>())
            }
        }
    }
}

impl<K: Into<String>> FromIterator<(K, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (K, Tensor)>>(iter: I) -> StateDict {
        StateDict { entries: iter.into_iter().map(|(k, v)| (k.into(), v)).collect(), metadata: IndexMap::new() }
    }
}

impl<K: Into<String>> Extend<(K, Tensor)> for StateDict {
    fn extend<I: IntoIterator<Item = (K, Tensor)>>(&mut self, iter: I) {
        self.entries.extend(iter.into_iter().map(|(k, v)| (k.into(), v)));
    }
}

impl IntoIterator for StateDict {
    type Item = (String, Tensor);
    type IntoIter = indexmap::map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn prefixes_are_consumed_in_names_and_metadata_as_pytorch_does() {
        let zeros = || Tensor::zeros([1], DType::F32);
        let names = ["module.a.weight", "other", "module.b", "moduleless"];
        let mut state: StateDict = names.into_iter().map(|name| (name, zeros())).collect();
        state.metadata = [("", 1), ("module", 2), ("module.a", 3), ("else", 4)].map(|(k, v)| (k.to_owned(), v)).into();
        state.consume_prefix("module.");
        assert_eq!(state.keys().collect::<Vec<_>>(), ["other", "moduleless", "a.weight", "b"]);
        let metadata: Vec<_> = state.metadata.iter().map(|(k, &v)| (k.as_str(), v)).collect();
        assert_eq!(metadata, [("", 2), ("else", 4), ("a", 3)]);
    }
}
