//! Writes: each acknowledged one is in history for ever, each other one once or never, and each was decided as
//! the protocol says.
//!
//! Beside what is committed, everything is kept that a leader ever gave a place to, with what it followed: so it
//! is known what a log that ends with some change must hold, committed or not.

use std::collections::{BTreeMap, BTreeSet};

use zoorum_proto::{AuthId, Decode, ErrorCode, SessionId, Txn, TxnBody, Zxid};
use zoorum_tree::Tree;

use super::{Checked, ensure};
use crate::client::ask::Ask;
use crate::model::{Answer, Asker, Commit, Draft, Model, compare};
use crate::network::LinkId;

/// A request that a client has sent, and who it was.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) ask: Ask,
    pub(crate) ids: Vec<AuthId>,
    /// By which connection, to which process.
    pub(crate) way: (LinkId, u64),
}

/// A change with its place in a history.
#[derive(Debug)]
struct Entry {
    /// The change before it.
    parent: Zxid,
    bytes: Vec<u8>,
    /// The tree's digest behind it, as its leader foresaw it.
    digest: Option<i64>,
}

/// All changes, those in the making too.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) model: Model,
    close_session_paths: bool,
    /// Whatever was given a place.
    entries: BTreeMap<Zxid, Entry>,
    /// Sessions whose end was proposed at any time.
    endings: BTreeSet<SessionId>,
    requests: BTreeMap<(SessionId, i32), Sent>,
    done: BTreeSet<(SessionId, i32)>,
    /// Sessions that were given by servers that told nobody of them.
    locals: BTreeSet<SessionId>,
    /// The newest request done in each session.
    newest: BTreeMap<SessionId, i32>,
    /// The processes to which each session's client has come.
    ways: BTreeMap<SessionId, BTreeSet<u64>>,
    /// The tree's digest as each change left it.
    digests: BTreeMap<Zxid, i64>,
}

impl History {
    pub(crate) fn new(close_session_paths: bool, begins_at: Zxid) -> Self {
        Self {
            model: Model::new(begins_at),
            close_session_paths,
            entries: BTreeMap::new(),
            endings: BTreeSet::new(),
            requests: BTreeMap::new(),
            done: BTreeSet::new(),
            locals: BTreeSet::new(),
            newest: BTreeMap::new(),
            ways: BTreeMap::new(),
            digests: BTreeMap::new(),
        }
    }

    /// A client comes with its session.
    pub(crate) fn came(&mut self, session: SessionId, process: u64) {
        self.ways.entry(session).or_default().insert(process);
    }

    /// A server has given a session, perhaps without telling anybody.
    pub(crate) fn note_local(&mut self, session: SessionId, is_local: bool) {
        if is_local {
            self.locals.insert(session);
        }
    }

    /// Whether only its own server knows the session.
    pub(crate) fn is_local(&self, session: SessionId) -> bool {
        self.locals.contains(&session) && !self.model.knows_session(session)
    }

    /// Whether the client has come to another process, too: that may hear of it late.
    fn has_moved(&self, session: SessionId, process: u64) -> bool {
        self.ways.get(&session).is_some_and(|ways| ways.iter().any(|way| *way != process))
    }

    /// A client sends a write.
    pub(crate) fn sent(&mut self, session: SessionId, xid: i32, sent: Sent) {
        self.requests.insert((session, xid), sent);
    }

    /// A change is given its place behind `parent`. Tells of a session that the server ends by itself.
    pub(crate) fn propose(
        &mut self,
        parent: Zxid,
        zxid: Zxid,
        bytes: &[u8],
    ) -> Result<Option<SessionId>, String> {
        ensure(parent.may_precede(zxid), || format!("{zxid} is proposed after {parent}"))?;
        ensure(!self.entries.contains_key(&zxid), || format!("I-13: {zxid} is proposed a second time"))?;
        let txn = Txn::from_bytes(bytes).map_err(|error| format!("{zxid} is no transaction: {error}"))?;
        let ends = matches!(txn.body, TxnBody::CloseSession { .. }).then_some(txn.header.session);
        self.endings.extend(ends);
        let digest = txn.digest.map(|digest| digest.value);
        self.entries.insert(zxid, Entry { parent, bytes: bytes.to_vec(), digest });
        Ok(ends.filter(|_| txn.header.cxid.0 == 0))
    }

