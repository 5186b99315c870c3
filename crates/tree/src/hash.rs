//! Hashing with a seed that is handed in: runs repeat, and no client can aim collisions.
//!
//! The mix is the folded 64 × 64 → 128 bit multiplication of wyhash. Every constant derives from the seed:
//! with public constants a chosen key could zero a factor, and with it whatever came before.

use std::hash::{BuildHasher, Hasher};

/// Builds hashers that all share one seed.
#[derive(Clone, Debug)]
pub(crate) struct Seeded {
    keys: [u64; 4],
}

impl Seeded {
    /// Derives the constants from `seed` (SplitMix64).
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { keys }
    }

    /// Hashes `bytes`, told apart by `start`.
    #[inline]
    pub fn bytes(&self, start: u64, bytes: &[u8]) -> u64 {
        let [k0, k1, k2, k3] = self.keys;
        let mut hash = fold(start ^ k0, bytes.len() as u64 ^ k3);
        let (words, tail) = bytes.as_chunks::<16>();
        for word in words {
            let (low, high) = halves(word);
            hash = fold(low ^ k1, high ^ hash ^ k2);
        }
        if !tail.is_empty() {
            let mut word = [0; 16];
            word[..tail.len()].copy_from_slice(tail);
            let (low, high) = halves(&word);
            hash = fold(low ^ k1, high ^ hash ^ k2);
        }
        fold(hash ^ k2, k0)
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { seed: self.clone(), state: 0 }
    }
}

/// A hasher in progress.
#[derive(Clone, Debug)]
pub(crate) struct Folding {
    seed: Seeded,
    state: u64,
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        self.state = self.seed.bytes(self.state, bytes);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        let [k0, k1, ..] = self.seed.keys;
        self.state = fold(value ^ k1, self.state ^ k0);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        let [_, _, k2, k3] = self.seed.keys;
        fold(self.state ^ k2, k3)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn halves(word: &[u8; 16]) -> (u64, u64) {
    let word = u128::from_le_bytes(*word);
    (word as u64, (word >> 64) as u64)
}
