//! The applied state: znodes, sessions, and what is counted about them.
//!
//! A path is not stored whole: a znode knows its parent and its own name, and one table, split so that its
//! growth never pauses for long, finds a child by parent and name. A look-up walks the components and
//! allocates nothing.

mod apply;
mod load;
mod nodes;
mod pass;
mod read;

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use zoorum_proto::mode::{NodeKind, OwnerReading};
use zoorum_proto::snapshot::SnapshotSession;
use zoorum_proto::{Acl, Permissions, SessionId, Version, WallClock, Zxid, path};

pub use apply::{Applied, Change, ChangeKind, Outcome};
pub use load::{LoadError, Loader};
pub use pass::SnapshotStart;
pub use read::NodeRef;

use crate::acls::{self, AclId, AclList, AclTable};
use crate::digest::{NodeDigest, TreeDigest};
use crate::hash::Seeded;
use crate::names::Names;
use crate::slab::{History, Slab, Slot};
use pass::Pass;

/// The applied state of a server: every znode, every session.
///
/// It changes only by [`Tree::apply`], and equal histories give equal trees on every server.
#[derive(Debug)]
pub struct Tree {
    seed: Seeded,
    owners: OwnerReading,
    slab: Slab,
    names: Names,
    acls: AclTable,
    last_zxid: Zxid,
    /// See [`Tree::highest_loaded`].
    highest_loaded: Zxid,
    digest: TreeDigest,
    /// Bytes of all paths and all data.
    data_size: u64,
    sessions: HashMap<SessionId, i32, Seeded>,
    ephemerals: HashMap<SessionId, HashSet<Slot, Seeded>, Seeded>,
    ephemeral_count: usize,
    /// Znodes with a time to live.
    ttl_count: usize,
    /// Childless containers.
    containers: HashSet<Slot, Seeded>,
    /// Childless TTL znodes, by the moment at which their time is up.
    ttls: BTreeSet<(i64, Slot)>,
    /// Paths whose usage is accounted for.
    quotas: HashSet<Box<str>, Seeded>,
    /// The snapshot being written.
    pass: Option<Pass>,
}

impl Tree {
    /// The tree of a new database: the root and `/zookeeper` with its two children, all of them at zero.
    pub fn new(seed: u64) -> Self {
        Self::with_owners(seed, OwnerReading::default())
    }

    /// The same, with another way to read what kind a znode is of.
    pub fn with_owners(seed: u64, owners: OwnerReading) -> Self {
        let seed = Seeded::new(seed);
        let mut tree = Self {
            owners,
            slab: Slab::new(),
            names: Names::new(seed.clone()),
            acls: AclTable::new(seed.clone()),
            last_zxid: Zxid::ZERO,
            highest_loaded: Zxid::ZERO,
            digest: TreeDigest::default(),
            data_size: 0,
            sessions: HashMap::with_hasher(seed.clone()),
            ephemerals: HashMap::with_hasher(seed.clone()),
            ephemeral_count: 0,
            ttl_count: 0,
            containers: HashSet::with_hasher(seed.clone()),
            ttls: BTreeSet::new(),
            quotas: HashSet::with_hasher(seed.clone()),
            pass: None,
            seed,
        };
        tree.attach_built_in(path::ROOT, "", Slot::NONE, Version(0), &[Acl::world(Permissions::ALL)]);
        let open = [Acl::world(Permissions::ALL)];
        let top = tree.attach_built_in(path::ZOOKEEPER, "zookeeper", Slot::ROOT, Version(0), &open);
        tree.attach_built_in(path::QUOTA, "quota", top, Version(0), &open);
        let read_only = [Acl::world(Permissions::READ)];
        tree.attach_built_in(path::CONFIG, "config", top, Version(-1), &read_only);
        tree
    }

    fn attach_built_in(
        &mut self,
        path: &str,
        name: &str,
        parent: Slot,
        aversion: Version,
        acl: &[Acl<'_>],
    ) -> Slot {
        let content = NodeDigest::of_content(path, Some(b""));
        let history = History { aversion, content, ..History::default() };
        let acl = self.acls.acquire(acl);
        let position = self.names.position(parent, path, name);
        self.attach(&position, Some(b""), history, acl)
    }

    /// Lets `/zookeeper/config` show who is in the ensemble, as this server has it in its configuration. That has
    /// no place in history, and may differ from server to server; digests leave it out. What is shown already stays
    /// as it is.
    pub fn show_config(&mut self, text: &str, now: WallClock) {
        if let Some(slot) = self.slot(path::CONFIG)
            && self.data(slot) != Some(text.as_bytes())
        {
            self.replace_data(slot, path::CONFIG, Some(text.as_bytes()));
            self.revise(slot, |history| (history.mtime, history.version) = (now, Version(-1)));
        }
    }

    /// The last transaction applied.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The latest change of any znode when the tree was read from a snapshot. It can be later than the tree's own place:
    /// then the snapshot was taken while the tree changed, or restored from another history.
    pub fn highest_loaded(&self) -> Zxid {
        self.highest_loaded
    }

    /// The same tree at another place in history.
    pub fn move_to(&mut self, zxid: Zxid) {
        self.last_zxid = zxid;
    }

    /// The digest of the whole tree, version 2.
    pub fn digest(&self) -> i64 {
        self.digest.value()
    }

    /// Every open session, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = SnapshotSession> {
        self.sessions.iter().map(|(&session, &timeout_ms)| SnapshotSession { session, timeout_ms })
    }

