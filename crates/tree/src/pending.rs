//! Changes that are proposed and not yet applied, and the tree as it will be once they are.
//!
//! A request is judged against the last pending record of a path, or else the applied tree. What is decided
//! is recorded here before it is proposed, so that the next request can be judged at once; a transaction's
//! digest is that of the tree after everything pending.

mod create;
mod prep;

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use zoorum_proto::mode::{NodeKind, OwnerReading};
use zoorum_proto::txn::TxnDigest;
use zoorum_proto::{ErrorCode, Permissions, SessionId, TxnBody, Version, Zxid};

pub use prep::{Prepared, Requester};

use crate::Rules;
use crate::acls::AclList;
use crate::digest::{self, NodeDigest, TreeDigest};
use crate::hash::Seeded;
use crate::slab::History;
use crate::tree::Tree;

/// Changes that are proposed and not yet applied.
#[derive(Debug)]
pub struct Pending {
    /// The newest pending state of each path that has one. The root's path is `/`.
    records: HashMap<Arc<str>, Record, Seeded>,
    /// Every pending change, oldest first.
    queue: VecDeque<Entry>,
    /// Pending ephemeral znodes by session, oldest first.
    ephemerals: HashMap<SessionId, VecDeque<Arc<str>>, Seeded>,
    /// Of the tree after everything in the queue; meaningless while the queue is empty.
    digest: TreeDigest,
    /// What to restore if the multi being prepared is refused.
    undo: Option<Undo>,
}

#[derive(Clone, Debug)]
struct Record {
    zxid: Zxid,
    /// None: the znode will be gone.
    node: Option<PendingNode>,
}

/// A znode as it will be, without its data.
#[derive(Clone, Debug)]
struct PendingNode {
    history: History,
    children: u32,
    data_length: usize,
    acl: AclList,
    digest: NodeDigest,
}

#[derive(Debug)]
struct Entry {
    zxid: Zxid,
    path: Arc<str>,
    /// Who will own it, if the change creates an ephemeral znode.
    owner: SessionId,
}

#[derive(Debug)]
struct Undo {
    queue_length: usize,
    digest: TreeDigest,
    records: Vec<(Arc<str>, Option<Record>)>,
}

/// A znode as requests see it: pending, or else applied.
#[derive(Clone, Copy, Debug)]
struct View<'v> {
    history: &'v History,
    children: u32,
    data_length: usize,
    acl: &'v AclList,
    digest: NodeDigest,
}

impl View<'_> {
    fn to_pending(self) -> PendingNode {
        PendingNode {
            history: *self.history,
            children: self.children,
            data_length: self.data_length,
            acl: self.acl.clone(),
            digest: self.digest,
        }
    }
}

impl Pending {
    /// Nothing is pending yet.
    pub fn new(seed: u64) -> Self {
        let seed = Seeded::new(seed);
        Self {
            records: HashMap::with_hasher(seed.clone()),
            queue: VecDeque::new(),
            ephemerals: HashMap::with_hasher(seed),
            digest: TreeDigest::default(),
            undo: None,
        }
    }

    /// Changes pending, a path counted as often as it changes.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets what is in the tree now: everything up to `applied`.
    pub fn retire(&mut self, applied: Zxid) {
        while self.queue.front().is_some_and(|entry| entry.zxid <= applied) {
            let Some(entry) = self.queue.pop_front() else { return };
            if self.records.get(&entry.path).is_some_and(|record| record.zxid <= applied) {
                self.records.remove(&entry.path);
            }
            if entry.owner != SessionId::NONE
                && let Some(paths) = self.ephemerals.get_mut(&entry.owner)
            {
                paths.pop_front();
                if paths.is_empty() {
                    self.ephemerals.remove(&entry.owner);
                }
            }
        }
    }

    /// The znode as it will be.
    fn view<'v>(&'v self, tree: &'v Tree, path: &str) -> Option<View<'v>> {
        let path = if path.is_empty() { "/" } else { path };
        if !self.queue.is_empty()
            && let Some(record) = self.records.get(path)
        {
            return record.node.as_ref().map(|node| View {
                history: &node.history,
                children: node.children,
                data_length: node.data_length,
                acl: &node.acl,
                digest: node.digest,
            });
        }
        let node = tree.at(tree.slot(path)?);
        Some(View {
            history: &node.history,
            children: node.children,
            data_length: node.data_length(),
            acl: tree.acl_list(node.acl),
            digest: node.digest,
        })
    }

    /// The digest of the tree after everything pending.
    fn digest_after(&self, tree: &Tree) -> TreeDigest {
        if self.queue.is_empty() { tree.tree_digest() } else { self.digest }
    }

