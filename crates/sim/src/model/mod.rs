//! What the server should be: every state its tree has had, worked out a second time and far more simply.
//!
//! The model keeps all versions of every znode, so that a reply can be compared with the state at its zxid.

mod compare;
mod judge;
pub(crate) mod node;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use zoorum_proto::{Acl, Permissions, SessionId, Stat, Zxid};
use zoorum_tree::ChangeKind;

pub(crate) use compare::compare;
pub(crate) use judge::{Asker, Draft};
use node::Node;

/// A change of the tree, as watchers care about it.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) kind: ChangeKind,
    pub(crate) path: String,
    pub(crate) acl: Rc<[Acl<'static>]>,
    pub(crate) parent_acl: Rc<[Acl<'static>]>,
}

/// What the client that asked should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Refused(i32),
    Created { path: String, stat: Option<Stat> },
    Set(Stat),
    Done,
    Multi(Vec<Answer>),
}

/// One committed change.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) session: SessionId,
    pub(crate) xid: i32,
    pub(crate) answer: Answer,
    pub(crate) changes: Vec<Changed>,
}

/// A znode from this change on, or its absence.
type Version = (Zxid, Option<Rc<Node>>);

/// Every state up to now.
#[derive(Debug)]
pub(crate) struct Model {
    nodes: BTreeMap<String, Vec<Version>>,
    /// Open sessions with their timeouts, and ends of sessions, by zxid.
    sessions: BTreeMap<SessionId, Vec<(Zxid, Option<i32>)>>,
    /// What came before the history that is looked at.
    begins_at: Zxid,
    /// In the order of history.
    commits: BTreeMap<Zxid, Commit>,
}

impl Model {
    pub(crate) fn new(begins_at: Zxid) -> Self {
        let (nodes, sessions, commits) = Default::default();
        let mut model = Self { nodes, sessions, begins_at, commits };
        let mut put = |path: &str, node| {
            model.nodes.insert(path.to_owned(), vec![(Zxid::ZERO, Some(Rc::new(node)))]);
        };
        put("/", Node::built_in(Permissions::ALL, 0, &["zookeeper"]));
        put("/zookeeper", Node::built_in(Permissions::ALL, 0, &["config", "quota"]));
        put("/zookeeper/quota", Node::built_in(Permissions::ALL, 0, &[]));
        put("/zookeeper/config", Node::built_in(Permissions::READ, -1, &[]));
        model
    }

    /// The newest committed change.
    pub(crate) fn last(&self) -> Zxid {
        self.commits.last_key_value().map_or(self.begins_at, |(zxid, _)| *zxid)
    }

    pub(crate) fn commit(&self, zxid: Zxid) -> Option<&Commit> {
        self.commits.get(&zxid)
    }

    /// How many changes are committed.
    pub(crate) fn count(&self) -> usize {
        self.commits.len()
    }

    /// Whether it is of the history that every server had at the beginning.
    pub(crate) fn begins_with(&self, zxid: Zxid) -> bool {
        zxid <= self.begins_at
    }

    /// Whether the history had this end once.
    pub(crate) fn has(&self, zxid: Zxid) -> bool {
        zxid == Zxid::ZERO || zxid == self.begins_at || self.commits.contains_key(&zxid)
    }

    /// Changes after `after`, up to `through`.
    pub(crate) fn commits(&self, after: Zxid, through: Zxid) -> impl Iterator<Item = (Zxid, &Commit)> {
        let range = (Bound::Excluded(after), Bound::Included(through.max(after)));
        let some = after < through;
        some.then(|| self.commits.range(range)).into_iter().flatten().map(|(zxid, commit)| (*zxid, commit))
    }

    /// The znode as it was once everything up to `zxid` was applied.
    pub(crate) fn at(&self, path: &str, zxid: Zxid) -> Option<&Rc<Node>> {
        let versions = self.nodes.get(path)?;
        let after = versions.partition_point(|(at, _)| *at <= zxid);
        versions[..after].last()?.1.as_ref()
    }

    pub(crate) fn now(&self, path: &str) -> Option<&Rc<Node>> {
        self.nodes.get(path)?.last()?.1.as_ref()
    }

    /// All znodes at `zxid`.
    pub(crate) fn all_at(&self, zxid: Zxid) -> impl Iterator<Item = (&str, &Rc<Node>)> {
        self.nodes.keys().filter_map(move |path| Some((path.as_str(), self.at(path, zxid)?)))
    }

    pub(crate) fn all_now(&self) -> impl Iterator<Item = (&str, &Rc<Node>)> {
        self.all_at(Zxid(i64::MAX))
    }

    /// All znodes that ever were, each as it was last seen.
    pub(crate) fn ever(&self) -> impl Iterator<Item = (&str, &Rc<Node>)> {
        let last = |versions: &Vec<Version>| versions.iter().rev().position(|(_, node)| node.is_some());
        self.nodes.iter().filter_map(move |(path, versions)| {
            let at = versions.len() - 1 - last(versions)?;
            Some((path.as_str(), versions[at].1.as_ref()?))
        })
    }

    /// Whether there was no such znode at some moment since `since`.
    pub(crate) fn was_missing(&self, path: &str, since: Zxid) -> bool {
        let Some(versions) = self.nodes.get(path) else { return true };
        let was_gone = |(zxid, node): &Version| *zxid > since && node.is_none();
        self.at(path, since).is_none() || versions.iter().any(was_gone)
    }

    /// The session's timeout, if it is open at `zxid`.
    pub(crate) fn session_at(&self, session: SessionId, zxid: Zxid) -> Option<i32> {
        let changes = self.sessions.get(&session)?;
        let after = changes.partition_point(|(at, _)| *at <= zxid);
        changes[..after].last()?.1
    }

    pub(crate) fn session_now(&self, session: SessionId) -> Option<i32> {
        self.session_at(session, Zxid(i64::MAX))
    }

    /// Whether the session was ever opened.
    pub(crate) fn knows_session(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    pub(crate) fn sessions_at(&self, zxid: Zxid) -> impl Iterator<Item = (SessionId, i32)> {
        self.sessions.keys().filter_map(move |&session| Some((session, self.session_at(session, zxid)?)))
    }

    /// Paths of the session's ephemeral znodes at `zxid`, sorted.
    pub(crate) fn ephemerals_at(&self, session: SessionId, zxid: Zxid) -> Vec<String> {
        let owned = self.all_at(zxid).filter(|(_, node)| node.kind.session() == session);
        owned.map(|(path, _)| path.to_owned()).collect()
    }

    /// Descendants of a path at `zxid`.
    pub(crate) fn count_below(&self, path: &str, zxid: Zxid) -> usize {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        self.all_at(zxid).filter(|(other, _)| other.starts_with(&prefix) && *other != "/").count()
    }

    /// Takes the next change into history.
    pub(crate) fn push(&mut self, zxid: Zxid, changed: BTreeMap<String, Option<Rc<Node>>>, commit: Commit) {
        self.commits.insert(zxid, commit);
        for (path, node) in changed {
            self.nodes.entry(path).or_default().push((zxid, node));
        }
    }

    /// The change just taken in opened the session, or ended it.
    pub(crate) fn push_session(&mut self, session: SessionId, timeout_ms: Option<i32>) {
        let zxid = self.last();
        self.sessions.entry(session).or_default().push((zxid, timeout_ms));
    }
}
