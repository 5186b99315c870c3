//! What a writer knows to be there, and the numbers of sequential nodes.

use std::collections::{BTreeMap, BTreeSet};

/// A node as its only writer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its data.
    pub data: Vec<u8>,
    /// Changes of its data.
    pub version: i32,
    /// Changes of its ACL.
    pub aversion: i32,
    /// The session that it goes with; 0 if it stays.
    pub owner: i64,
}

/// Every node of one writer, and nothing but these is below its root or bears its name elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By path.
    pub nodes: BTreeMap<String, Known>,
}

/// One change to one node; those of a multi happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node comes into being.
    Create {
        /// Where, or for a sequential one, what comes before the number.
        path: String,
        /// With which data.
        data: Vec<u8>,
        /// See [`flag`](crate::wire::flag).
        flags: i32,
    },
    /// A node gets other data.
    Set {
        /// Which node.
        path: String,
        /// Which data.
        data: Vec<u8>,
    },
    /// A node gets another ACL.
    SetAcl {
        /// Which node.
        path: String,
    },
    /// A node goes.
    Delete {
        /// Which node.
        path: String,
    },
}

impl Ledger {
    /// Enters a change that was carried out. `created` is the path that a create really got.
    pub fn enter(&mut self, change: &Change, created: &str, session: i64) {
        match change {
            Change::Create { data, flags, .. } => {
                let owner = if flags & 1 == 1 { session } else { 0 };
                let known = Known { data: data.clone(), version: 0, aversion: 0, owner };
                let before = self.nodes.insert(created.to_owned(), known);
                assert_eq!(before, None, "{created} was created twice");
            }
            Change::Set { path, data } => {
                let known = self.known_mut(path);
                known.data = data.clone();
                known.version += 1;
            }
            Change::SetAcl { path } => self.known_mut(path).aversion += 1,
            Change::Delete { path } => {
                self.nodes.remove(path).unwrap_or_else(|| panic!("{path} was not there to be deleted"));
            }
        }
    }

    /// A session is over, and its ephemeral nodes with it.
    pub fn forget_session(&mut self, session: i64) {
        self.nodes.retain(|_, known| known.owner == 0 || known.owner != session);
    }

    /// A node that must be there.
    pub fn known(&self, path: &str) -> &Known {
        self.nodes.get(path).unwrap_or_else(|| panic!("{path} is not known"))
    }

    fn known_mut(&mut self, path: &str) -> &mut Known {
        self.nodes.get_mut(path).unwrap_or_else(|| panic!("{path} is not known"))
    }
}

/// The numbers that sequential nodes below one parent got.
#[derive(Debug, Default)]
pub struct Numbers {
    taken: BTreeSet<u64>,
}

impl Numbers {
    /// The highest one acknowledged; what is asked for from now on must be higher.
    pub fn highest(&self) -> Option<u64> {
        self.taken.last().copied()
    }

    /// A node with that number was acknowledged, or found, whose creation was asked for when `before` was
    /// the highest.
    pub fn take(&mut self, number: u64, before: Option<u64>) {
        assert!(Some(number) > before, "number {number} was given out after {before:?} was acknowledged");
        assert!(self.taken.insert(number), "number {number} was given out twice");
    }
}
