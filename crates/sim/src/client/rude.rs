//! A client of another make than the library, and ruder: it asks before it is greeted, wants another timeout each time,
//! comes back at once, to any server, leaves on a whim, stops reading, and stays silent for longer than it lives.

use std::time::Duration;

use zoorum_proto::connect::{ConnectRequest, ReadOnly};
use zoorum_proto::op::RequestHeader;
use zoorum_proto::{Encode, ErrorCode, OpCode, SessionId, Xid};

use super::ask::{Ask, frame};
use super::choose::Chooser;
use super::held::Held;
use super::tap::{Overheard, Tap};
use super::{Listener, credentials};
use crate::check::Checked;
use crate::ground::{Alarm, Ground, Wake};
use crate::network::{LinkId, Side};

/// The xid of setWatches, as clients number it.
const XID_SET_WATCHES: Xid = Xid(-8);
/// How long a client waits for its session.
const GREETING_PATIENCE: Duration = Duration::from_millis(1_500);

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

/// See the module.
#[derive(Debug)]
pub(crate) struct Rude {
    number: usize,
    pub(super) alarm: Alarm,
    stage: Stage,
    credentials: Option<String>,
    pub(super) tap: Tap,
    xid: i32,
    held: Held,
    last_sent: Duration,
    last_heard: Duration,
    silent_until: Duration,
    deaf_until: Duration,
}

impl Rude {
    pub(crate) fn new(number: usize) -> Self {
        let credentials = credentials(number);
        Self {
            number,
            alarm: Alarm::default(),
            stage: Stage::Apart { until: Duration::ZERO },
            tap: Tap::new(number, credentials.as_deref()),
            credentials,
            xid: 0,
            held: Held::default(),
            last_sent: Duration::ZERO,
            last_heard: Duration::ZERO,
            silent_until: Duration::ZERO,
            deaf_until: Duration::ZERO,
        }
    }

