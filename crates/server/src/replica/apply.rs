//! From committed proposals to the tree, and to those who asked.

use zoorum_proto::reply::SyncResponse;
use zoorum_proto::{Decode, Encode, ErrorCode, OpCode, SessionId, Txn, TxnBody, Xid, Zxid};
use zoorum_tree::{Applied, Change, Outcome as Decided, Tree};

use zoorum_zab::Entry;

use super::report::age_ms;
use super::sessions::Holder;
use super::tally::touched;
use super::{Answer, Asker, InFlight, Read, Replica, local, reply};
use crate::frame;
use crate::message::{Address, Outcome, Outcomes, TreeChange};
use crate::time::Monotonic;
use crate::view::View;

/// A digest is kept for every change whose zxid is a multiple of this.
const DIGEST_INTERVAL: i64 = 128;
/// So many digests are kept.
const DIGESTS_KEPT: usize = 1024;
/// So many bytes of changes are applied and replies to reads made while others wait for the tree: a few
/// milliseconds' work.
const ROUND_LIMIT: usize = 1 << 20;
/// A change takes as long as so many bytes, however few it has.
const CHANGE_COST: usize = 256;

impl Replica {
    /// Applies what is committed, and answers whatever has its turn: everything, unless it comes to so much that
    /// others should have a look at the tree first; [`Self::can_apply`] then says so. `watching` tells for each
    /// worker whether any of its connections watches; the others are not told of changes.
    pub fn apply(&mut self, tree: &mut Tree, watching: &[bool]) {
        let mut done = 0;
        while done < ROUND_LIMIT {
            if let Some((address, read)) = self.reads.take_due() {
                done += self.answer_read(tree, address, read.as_ref());
                continue;
            }
            if !self.has_committed() {
                break;
            }
            if self.has_answer() {
                self.give_next_answer(tree);
            } else {
                done += CHANGE_COST + self.apply_next(tree, watching);
            }
        }
        self.pending.retire(tree.last_zxid());
        self.check_invariants();
    }

    /// Answers a read between two writes; one of a connection that is gone by nothing. Returns how many bytes long
    /// the reply is.
    fn answer_read(&mut self, tree: &Tree, address: Address, read: Option<&Read>) -> usize {
        let outcomes = &mut self.outcomes[usize::from(address.worker.0)];
        let start = outcomes.bytes.len();
        let err = read.map_or(0, |read| {
            let view = View { tree, rules: &self.settings.rules, identity: &read.identity };
            view.reply(read.xid, read.op, &read.body, &mut outcomes.bytes, &mut self.traffic.read)
        });
        push_reply(outcomes, address, start, err, false);
        outcomes.bytes.len() - start
    }

    /// Returns how many bytes the change has.
    fn apply_next(&mut self, tree: &mut Tree, watching: &[bool]) -> usize {
        let Entry { zxid, payload } = self.unapplied.pop_front().expect("there is a change to apply");
        let txn = Txn::from_bytes(&payload).expect("what is logged was encoded by us, or read when it came");
        let (asker, taken) = self.take_asker(zxid, &txn);
        self.audit_session_end(tree, &txn);
        let applied = tree.apply(&txn, &mut |change| {
            self.traffic.written.on_write(change.path, change.written);
            tell_watchers(&mut self.outcomes, watching, &change);
        });
        self.counters.commits += 1;
        self.counters.propagation.observe(age_ms(self.member.heard_at(), txn.header.time));
        if !self.passes_on() {
            self.counters.touched_applied += touched(&txn.body);
        }
        self.order.on_applied(zxid);
        self.check_digest(tree, zxid, &applied);
        if let Some(auditor) = &mut self.auditor {
            auditor.on_applied(&txn, &applied.outcome);
        }
        match &asker {
            Asker::Client { address, session, op, xid, is_denied } => {
                let stamps = self.passages.stamps(zxid, taken, self.passes_on());
                self.outcomes[usize::from(address.worker.0)].stamp(Some(stamps));
                let outcome = local::explained(&applied.outcome, *is_denied);
                self.reply(*address, *session, *op, *xid, &txn, &outcome);
            }
            Asker::Connect { address, session, timeout_ms, read_only } => {
                let (session, timeout_ms, read_only) = (Some(*session), *timeout_ms, *read_only);
                self.tell(*address, |connection| Outcome::Connected {
                    connection,
                    session,
                    timeout_ms,
                    read_only,
                });
            }
            Asker::Upgrade { .. } | Asker::Nobody => {}
        }
        match txn.body {
            TxnBody::CloseSession { .. } => self.end_session(txn.header.session, &asker),
            TxnBody::CreateSession { timeout_ms } => self.sessions.note(txn.header.session, timeout_ms),
            _ => {}
        }
        payload.len()
    }

    /// Whoever waits for this change. A leader's own clients are known by its place. A learner's are asked for in
    /// order, and known by session and xid; what the leader does on its own has xid 0. With whoever asked comes when
    /// that was taken up.
    fn take_asker(&mut self, zxid: Zxid, txn: &Txn<'_>) -> (Asker, Monotonic) {
        let is_next = match self.in_flight.front() {
            Some(InFlight::Txn { zxid: Some(place), .. }) => *place == zxid,
            Some(InFlight::Txn { zxid: None, asker, .. }) => asker.asked_for(txn),
            Some(InFlight::Answer { .. }) | None => false,
        };
        match self.in_flight.front_mut() {
            Some(InFlight::Txn { .. }) if is_next => match self.in_flight.pop_front() {
                Some(InFlight::Txn { asker, taken, .. }) => (asker, taken),
                _ => unreachable!("the front was looked at"),
            },
            _ => (Asker::Nobody, Monotonic::default()),
        }
    }

