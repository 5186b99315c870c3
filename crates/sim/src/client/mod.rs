//! A client: a session kept over lost connections, requests without waiting for replies, watches set again.

pub(crate) mod ask;
mod choose;
mod held;
mod receive;

use std::collections::VecDeque;
use std::time::Duration;

use zoorum_proto::connect::{ConnectRequest, ReadOnly};
use zoorum_proto::op::RequestHeader;
use zoorum_proto::{AuthId, Encode, OpCode, SessionId, Xid, Zxid};
use zoorum_server::auth::digest_id;
use zoorum_server::settings::DigestAlgorithm;

use crate::check::Checked;
use crate::check::history::Sent;
use crate::check::watches::Watches;
use crate::ground::{Alarm, Ground, Wake};
use crate::host::{TIMEOUT_MAX_MS, TIMEOUT_MIN_MS};
use crate::network::{LinkId, Side};
use ask::{Ask, frame};
use choose::Chooser;
use held::Held;

/// The xid of setWatches, as clients number it.
const XID_SET_WATCHES: Xid = Xid(-8);
/// How long a client waits for its session.
const GREETING_PATIENCE: Duration = Duration::from_millis(1_500);

/// A session, as its client knows it.
#[derive(Clone, Copy, Debug)]
struct Session {
    id: SessionId,
    password: [u8; 16],
    timeout: Duration,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Without a connection.
    Apart { until: Duration },
    /// Asking for a session.
    Greeting { link: LinkId, since: Duration },
    /// In its session.
    Together { link: LinkId },
}

/// A request without a reply.
#[derive(Clone, Debug)]
struct Waiting {
    xid: Xid,
    ask: Ask,
    sent_at: Duration,
    /// What a reply to a `sync` must show.
    owed: Zxid,
}

