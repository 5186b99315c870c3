//! What the replica answers, on its way to connections.

use zoorum_proto::op::OpClass;
use zoorum_proto::{ReadOp, SessionId, Zxid};
use zoorum_tree::Tree;

use super::connection::{Asked, Waiting};
use super::{OUTPUT_HARD_LIMIT, Worker, watches};
use crate::message::ConnectionId;
use crate::slow::SlowOperation;
use crate::stages::Stamps;
use crate::time::Monotonic;
use crate::view::watch_left;

/// Where the zxid stands in a reply: behind its length and the xid.
const ZXID_AT: usize = 8;

/// An answer of the replica's.
pub(super) struct Reply<'a> {
    pub(super) frame: &'a [u8],
    pub(super) err: i32,
    /// Whether the connection is to be closed behind it.
    pub(super) close: bool,
    /// When the change was where, if it is one.
    pub(super) stamps: Option<&'a Stamps>,
}

impl Reply<'_> {
    fn zxid(&self) -> Zxid {
        let bytes = self.frame.get(ZXID_AT..).and_then(<[u8]>::first_chunk);
        bytes.map_or(Zxid::ZERO, |bytes| Zxid(i64::from_be_bytes(*bytes)))
    }
}

impl Worker {
    /// The reply to the connection's oldest unanswered request that the replica has.
    pub(super) fn on_reply(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId, reply: &Reply<'_>) {
        let Some(connection) = self.connections.get_mut(id) else { return self.on_orphan_answered(id) };
        let Some(Waiting::Asked(asked)) = connection.queue.pop_front() else {
            unreachable!("the replica answers the requests of a connection, once each and in order")
        };
        connection.waiting_bytes -= asked.bytes;
        self.load.bytes -= asked.bytes;
        self.load.requests -= 1;
        self.watches_asked -= usize::from(asked.watching.is_some());
        if connection.closing {
            self.counters.stale_replies += 1;
            return; // nothing is told behind the end of a connection
        }
        if connection.output.unsent().len() > OUTPUT_HARD_LIMIT {
            return self.cut_off(id);
        }
        if let Some(body) = &asked.watching
            && let Ok(op) = ReadOp::decode(asked.op, body)
            && let Some((path, mode)) = watch_left(&op, reply.err)
        {
            // Changes from here on are those that the reply does not show. It is too late to refuse the watch.
            if !self.watches.add(path, watches::watcher(id), mode) {
                return self.cut_off(id);
            }
        }
        connection.output.bytes().extend_from_slice(reply.frame);
        connection.stats.answered(asked.op, asked.xid, tree.last_zxid(), now, asked.at);
        let session = connection.session();
        self.count(now, session, &asked, reply);
        self.mark_dirty(id);
        if reply.close {
            self.close(id);
        }
    }

    /// The replica's answer is on its way.
    fn count(&mut self, now: Monotonic, session: SessionId, asked: &Asked, reply: &Reply<'_>) {
        let Asked { xid, op, at, .. } = *asked;
        let is_read = op.class() == OpClass::Read;
        let took = now.since(at);
        self.counters.answered(op, reply.frame.len(), took, if is_read { 0 } else { reply.err });
        let stamps = reply.stamps.filter(|_| !is_read);
        if let Some(stamps) = stamps {
            self.counters.stages.observe(at, stamps, now);
        }
        if self.slow.is_slow(took) {
            let (zxid, err) = (reply.zxid(), reply.err);
            let stages = stamps.map(|stamps| stamps.spans(at, now));
            self.on_slow(now, SlowOperation { session, xid, op, zxid, err, took, stages });
        }
    }

    pub(super) fn on_slow(&mut self, now: Monotonic, operation: SlowOperation) {
        self.counters.slow += 1;
        self.slow.on_slow(now, operation);
    }

    /// The replica is done with a request of a connection that is gone.
    fn on_orphan_answered(&mut self, id: ConnectionId) {
        let Some(asked) = self.orphans.get_mut(&id) else { return };
        if let Some(request) = asked.pop_front() {
            self.load.bytes -= request.bytes;
            self.load.requests -= 1;
            self.counters.stale_replies += 1;
        }
        if asked.is_empty() {
            self.orphans.remove(&id);
        }
    }
}