    /// Records that the znode will be as given; `old` is what it has added to the digest so far, and `owner`
    /// is set where an ephemeral znode is created.
    fn record(
        &mut self,
        tree: &Tree,
        zxid: Zxid,
        path: &str,
        old: NodeDigest,
        node: Option<PendingNode>,
        owner: SessionId,
    ) {
        let path = if path.is_empty() { "/" } else { path };
        let node = node.map(|mut node| {
            if digest::covers(path) {
                node.digest = NodeDigest::of_node(&node.history);
            }
            node
        });
        self.digest = self.digest_after(tree);
        self.digest.replace(old, node.as_ref().map_or(NodeDigest::default(), |node| node.digest));

        let known = self.records.get_key_value(path).map(|(known, _)| known.clone());
        let path: Arc<str> = known.unwrap_or_else(|| path.into());
        let earlier = self.records.insert(path.clone(), Record { zxid, node });
        if let Some(undo) = &mut self.undo {
            undo.records.push((path.clone(), earlier));
        }
        if owner != SessionId::NONE {
            self.ephemerals.entry(owner).or_default().push_back(path.clone());
        }
        self.queue.push_back(Entry { zxid, path, owner });
    }

    /// From here on, [`Self::roll_back`] can restore this state.
    fn begin_multi(&mut self) {
        let undo = Undo { queue_length: self.queue.len(), digest: self.digest, records: Vec::new() };
        self.undo = Some(undo);
    }

    /// The multi stands.
    fn end_multi(&mut self) {
        self.undo = None;
    }

    /// As if nothing had been recorded since [`Self::begin_multi`].
    fn roll_back(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        for entry in self.queue.drain(undo.queue_length..).rev() {
            if entry.owner != SessionId::NONE
                && let Some(paths) = self.ephemerals.get_mut(&entry.owner)
            {
                paths.pop_back();
                if paths.is_empty() {
                    self.ephemerals.remove(&entry.owner);
                }
            }
        }
        for (path, earlier) in undo.records.into_iter().rev() {
            match earlier {
                Some(record) => drop(self.records.insert(path, record)),
                None => drop(self.records.remove(&path)),
            }
        }
        self.digest = undo.digest;
    }

    /// Paths of all ephemeral znodes that the session will own, sorted.
    fn ephemerals_after(&self, tree: &Tree, session: SessionId) -> Vec<String> {
        let is_owned = |record: &Record| record.is_owned_by(session, tree.owners());
        let mut paths = tree.ephemerals(session);
        paths.retain(|path| self.records.get(path.as_str()).is_none_or(is_owned));
        let pending = self.ephemerals.get(&session).into_iter().flatten();
        let alive = pending.filter(|path| self.records.get(&**path).is_some_and(is_owned));
        paths.extend(alive.map(|path| path.to_string()));
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The digest to go with a transaction that was just recorded.
    fn digest_for(&self, tree: &Tree, rules: &Rules) -> Option<TxnDigest> {
        let value = self.digest_after(tree).value();
        rules.digest.then_some(TxnDigest { version: TxnDigest::VERSION, value })
    }
}

impl Record {
    fn is_owned_by(&self, session: SessionId, owners: OwnerReading) -> bool {
        let kind = self.node.as_ref().map(|node| node.history.kind(owners));
        kind == Some(NodeKind::Ephemeral(session))
    }
}

/// The version after a change that expects `expected`.
fn next_version(current: Version, expected: Version) -> Result<Version, ErrorCode> {
    if expected.admits(current) { Ok(current.next()) } else { Err(ErrorCode::BadVersion) }
}

/// What one request is judged by.
struct Judge<'j> {
    pending: &'j mut Pending,
    tree: &'j Tree,
    rules: &'j Rules,
    requester: &'j Requester<'j>,
    zxid: Zxid,
    time: zoorum_proto::WallClock,
    /// Bytes of the ids for which `auth` stands in the request so far.
    expanded: usize,
}

type Decided<'a> = Result<TxnBody<'a>, ErrorCode>;

impl Judge<'_> {
    fn view(&self, path: &str) -> Result<View<'_>, ErrorCode> {
        self.pending.view(self.tree, path).ok_or(ErrorCode::NoNode)
    }

    fn require(&self, acl: &AclList, wanted: Permissions) -> Result<(), ErrorCode> {
        let is_allowed = self.rules.acl.allows(acl, wanted, self.requester.ids);
        if is_allowed { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    fn require_session(&self) -> Result<(), ErrorCode> {
        self.requester.barred.map_or(Ok(()), Err)
    }

    fn check_quota(&self, path: &str, count: i64, bytes: i64) -> Result<(), ErrorCode> {
        if self.rules.enforce_quota { self.tree.check_quota(path, count, bytes) } else { Ok(()) }
    }

    /// Records a znode that was changed since [`View::to_pending`].
    fn record(&mut self, path: &str, node: PendingNode) {
        let old = node.digest;
        self.pending.record(self.tree, self.zxid, path, old, Some(node), SessionId::NONE);
    }
}