/// A server that listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) process: u64,
    pub(crate) workers: usize,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    pub(crate) alarm: Alarm,
    stage: Stage,
    session: Option<Session>,
    credentials: Option<String>,
    ids: Vec<AuthId>,
    xid: i32,
    /// The newest change that a reply has told of.
    last_zxid: Zxid,
    held: Held,
    watches: Watches,
    waiting: VecDeque<Waiting>,
    input: Vec<u8>,
    last_sent: Duration,
    last_heard: Duration,
    silent_until: Duration,
    deaf_until: Duration,
    /// Replies ever received.
    pub(crate) answers: u64,
}

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        let credentials = (!number.is_multiple_of(3)).then(|| format!("user{}:secret", number % 3));
        let mut ids = vec![AuthId::new("ip", "127.0.0.1")];
        ids.extend(
            credentials.iter().map(|text| AuthId::new("digest", digest_id(DigestAlgorithm::Sha1, text))),
        );
        Self {
            number,
            alarm: Alarm::default(),
            stage: Stage::Apart { until: Duration::ZERO },
            session: None,
            credentials,
            ids,
            xid: 0,
            last_zxid: Zxid::ZERO,
            held: Held::default(),
            watches: Watches::default(),
            waiting: VecDeque::new(),
            input: Vec::new(),
            last_sent: Duration::ZERO,
            last_heard: Duration::ZERO,
            silent_until: Duration::ZERO,
            deaf_until: Duration::ZERO,
            answers: 0,
        }
    }

    /// The session, if the client believes in one.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.session.map(|session| session.id)
    }

    /// Whether the client has asked for the end of its session, and waits to be told of it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.ask, Ask::Close))
    }

    /// The client's turn: connects, keeps its session alive, or asks for something.
    pub(crate) fn act(&mut self, ground: &mut Ground, listener: Option<Listener>) -> Checked {
        if ground.is_healed {
            (self.silent_until, self.deaf_until) = (Duration::ZERO, Duration::ZERO);
            self.receive(ground)?;
        }
        match self.stage {
            Stage::Apart { until } if until <= ground.now => match listener {
                Some(listener) => self.connect(ground, listener),
                None => self.stage = Stage::Apart { until: ground.now + ground.chance.millis(5, 200) },
            },
            Stage::Apart { .. } => {}
            Stage::Greeting { link, since } => {
                if ground.now - since > GREETING_PATIENCE {
                    self.give_up(ground, link, "no session");
                }
            }
            Stage::Together { link } => self.serve(ground, link),
        }
        if self.deaf_until != Duration::ZERO && self.deaf_until <= ground.now {
            self.deaf_until = Duration::ZERO;
            self.receive(ground)?;
        }
        // A client that only keeps its session is in time for it: the shortest is pinged every third of a second.
        let pause = if ground.chance.one_in(10) && !ground.is_quiet {
            ground.chance.millis(10, 400)
        } else {
            ground.chance.millis(1, 60)
        };
        let at = ground.now + pause;
        self.alarm.set(ground, at, Wake::Client(self.number));
        Ok(())
    }

    fn connect(&mut self, ground: &mut Ground, listener: Listener) {
        let worker = ground.chance.below(listener.workers);
        let may_be_cut = ground.faults.cuts && !ground.is_healed;
        let link =
            ground.network.connect(&mut ground.chance, self.number, listener.process, worker, may_be_cut);
        ground.accepts.push(link);
        self.stage = Stage::Greeting { link, since: ground.now };
        self.last_heard = ground.now;
        self.input.clear();
        self.waiting.clear();
        self.watches = Watches::new(self.ids.clone());
        let session = self.session;
        let asked = *ground.chance.pick(&[0, 1_500, 3_000, 60_000]);
        if let Some(session) = session {
            ground.history.came(session.id, listener.process);
            ground.sessions.asked(session.id, asked.clamp(TIMEOUT_MIN_MS, TIMEOUT_MAX_MS));
        }
        let password = session.map_or([0; 16], |session| session.password);
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: asked,
            session: session.map_or(SessionId::NONE, |session| session.id),
            password: Some(&password),
            read_only: Some(ReadOnly(false)),
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| request.encode(out));
        if let Some(credentials) = &self.credentials {
            frame(&mut bytes, |out| {
                RequestHeader { xid: Xid::AUTH, op: OpCode::Auth as i32 }.encode(out);
                0_i32.encode(out);
                "digest".encode(out);
                credentials.as_bytes().encode(out);
            });
        }
        ground.note(format_args!("client {} connects by {link:?} {session:?}", self.number));
        self.send(ground, link, &bytes);
        if session.is_some() {
            let restored = self.held.restored(self.last_zxid);
            if !restored.is_empty() {
                self.ask(ground, link, Ask::SetWatches(restored));
            }
            // Requests need not wait for the session.
            if ground.chance.one_in(3) && !ground.is_quiet {
                self.ask_some(ground, link);
            }
        }
    }

    fn serve(&mut self, ground: &mut Ground, link: LinkId) {
        let timeout = self.session.map_or(Duration::from_secs(1), |session| session.timeout);
        if self.silent_until > ground.now {
            return;
        }
        if ground.now - self.last_heard > timeout * 2 / 3 && self.deaf_until <= ground.now {
            return self.give_up(ground, link, "nothing is heard");
        }
        if ground.now - self.last_sent > timeout / 3 {
            self.ask(ground, link, Ask::Ping);
        }
        if ground.is_quiet {
            return;
        }
        if !ground.is_healed && ground.faults.silence && ground.chance.one_in(300) {
            self.silent_until = ground.now + ground.chance.millis(100, 9_000);
            return ground
                .note(format_args!("client {} is silent until {:?}", self.number, self.silent_until));
        }
        if !ground.is_healed && ground.faults.slow_readers && ground.chance.one_in(100) {
            self.deaf_until = ground.now + ground.chance.millis(10, 3_000);
        }
        if ground.chance.one_in(300) {
            return self.give_up(ground, link, "a whim");
        }
        if self.waiting.len() < 200 && !ground.chance.one_in(3) {
            self.ask_some(ground, link);
        }
    }

    fn ask_some(&mut self, ground: &mut Ground, link: LinkId) {
        let count = if ground.chance.one_in(5) { 1 + ground.chance.below(20) } else { 1 };
        for _ in 0..count {
            let Some(session) = self.session() else { return };
            let model = &ground.history.model;
            let mut chooser = Chooser { chance: &mut ground.chance, model, session, xid: self.xid };
            let ask = chooser.choose();
            self.ask(ground, link, ask);
        }
    }

    fn ask(&mut self, ground: &mut Ground, link: LinkId, ask: Ask) {
        let Some(session) = self.session() else { return };
        let xid = match ask {
            Ask::Ping => Xid::PING,
            Ask::SetWatches(_) => XID_SET_WATCHES,
            _ => {
                self.xid += 1;
                Xid(self.xid)
            }
        };
        ground.note(format_args!("client {} asks {} {}", self.number, xid.0, brief(&ask)));
        if ask.is_txn() {
            let way = (link, ground.network.link(link).map_or(0, |link| link.process));
            ground.history.sent(session, xid.0, Sent { ask: ask.clone(), ids: self.ids.clone(), way });
        }
        let mut bytes = Vec::new();
        ask.encode(xid, &mut bytes);
        // What is committed now, unless a leader that was replaced may be asked: it cannot know.
        let is_owed = matches!(ask, Ask::Sync { .. }) && ground.servers.nobody_is_outdated();
        let owed = if is_owed { ground.history.model.last() } else { Zxid::ZERO };
        self.waiting.push_back(Waiting { xid, ask, sent_at: ground.now, owed });
        self.send(ground, link, &bytes);
    }

    fn send(&mut self, ground: &mut Ground, link: LinkId, bytes: &[u8]) {
        self.last_sent = ground.now;
        // If it is broken, the end arrives by itself.
        let _ = ground.send(link, Side::Server, bytes);
    }

    fn give_up(&mut self, ground: &mut Ground, link: LinkId, why: &str) {
        ground.note(format_args!("client {} gives {link:?} up: {why}", self.number));
        ground.close(link, Side::Client);
        self.part(ground);
    }

    fn part(&mut self, ground: &mut Ground) {
        let pause = if ground.chance.one_in(4) {
            ground.chance.millis(0, 1_500)
        } else {
            ground.chance.millis(0, 60)
        };
        self.stage = Stage::Apart { until: ground.now + pause };
        self.waiting.clear();
        self.input.clear();
    }
}

/// A request in few words, without its data.
fn brief(ask: &Ask) -> String {
    match ask {
        Ask::Create(node) => format!("{:?} {:?} {} {:?}", node.flavour, node.mode, node.path, node.acl),
        Ask::SetData { path, version, .. } => format!("SetData {path} {}", version.0),
        Ask::Multi(asks) => format!("Multi {:?}", asks.iter().map(brief).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}
