//! The first packet of a connection: a four-letter word, or the request for a session.

use zoorum_proto::connect::{ConnectRequest, ConnectResponse, ReadOnly};
use zoorum_proto::{Decode, Encode, SessionId};
use zoorum_tree::Tree;

use super::connection::Phase;
use super::{Command, Worker};
use crate::frame::frame;
use crate::message::{ConnectionId, Request};
use crate::time::Monotonic;

/// Every word that ZooKeeper knows, answered or not.
const WORDS: [&[u8; 4]; 19] = [
    b"conf",
    b"cons",
    b"crst",
    b"dirs",
    b"dump",
    b"envi",
    b"gtmk",
    b"hash",
    b"isro",
    b"mntr",
    b"ruok",
    b"srst",
    b"srvr",
    b"stat",
    b"stmk",
    b"wchc",
    b"wchp",
    b"wchs",
    b"\xff\xf4\xff\xfd",
];

impl Worker {
    /// Whether the connection's first four bytes are a word; how many bytes it takes, once all are here.
    pub(super) fn try_command(&mut self, id: ConnectionId, bytes: &[u8]) -> Option<usize> {
        let word = *bytes.first_chunk::<4>()?;
        if !WORDS.contains(&&word) {
            return None;
        }
        let argument = match &word {
            b"stmk" => i64::from_be_bytes(*bytes.get(4..)?.first_chunk()?),
            _ => 0,
        };
        let connection = self.connections.get_mut(id)?;
        connection.phase = Phase::Command;
        connection.stats.received += 1;
        self.counters.packets_received += 1;
        self.commands.push(Command { connection: id, word, argument });
        Some(bytes.len()) // whatever follows a word is ignored
    }

    /// Whether the bytes are the front of a word whose argument is yet to come.
    pub(super) fn is_partial_command(bytes: &[u8]) -> bool {
        bytes.starts_with(b"stmk") && bytes.len() < 12
    }

    /// The connection asks for a session.
    pub(super) fn on_connect(&mut self, tree: &Tree, now: Monotonic, id: ConnectionId, packet: &[u8]) {
        let Ok(request) = ConnectRequest::from_bytes(packet) else { return self.close(id) };
        let Ok(missing) = self.gate.admit_session(now, request.session == SessionId::NONE) else {
            self.counters.sessions_refused += 1;
            return self.close(id);
        };
        self.counters.token_deficit.observe(missing);
        self.counters.connect_requests += 1;
        let Some(service) = self.service else {
            self.counters.not_served += 1;
            return self.close(id); // nobody leads; the client must ask another server, or later
        };
        if service.read_only && request.read_only != Some(ReadOnly(true)) {
            return self.close(id); // reads alone will not do
        }
        if request.last_zxid_seen > tree.last_zxid() {
            // The client has seen a future that we do not know yet. It must ask another server, or later.
            return self.close(id);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.read_only = request.read_only;
        let is_new = request.session == SessionId::NONE;
        connection.phase = Phase::Connecting { new_since: is_new.then_some(now) };
        let session = (request.session != SessionId::NONE).then_some(request.session);
        if service.read_only && session.is_some_and(|session| tree.session_timeout(session).is_some()) {
            return self.close(id); // who has a leader knows better whether it lives
        }
        // The password is judged before anything happens to the session's present connection.
        if session.is_some_and(|session| request.password != Some(&session.password())) {
            self.counters.expired_replies += 1;
            return self.answer_expired(id, request.read_only);
        }
        self.load.sessions += 1;
        self.requests.items.push(Request::Connect {
            connection: id,
            session,
            timeout_ms: self.settings.negotiate(request.timeout_ms),
            read_only: request.read_only,
        });
    }

    /// The replica has opened the session, or knows it no longer.
    pub(super) fn on_connected(
        &mut self,
        now: Monotonic,
        id: ConnectionId,
        session: Option<SessionId>,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        self.load.sessions -= 1;
        let Some(session) = session else { return self.answer_expired(id, read_only) };
        let read_only = self.answer_to(read_only);
        let Some(connection) = self.connections.get_mut(id) else {
            // The client hung up meanwhile: its session lives on without a connection.
            return self.requests.items.push(Request::Gone { connection: id, session });
        };
        if let Phase::Connecting { new_since: Some(asked_at) } = connection.phase {
            self.counters.session_opened(now.since(asked_at));
        }
        connection.phase = Phase::Established { session, timeout_ms };
        connection.heard_at = now;
        connection.stats.sent += 1;
        self.counters.packets_sent += 1;
        let response = ConnectResponse { timeout_ms, session, password: session.password(), read_only };
        frame(connection.output.bytes(), |out| response.encode(out));
        self.mark_dirty(id);
    }

    /// Whether this server is read-only, for those who have said whether one will do.
    fn answer_to(&self, read_only: Option<ReadOnly>) -> Option<ReadOnly> {
        read_only.map(|_| ReadOnly(self.service.is_some_and(|service| service.read_only)))
    }

    fn answer_expired(&mut self, id: ConnectionId, read_only: Option<ReadOnly>) {
        let read_only = self.answer_to(read_only);
        if let Some(connection) = self.connections.get_mut(id) {
            let response = ConnectResponse::expired(read_only);
            frame(connection.output.bytes(), |out| response.encode(out));
            self.close(id);
        }
    }
}
