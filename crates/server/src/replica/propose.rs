//! From requests to proposals.

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::{Encode, SessionId, Txn, TxnHeader, WallClock, WriteOp, Xid, Zxid};
use zoorum_tree::{Prepared, Requester, Tree};

use super::{Answer, Asker, InFlight, Now, Replica};
use crate::message::{Address, Identity};

impl Replica {
    /// A client's write: decided now, in flight until it is durable.
    pub(super) fn on_write(&mut self, tree: &Tree, now: Now, asker: Asker, body: &[u8], identity: &Identity) {
        let Asker::Client { address, session, op, xid, behind_reads } = asker else {
            unreachable!("only clients write")
        };
        match WriteOp::decode(op, body) {
            // Refused without a place in history: such a request has no effect to order.
            Err(_) => self.answer(address, xid, behind_reads, Answer::Undecodable),
            Ok(WriteOp::Sync(path)) => {
                self.answer(address, xid, behind_reads, Answer::Synced(path.map(|path| path.into())));
            }
            Ok(WriteOp::CloseSession) => self.close_session(tree, now, session, asker, xid),
            Ok(op) => {
                let requester = Requester { session, ids: identity, is_live: self.sessions.is_live(session) };
                let zxid = self.broadcast.propose();
                if let Some(auditor) = &mut self.auditor {
                    auditor.on_asked(zxid, session, identity, &op);
                }
                let rules = &self.settings.rules;
                let prepared = self.pending.prep(tree, rules, &requester, &op, zxid, now.wall);
                self.propose(zxid, session, xid, now.wall, prepared, asker);
            }
        }
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
        let zxid = self.broadcast.propose();
        let prepared = self.pending.prep_create_session(tree, &self.settings.rules, timeout_ms);
        let asker = Asker::Connect { address, session, timeout_ms, read_only };
        self.propose(zxid, session, Xid(0), now.wall, prepared, asker);
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
        let zxid = self.broadcast.propose();
        self.sessions.set_closing(session);
        let prepared = self.pending.prep_close_session(tree, &self.settings.rules, session, zxid);
        self.propose(zxid, session, xid, now.wall, prepared, asker);
    }

    pub(super) fn delete_container(&mut self, tree: &Tree, now: Now, path: &str) {
        let zxid = self.broadcast.propose();
        let prepared = self.pending.prep_delete_container(tree, &self.settings.rules, path, zxid);
        self.propose(zxid, SessionId::NONE, Xid(0), now.wall, prepared, Asker::Nobody);
    }

    fn propose(
        &mut self,
        zxid: Zxid,
        session: SessionId,
        cxid: Xid,
        time: WallClock,
        prepared: Prepared<'_>,
        asker: Asker,
    ) {
        let header = TxnHeader { session, cxid, zxid, time, kind: prepared.body.kind() as i32 };
        let start = self.fresh.bytes.len();
        Txn { header, body: prepared.body, digest: prepared.digest }.encode(&mut self.fresh.bytes);
        self.snapshots.on_logged(self.fresh.bytes.len() - start);
        self.fresh.items.push((zxid, start..self.fresh.bytes.len()));
        self.in_flight.push_back(InFlight::Txn { zxid, asker });
        self.counters.proposals += 1;
    }

    fn answer(&mut self, address: Address, xid: Xid, behind_reads: bool, answer: Answer) {
        self.in_flight.push_back(InFlight::Answer { address, xid, behind_reads, answer });
    }
}
