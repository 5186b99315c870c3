//! Names and data of znodes, without an allocation for each.
//!
//! Short ones lie in entries of a fixed size, in steps of eight bytes, a thousand to a chunk; long ones are
//! allocated alone. An entry is known by its length and a number, so that a reference to it takes four bytes
//! where a pointer and what the allocator adds would take thirty.

/// Entries of one size in a chunk.
const CHUNK: usize = 1024;
/// Entry sizes are multiples of this.
const STEP: usize = 8;
/// Longer ones are allocated alone.
const SHORT_MAX: usize = 512;
/// No entry.
const NONE: u32 = u32::MAX;

/// Number of an entry among those of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    /// Of nothing at all.
    pub const EMPTY: Self = Self(NONE);
}

/// All names and data.
#[derive(Debug)]
pub(crate) struct Bytes {
    sizes: Vec<Size>,
    long: Vec<Box<[u8]>>,
    long_free: Vec<Place>,
}

/// All entries of one size.
#[derive(Debug)]
struct Size {
    bytes: usize,
    chunks: Vec<Box<[u8]>>,
    /// Entries ever used.
    end: u32,
    /// First of the free entries; each begins with the number of the next.
    free: u32,
}

impl Bytes {
    pub fn new() -> Self {
        let size = |bytes| Size { bytes, chunks: Vec::new(), end: 0, free: NONE };
        let sizes = (1..=SHORT_MAX / STEP).map(|steps| size(steps * STEP)).collect();
        Self { sizes, long: Vec::new(), long_free: Vec::new() }
    }

    /// Stores one part behind the other.
    pub fn insert(&mut self, front: &[u8], back: &[u8]) -> Place {
        let length = front.len() + back.len();
        if length == 0 {
            return Place::EMPTY;
        }
        if length > SHORT_MAX {
            return self.insert_long([front, back].concat().into_boxed_slice());
        }
        let size = &mut self.sizes[(length - 1) / STEP];
        let place = size.take();
        let entry = size.entry_mut(place);
        entry[..front.len()].copy_from_slice(front);
        entry[front.len()..length].copy_from_slice(back);
        place
    }

    fn insert_long(&mut self, bytes: Box<[u8]>) -> Place {
        if let Some(place) = self.long_free.pop() {
            self.long[place.0 as usize] = bytes;
            return place;
        }
        self.long.push(bytes);
        Place(u32::try_from(self.long.len() - 1).expect("memory ends long before"))
    }

    /// Forgets an entry.
    pub fn remove(&mut self, place: Place, length: usize) {
        if length == 0 {
            return;
        }
        if length > SHORT_MAX {
            self.long[place.0 as usize] = Box::default();
            self.long_free.push(place);
        } else {
            self.sizes[(length - 1) / STEP].give_back(place);
        }
    }

    /// An entry, and nothing behind it.
    #[inline]
    pub fn get(&self, place: Place, length: usize) -> &[u8] {
        if length == 0 {
            &[]
        } else if length > SHORT_MAX {
            &self.long[place.0 as usize]
        } else {
            &self.sizes[(length - 1) / STEP].entry(place)[..length]
        }
    }

    /// The same, to be overwritten.
    pub fn get_mut(&mut self, place: Place, length: usize) -> &mut [u8] {
        if length == 0 {
            &mut []
        } else if length > SHORT_MAX {
            &mut self.long[place.0 as usize]
        } else {
            &mut self.sizes[(length - 1) / STEP].entry_mut(place)[..length]
        }
    }
}

impl Size {
    #[inline]
    fn entry(&self, place: Place) -> &[u8] {
        let (chunk, at) = (place.0 as usize / CHUNK, place.0 as usize % CHUNK * self.bytes);
        &self.chunks[chunk][at..at + self.bytes]
    }

    fn entry_mut(&mut self, place: Place) -> &mut [u8] {
        let (chunk, at) = (place.0 as usize / CHUNK, place.0 as usize % CHUNK * self.bytes);
        &mut self.chunks[chunk][at..at + self.bytes]
    }

    fn take(&mut self) -> Place {
        if self.free != NONE {
            let place = Place(self.free);
            let next = self.entry(place).first_chunk().copied();
            self.free = u32::from_le_bytes(next.expect("an entry has eight bytes at least"));
            return place;
        }
        if self.end as usize == self.chunks.len() * CHUNK {
            self.chunks.push(vec![0; CHUNK * self.bytes].into_boxed_slice());
        }
        assert!(self.end < NONE, "there are no more entries than znodes");
        self.end += 1;
        Place(self.end - 1)
    }

    fn give_back(&mut self, place: Place) {
        let next = self.free.to_le_bytes();
        self.entry_mut(place)[..next.len()].copy_from_slice(&next);
        self.free = place.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_is_found_at_every_length() {
        let mut bytes = Bytes::new();
        let text = |length: usize| (0..length).map(|at| (at * 7 + length) as u8).collect::<Vec<_>>();
        for round in 0..3 {
            let lengths = || (0..SHORT_MAX + 40).filter(move |length| length % 3 != round);
            let stored: Vec<_> = lengths()
                .map(|length| {
                    let text = text(length);
                    let (front, back) = text.split_at(length / 3);
                    (length, bytes.insert(front, back))
                })
                .collect();
            for &(length, place) in &stored {
                assert_eq!(bytes.get(place, length), text(length), "{length}");
            }
            for (length, place) in stored {
                bytes.remove(place, length);
            }
        }
    }

    #[test]
    fn freed_entries_are_used_again() {
        let mut bytes = Bytes::new();
        let places: Vec<_> = (0..3000).map(|_| bytes.insert(b"name", b"data")).collect();
        places.iter().for_each(|&place| bytes.remove(place, 8));
        let again: Vec<_> = places.iter().map(|_| bytes.insert(b"n", b"")).collect();
        assert_eq!(again.len(), places.len());
        assert_eq!(bytes.sizes[0].end, 3000);
    }
}
