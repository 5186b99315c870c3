//! From bytes to requests: framing, order, and what is settled on the connection itself.

use std::sync::Arc;

use zoorum_proto::op::{AuthPacket, OpClass, RequestHeader};
use zoorum_proto::reply::{ReplyHeader, SetSaslResponse};
use zoorum_proto::{Decode, Encode, ErrorCode, OpCode, ReadOp, Reader, Xid, Zxid};
use zoorum_tree::Tree;

use super::connection::{Asked, Phase, Waiting};
use super::{OUTPUT_SOFT_LIMIT, TURN_LIMIT, Worker, reads};
use crate::auth::{Authenticated, authenticate};
use crate::frame::{frame, refusal};
use crate::gate::LargeRequest;
use crate::message::{ConnectionId, Request};
use crate::slow::SlowOperation;
use crate::time::Monotonic;
use crate::view::watch_asked;

/// Most bytes that the ids of a connection may take: they are kept as long as it lives, and are copied into
/// every ACL that it has filled in.
const IDENTITY_LIMIT: usize = 64 << 10;

impl Worker {
    /// Deals with every whole packet at the front of `bytes`, as far as the connection may go on. Returns how
    /// many bytes are done with.
    pub(super) fn consume(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId, bytes: &[u8]) -> usize {
        let mut used = 0;
        self.turn_work = 0;
        while let Some(connection) = self.connections.get(id).filter(|connection| !connection.closing) {
            let rest = &bytes[used..];
            let is_paused = connection.paused;
            match connection.phase {
                Phase::Connecting { .. } | Phase::Command => break,
                Phase::Handshake => {
                    if let Some(taken) = self.try_command(id, rest) {
                        return used + taken;
                    }
                    if Self::is_partial_command(rest) {
                        break;
                    }
                }
                Phase::Established { .. } => {}
            }
            let Some(length) = rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize) else {
                break;
            };
            if length > self.settings.frame_limit {
                self.close(id);
                break;
            }
            if !self.gate.has_room_for(length) {
                self.reject_large(id);
                break;
            }
            let Some(packet) = rest.get(4..4 + length) else { break };
            if is_paused || self.turn_work > TURN_LIMIT || self.must_pause(id) {
                if self.is_full() {
                    self.wait_for_room(now, id);
                }
                self.pause(id);
                break;
            }
            used += 4 + length;
            self.on_packet(tree, now, id, packet);
        }
        self.has_let_in(id);
        used
    }

    fn on_packet(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId, packet: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.stats.received += 1;
        self.counters.packets_received += 1;
        if connection.phase == Phase::Handshake {
            return self.on_connect(tree, now, id, packet);
        }
        let mut input = Reader::new(packet);
        let Ok(header) = RequestHeader::decode(&mut input) else { return self.close(id) };
        let body = input.rest();
        let op = OpCode::from_number(header.op);
        if self.lacks_required_identity(id) && !matches!(op, Some(OpCode::Auth | OpCode::Sasl)) {
            return self.refuse_and_close(id, header.xid, Zxid::ZERO, ErrorCode::SessionClosedRequireAuth);
        }
        match op {
            Some(OpCode::Auth) => return self.on_auth(id, header.xid, body),
            Some(OpCode::Sasl) => return self.on_sasl(id, header.xid),
            _ => {}
        }
        let Ok(large) = self.gate.admit_request(body.len()) else { return self.reject_large(id) };
        if !self.let_in(tree, now, id, header.xid, op) {
            return;
        }
        match op.map(|op| (op, op.class())) {
            Some((op, OpClass::Read)) => self.on_read(tree, now, id, header.xid, op, body),
            Some((op, OpClass::Write)) => self.on_write(now, id, header.xid, op, body, large),
            Some((_, OpClass::Refused | OpClass::Inline)) | None => self.on_unknown(id, header.xid),
        }
    }

    /// There are too many bytes of large requests under way.
    fn reject_large(&mut self, id: ConnectionId) {
        self.counters.large_rejected += 1;
        self.close(id);
    }

    fn lacks_required_identity(&self, id: ConnectionId) -> bool {
        let schemes = &self.settings.auth.enforced_schemes;
        !schemes.is_empty()
            && self.connections.get(id).is_some_and(|connection| {
                !connection.identity.iter().any(|id| schemes.iter().any(|scheme| *scheme == id.scheme))
            })
    }

    /// Settled at once, ahead of whatever waits; requests that came earlier keep the identity they had.
    fn on_auth(&mut self, id: ConnectionId, xid: Xid, body: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let verdict = match AuthPacket::from_bytes(body) {
            Ok(AuthPacket { scheme, auth, .. }) => {
                let verdict = authenticate(&self.settings.auth, &scheme, auth, connection.peer.ip());
                if scheme == "ensemble" {
                    let claims = auth.is_some_and(|name| !name.is_empty());
                    self.counters.ensemble.count(claims, verdict != Authenticated::Refused);
                }
                verdict
            }
            Err(_) => return self.close(id),
        };
        match verdict {
            Authenticated::As(ids) => {
                let mut identity = connection.identity.to_vec();
                identity.extend(ids.into_iter().filter(|id| !connection.identity.contains(id)));
                let known = std::mem::replace(&mut connection.identity, identity.into());
                if connection.identity_bytes() > IDENTITY_LIMIT {
                    connection.identity = known;
                    self.counters.auth_failed += 1;
                    return self.refuse_and_close(id, xid, Zxid::ZERO, ErrorCode::AuthFailed);
                }
                frame(connection.output.bytes(), |out| {
                    ReplyHeader { xid, zxid: Zxid::ZERO, err: 0 }.encode(out)
                });
                connection.stats.sent += 1;
                self.counters.packets_sent += 1;
                self.mark_dirty(id);
            }
            Authenticated::Refused => {
                self.counters.auth_failed += 1;
                self.refuse_and_close(id, xid, Zxid::ZERO, ErrorCode::AuthFailed);
            }
        }
    }

    /// Without SASL on the server the client gets no token, and goes on without: clients rely on it.
    fn on_sasl(&mut self, id: ConnectionId, xid: Xid) {
        if let Some(connection) = self.connections.get_mut(id) {
            frame(connection.output.bytes(), |out| {
                ReplyHeader { xid, zxid: Zxid::ZERO, err: 0 }.encode(out);
                SetSaslResponse { token: None }.encode(out);
            });
            self.mark_dirty(id);
        }
    }

    /// Notes a sign of life. One that comes late cannot wait for the tick: the session may be about to expire.
    pub(super) fn hear(&mut self, now: Monotonic, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let silence = now.since(std::mem::replace(&mut connection.heard_at, now));
        if let Phase::Established { session, timeout_ms } = connection.phase
            && 2 * silence.as_millis() > u128::from(timeout_ms.unsigned_abs())
        {
            self.requests.items.push(Request::Heard(vec![(session, now)]));
        }
    }

    fn on_read(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId, xid: Xid, op: OpCode, body: &[u8]) {
        self.hear(now, id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.queue.is_empty() {
            return self.answer_read(tree, now, id, xid, op, body, now);
        }
        connection.queue.push_back(Waiting::Read { xid, op, body: body.into(), at: now });
        connection.waiting_bytes += body.len();
    }

    fn on_write(
        &mut self,
        now: Monotonic,
        id: ConnectionId,
        xid: Xid,
        op: OpCode,
        body: &[u8],
        large: Option<LargeRequest>,
    ) {
        self.hear(now, id);
        self.hand_over_reads(id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        // The first write under new ids keeps those alive, too.
        let is_first = Arc::strong_count(&connection.identity) == 1;
        let bytes = body.len() + if is_first { connection.identity_bytes() } else { 0 };
        let start = self.requests.bytes.len();
        self.requests.bytes.extend_from_slice(body);
        self.requests.items.push(Request::Write {
            connection: id,
            session: connection.session(),
            xid,
            op,
            body: start..start + body.len(),
            identity: connection.identity.clone(),
        });
        connection.queue.push_back(Waiting::Asked(Asked {
            xid,
            op,
            bytes,
            at: now,
            _large: large,
            watching: None,
        }));
        connection.waiting_bytes += bytes;
        self.load.bytes += bytes;
        self.load.requests += 1;
    }

    /// A write is about to be handed to the replica: so are the reads that wait before it, for they must not see it,
    /// and only the replica knows when it is applied.
    fn hand_over_reads(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let waits = |waiting: &&Waiting| matches!(waiting, Waiting::Read { .. });
        let first = connection.queue.len() - connection.queue.iter().rev().take_while(waits).count();
        for waiting in connection.queue.range_mut(first..) {
            let Waiting::Read { xid, op, body, at } = waiting else { unreachable!("these are the reads") };
            let (xid, op, at, body) = (*xid, *op, *at, std::mem::take(body));
            let (start, bytes) = (self.requests.bytes.len(), body.len());
            self.requests.bytes.extend_from_slice(&body);
            self.requests.items.push(Request::Read {
                connection: id,
                xid: reply_xid(op, xid),
                op,
                body: start..start + bytes,
                identity: connection.identity.clone(),
            });
            let watching = Some(body).filter(|body| asks_for_watch(op, body));
            self.watches_asked += usize::from(watching.is_some());
            *waiting = Waiting::Asked(Asked { xid, op, bytes, at, watching, _large: None });
            self.load.bytes += bytes;
            self.load.requests += 1;
        }
    }

    fn on_unknown(&mut self, id: ConnectionId, xid: Xid) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.queue.is_empty() {
            return self.refuse_and_close(id, xid, Zxid(-1), ErrorCode::Unimplemented);
        }
        connection.queue.push_back(Waiting::Unknown { xid });
    }

    fn refuse_and_close(&mut self, id: ConnectionId, xid: Xid, zxid: Zxid, code: ErrorCode) {
        if let Some(connection) = self.connections.get_mut(id) {
            refusal(connection.output.bytes(), xid, zxid, code);
            self.counters.packets_sent += 1;
            self.close(id);
        }
    }

    /// Answers the reads at the front of the queue, up to the next request that the replica has. If they come to
    /// too much, the rest is put off until the client has read what it has.
    pub(super) fn run_waiting_reads(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId) {
        self.turn_work = 0;
        while let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.closing) {
            if matches!(connection.queue.front(), None | Some(Waiting::Asked(_))) {
                break;
            }
            if connection.output.unsent().len() > OUTPUT_SOFT_LIMIT || self.turn_work > TURN_LIMIT {
                return self.pause(id);
            }
            match connection.queue.pop_front() {
                Some(Waiting::Read { xid, op, body, at }) => {
                    connection.waiting_bytes -= body.len();
                    self.answer_read(tree, now, id, xid, op, &body, at);
                }
                Some(Waiting::Unknown { xid }) => {
                    self.refuse_and_close(id, xid, Zxid(-1), ErrorCode::Unimplemented);
                }
                Some(Waiting::Throttled { xid }) => self.answer_throttled(tree, id, xid),
                Some(Waiting::Asked(_)) | None => unreachable!("the front of the queue was looked at"),
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a request is these seven things, and dies here")]
    fn answer_read(
        &mut self,
        tree: &Tree,
        now: Monotonic,
        id: ConnectionId,
        xid: Xid,
        op: OpCode,
        body: &[u8],
        asked: Monotonic,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let before = connection.output.bytes().len();
        let reader = reads::Reader {
            tree,
            rules: &self.settings.rules,
            watches: &mut self.watches,
            traffic: &mut self.traffic,
            work: &mut self.turn_work,
            id,
        };
        let goes_on = reader.answer(connection, reply_xid(op, xid), op, body);
        let length = connection.output.bytes().len() - before;
        self.turn_work += length;
        connection.stats.answered(op, xid, tree.last_zxid(), now, asked);
        let took = now.since(asked);
        self.counters.answered(op, length, took, 0);
        if self.slow.is_slow(took) {
            let (session, zxid) = (connection.session(), tree.last_zxid());
            let operation = SlowOperation { session, xid, op, zxid, err: 0, took, stages: None };
            self.on_slow(now, operation);
        }
        self.mark_dirty(id);
        if !goes_on {
            self.close(id);
        }
    }
}

/// Pings are answered under a number of their own.
fn reply_xid(op: OpCode, xid: Xid) -> Xid {
    if op == OpCode::Ping { Xid::PING } else { xid }
}

fn asks_for_watch(op: OpCode, body: &[u8]) -> bool {
    ReadOp::decode(op, body).is_ok_and(|op| watch_asked(&op).is_some())
}