    /// The end of a session takes its ephemeral znodes along, so they are told of before it is applied.
    fn audit_session_end(&mut self, tree: &Tree, txn: &Txn<'_>) {
        if let Some(auditor) = &mut self.auditor
            && matches!(txn.body, TxnBody::CloseSession { .. })
        {
            auditor.on_session_ended(txn.header.session, tree.ephemerals(txn.header.session));
        }
    }

    fn check_digest(&mut self, tree: &Tree, zxid: Zxid, applied: &Applied) {
        // ZooKeeper sends a tree while it changes: what comes then may be in it already, and the tree differs until all
        // that is in it has come.
        let matches = applied.digest_matches.filter(|_| zxid > tree.highest_loaded());
        if matches == Some(false) {
            debug_assert!(self.passes_on(), "prep foresaw another tree than {zxid} made");
            self.counters.digest_mismatches += 1;
        }
        if let Some(matches) = matches
            && self.passes_on()
        {
            self.on_learners_digest(zxid, matches);
        }
        if zxid.0 % DIGEST_INTERVAL == 0 {
            if self.counters.digests.len() == DIGESTS_KEPT {
                self.counters.digests.pop_front();
            }
            self.counters.digests.push_back((zxid, tree.digest()));
        }
    }

    fn reply(
        &mut self,
        address: Address,
        session: SessionId,
        op: OpCode,
        xid: Xid,
        txn: &Txn<'_>,
        outcome: &Decided,
    ) {
        let outcomes = &mut self.outcomes[usize::from(address.worker.0)];
        let start = outcomes.bytes.len();
        let err = reply::encode(&mut outcomes.bytes, op, xid, txn, outcome);
        let is_moved = err == ErrorCode::SessionMoved.number();
        if is_moved {
            outcomes.bytes.truncate(start); // as ZooKeeper does: whoever is left behind learns it by the close alone
        }
        let close = is_moved || op == OpCode::CloseSession && txn.header.session == session;
        push_reply(outcomes, address, start, err, close);
        self.reads.on_answered(address);
    }

    /// The session is closed: so is its connection, unless that waits for the reply to its own request.
    pub(super) fn end_session(&mut self, session: SessionId, asker: &Asker) {
        let asked_by = match asker {
            Asker::Client { address, .. } => Some(*address),
            Asker::Connect { .. } | Asker::Upgrade { .. } | Asker::Nobody => None,
        };
        self.end_session_beside(session, asked_by);
    }

    fn end_session_beside(&mut self, session: SessionId, asked_by: Option<Address>) {
        if let Some(Holder::Here(owner)) = self.sessions.remove(session)
            && Some(owner) != asked_by
        {
            self.tell(owner, |connection| Outcome::Close { connection });
        }
    }

    fn give_next_answer(&mut self, tree: &Tree) {
        let Some(InFlight::Answer { address, xid, answer, from_leader }) = self.in_flight.pop_front() else {
            unreachable!("there is an answer to give")
        };
        if from_leader {
            self.member.synced.pop_front();
        }
        self.give_answer(tree, address, xid, &answer);
    }

    fn give_answer(&mut self, tree: &Tree, address: Address, xid: Xid, answer: &Answer) {
        let outcomes = &mut self.outcomes[usize::from(address.worker.0)];
        outcomes.stamp(None);
        let (start, zxid) = (outcomes.bytes.len(), tree.last_zxid());
        let err = match answer {
            Answer::Refused(code) => {
                frame::refusal(&mut outcomes.bytes, xid, zxid, *code);
                code.number()
            }
            Answer::Closed(_) => {
                frame::reply(&mut outcomes.bytes, xid, zxid, |_| {});
                0
            }
            Answer::Synced(path) => {
                let path = path.as_deref().map(Into::into);
                let response = SyncResponse { path };
                frame::reply(&mut outcomes.bytes, xid, zxid, |out| response.encode(out));
                0
            }
        };
        push_reply(outcomes, address, start, err, matches!(answer, Answer::Closed(_)));
        self.reads.on_answered(address);
        if let Answer::Closed(session) = answer {
            self.end_session_beside(*session, Some(address));
        }
    }
}

/// Records the reply whose frame was just appended from `start` on.
fn push_reply(outcomes: &mut Outcomes, address: Address, start: usize, err: i32, close: bool) {
    let frame = start..outcomes.bytes.len();
    outcomes.items.push(Outcome::Reply { connection: address.connection, frame, err, close });
}

fn tell_watchers(outcomes: &mut [Outcomes], watching: &[bool], change: &Change<'_>) {
    let mut told = outcomes.iter_mut().zip(watching).filter(|(_, watching)| **watching).peekable();
    if told.peek().is_none() {
        return;
    }
    let change = TreeChange {
        kind: change.kind,
        path: change.path.into(),
        zxid: change.zxid,
        acl: change.acl.clone(),
        parent_acl: change.parent_acl.clone(),
    };
    told.for_each(|(outcomes, _)| outcomes.items.push(Outcome::Changed(change.clone())));
}

impl Asker {
    /// Whether the leader made this of what was asked here.
    fn asked_for(&self, txn: &Txn<'_>) -> bool {
        let closes = matches!(txn.body, TxnBody::CloseSession { .. });
        match self {
            Self::Client { session, xid, op, .. } => {
                let asked_to_close = *op == OpCode::CloseSession;
                (*session, *xid) == (txn.header.session, txn.header.cxid) && closes == asked_to_close
            }
            Self::Connect { session, .. } | Self::Upgrade { session } => {
                *session == txn.header.session && matches!(txn.body, TxnBody::CreateSession { .. })
            }
            Self::Nobody => false,
        }
    }
}