    /// A change comes to a follower's log, behind `parent`.
    pub(crate) fn check_received(&self, parent: Zxid, zxid: Zxid, bytes: &[u8]) -> Checked {
        if self.model.begins_with(zxid) {
            return Ok(()); // it was there before anybody proposed anything
        }
        let entry = self.entries.get(&zxid).ok_or_else(|| format!("I-5: nobody proposed {zxid}"))?;
        ensure(entry.bytes == bytes, || format!("I-13: {zxid} has other bytes than were proposed"))?;
        ensure(entry.parent == parent, || {
            format!("I-14: {zxid} comes behind {parent}, and was proposed behind {}", entry.parent)
        })
    }

    /// Whether a history that ends with `last` has `zxid`.
    pub(crate) fn is_in(&self, zxid: Zxid, last: Zxid) -> bool {
        let mut at = last;
        while at > zxid {
            if self.model.has(at) {
                return self.model.has(zxid);
            }
            match self.entries.get(&at) {
                Some(entry) => at = entry.parent,
                None => return false,
            }
        }
        at == zxid
    }

    /// The newest committed change of a history that ends with `last`.
    pub(crate) fn newest_committed(&self, last: Zxid) -> Zxid {
        let mut at = last;
        while !self.model.has(at) {
            match self.entries.get(&at) {
                Some(entry) => at = entry.parent,
                None => return Zxid::ZERO,
            }
        }
        at
    }

    /// Whether the end of the session was proposed or is committed.
    pub(crate) fn is_ending(&self, session: SessionId) -> bool {
        self.model.session_now(session).is_none() || self.endings.contains(&session)
    }

    /// Everything up to `through`, and what comes before it, counts as done from now on.
    pub(crate) fn commit(&mut self, through: Zxid) -> Checked {
        let last = self.model.last();
        let (mut path, mut at) = (Vec::new(), through);
        while at > last {
            path.push(at);
            let entry = self.entries.get(&at).ok_or_else(|| format!("I-5: nobody proposed {at}"))?;
            at = entry.parent;
        }
        ensure(at == last, || format!("I-11: {through} is committed, and its history lacks {last}"))?;
        path.into_iter().rev().try_for_each(|zxid| self.commit_one(zxid))
    }

    /// The tree has applied some of what counts as done.
    pub(crate) fn applied(&mut self, tree: &Tree) -> Checked {
        let (zxid, last) = (tree.last_zxid(), self.model.last());
        ensure(zxid <= last, || format!("the tree is at {zxid}, and {last} is the last that is durable"))?;
        ensure(self.model.has(zxid), || format!("I-4: {zxid} is applied, and not committed"))?;
        self.check_digest(tree)
    }

    /// A tree was recovered, or received; it holds what is committed and perhaps more.
    pub(crate) fn check_tree(&mut self, tree: &Tree) -> Checked {
        let zxid = tree.last_zxid();
        if self.model.has(zxid) {
            compare(&self.model, tree, zxid)?;
        } else if self.model.begins_with(zxid) {
            return Ok(());
        } else {
            ensure(self.entries.contains_key(&zxid), || format!("I-5: nobody proposed {zxid}"))?;
        }
        self.check_digest(tree)
    }

    /// Whatever was proposed after `zxid` is forgotten: its places are given anew.
    pub(crate) fn forget_after(&mut self, zxid: Zxid) {
        self.entries.split_off(&zxid.next());
    }

    /// A snapshot was read back into this tree; it says that it is of `zxid`.
    pub(crate) fn check_snapshot(&mut self, tree: &Tree, zxid: Zxid) -> Checked {
        compare(&self.model, tree, zxid).map_err(|error| format!("the snapshot of {zxid}: {error}"))?;
        self.check_digest(tree)
    }

    fn check_digest(&mut self, tree: &Tree) -> Checked {
        let (zxid, found) = (tree.last_zxid(), tree.digest());
        let foreseen = self.entries.get(&zxid).and_then(|entry| entry.digest);
        let expected = *self.digests.entry(zxid).or_insert(foreseen.unwrap_or(found));
        ensure(expected == found, || format!("the digest at {zxid} was {expected:#x} and is {found:#x} now"))
    }

