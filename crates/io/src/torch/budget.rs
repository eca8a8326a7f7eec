//! What may be made from a pickle: every copy and every use of a shared part is paid from what the file's size allows.

use crate::Error;

/// Values that any file may make, and how many more per byte of it. A value takes at least one byte of a pickle unless
/// it is shared, so only sharing spends the first. Each takes some hundred bytes of memory.
const VALUES: u64 = 300_000;
const VALUES_PER_BYTE: u64 = 1;
/// The same for bytes of text, of numbers and of lists of arguments that are copied.
const BYTES: u64 = 16 << 20;
const BYTES_PER_BYTE: u64 = 4;

/// What is left to spend.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    values: u64,
    bytes: u64,
}

impl Budget {
    /// For a pickle that takes `stored` bytes of its file, and `len` bytes once it is inflated.
    pub(crate) fn new(stored: u64, len: u64) -> Budget {
        Budget {
            values: VALUES.saturating_add(stored.saturating_mul(VALUES_PER_BYTE)),
            bytes: BYTES.saturating_add(len.saturating_mul(BYTES_PER_BYTE)),
        }
    }

    /// Pays for a value that owns some bytes besides.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        match (self.values.checked_sub(1), self.bytes.checked_sub(bytes as u64)) {
            (Some(values), Some(bytes)) => {
                *self = Budget { values, bytes };
                Ok(())
            }
            _ => Err(Error::corrupt("pickle", "shared parts that expand beyond all measure")),
        }
    }

    /// What was spent since then.
    pub(crate) fn since(&self, before: &Budget) -> Budget {
        Budget { values: before.values - self.values, bytes: before.bytes - self.bytes }
    }

    /// Pays what something cost before.
    pub(crate) fn pay(&mut self, cost: &Budget) -> Result<(), Error> {
        match (self.values.checked_sub(cost.values), self.bytes.checked_sub(cost.bytes)) {
            (Some(values), Some(bytes)) => {
                *self = Budget { values, bytes };
                Ok(())
            }
            _ => Err(Error::corrupt("pickle", "shared objects that expand beyond all measure")),
        }
    }
}
