//! A session, as a value: connecting, heartbeats, order of requests and replies, watches, expiry.
//!
//! ```text
//!            ┌── pause ◀── lost, refused, too slow ──┬───────────┐
//!            ▼                                       │           │
//!  Waiting ──▶ Dialing ── connected ──▶ Greeting ── session ──▶ Serving
//!                                          └──────── no session ──▶ Over (expired)
//! ```
//!
//! Inputs are methods called `on_…`, with [`Session::submit`], [`Session::close`] and their like; what is to be
//! done comes out as [`Action`]s, in order. Time is an argument, chance a seed: nothing here does I/O, reads a
//! clock or draws randomness.
//!
//! **Promises.** Every request submitted gets exactly one outcome. Replies come in the order of requests. An event
//! comes before the reply that shows its change. A request is sent once at most: it is never repeated, because
//! nobody knows whether the first one took effect. What could not be sent waits for a connection as long as the
//! session timeout, and then fails as not sent.
//!
//! **Source.** Apache ZooKeeper's client. Where it fails everything that waits with each failed attempt to
//! connect, this session lets it wait.

mod action;
mod chance;
mod connect_string;
mod connection;
mod hosts;
mod requests;
mod timers;
mod watches;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use bytes::BytesMut;
use zoorum_proto::{Monotonic, SessionId, Xid, Zxid};

pub use action::{
    Action, Answer, Cause, ConnectionId, Failure, NewWatch, Request, RequestId, SessionState, Settings,
    WatchedEvent, WatchingOp, Why,
};
pub use chance::Chance;
pub use connect_string::{ConnectString, ConnectStringError, DEFAULT_PORT, Host};
pub use hosts::HostList;
pub use watches::{WatchKind, WatcherId, Watches};

use timers::Timeout;

/// What proves who the application is, sent on every connection.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    scheme: String,
    auth: Vec<u8>,
}

/// Where the session is with its connection.
#[derive(Clone, Debug)]
enum Phase {
    /// Pausing before it tries a server.
    Waiting { until: Monotonic, host: Host },
    /// The connection is being made.
    Dialing { since: Monotonic },
    /// The server has been asked for the session.
    Greeting { since: Monotonic },
    /// The server serves it.
    Serving { sent_at: Monotonic },
    /// Nothing follows.
    Over,
}

/// A request on its way.
#[derive(Clone, Debug)]
struct Sent {
    xid: Xid,
    id: RequestId,
    watch: Option<NewWatch>,
    /// How long its record was.
    bytes: usize,
}

/// A request that waits for a connection.
#[derive(Clone, Debug)]
struct Queued {
    since: Monotonic,
    request: Request,
}

/// How the session ends if it is closed from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// Nobody asked for it.
    No,
    /// As soon as there is a connection, or not later than this.
    Wanted { until: Monotonic },
    /// The request is sent.
    Sent { xid: Xid, until: Monotonic },
}

/// Looking for a read-write server while a read-only one serves.
#[derive(Clone, Copy, Debug)]
struct Probing {
    /// When the next server is to be asked; none while one is being asked.
    at: Option<Monotonic>,
    pause: std::time::Duration,
}

/// A session and its connection.
#[derive(Clone)]
pub struct Session {
    settings: Settings,
    hosts: HostList,
    chance: Chance,
    state: SessionState,
    phase: Phase,
    /// The newest connection, whether it is being made, serves, or is lost.
    connection: ConnectionId,
    id: SessionId,
    password: [u8; 16],
    /// Whether a server with a quorum knows the session: one without is not to be believed about its end.
    is_established: bool,
    timeout: Timeout,
    /// When a server was last heard, or reached at least.
    heard_at: Monotonic,
    last_zxid: Zxid,
    next_xid: i32,
    credentials: Vec<Credentials>,
    watches: Watches,
    /// Watches that requests under way will leave.
    coming: Watches,
    /// Watchers that lost interest before their watch was set.
    forgotten: BTreeSet<WatcherId>,
    inbox: BytesMut,
    queue: VecDeque<Queued>,
    pending: VecDeque<Sent>,
    /// How long the records of both are together.
    waiting_bytes: usize,
    closing: Closing,
    probing: Option<Probing>,
}

