//! From requests to proposals.

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::{ErrorCode, SessionId, Txn, TxnHeader, WriteOp, Xid, Zxid};
use zoorum_tree::{Prepared, Requester, Tree};

use super::local::Before;
use super::sessions::Holder;
use super::tally::{over_quota, touched};
use super::{Answer, Asker, InFlight, Now, Replica};
use crate::message::{Address, Identity};

impl Replica {
    /// A client's write: decided now, in flight until it is durable.
    pub(super) fn on_write(&mut self, tree: &Tree, now: Now, asker: Asker, body: &[u8], identity: &Identity) {
        let Asker::Client { address, session, op, xid, .. } = asker else {
            unreachable!("only clients write")
        };
        match WriteOp::decode(op, body) {
            // Refused without a place in history: such a request has no effect to order.
            Err(_) => self.answer(address, xid, Answer::Refused(ErrorCode::MarshallingError)),
            Ok(WriteOp::Sync(path)) => {
                self.answer(address, xid, Answer::Synced(path.map(|path| path.into())));
            }
            Ok(WriteOp::CloseSession) => self.close_session(tree, now, session, asker, xid),
            Ok(op) => {
                if let Before::Upgrade { timeout_ms } = self.before(session, &op) {
                    self.propose_session(tree, now, session, timeout_ms, Asker::Nobody);
                }
                self.decide(tree, now, session, xid, Holder::Here(address), &op, identity, asker);
            }
        }
    }

    /// Makes a change of a request, or a refusal at its place in history.
    #[expect(clippy::too_many_arguments, reason = "a request is these, and becomes one thing here")]
    pub(super) fn decide(
        &mut self,
        tree: &Tree,
        now: Now,
        session: SessionId,
        xid: Xid,
        holder: Holder,
        op: &WriteOp<'_>,
        ids: &Identity,
        asker: Asker,
    ) {
        let (barred, barred_from_owning) = self.bars(session, holder);
        let requester = Requester { session, ids, barred, barred_from_owning };
        let zxid = self.order.next_place();
        if let Some(auditor) = &mut self.auditor {
            auditor.on_asked(zxid, session, ids, op);
        }
        let rules = &self.settings.rules;
        let prepared = self.pending.prep(tree, rules, &requester, op, zxid, now.wall);
        if let Some(path) = over_quota(op, &prepared.body) {
            self.traffic.over_quota.on_write(path, 0);
        }
        self.propose(zxid, session, xid, now, prepared, asker);
    }

    /// Refuses what a learner passed on and cannot be read.
    pub(super) fn refuse_unreadable(&mut self, tree: &Tree, now: Now, session: SessionId, xid: Xid) {
        let zxid = self.order.next_place();
        let prepared = self.pending.prep_unreadable(tree, &self.settings.rules);
        self.propose(zxid, session, xid, now, prepared, Asker::Nobody);
    }

    pub(super) fn open_session(
        &mut self,
        tree: &Tree,
        now: Now,
        address: Address,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        let session = self.sessions.open(now.monotonic, address, timeout_ms);
        let asker = Asker::Connect { address, session, timeout_ms, read_only };
        self.propose_session(tree, now, session, timeout_ms, asker);
    }

    pub(super) fn propose_session(
        &mut self,
        tree: &Tree,
        now: Now,
        session: SessionId,
        timeout_ms: i32,
        asker: Asker,
    ) {
        let zxid = self.order.next_place();
        let prepared = self.pending.prep_create_session(tree, &self.settings.rules, timeout_ms);
        self.propose(zxid, session, Xid(0), now, prepared, asker);
    }

    /// Ends a session, at its client's wish or because its time is up.
    pub(super) fn close_session(
        &mut self,
        tree: &Tree,
        now: Now,
        session: SessionId,
        asker: Asker,
        xid: Xid,
    ) {
        let zxid = self.order.next_place();
        self.sessions.set_closing(session);
        let prepared = self.pending.prep_close_session(tree, &self.settings.rules, session, zxid);
        self.propose(zxid, session, xid, now, prepared, asker);
    }

    pub(super) fn delete_container(&mut self, tree: &Tree, now: Now, path: &str) {
        let zxid = self.order.next_place();
        let prepared = self.pending.prep_delete_container(tree, &self.settings.rules, path, zxid);
        self.propose(zxid, SessionId::NONE, Xid(0), now, prepared, Asker::Nobody);
    }

    fn propose(
        &mut self,
        zxid: Zxid,
        session: SessionId,
        cxid: Xid,
        now: Now,
        prepared: Prepared<'_>,
        asker: Asker,
    ) {
        let header = TxnHeader { session, cxid, zxid, time: now.wall, kind: prepared.body.kind() as i32 };
        self.counters.touched += touched(&prepared.body);
        let length = self.fresh.push(&Txn { header, body: prepared.body, digest: prepared.digest });
        self.snapshots.on_logged(length);
        self.in_flight.push_back(InFlight::Txn { zxid: Some(zxid), asker, taken: now.monotonic });
        self.counters.proposals += 1;
    }

    pub(super) fn answer(&mut self, address: Address, xid: Xid, answer: Answer) {
        self.in_flight.push_back(InFlight::Answer { address, xid, answer, from_leader: false });
    }
}
