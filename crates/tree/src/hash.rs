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
            // Sixteen bytes that overlap those before cost less than a copy of as many as are left.
            let (low, high) = bytes.last_chunk().map_or_else(|| short_halves(tail), halves);
            hash = fold(low ^ k1, high ^ hash ^ k2);
        }
        fold(hash ^ k2, k0)
    }

    /// Hashes a path name by name.
    pub fn path(&self, path: &str) -> u64 {
        path.split('/').fold(0, |above, name| self.bytes(above, name.as_bytes()))
    }

    /// What stands before each slash of a path, the shortest first, with what [`Self::path`] makes of it. All of
    /// them together cost no more than the path itself.
    pub fn paths_above<'p>(&self, path: &'p str) -> impl Iterator<Item = (&'p str, u64)> + use<'p> {
        let (seed, mut hash, mut start) = (self.clone(), 0, 0);
        path.match_indices('/').map(move |(slash, _)| {
            hash = seed.bytes(hash, &path.as_bytes()[start..slash]);
            start = slash + 1;
            (&path[..slash], hash)
        })
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

/// Fewer than sixteen bytes, at least one, which overlap in what is made of them.
#[inline]
fn short_halves(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
    } else {
        let [first, middle, last] = [bytes[0], bytes[bytes.len() / 2], bytes[bytes.len() - 1]];
        (u32::from_le_bytes([first, middle, last, 0]).into(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_above_hash_as_if_each_were_hashed_alone() {
        let seed = Seeded::new(7);
        for path in ["", "a", "/", "/a", "/a/b", "/a//b/", "/long name/with é/and more than sixteen bytes/x"]
        {
            let above: Vec<_> = seed.paths_above(path).collect();
            let expected = path.match_indices('/').map(|(slash, _)| &path[..slash]);
            assert!(expected.map(|above| (above, seed.path(above))).eq(above), "{path:?}");
        }
        assert_ne!(seed.path("/a/b"), seed.path("/ab"));
        assert_ne!(seed.path("/a/b"), seed.path("/b/a"));
    }

    #[test]
    fn every_byte_counts_at_every_length() {
        let seeded = Seeded::new(1);
        for length in 0..70 {
            let bytes = vec![b'x'; length];
            let hash = seeded.bytes(0, &bytes);
            assert_ne!(hash, seeded.bytes(1, &bytes), "the start, with {length} bytes");
            assert_ne!(hash, seeded.bytes(0, &vec![b'x'; length + 1]), "one more than {length} bytes");
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert_ne!(hash, seeded.bytes(0, &other), "byte {at} of {length}");
            }
        }
    }
}