    /// The timeout of an open session, in ms.
    pub fn session_timeout(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).copied()
    }

    /// Open sessions.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Paths of the session's ephemeral znodes, sorted.
    pub fn ephemerals(&self, session: SessionId) -> Vec<String> {
        let slots = self.ephemerals.get(&session).into_iter().flatten();
        let mut paths: Vec<_> = slots.map(|&slot| self.path_of(slot)).collect();
        paths.sort_unstable();
        paths
    }

    /// Sessions that own ephemeral znodes, open or not, in no order.
    pub fn sessions_with_ephemerals(&self) -> impl Iterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// Ephemeral znodes of all sessions.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemeral_count
    }

    /// Znodes, the root included, once.
    pub fn node_count(&self) -> usize {
        self.slab.len()
    }

    /// Bytes of all paths and all data.
    pub fn approximate_data_size(&self) -> u64 {
        self.data_size
    }

    /// Numbers of ACL lists that a loaded snapshot refers to and does not have, each with the count of znodes
    /// that nobody but super can use for it. Replaying the log behind a fuzzy snapshot should leave none.
    pub fn unresolved_acls(&self) -> impl Iterator<Item = (i64, u32)> {
        self.acls.unresolved()
    }

    /// Whether any znode has a time to live.
    pub fn has_ttl_nodes(&self) -> bool {
        self.ttl_count > 0
    }

    /// Containers that have lost their last child and TTL znodes whose time is up, with `never_used` also
    /// containers that have had no child for that long; in no order.
    pub fn removable(&self, now: WallClock, never_used: Option<Duration>) -> Vec<String> {
        let due = |slot: &&Slot| {
            let history = &self.slab[**slot].history;
            let idle_ms = now.0.saturating_sub(history.mtime.0);
            let idle = Duration::from_millis(u64::try_from(idle_ms).unwrap_or(0));
            history.creates > 0 || never_used.is_some_and(|limit| idle > limit)
        };
        let containers = self.containers.iter().filter(due);
        let outlived = self.ttls.range(..(now.0, Slot::ROOT)).map(|(_, slot)| slot);
        containers.chain(outlived).map(|&slot| self.path_of(slot)).collect()
    }

    pub(crate) fn data(&self, slot: Slot) -> Option<&[u8]> {
        self.slab.data(slot)
    }

    pub(crate) fn owners(&self) -> OwnerReading {
        self.owners
    }

    pub(crate) fn tree_digest(&self) -> TreeDigest {
        self.digest
    }

    pub(crate) fn acl_list(&self, id: AclId) -> &AclList {
        self.acls.list(id)
    }

    /// The list as a znode will have it. The one that nearly all have is shared at once.
    pub(crate) fn shared_acl(&self, acl: &[Acl<'static>]) -> AclList {
        if acls::is_open(acl) { self.acls.list(AclId::OPEN).clone() } else { acl.into() }
    }

    /// Paths whose usage is accounted for.
    pub(crate) fn quotas(&self) -> &HashSet<Box<str>, Seeded> {
        &self.quotas
    }

    /// How many znodes there are from this one on downwards, and the bytes of their data.
    pub(crate) fn usage(&self, top: Slot) -> (i64, i64) {
        let (mut count, mut bytes) = (0, 0);
        self.walk(top, |slot| {
            count += 1;
            bytes += self.slab[slot].data_length() as i64;
        });
        (count, bytes)
    }

    /// Notes that a childless container or TTL znode may become removable. Undone by [`Self::unwatch_expiry`],
    /// which must come before any change of what this depends on.
    fn watch_expiry(&mut self, slot: Slot) {
        let node = &self.slab[slot];
        if node.history.owner >= 0 || node.children > 0 {
            return; // containers and TTL znodes have the top bit set
        }
        match node.history.kind(self.owners) {
            NodeKind::Container => drop(self.containers.insert(slot)),
            NodeKind::Ttl(ttl) => drop(self.ttls.insert((node.history.mtime.0.saturating_add(ttl), slot))),
            NodeKind::Persistent | NodeKind::Ephemeral(_) => {}
        }
    }

    fn unwatch_expiry(&mut self, slot: Slot) {
        let node = &self.slab[slot];
        if node.history.owner >= 0 || node.children > 0 {
            return;
        }
        match node.history.kind(self.owners) {
            NodeKind::Container => drop(self.containers.remove(&slot)),
            NodeKind::Ttl(ttl) => drop(self.ttls.remove(&(node.history.mtime.0.saturating_add(ttl), slot))),
            NodeKind::Persistent | NodeKind::Ephemeral(_) => {}
        }
    }
}
