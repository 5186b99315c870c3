//! Writes: each acknowledged one is in history for ever, each other one once or never, and each was decided as
//! the protocol says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zoorum_proto::{AuthId, Decode, SessionId, Txn, TxnBody, Zxid};
use zoorum_server::replica::Proposals;
use zoorum_tree::Tree;

use super::{Checked, ensure};
use crate::client::ask::Ask;
use crate::model::{Answer, Asker, Commit, Draft, Model, compare};

/// A request that a client has sent, and who it was.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) ask: Ask,
    pub(crate) ids: Vec<AuthId>,
}

/// A change handed to the log.
#[derive(Debug)]
struct Proposed {
    zxid: Zxid,
    bytes: Vec<u8>,
}

/// All changes, those in the making too.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) model: Model,
    close_session_paths: bool,
    /// Handed to the log, and not known to be durable.
    proposed: VecDeque<Proposed>,
    requests: BTreeMap<(SessionId, i32), Sent>,
    done: BTreeSet<(SessionId, i32)>,
    /// The tree's digest as each change left it.
    digests: BTreeMap<Zxid, i64>,
}

impl History {
    pub(crate) fn new(close_session_paths: bool) -> Self {
        Self {
            model: Model::new(),
            close_session_paths,
            proposed: VecDeque::new(),
            requests: BTreeMap::new(),
            done: BTreeSet::new(),
            digests: BTreeMap::new(),
        }
    }

    /// A client sends a write.
    pub(crate) fn sent(&mut self, session: SessionId, xid: i32, ask: Ask, ids: Vec<AuthId>) {
        self.requests.insert((session, xid), Sent { ask, ids });
    }

    /// The replica hands changes to the log. Tells which sessions the server ends by itself.
    pub(crate) fn propose(&mut self, proposals: &Proposals) -> Result<Vec<SessionId>, String> {
        let mut expired = Vec::new();
        for (zxid, bytes) in proposals.iter() {
            let last = self.proposed.back().map_or(self.model.last(), |last| last.zxid);
            ensure(zxid == last.next(), || format!("{zxid} is proposed after {last}"))?;
            let txn = Txn::from_bytes(bytes).map_err(|error| format!("{zxid} is no transaction: {error}"))?;
            if matches!(txn.body, TxnBody::CloseSession { .. }) && txn.header.cxid.0 == 0 {
                expired.push(txn.header.session);
            }
            self.proposed.push_back(Proposed { zxid, bytes: bytes.to_vec() });
        }
        Ok(expired)
    }

    /// Whether the end of the session is proposed or committed.
    pub(crate) fn is_ending(&self, session: SessionId) -> bool {
        let ends = |proposed: &Proposed| {
            Txn::from_bytes(&proposed.bytes).is_ok_and(|txn| {
                matches!(txn.body, TxnBody::CloseSession { .. }) && txn.header.session == session
            })
        };
        self.model.session_now(session).is_none() || self.proposed.iter().any(ends)
    }

    /// Everything up to `through` counts as done from now on.
    pub(crate) fn commit(&mut self, through: Zxid) -> Checked {
        while self.proposed.front().is_some_and(|next| next.zxid <= through) {
            let Some(next) = self.proposed.pop_front() else { break };
            self.commit_one(&next)?;
        }
        let last = self.model.last();
        ensure(last == through, || format!("durable up to {through}, though {last} is the last proposed"))
    }

    /// The tree has applied some of what counts as done.
    pub(crate) fn applied(&mut self, tree: &Tree) -> Checked {
        let (zxid, last) = (tree.last_zxid(), self.model.last());
        ensure(zxid <= last, || format!("the tree is at {zxid}, and {last} is the last that is durable"))?;
        self.digests.insert(zxid, tree.digest());
        Ok(())
    }

    /// A new process has recovered this tree.
    pub(crate) fn recovered(&mut self, tree: &Tree) -> Checked {
        let (zxid, last) = (tree.last_zxid(), self.model.last());
        ensure(zxid >= last, || format!("recovered up to {zxid}, though {last} was durable"))?;
        self.commit(zxid).map_err(|error| format!("after recovery: {error}"))?;
        self.proposed.clear();
        compare(&self.model, tree, zxid).map_err(|error| format!("after recovery: {error}"))?;
        self.check_digest(tree)?;
        self.digests.insert(zxid, tree.digest());
        Ok(())
    }

    /// A snapshot was read back into this tree; it says that it is of `zxid`.
    pub(crate) fn check_snapshot(&self, tree: &Tree, zxid: Zxid) -> Checked {
        compare(&self.model, tree, zxid).map_err(|error| format!("the snapshot of {zxid}: {error}"))?;
        self.check_digest(tree)
    }

    fn check_digest(&self, tree: &Tree) -> Checked {
        let (zxid, found) = (tree.last_zxid(), tree.digest());
        match self.digests.get(&zxid) {
            Some(&expected) if expected != found => {
                Err(format!("the digest at {zxid} was {expected:#x} and is {found:#x} now"))
            }
            _ => Ok(()),
        }
    }

    fn commit_one(&mut self, proposed: &Proposed) -> Checked {
        let zxid = proposed.zxid;
        let txn = Txn::from_bytes(&proposed.bytes).map_err(|error| format!("{zxid}: {error}"))?;
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
                let (expected, answer) = draft.judge(Asker { session, ids: &sent.ids }, &sent.ask);
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
        }
        self.model.push(changed, Commit { session, xid, answer, changes });
        if let Some(change) = session_change {
            self.model.push_session(session, change);
        }
        Ok(())
    }
}