    /// The client's turn: connects, keeps its session alive, or asks for something.
    pub(super) fn act(&mut self, ground: &mut Ground, listener: Option<Listener>) -> Checked {
        if ground.is_healed {
            (self.silent_until, self.deaf_until) = (Duration::ZERO, Duration::ZERO);
            self.receive(ground)?;
        }
        match self.stage {
            Stage::Apart { until } if until <= ground.now => match listener {
                Some(listener) => self.connect(ground, listener)?,
                None => self.stage = Stage::Apart { until: ground.now + ground.chance.millis(5, 200) },
            },
            Stage::Apart { .. } => {}
            Stage::Greeting { link, since } => {
                if ground.now - since > GREETING_PATIENCE {
                    self.give_up(ground, link, "no session");
                }
            }
            Stage::Together { link } => self.serve(ground, link)?,
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

    fn connect(&mut self, ground: &mut Ground, listener: Listener) -> Checked {
        let worker = ground.chance.below(listener.workers);
        let link = ground.connect(self.number, listener.process, worker);
        self.stage = Stage::Greeting { link, since: ground.now };
        self.last_heard = ground.now;
        self.tap.connect(ground, link);
        let session = self.tap.session();
        let asked = *ground.chance.pick(&[0, 1_500, 3_000, 60_000]);
        let password = session.map_or([0; 16], |session| session.password);
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.tap.last_zxid,
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
        self.send(ground, link, &bytes)?;
        if session.is_some() {
            let restored = self.held.restored(self.tap.last_zxid);
            if !restored.is_empty() {
                self.ask(ground, link, &Ask::SetWatches(restored))?;
            }
            // Requests need not wait for the session.
            if ground.chance.one_in(3) && !ground.is_quiet {
                self.ask_some(ground, link)?;
            }
        }
        Ok(())
    }

    fn serve(&mut self, ground: &mut Ground, link: LinkId) -> Checked {
        let timeout = self.tap.session().map_or(Duration::from_secs(1), |session| session.timeout);
        if self.silent_until > ground.now {
            return Ok(());
        }
        if ground.now - self.last_heard > timeout * 2 / 3 && self.deaf_until <= ground.now {
            self.give_up(ground, link, "nothing is heard");
            return Ok(());
        }
        if ground.now - self.last_sent > timeout / 3 {
            self.ask(ground, link, &Ask::Ping)?;
        }
        if ground.is_quiet {
            return Ok(());
        }
        if !ground.is_healed && ground.faults.silence && ground.chance.one_in(300) {
            self.silent_until = ground.now + ground.chance.millis(100, 9_000);
            ground.note(format_args!("client {} is silent until {:?}", self.number, self.silent_until));
            return Ok(());
        }
        if !ground.is_healed && ground.faults.slow_readers && ground.chance.one_in(100) {
            self.deaf_until = ground.now + ground.chance.millis(10, 3_000);
        }
        if ground.chance.one_in(300) {
            self.give_up(ground, link, "a whim");
            return Ok(());
        }
        if self.tap.waiting() < 200 && !ground.chance.one_in(3) {
            self.ask_some(ground, link)?;
        }
        Ok(())
    }

    fn ask_some(&mut self, ground: &mut Ground, link: LinkId) -> Checked {
        let count = if ground.chance.one_in(5) { 1 + ground.chance.below(20) } else { 1 };
        for _ in 0..count {
            let Some(session) = self.tap.session().map(|session| session.id) else { return Ok(()) };
            let model = &ground.history.model;
            let mut chooser = Chooser { chance: &mut ground.chance, model, session, xid: self.xid };
            let ask = chooser.choose();
            self.ask(ground, link, &ask)?;
        }
        Ok(())
    }

    fn ask(&mut self, ground: &mut Ground, link: LinkId, ask: &Ask) -> Checked {
        if self.tap.session().is_none() {
            return Ok(());
        }
        let xid = match ask {
            Ask::Ping => Xid::PING,
            Ask::SetWatches(_) => XID_SET_WATCHES,
            _ => {
                self.xid += 1;
                Xid(self.xid)
            }
        };
        let mut bytes = Vec::new();
        ask.encode(xid, &mut bytes);
        self.send(ground, link, &bytes)
    }

    fn send(&mut self, ground: &mut Ground, link: LinkId, bytes: &[u8]) -> Checked {
        self.last_sent = ground.now;
        self.tap.on_sent(ground, bytes)?;
        // If it is broken, the end arrives by itself.
        let _ = ground.send(link, Side::Server, bytes);
        Ok(())
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
        self.tap.part();
    }

    /// Reads whatever has arrived, unless the client does not read.
    pub(super) fn receive(&mut self, ground: &mut Ground) -> Checked {
        let (Stage::Greeting { link, .. } | Stage::Together { link }) = self.stage else { return Ok(()) };
        if self.deaf_until > ground.now {
            return Ok(());
        }
        while ground.network.is_readable(link, Side::Client) {
            let Some(bytes) = ground.network.read(link, Side::Client, usize::MAX) else {
                ground.note(format_args!("client {} has lost {link:?}", self.number));
                ground.close(link, Side::Client);
                self.part(ground);
                return Ok(());
            };
            self.last_heard = ground.now;
            for overheard in self.tap.on_received(ground, &bytes)? {
                self.on_heard(link, overheard);
            }
            ground.has_read(link);
        }
        Ok(())
    }

    fn on_heard(&mut self, link: LinkId, overheard: Overheard) {
        match overheard {
            Overheard::Greeted => self.stage = Stage::Together { link },
            Overheard::Refused => self.end_session(),
            Overheard::Event { kind, path, .. } => self.held.on_event(kind, &path),
            Overheard::Reply { header, ask, .. } => match ask {
                Ask::Close => self.end_session(),
                Ask::Exists { path, watch: true }
                    if header.err == 0 || header.err == ErrorCode::NoNode.number() =>
                {
                    self.held.add_data(&path, header.err == 0);
                }
                Ask::GetData { path, watch: true } if header.err == 0 => self.held.add_data(&path, true),
                Ask::GetChildren { path, watch: true } if header.err == 0 => self.held.add_child(&path),
                Ask::AddWatch { path, recursive } => self.held.add_persistent(&path, recursive),
                Ask::RemoveWatches { path, kind } if header.err == 0 => self.held.remove(&path, kind),
                _ => {}
            },
        }
    }

    /// The client knows that its session is over; its watches are, too.
    fn end_session(&mut self) {
        self.held = Held::default();
        self.xid = 0;
    }
}
