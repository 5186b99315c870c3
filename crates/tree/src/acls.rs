//! ACL lists, each kept once however many znodes have it.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use zoorum_proto::snapshot::{OPEN_ACL, SnapshotAcl};
use zoorum_proto::{Acl, Permissions};

use crate::hash::Seeded;

/// Who may do what with a znode; znodes with equal lists share one.
pub type AclList = Arc<[Acl<'static>]>;

/// Whether the list is just `world:anyone`, with all permissions.
pub(crate) fn is_open(acl: &[Acl<'_>]) -> bool {
    matches!(acl, [only] if only.perms == Permissions::ALL && only.scheme == "world" && only.id == "anyone")
}

/// Number of a list in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AclId(u32);

impl AclId {
    /// `world:anyone`, with all permissions: always there, never counted.
    pub const OPEN: Self = Self(0);

    /// The number in a snapshot file.
    pub fn number(self) -> i64 {
        if self == Self::OPEN { OPEN_ACL } else { self.0.into() }
    }
}

#[derive(Debug)]
struct Entry {
    list: AclList,
    /// Znodes that have it; an entry without users is free.
    users: u32,
    /// The number that a snapshot file used without saying what it means.
    unresolved: Option<i64>,
}

/// The lists in use.
#[derive(Debug)]
pub(crate) struct AclTable {
    seed: Seeded,
    entries: Vec<Entry>,
    by_list: HashTable<AclId>,
    free: Vec<AclId>,
}

impl AclTable {
    pub fn new(seed: Seeded) -> Self {
        let open: AclList = [Acl::world(Permissions::ALL)].into();
        let entries = vec![Entry { list: open, users: 1, unresolved: None }];
        Self { seed, entries, by_list: HashTable::new(), free: Vec::new() }
    }

    #[inline]
    pub fn list(&self, id: AclId) -> &AclList {
        &self.entries[id.0 as usize].list
    }

    /// The number of this list, with one more user.
    pub fn acquire(&mut self, acl: &[Acl<'_>]) -> AclId {
        if is_open(acl) {
            return AclId::OPEN;
        }
        let hash = self.seed.hash_one(acl);
        if let Some(&id) = self.by_list.find(hash, |id| *self.entries[id.0 as usize].list == *acl) {
            self.retain(id);
            return id;
        }
        let list: AclList = acl.iter().cloned().map(Acl::into_owned).collect();
        let id = self.add(list, None);
        let (seed, entries) = (&self.seed, &self.entries);
        self.by_list.insert_unique(hash, id, |id| seed.hash_one(&*entries[id.0 as usize].list));
        id
    }

    /// A list that a snapshot refers to by `number` but does not have: nobody but super gets past it.
    pub fn acquire_unresolved(&mut self, number: i64) -> AclId {
        self.add([Acl::world(Permissions(0))].into(), Some(number))
    }

    fn add(&mut self, list: AclList, unresolved: Option<i64>) -> AclId {
        let entry = Entry { list, users: 1, unresolved };
        if let Some(id) = self.free.pop() {
            self.entries[id.0 as usize] = entry;
            return id;
        }
        self.entries.push(entry);
        AclId((self.entries.len() - 1) as u32)
    }

    /// One more user of a list that has some.
    pub fn retain(&mut self, id: AclId) {
        if id != AclId::OPEN {
            self.entries[id.0 as usize].users += 1;
        }
    }

    /// One user less; the last one takes the list along.
    pub fn release(&mut self, id: AclId) {
        if id == AclId::OPEN {
            return;
        }
        let open = self.entries[0].list.clone();
        let entry = &mut self.entries[id.0 as usize];
        entry.users -= 1;
        if entry.users > 0 {
            return;
        }
        if entry.unresolved.is_none() {
            let hash = self.seed.hash_one(&*entry.list);
            if let Ok(found) = self.by_list.find_entry(hash, |&other| other == id) {
                found.remove();
            }
        }
        entry.list = open;
        self.free.push(id);
    }

    /// Every list that znodes refer to by number.
    pub fn snapshot(&self) -> Vec<SnapshotAcl<'static>> {
        let used = self.entries.iter().enumerate().skip(1).filter(|(_, entry)| entry.users > 0);
        used.map(|(number, entry)| SnapshotAcl { number: number as i64, acl: entry.list.to_vec() }).collect()
    }

    /// Numbers that a snapshot left unexplained, and how many znodes still have each.
    pub fn unresolved(&self) -> impl Iterator<Item = (i64, u32)> {
        self.entries
            .iter()
            .filter(|entry| entry.users > 0)
            .filter_map(|entry| entry.unresolved.map(|number| (number, entry.users)))
    }
}
