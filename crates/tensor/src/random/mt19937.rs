//! The MT19937 engine (Matsumoto and Nishimura 1998), word for word PyTorch's CPU engine.

const N: usize = 624;
const M: usize = 397;

/// The engine's state: 624 words and how many of them are used up.
#[derive(Clone)]
pub(super) struct Mt19937 {
    pub(super) words: [u32; N],
    /// Words of the block that were handed out; `N` if the next call makes a new block.
    pub(super) used: usize,
    /// Whether no block was made since seeding.
    pub(super) fresh: bool,
}

impl Mt19937 {
    /// Seeds with the low 32 bits, as PyTorch does.
    pub(super) fn new(seed: u64) -> Mt19937 {
        let mut words = [0u32; N];
        words[0] = seed as u32;
        for j in 1..N {
            let last = words[j - 1];
            words[j] = 1812433253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(j as u32);
        }
        Mt19937 { words, used: N, fresh: true }
    }

    /// Makes the next block of 624 words.
    fn twist(&mut self) {
        let mix = |a: u32, b: u32| {
            let y = (a & 0x8000_0000) | (b & 0x7fff_ffff);
            (y >> 1) ^ if b & 1 == 1 { 0x9908_b0df } else { 0 }
        };
        let w = &mut self.words;
        for k in 0..N - M {
            w[k] = w[k + M] ^ mix(w[k], w[k + 1]);
        }
        for k in N - M..N - 1 {
            w[k] = w[k + M - N] ^ mix(w[k], w[k + 1]);
        }
        w[N - 1] = w[M - 1] ^ mix(w[N - 1], w[0]);
        self.used = 0;
        self.fresh = false;
    }

    /// The next 32 random bits.
    #[inline]
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.used >= N {
            self.twist();
        }
        let mut y = self.words[self.used];
        self.used += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// The next 64 random bits; the first word is the high half.
    #[inline]
    pub(super) fn next_u64(&mut self) -> u64 {
        let high = self.next_u32() as u64;
        high << 32 | self.next_u32() as u64
    }
}