impl Session {
    /// A session that begins to connect with the first [`Self::on_tick`].
    pub fn new(now: Monotonic, hosts: Vec<Host>, settings: Settings, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut hosts = HostList::new(hosts, &mut chance);
        let (host, _) = hosts.next(&mut chance);
        let (id, password) = settings.resume.unwrap_or((SessionId::NONE, [0; 16]));
        Self {
            hosts,
            chance,
            state: SessionState::Connecting,
            phase: Phase::Waiting { until: now, host },
            connection: ConnectionId::default(),
            id,
            password,
            is_established: settings.resume.is_some(),
            timeout: Timeout(settings.timeout),
            heard_at: now,
            last_zxid: Zxid::ZERO,
            next_xid: 1,
            credentials: Vec::new(),
            watches: Watches::default(),
            coming: Watches::default(),
            forgotten: BTreeSet::new(),
            inbox: BytesMut::new(),
            queue: VecDeque::new(),
            pending: VecDeque::new(),
            waiting_bytes: 0,
            closing: Closing::No,
            probing: None,
            settings,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// Its id; none before the first connection.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// By which it can be taken up again elsewhere.
    pub fn password(&self) -> [u8; 16] {
        self.password
    }

    /// Its timeout: negotiated once connected, the one asked for before.
    pub fn timeout(&self) -> std::time::Duration {
        self.timeout.0
    }

    /// When [`Self::on_tick`] is due if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        let connect = self.timeout.connect(self.hosts.count());
        let phase = match &self.phase {
            Phase::Waiting { until, .. } => *until,
            Phase::Dialing { since } | Phase::Greeting { since } => *since + connect,
            Phase::Serving { sent_at } => {
                (*sent_at + self.timeout.ping()).min(self.heard_at + self.timeout.read())
            }
            Phase::Over => return None,
        };
        let expiry =
            (self.is_established && !self.is_serving()).then(|| self.heard_at + self.timeout.expiry());
        let queue = self.queue.front().map(|queued| queued.since + self.timeout.0);
        let closing = match self.closing {
            Closing::No => None,
            Closing::Wanted { until } | Closing::Sent { until, .. } => Some(until),
        };
        let probe = self.probing.and_then(|probing| probing.at);
        [expiry, queue, closing, probe, Some(phase)].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        let silence = now.since(self.heard_at);
        match self.closing {
            Closing::Wanted { until } | Closing::Sent { until, .. } if until <= now => {
                return self.end(SessionState::Closed, actions);
            }
            _ => {}
        }
        if self.is_established && !self.is_serving() && silence >= self.timeout.expiry() {
            return self.end(SessionState::Expired, actions);
        }
        match self.phase.clone() {
            Phase::Waiting { until, host } if until <= now => self.dial(now, host, actions),
            Phase::Dialing { since } | Phase::Greeting { since }
                if now.since(since) >= self.timeout.connect(self.hosts.count()) =>
            {
                self.lose(now, Why::Slow, actions);
            }
            Phase::Serving { .. } if silence >= self.timeout.read() => self.lose(now, Why::Silent, actions),
            Phase::Serving { sent_at } if now.since(sent_at) >= self.timeout.ping() => {
                self.ping(now, actions)
            }
            Phase::Waiting { .. }
            | Phase::Dialing { .. }
            | Phase::Greeting { .. }
            | Phase::Serving { .. }
            | Phase::Over => {}
        }
        self.probe_if_due(now, actions);
        while self.queue.front().is_some_and(|queued| now.since(queued.since) >= self.timeout.0) {
            let request = self.queue.pop_front().expect("there is a first").request;
            self.waiting_bytes -= request.body.len();
            self.fail(&request, Failure::NotSent(Cause::Disconnected), actions);
        }
    }

    /// What holds between any two inputs.
    pub fn check_invariants(&self) {
        assert_eq!(self.state.is_final(), matches!(self.phase, Phase::Over), "a session ends once");
        assert_eq!(self.state.is_connected(), self.is_serving(), "connected is who is served");
        assert!(self.pending.is_empty() || self.is_serving(), "whoever is not served waits for no reply");
        assert!(self.queue.is_empty() || !self.is_serving(), "what can be sent is sent");
        debug_assert_eq!(
            self.queue.iter().map(|queued| queued.request.body.len()).sum::<usize>()
                + self.pending.iter().map(|sent| sent.bytes).sum::<usize>(),
            self.waiting_bytes,
            "what waits is counted until it has its outcome"
        );
    }

    fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving { .. })
    }

    fn become_state(&mut self, state: SessionState, actions: &mut Vec<Action>) {
        if self.state != state {
            self.state = state;
            actions.push(Action::State(state));
        }
    }

    /// Nothing follows: whoever waits for anything is told.
    fn end(&mut self, state: SessionState, actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Waiting { .. } | Phase::Over) {
            actions.push(Action::Disconnect { connection: self.connection, why: Why::Over });
        }
        self.phase = Phase::Over;
        self.probing = None;
        self.closing = Closing::No;
        let cause = cause_of(state);
        self.become_state(state, actions);
        self.fail_pending(cause, actions);
        for queued in std::mem::take(&mut self.queue) {
            self.waiting_bytes -= queued.request.body.len();
            self.fail(&queued.request, Failure::NotSent(cause), actions);
        }
        self.watches = Watches::default();
    }
}

/// Why requests fail once the session stands there.
fn cause_of(state: SessionState) -> Cause {
    match state {
        SessionState::Expired => Cause::Expired,
        SessionState::AuthFailed => Cause::AuthFailed,
        SessionState::Closed => Cause::Closed,
        SessionState::Connecting
        | SessionState::Connected
        | SessionState::ConnectedReadOnly
        | SessionState::Disconnected => Cause::Disconnected,
    }
}
