//! A generator's state as bytes, in PyTorch's layout (`torch.get_rng_state()`).

use super::Generator;
use super::mt19937::{Mt19937, WORDS};
use crate::{DType, Error, Tensor};

/// Bytes of a saved state: seed, counters, words, the spare normal, and fields that PyTorch no longer uses.
const BYTES: usize = 5056;
/// Where the words begin.
const STATE: usize = 24;
/// Where the spare normal is: behind the words and an unused number.
const SPARE: usize = STATE + WORDS * 8 + 8;
/// Where it is said whether there is a spare normal: behind another unused number.
const HAS_SPARE: usize = SPARE + 16;

impl Generator {
    /// The state as a tensor of 5056 bytes, exchangeable with PyTorch: `Generator.get_state()`.
    pub fn state(&self) -> Tensor {
        Tensor::build([BYTES], |out: &mut [u8]| {
            out.fill(0);
            let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
            put(0, &self.seed.to_le_bytes());
            put(8, &self.engine.left.to_le_bytes());
            put(12, &1u32.to_le_bytes());
            put(16, &(self.engine.next as u64).to_le_bytes());
            for (i, &word) in self.engine.state.iter().enumerate() {
                put(STATE + 8 * i, &(word as u64).to_le_bytes());
            }
            if let Some(spare) = self.spare {
                put(SPARE, &spare.to_le_bytes());
                put(HAS_SPARE, &1u32.to_le_bytes());
            }
        })
    }

    /// Goes on where a saved state left off: `Generator.set_state(state)`. On an error nothing changes.
    ///
    /// # Errors
    /// [`Error::InvalidGeneratorState`] if the tensor is not the state of a generator.
    pub fn set_state(&mut self, state: &Tensor) -> Result<(), Error> {
        if state.dtype() != DType::U8 {
            return Err(Error::InvalidGeneratorState("RNG state must be a torch.ByteTensor"));
        }
        if state.numel() != BYTES {
            return Err(Error::InvalidGeneratorState("a state has 5056 bytes"));
        }
        let bytes = state.to_vec::<u8>();
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let (left, seeded, next) = (u32_at(8), u32_at(12), u64_at(16));
        // The engine takes words `next .. next + left - 1` before it makes new ones.
        let fits = next <= WORDS as u64 && (1..=WORDS as u32).contains(&left) && next + left as u64 <= WORDS as u64 + 1;
        if seeded != 1 || !fits {
            return Err(Error::InvalidGeneratorState("Invalid mt19937 state"));
        }
        let words = std::array::from_fn(|i| u64_at(STATE + 8 * i) as u32);
        self.seed = u64_at(0);
        self.engine = Mt19937 { state: words, left, next: next as u32 };
        self.spare = (u32_at(HAS_SPARE) != 0).then(|| f64::from_bits(u64_at(SPARE)));
        Ok(())
    }
}
