//! Finding a child by its parent and its name: a hash table of slots, split in many, so that growing pauses
//! for a fraction of all znodes only.
//!
//! A table holds slots and nothing else; what they are called is looked up in the slab.

use hashbrown::HashTable;

use crate::hash::Seeded;
use crate::slab::{Slab, Slot};

/// Parts of the table: a part that grows moves this fraction of all znodes.
const PARTS: usize = 1024;

/// Where a znode is, or would be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position<'p> {
    pub parent: Slot,
    /// The full path; the root's is `/`.
    pub path: &'p str,
    /// Its last component.
    pub name: &'p str,
    hash: u64,
}

/// A znode whose name cannot be found yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    pub slot: Slot,
    hash: u64,
}

impl Position<'_> {
    /// The znode that was put there.
    pub fn newcomer(&self, slot: Slot) -> Newcomer {
        Newcomer { slot, hash: self.hash }
    }
}

/// All names but the root's.
#[derive(Debug)]
pub(crate) struct Names {
    seed: Seeded,
    parts: Vec<HashTable<Slot>>,
}

impl Names {
    pub fn new(seed: Seeded) -> Self {
        Self { seed, parts: (0..PARTS).map(|_| HashTable::new()).collect() }
    }

    /// The place of this name below `parent`, which is what `path` says.
    #[inline]
    pub fn position<'p>(&self, parent: Slot, path: &'p str, name: &'p str) -> Position<'p> {
        Position { parent, path, name, hash: hash(&self.seed, parent, name.as_bytes()) }
    }

    /// The znode in this position.
    #[inline]
    pub fn at(&self, slab: &Slab, position: &Position<'_>) -> Option<Slot> {
        self.find(slab, position.parent, position.name.as_bytes(), position.hash)
    }

    /// The child of this name.
    #[inline]
    pub fn child(&self, slab: &Slab, parent: Slot, name: &str) -> Option<Slot> {
        let name = name.as_bytes();
        self.find(slab, parent, name, hash(&self.seed, parent, name))
    }

    #[inline]
    fn find(&self, slab: &Slab, parent: Slot, name: &[u8], hash: u64) -> Option<Slot> {
        let is_it = |&slot: &Slot| slab[slot].parent == parent && slab.name_bytes(slot) == name;
        self.parts[part(hash)].find(hash, is_it).copied()
    }

    /// Adds a znode in a position that was free.
    pub fn insert(&mut self, slab: &Slab, Newcomer { slot, hash }: Newcomer) {
        let (seed, part) = (&self.seed, &mut self.parts[part(hash)]);
        if part.len() == part.capacity() {
            // Half as much again is twice the buckets, unless most of them only remember what was removed.
            resize(part, part.len() + part.len() / 2 + 1, seed, slab);
        }
        part.insert_unique(hash, slot, |&slot| hash_of(seed, slab, slot));
    }

    /// Adds many znodes. Those whose names are taken are left in `newcomers`, in their order.
    ///
    /// The table is far larger than a processor's caches, one part of it is not: so part by part.
    pub fn insert_all(&mut self, slab: &Slab, newcomers: &mut Vec<Newcomer>) {
        let sorted = if newcomers.len() > PARTS { by_part(newcomers) } else { newcomers.clone() };
        newcomers.clear();
        for newcomer in sorted {
            let Newcomer { slot, hash } = newcomer;
            let (parent, name) = (slab[slot].parent, slab.name_bytes(slot));
            match self.find(slab, parent, name, hash) {
                None => self.insert(slab, newcomer),
                Some(_) => newcomers.push(newcomer),
            }
        }
    }

    /// Removes a znode that is still what it was called when it came.
    pub fn remove(&mut self, slab: &Slab, slot: Slot) {
        let hash = hash_of(&self.seed, slab, slot);
        if let Ok(found) = self.parts[part(hash)].find_entry(hash, |&other| other == slot) {
            found.remove();
        }
    }

    /// Makes room for so many names altogether.
    pub fn reserve(&mut self, slab: &Slab, names: usize) {
        let each = names / PARTS;
        for part in self.parts.iter_mut().filter(|part| part.capacity() < each) {
            resize(part, each, &self.seed, slab);
        }
    }

    /// Gives back what is far more room than was needed.
    pub fn shrink(&mut self, slab: &Slab) {
        // Growth leaves up to twice the room, and parts differ a little.
        for part in self.parts.iter_mut().filter(|part| part.capacity() / 3 > part.len()) {
            resize(part, part.len(), &self.seed, slab);
        }
    }
}

/// The same, those of one part together, otherwise in their order.
fn by_part(newcomers: &[Newcomer]) -> Vec<Newcomer> {
    let mut ends = [0; PARTS];
    newcomers.iter().for_each(|newcomer| ends[part(newcomer.hash)] += 1);
    let mut before = 0;
    for end in &mut ends {
        before += *end;
        *end = before;
    }
    let mut sorted = newcomers.to_vec();
    for newcomer in newcomers.iter().rev() {
        let end = &mut ends[part(newcomer.hash)];
        *end -= 1;
        sorted[*end] = *newcomer;
    }
    sorted
}

/// Moves everything to a new table.
///
/// Znodes are all over the memory, and each is read in two places, the second of which the first one tells.
/// So this goes over them twice, and never waits for one read before it begins the next.
fn resize(part: &mut HashTable<Slot>, capacity: usize, seed: &Seeded, slab: &Slab) {
    let mut names = Vec::with_capacity(part.len());
    names.extend(part.iter().map(|&slot| (slot, slab[slot].parent, slab.name_bytes(slot))));
    let mut resized = HashTable::with_capacity(capacity.max(part.len()));
    for (slot, parent, name) in names {
        resized.insert_unique(hash(seed, parent, name), slot, |&slot| hash_of(seed, slab, slot));
    }
    *part = resized;
}

#[inline]
fn hash_of(seed: &Seeded, slab: &Slab, slot: Slot) -> u64 {
    hash(seed, slab[slot].parent, slab.name_bytes(slot))
}

#[inline]
fn hash(seed: &Seeded, parent: Slot, name: &[u8]) -> u64 {
    seed.bytes(parent.0.into(), name)
}

/// Which part: bits that neither the bucket nor the tag within a part is made of.
#[inline]
fn part(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acls::AclId;
    use crate::slab::{History, NewNode};

    #[test]
    fn every_name_is_found_however_much_room_there_is() {
        let (mut slab, mut names) = (Slab::new(), Names::new(Seeded::new(1)));
        let texts: Vec<_> = (0..20_000).map(|index| index.to_string()).collect();
        for (index, name) in texts.iter().enumerate() {
            let new = NewNode {
                parent: Slot::ROOT,
                name,
                data: None,
                history: History::default(),
                acl: AclId::OPEN,
                is_digested: true,
            };
            let slot = slab.insert(new);
            let position = names.position(Slot::ROOT, "", name);
            names.insert(&slab, position.newcomer(slot));
            match index {
                5_000 => names.reserve(&slab, 1_000_000),
                10_000 => names.shrink(&slab),
                _ => {}
            }
        }
        let room = |names: &Names| names.parts.iter().map(HashTable::capacity).sum::<usize>();
        assert!(room(&names) < 3 * texts.len());
        for (index, name) in texts.iter().enumerate() {
            let found = names.child(&slab, Slot::ROOT, name);
            assert_eq!(found, Some(Slot(index as u32)));
            names.remove(&slab, Slot(index as u32));
            assert_eq!(names.child(&slab, Slot::ROOT, name), None);
        }
    }
}