    fn commit_one(&mut self, zxid: Zxid) -> Checked {
        let entry = self.entries.get(&zxid).ok_or_else(|| format!("I-5: nobody proposed {zxid}"))?;
        let txn = Txn::from_bytes(&entry.bytes).map_err(|error| format!("{zxid}: {error}"))?;
        let (session, xid) = (txn.header.session, txn.header.cxid.0);
        let mut draft = Draft::new(&self.model, zxid, txn.header.time);
        let mut session_change = None;
        let answer = match &txn.body {
            TxnBody::CreateSession { timeout_ms } => {
                let is_new = !self.model.knows_session(session);
                ensure(is_new, || format!("{zxid} opens {session}, an id that was used before"))?;
                session_change = Some(Some(*timeout_ms));
                Answer::Done
            }
            TxnBody::CloseSession { paths } => {
                let expected = draft.end_session(session);
                let listed: Option<Vec<String>> =
                    paths.as_ref().map(|paths| paths.iter().map(|path| path.to_string()).collect());
                let expected = self.close_session_paths.then_some(expected);
                ensure(listed == expected, || {
                    format!("{zxid} closes {session} with {listed:?}, and should with {expected:?}")
                })?;
                session_change = Some(None);
                Answer::Done
            }
            TxnBody::DeleteContainer { path } => {
                let expected = draft.delete_expired(path);
                ensure(expected == txn.body, || {
                    format!("{zxid} is {:?}, and should be {expected:?}", txn.body)
                })?;
                Answer::Done
            }
            // A look at what has become of a container may come too late.
            TxnBody::Error(code) if session == SessionId::NONE => Answer::Refused(*code),
            body => {
                let sent = self.requests.get(&(session, xid));
                let sent = sent.ok_or_else(|| format!("{zxid}: nobody asked for {:?}", txn))?;
                let has_moved = says_moved(body) && self.has_moved(session, sent.way.1);
                // A leader cannot tell a learner's local sessions from those that are gone, and lets either go on.
                let is_gone = self.model.session_now(session).is_none();
                let is_local = is_gone && self.locals.contains(&session) && !says_expired(body);
                let asker = Asker { session, ids: &sent.ids, has_moved, is_local };
                let (expected, answer) = draft.judge(asker, &sent.ask);
                ensure(expected == *body, || {
                    format!("{zxid} is {body:?}, and should be {expected:?}, for {:?}", sent.ask)
                })?;
                answer
            }
        };
        let (changed, changes) = (draft.changed, draft.changes);
        if xid != 0 {
            let is_first = self.done.insert((session, xid));
            ensure(is_first, || format!("{zxid}: request {xid} of {session} is done a second time"))?;
            // What changes nothing is not asked for its session, and neither is the wish to end one: like the
            // original's, a leader takes either wherever it comes from. What comes by one connection has an order.
            let may_come_late = changed.is_empty() || session_change.is_some();
            self.check_order(zxid, session, xid, may_come_late)?;
        }
        self.model.push(zxid, changed, Commit { session, xid, answer, changes });
        if let Some(change) = session_change {
            self.model.push_session(session, change);
        }
        Ok(())
    }

    /// What a client asks for is done in the order in which it asked. Connections to one server are not told
    /// apart: there, what is left over from an earlier one may come after what the next one has brought.
    fn check_order(&mut self, zxid: Zxid, session: SessionId, xid: i32, may_come_late: bool) -> Checked {
        let newest =
            *self.newest.entry(session).and_modify(|newest| *newest = (*newest).max(xid)).or_insert(xid);
        let way = |xid| self.requests.get(&(session, xid)).map(|sent| sent.way);
        let is_late = match (way(xid), way(newest)) {
            (Some(ours), Some(newest)) => ours.0 == newest.0 || (!may_come_late && ours.1 != newest.1),
            _ => false,
        };
        ensure(xid == newest || !is_late, || {
            format!("{zxid}: request {xid} of {session} is done after request {newest}")
        })
    }
}

/// Whether a request was refused because its session is not known.
fn says_expired(body: &TxnBody<'_>) -> bool {
    match body {
        TxnBody::Error(code) => *code == ErrorCode::SessionExpired.number(),
        // An operation behind the first can be refused for what it would have a local session own.
        TxnBody::Multi(parts) => parts.first().is_some_and(says_expired),
        _ => false,
    }
}

/// Whether a request was refused because its client has gone to another server.
fn says_moved(body: &TxnBody<'_>) -> bool {
    match body {
        TxnBody::Error(code) => *code == ErrorCode::SessionMoved.number(),
        TxnBody::Multi(parts) => parts.iter().any(says_moved),
        _ => false,
    }
}
