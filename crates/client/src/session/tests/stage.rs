//! A session, a clock, and a server that answers as it is told.

use std::time::Duration;

use zoorum_proto::connect::{ConnectRequest, ConnectResponse, ReadOnly};
use zoorum_proto::op::RequestHeader;
use zoorum_proto::reply::{EventType, ReplyHeader, WatcherEvent};
use zoorum_proto::{Decode, Encode, Monotonic, OpCode, Reader, SessionId, Xid, Zxid};

use super::super::{
    Action, Answer, ConnectionId, Failure, Host, NewWatch, Phase, Request, RequestId, Session, SessionState,
    Settings, WatchedEvent, WatcherId, WatchingOp,
};

/// The session that the server gives.
pub(super) const SESSION: SessionId = SessionId(0x0100_0000_0000_0007);
/// The timeout that is asked for and granted.
pub(super) const TIMEOUT: Duration = Duration::from_millis(6000);

/// A packet that the session sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) xid: Xid,
    pub(super) op: i32,
    pub(super) body: Vec<u8>,
}

pub(super) struct Stage {
    pub(super) session: Session,
    pub(super) now: Monotonic,
    pub(super) connection: ConnectionId,
    /// Where the session tried to connect.
    pub(super) dialed: Vec<Host>,
    pub(super) states: Vec<SessionState>,
    pub(super) outcomes: Vec<(RequestId, Result<Answer, Failure>)>,
    pub(super) fired: Vec<(WatcherId, WatchedEvent)>,
    pub(super) missed: Vec<WatcherId>,
    pub(super) forgotten: Vec<WatcherId>,
    pub(super) probed: Vec<Host>,
    /// Sent, and not yet looked at.
    sent: Vec<Vec<u8>>,
    pub(super) zxid: i64,
}

impl Stage {
    pub(super) fn new(hosts: u16, settings: Settings) -> Self {
        let hosts = (1..=hosts).map(|port| Host { name: "h".to_owned(), port }).collect();
        let settings = Settings { timeout: TIMEOUT, ..settings };
        Self {
            session: Session::new(Monotonic::default(), hosts, settings, 42),
            now: Monotonic::default(),
            connection: ConnectionId::default(),
            dialed: Vec::new(),
            states: Vec::new(),
            outcomes: Vec::new(),
            fired: Vec::new(),
            missed: Vec::new(),
            forgotten: Vec::new(),
            probed: Vec::new(),
            sent: Vec::new(),
            zxid: 0,
        }
    }

    /// One that a server serves.
    pub(super) fn connected() -> Self {
        let mut stage = Self::new(3, Settings::default());
        stage.connect();
        stage
    }

    pub(super) fn act(&mut self, input: impl FnOnce(&mut Session, Monotonic, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        input(&mut self.session, self.now, &mut actions);
        self.session.check_invariants();
        for action in actions {
            match action {
                Action::Connect { connection, host, .. } => {
                    self.connection = connection;
                    self.dialed.push(host);
                }
                Action::Send(bytes) => self.sent.push(bytes),
                Action::Disconnect { connection, .. } => assert_eq!(connection, self.connection),
                Action::Probe { host, .. } => self.probed.push(host),
                Action::Complete(id, outcome) => self.outcomes.push((id, outcome)),
                Action::State(state) => self.states.push(state),
                Action::Fire { watcher, event } => self.fired.push((watcher, event)),
                Action::Missed(watcher) => self.missed.push(watcher),
                Action::Forget(watcher) => self.forgotten.push(watcher),
            }
        }
    }

    pub(super) fn tick(&mut self) {
        self.act(Session::on_tick);
    }

    /// Lets the session's next wish for a tick come true.
    pub(super) fn wake(&mut self) {
        self.now = self.session.next_wakeup().expect("it waits for something").max(self.now);
        self.tick();
    }

    /// Time passes, and the session is woken when it wants to be.
    pub(super) fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        while self.session.next_wakeup().is_some_and(|at| at <= end) {
            self.wake();
        }
        self.now = end;
        self.tick();
    }

    /// Lets the session dial, which it may want to wait for.
    pub(super) fn dial(&mut self) {
        let dialed = self.dialed.len();
        while self.dialed.len() == dialed {
            self.wake();
        }
    }

