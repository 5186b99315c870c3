//! So many requests under way, and whatever comes then waits: ZooKeeper's request throttler.
//!
//! ```text
//! socket ▶ input ─▶ room? ─▶ stale? dropped, with the connection
//!            ▲       │   └─▶ waited too long? refused
//!            └─ wait ◀┘  └─▶ dispatch
//! ```
//!
//! Requests wait where they arrived, unread: their connection is paused as one is that has too much waiting. What a
//! connection has sent until then has arrived at one time, and so has waited for the same time.

use zoorum_proto::{ErrorCode, OpCode, Xid};
use zoorum_tree::Tree;

use super::Worker;
use super::connection::{Connection, Phase, Waiting};
use crate::frame::refusal;
use crate::message::ConnectionId;
use crate::settings::RequestThrottle;
use crate::time::Monotonic;

/// Where the operation stands in a frame: behind its length and the xid.
const OP_AT: usize = 8;

impl Worker {
    fn throttle(&self) -> Option<RequestThrottle> {
        self.settings.admission.requests
    }

    /// Whether so many requests are under way that the next one waits.
    pub(super) fn is_full(&self) -> bool {
        self.throttle().is_some_and(|throttle| self.load.requests + self.load.sessions >= throttle.limit)
    }

    /// The connection has a request that must wait to be let in.
    pub(super) fn wait_for_room(&mut self, now: Monotonic, id: ConnectionId) {
        self.hear(now, id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.waiting_since.get_or_insert(now);
        self.counters.throttle_waits += 1;
        if let Some(throttle) =
            self.throttle().filter(|throttle| throttle.drop_stale && throttle.stale_by_age)
        {
            let look_at = now + throttle.stall_time;
            self.next_stall.get_or_insert(look_at);
        }
    }

    /// As many as possible of the packets that the connection has sent were let in.
    pub(super) fn has_let_in(&mut self, id: ConnectionId) {
        if self.throttle().is_some()
            && let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.paused)
        {
            connection.waiting_since = None;
        }
    }

    /// A request's turn has come. Whether it goes on: else it is dealt with.
    pub(super) fn let_in(
        &mut self,
        tree: &Tree,
        now: Monotonic,
        id: ConnectionId,
        xid: Xid,
        op: Option<OpCode>,
    ) -> bool {
        let Some(throttle) = self.throttle() else { return true };
        let Some(connection) = self.connections.get(id) else { return false };
        let waited = now.since(connection.waiting_since.unwrap_or(now));
        self.counters.throttle_queue.observe(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        if op != Some(OpCode::CloseSession) && is_stale(connection, &throttle, now) {
            if throttle.drop_stale {
                self.drop_stale(id);
                return false;
            }
            self.counters.stale_requests += 1;
        }
        let must_go_on =
            matches!(op, None | Some(OpCode::Ping | OpCode::CloseSession | OpCode::CreateSession));
        if must_go_on || throttle.wait_limit.is_none_or(|limit| waited <= limit) {
            return true;
        }
        self.counters.throttled_ops += 1;
        self.hear(now, id);
        if let Some(connection) =
            self.connections.get_mut(id).filter(|connection| !connection.queue.is_empty())
        {
            connection.queue.push_back(Waiting::Throttled { xid });
        } else {
            self.answer_throttled(tree, id, xid);
        }
        false
    }

    /// The refusal of a request that waited too long.
    pub(super) fn answer_throttled(&mut self, tree: &Tree, id: ConnectionId, xid: Xid) {
        if let Some(connection) = self.connections.get_mut(id) {
            refusal(connection.output.bytes(), xid, tree.last_zxid(), ErrorCode::ThrottledOp);
            connection.stats.sent += 1;
            self.counters.packets_sent += 1;
            self.mark_dirty(id);
        }
    }

    /// The client of a connection that is not read from has hung up. Whether what it sent is stale by that: then
    /// the connection is to be closed at once, without being read to its end.
    pub fn on_hang_up(&mut self, id: ConnectionId) -> bool {
        let Some(throttle) = self.throttle().filter(|throttle| throttle.stale_without_client) else {
            return false;
        };
        let waiting = self.connections.get_mut(id).filter(|connection| connection.is_waiting());
        let Some(connection) = waiting else { return false };
        connection.has_hung_up = true;
        let is_stale = throttle.drop_stale && !ends_its_session(connection);
        self.counters.stale_dropped += u64::from(is_stale);
        is_stale
    }

    /// When [`Self::on_stall`] is to be called, if anybody waits who can become stale.
    pub fn next_stall(&self) -> Option<Monotonic> {
        self.next_stall
    }

    /// Looks over those who wait to be let in, and drops those who have become stale.
    pub fn on_stall(&mut self, now: Monotonic) {
        let Some(throttle) = self.throttle() else { return };
        let is_waiting = |id: &ConnectionId| self.connections.get(*id).is_some_and(Connection::is_waiting);
        let waiting: Vec<_> = self.paused.iter().copied().filter(is_waiting).collect();
        self.next_stall = (!waiting.is_empty()).then(|| now + throttle.stall_time);
        for id in waiting {
            let stale = self.connections.get(id).filter(|connection| is_stale(connection, &throttle, now));
            if stale.is_some_and(|connection| !ends_its_session(connection)) {
                self.drop_stale(id);
            }
        }
    }

    fn drop_stale(&mut self, id: ConnectionId) {
        self.counters.stale_dropped += 1;
        self.close(id);
    }
}

fn is_stale(connection: &Connection, throttle: &RequestThrottle, now: Monotonic) -> bool {
    let is_too_old = match (connection.phase, connection.waiting_since) {
        (Phase::Established { timeout_ms, .. }, Some(since)) => {
            now.since(since).as_millis() > u128::from(timeout_ms.unsigned_abs())
        }
        _ => false,
    };
    throttle.stale_by_age && is_too_old || throttle.stale_without_client && connection.has_hung_up
}

/// Whether the next request is for the end of the session, which is never stale.
fn ends_its_session(connection: &Connection) -> bool {
    let op = connection.input.get(OP_AT..).and_then(|rest| rest.first_chunk());
    op.is_some_and(|op| i32::from_be_bytes(*op) == OpCode::CloseSession as i32)
}
