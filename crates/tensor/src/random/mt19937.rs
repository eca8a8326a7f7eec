//! The Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), in PyTorch's representation.

use crate::cpu::simd::multiversion;

/// Words of state, and words per block.
pub(super) const WORDS: usize = 624;
/// The recurrence's middle distance.
const MIDDLE: usize = 397;

/// The engine: one block of words, of which the first `next` are used up.
#[derive(Clone)]
pub(super) struct Mt19937 {
    pub(super) state: [u32; WORDS],
    /// One more than the words left in this block; at 1 the next draw makes a new block.
    pub(super) left: u32,
    /// The index of the next word; a freshly seeded engine has 0 here and 1 in `left`.
    pub(super) next: u32,
}

impl Mt19937 {
    pub(super) fn new(seed: u32) -> Mt19937 {
        let mut state = [seed; WORDS];
        for j in 1..WORDS {
            let last = state[j - 1];
            state[j] = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(j as u32);
        }
        Mt19937 { state, left: 1, next: 0 }
    }

    /// The next 32 random bits.
    #[inline]
    pub(super) fn word(&mut self) -> u32 {
        self.left -= 1;
        if self.left == 0 {
            self.refill();
        }
        let word = self.state[self.next as usize];
        self.next += 1;
        temper(word)
    }

    /// The next 64 random bits: two words, the first is the high half.
    #[inline]
    pub(super) fn word64(&mut self) -> u64 {
        let high = self.word() as u64;
        (high << 32) | self.word() as u64
    }

    /// Fills `out` with what as many calls of [`Mt19937::word`] would give.
    pub(super) fn fill(&mut self, mut out: &mut [u32]) {
        while !out.is_empty() {
            if self.left == 1 {
                self.refill();
                self.left += 1;
            }
            let count = out.len().min(self.left as usize - 1);
            let (now, later) = out.split_at_mut(count);
            temper_all(&self.state[self.next as usize..][..count], now);
            self.left -= count as u32;
            self.next += count as u32;
            out = later;
        }
    }

    /// Makes the next block, of which one word is about to be taken.
    fn refill(&mut self) {
        twist(&mut self.state);
        self.left = WORDS as u32;
        self.next = 0;
    }
}

#[inline(always)]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}

#[inline(always)]
fn mix(a: u32, b: u32) -> u32 {
    let y = (a & 0x8000_0000) | (b & 0x7fff_ffff);
    (y >> 1) ^ ((b & 1).wrapping_neg() & 0x9908_b0df)
}

multiversion! {
    fn temper_all(state: &[u32], out: &mut [u32]) {
        for (o, &s) in out.iter_mut().zip(state) {
            *o = temper(s);
        }
    }
}

multiversion! {
    /// The recurrence over a whole block. Each loop reads only words that it does not write, so that it vectorises.
    fn twist(state: &mut [u32; WORDS]) {
        let old = *state;
        const FIRST: usize = WORDS - MIDDLE;
        for k in 0..FIRST {
            state[k] = old[k + MIDDLE] ^ mix(old[k], old[k + 1]);
        }
        let (done, rest) = state.split_at_mut(FIRST);
        for k in 0..FIRST {
            rest[k] = done[k] ^ mix(old[k + FIRST], old[k + FIRST + 1]);
        }
        let (done, rest) = state.split_at_mut(2 * FIRST);
        for k in 0..WORDS - 1 - 2 * FIRST {
            rest[k] = done[k + FIRST] ^ mix(old[k + 2 * FIRST], old[k + 2 * FIRST + 1]);
        }
        state[WORDS - 1] = state[MIDDLE - 1] ^ mix(old[WORDS - 1], state[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_implementations_numbers_come_out() {
        // C++ standard, [rand.predef]: the 10000th word of mt19937 seeded with 5489 is 4123659995.
        let mut engine = Mt19937::new(5489);
        assert_eq!((0..10_000).map(|_| engine.word()).last(), Some(4_123_659_995));
    }

    #[test]
    fn filling_is_drawing_one_by_one() {
        let (mut a, mut b) = (Mt19937::new(1), Mt19937::new(1));
        for count in [1, 2, 620, 1, 623, 624, 0, 625, 3000] {
            let mut filled = vec![0; count];
            a.fill(&mut filled);
            assert!(filled.iter().all(|&word| word == b.word()), "{count}");
            assert_eq!((a.left, a.next, a.state), (b.left, b.next, b.state), "{count}");
        }
    }
}