    /// Dials and connects; the greeting is returned.
    pub(super) fn reach(&mut self) -> (Zxid, SessionId, bool) {
        self.dial();
        let connection = self.connection;
        self.act(|session, now, actions| session.on_connected(now, connection, actions));
        let greeting = self.sent.pop().expect("a greeting");
        let request = ConnectRequest::from_bytes(&greeting[4..]).expect("our own encoding");
        assert_eq!(self.sent, Vec::<Vec<u8>>::new(), "nothing before the server's answer");
        (request.last_zxid_seen, request.session, request.read_only == Some(ReadOnly(true)))
    }

    pub(super) fn greet(&mut self, session: SessionId, timeout: Duration, read_only: bool) {
        let response = ConnectResponse {
            timeout_ms: timeout.as_millis() as i32,
            session,
            password: session.password(),
            read_only: Some(ReadOnly(read_only)),
        };
        self.receive(&response.to_vec());
    }

    /// The whole way to a connection.
    pub(super) fn connect(&mut self) {
        self.reach();
        self.greet(SESSION, TIMEOUT, false);
    }

    /// Whether the server is to say what it thinks of the session.
    pub(super) fn is_greeting(&self) -> bool {
        matches!(self.session.phase, Phase::Greeting { .. })
    }

    /// Goes on from wherever the session is to a connection, unless it ends before.
    pub(super) fn reach_again(&mut self) {
        while !self.is_greeting() && !self.session.state().is_final() {
            if matches!(self.session.phase, Phase::Dialing { .. }) {
                let connection = self.connection;
                self.act(|session, now, actions| session.on_connected(now, connection, actions));
            } else {
                self.wake();
            }
        }
        self.sent.clear();
        if self.is_greeting() {
            self.greet(SESSION, TIMEOUT, false);
        }
    }

    pub(super) fn sent_discarded(&mut self) {
        self.sent.clear();
    }

    pub(super) fn lose(&mut self) {
        let connection = self.connection;
        self.act(|session, now, actions| session.on_disconnected(now, connection, actions));
        self.sent.clear();
    }

    pub(super) fn receive(&mut self, packet: &[u8]) {
        let mut frame = (packet.len() as i32).to_vec();
        frame.extend_from_slice(packet);
        self.receive_bytes(&frame);
    }

    pub(super) fn receive_bytes(&mut self, bytes: &[u8]) {
        let connection = self.connection;
        self.act(|session, now, actions| session.on_received(now, connection, bytes, actions));
    }

    pub(super) fn reply(&mut self, xid: Xid, err: i32, body: &[u8]) {
        self.zxid += 1;
        let mut packet = ReplyHeader { xid, zxid: Zxid(self.zxid), err }.to_vec();
        packet.extend_from_slice(body);
        self.receive(&packet);
    }

    pub(super) fn notify(&mut self, kind: EventType, path: &str) {
        let mut packet = ReplyHeader { xid: Xid::NOTIFICATION, zxid: Zxid(self.zxid), err: 0 }.to_vec();
        WatcherEvent::new(kind, path).encode(&mut packet);
        self.receive(&packet);
    }

    pub(super) fn submit(&mut self, id: u64, op: OpCode) {
        let request = Request { id: RequestId(id), op, body: id.to_be_bytes().to_vec(), watch: None };
        self.act(|session, now, actions| session.submit(now, request, actions));
    }

    pub(super) fn submit_watching(&mut self, id: u64, by: WatchingOp, path: &str) {
        let watch = Some(NewWatch { watcher: WatcherId(id), path: path.to_owned(), by });
        let request = Request { id: RequestId(id), op: OpCode::GetData, body: Vec::new(), watch };
        self.act(|session, now, actions| session.submit(now, request, actions));
    }

    /// What was sent since the last look.
    pub(super) fn sent(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.sent)
            .iter()
            .map(|frame| {
                let mut input = Reader::new(&frame[4..]);
                let RequestHeader { xid, op } = Decode::decode(&mut input).expect("our own encoding");
                Packet { xid, op, body: input.rest().to_vec() }
            })
            .collect()
    }

    /// The operations of what was sent since the last look.
    pub(super) fn sent_ops(&mut self) -> Vec<Option<OpCode>> {
        self.sent().iter().map(|packet| OpCode::from_number(packet.op)).collect()
    }

    pub(super) fn outcome(&self, id: u64) -> Option<&Result<Answer, Failure>> {
        self.outcomes.iter().find(|(other, _)| *other == RequestId(id)).map(|(_, outcome)| outcome)
    }
}
