//! From committed proposals to the tree, and to those who asked.

use std::sync::Arc;

use zoorum_proto::reply::SyncResponse;
use zoorum_proto::{Decode, Encode, ErrorCode, OpCode, SessionId, Txn, TxnBody, Xid, Zxid};
use zoorum_tree::{Applied, Change, Tree};

use super::{Answer, Asker, InFlight, Proposals, Replica, reply};
use crate::frame;
use crate::message::{Address, Outcome, Outcomes, TreeChange};

/// A digest is kept for every change whose zxid is a multiple of this.
const DIGEST_INTERVAL: i64 = 128;
/// So many digests are kept.
const DIGESTS_KEPT: usize = 1024;

impl Replica {
    /// Applies everything that is committed, and answers whatever has its turn. `watching` tells for each
    /// worker whether any of its connections watches; the others are not told of changes.
    pub fn apply(&mut self, tree: &mut Tree, watching: &[bool]) {
        while self.can_apply() && !self.closes_barrier() {
            match self.in_flight.pop_front() {
                Some(InFlight::Txn { zxid, asker }) => self.apply_next(tree, watching, zxid, &asker),
                Some(InFlight::Answer { address, xid, answer, .. }) => {
                    self.give_answer(tree, address, xid, &answer);
                }
                None => unreachable!("there is something to apply"),
            }
        }
        self.pending.retire(tree.last_zxid());
        self.check_invariants();
    }

    /// Whether what is next must wait for reads that came before it.
    fn closes_barrier(&mut self) -> bool {
        let address = match self.in_flight.front() {
            Some(InFlight::Txn { asker: Asker::Client { address, behind_reads: true, .. }, .. }) => *address,
            // Else the writes behind it would pass the reads, and its zxid would be older than theirs.
            Some(InFlight::Answer { address, behind_reads: true, .. }) => *address,
            _ => return false,
        };
        let closes = self.barrier.closes_before(address);
        if closes {
            self.outcomes[usize::from(address.worker.0)].acknowledge = true;
        }
        closes
    }

    fn apply_next(&mut self, tree: &mut Tree, watching: &[bool], zxid: Zxid, asker: &Asker) {
        let (proposals, at) = self.next_proposal();
        let (logged, range) = &proposals.items[at];
        assert_eq!(*logged, zxid, "what is applied is what was proposed, in the same order");
        let txn = Txn::from_bytes(&proposals.bytes[range.clone()]).expect("we encoded it ourselves");
        self.audit_session_end(tree, &txn);
        let applied = tree.apply(&txn, &mut |change| tell_watchers(&mut self.outcomes, watching, &change));
        self.counters.commits += 1;
        self.check_digest(tree, zxid, &applied);
        if let Some(auditor) = &mut self.auditor {
            auditor.on_applied(&txn, &applied.outcome);
        }
        match asker {
            Asker::Client { address, session, op, xid, .. } => {
                self.reply(*address, *session, *op, *xid, &txn, &applied);
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
            Asker::Nobody => {}
        }
        if matches!(txn.body, TxnBody::CloseSession { .. }) {
            self.end_session(txn.header.session, asker);
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

    /// The oldest transaction that is not applied, in the batch that it was handed out in.
    fn next_proposal(&mut self) -> (Arc<Proposals>, usize) {
        let first = self.handed_out.front().expect("what is committed was handed out to be logged");
        let (proposals, at) = (Arc::clone(first), self.applied_of_first);
        self.applied_of_first += 1;
        if self.applied_of_first == proposals.items.len() {
            self.handed_out.pop_front();
            self.applied_of_first = 0;
        }
        (proposals, at)
    }

    fn check_digest(&mut self, tree: &Tree, zxid: Zxid, applied: &Applied) {
        if applied.digest_matches == Some(false) {
            debug_assert!(false, "prep foresaw another tree than {zxid} made");
            self.counters.digest_mismatches += 1;
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
        applied: &Applied,
    ) {
        let outcomes = &mut self.outcomes[usize::from(address.worker.0)];
        let start = outcomes.bytes.len();
        let err = reply::encode(&mut outcomes.bytes, op, xid, txn, &applied.outcome);
        let close = op == OpCode::CloseSession && txn.header.session == session;
        push_reply(outcomes, address, start, err, close);
        self.barrier.on_answered(address);
    }

    /// The session is closed: so is its connection, unless that waits for the reply to its own request.
    fn end_session(&mut self, session: SessionId, asker: &Asker) {
        let asked_by = match asker {
            Asker::Client { address, .. } => Some(*address),
            Asker::Connect { .. } | Asker::Nobody => None,
        };
        if let Some(owner) = self.sessions.remove(session)
            && Some(owner) != asked_by
        {
            self.tell(owner, |connection| Outcome::Close { connection });
        }
    }

    fn give_answer(&mut self, tree: &Tree, address: Address, xid: Xid, answer: &Answer) {
        let outcomes = &mut self.outcomes[usize::from(address.worker.0)];
        let start = outcomes.bytes.len();
        let err = match answer {
            Answer::Undecodable => {
                frame::refusal(&mut outcomes.bytes, xid, tree.last_zxid(), ErrorCode::MarshallingError);
                ErrorCode::MarshallingError.number()
            }
            Answer::Synced(path) => {
                let path = path.as_deref().map(Into::into);
                let response = SyncResponse { path };
                frame::reply(&mut outcomes.bytes, xid, tree.last_zxid(), |out| response.encode(out));
                0
            }
        };
        push_reply(outcomes, address, start, err, false);
        self.barrier.on_answered(address);
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
