//! A session that survives the members it is connected to, as that of a real client does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::control::{Control, Turn};
use crate::ensemble::PATIENCE;
use crate::wire::client::{create_record, path_watch};
use crate::wire::{Acl, Client, Connect, Connected, Event, Packet, Reply, Wire, op};

/// How long a member may take to answer before the client tries another.
const ANSWER: Duration = Duration::from_secs(3);
/// How long the client waits after it has tried all members in vain.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a session without requests says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What became of a session whose connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnected {
    /// It goes on.
    Resumed,
    /// It was over; this is a new one.
    Anew,
    /// Nobody cares any more: see [`Turn::Abandon`].
    Abandoned,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// In the order of preference.
    members: Vec<SocketAddr>,
    /// Which of them to try next.
    next: usize,
    timeout: Duration,
    identity: Option<Connected>,
    connection: Option<Client>,
    /// The number of the last request.
    xid: i32,
    /// The highest zxid that a reply told.
    zxid: i64,
    events: VecDeque<Event>,
    heard: Instant,
}

impl Session {
    /// A session that has not begun.
    pub fn new(members: &[SocketAddr], timeout: Duration) -> Session {
        Session {
            members: members.into(),
            next: 0,
            timeout,
            identity: None,
            connection: None,
            xid: 0,
            zxid: 0,
            events: VecDeque::new(),
            heard: Instant::now(),
        }
    }

    /// A short session at one member, if that serves.
    pub fn begin_at(member: SocketAddr) -> Option<Session> {
        let mut session = Session::new(&[member], Duration::from_secs(5));
        session.try_connect(member).map(|_| session)
    }

    /// Its id; 0 if it never began.
    pub fn id(&self) -> i64 {
        self.identity.as_ref().map_or(0, |identity| identity.session)
    }

    /// The highest zxid seen.
    pub fn zxid(&self) -> i64 {
        self.zxid
    }

    /// Whether there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Leaves the member and goes to the preferred one, as if the connection had broken.
    pub fn go_home(&mut self) {
        self.connection = None;
        self.next = 0;
    }

    /// Drops the connection and leaves the session to expire.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Connects to one member after the other until one accepts.
    ///
    /// # Panics
    ///
    /// When none does for [`PATIENCE`].
    pub fn connect(&mut self, control: &Control) -> Reconnected {
        let begun = Instant::now();
        loop {
            if control.turn() == Turn::Abandon {
                return Reconnected::Abandoned;
            }
            let member = self.members[self.next % self.members.len()];
            if let Some(outcome) = self.try_connect(member) {
                return outcome;
            }
            self.next += 1;
            if self.next.is_multiple_of(self.members.len()) {
                control.pace(AGAIN);
            }
            assert!(begun.elapsed() < PATIENCE, "no member accepted the session within {PATIENCE:?}");
        }
    }

    fn try_connect(&mut self, member: SocketAddr) -> Option<Reconnected> {
        let timeout = i32::try_from(self.timeout.as_millis()).expect("a session's timeout is short");
        let request = match &self.identity {
            Some(identity) => Connect { last_zxid: self.zxid, ..Connect::resume(identity) },
            None => Connect { last_zxid: self.zxid, timeout, ..Connect::default() },
        };
        let mut wire = Wire::try_open(member, ANSWER).ok()?;
        wire.send(&request.encode());
        let answer = Connected::decode(&wire.try_frame().ok()?);
        if answer.session == 0 {
            // The session is over. The next attempt begins a new one.
            self.identity = None;
            return None;
        }
        let resumed = request.session != 0;
        assert!(!resumed || answer.session == request.session, "a session is resumed as itself");
        self.identity = Some(answer.clone());
        self.connection = Some(Client::on(wire, answer));
        self.heard = Instant::now();
        Some(if resumed { Reconnected::Resumed } else { Reconnected::Anew })
    }

    /// Sends a request and awaits its reply.
    pub fn call(&mut self, kind: i32, record: &[u8]) -> Result<Reply, Lost> {
        self.xid += 1;
        self.call_numbered(self.xid, kind, record)
    }

    /// The same under a number of the caller's choice.
    pub fn call_numbered(&mut self, xid: i32, kind: i32, record: &[u8]) -> Result<Reply, Lost> {
        self.connection.as_mut().ok_or(Lost)?.send(xid, kind, record);
        let reply = self.reply()?;
        assert_eq!(reply.xid, xid, "the reply belongs to the request");
        match reply.err {
            // Session expired, session moved, connection loss, operation timeout: others than the request's.
            -112 | -118 | -4 | -7 => self.lose(),
            _ => Ok(reply),
        }
    }

    /// Creates a node with an open ACL and no data, which must be possible.
    pub fn create(&mut self, path: &str, flags: i32) -> Result<(), Lost> {
        let reply = self.call(op::CREATE, &create_record(path, b"", &Acl::open(), flags))?;
        assert_eq!(reply.err, 0, "create {path}");
        Ok(())
    }

    /// Whether a node exists.
    pub fn exists(&mut self, path: &str) -> Result<bool, Lost> {
        let reply = self.call(op::EXISTS, &path_watch(path, false))?;
        assert!([0, crate::wire::code::NO_NODE].contains(&reply.err), "exists {path}: {}", reply.err);
        Ok(reply.err == 0)
    }

    /// Ends the session.
    pub fn close(&mut self) -> Result<(), Lost> {
        let reply = self.call(op::CLOSE_SESSION, b"")?;
        assert_eq!(reply.err, 0, "closeSession");
        self.connection = None;
        self.identity = None;
        Ok(())
    }

    /// Says that the session is there, if it is time to.
    pub fn keep_alive(&mut self) -> Result<(), Lost> {
        if self.heard.elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.connection.as_mut().ok_or(Lost)?.send(-2, op::PING, b"");
        let reply = self.reply()?;
        assert_eq!(reply.xid, -2, "the number of a ping's reply");
        Ok(())
    }

    /// The next notification, if one came or comes within `wait`.
    pub fn event(&mut self, wait: Duration) -> Result<Option<Event>, Lost> {
        if self.events.is_empty() {
            let client = self.connection.as_mut().ok_or(Lost)?;
            match client.wire.arrives_within(wait) {
                Ok(false) => return Ok(None),
                Err(_) => return self.lose(),
                Ok(true) => {}
            }
            match self.packet()? {
                Packet::Event(_) => {}
                Packet::Reply(reply) => panic!("a reply to nothing: {reply:?}"),
            }
        }
        Ok(self.events.pop_front())
    }

    fn reply(&mut self) -> Result<Reply, Lost> {
        loop {
            if let Packet::Reply(reply) = self.packet()? {
                return Ok(reply);
            }
        }
    }

    fn packet(&mut self) -> Result<Packet, Lost> {
        let client = self.connection.as_mut().ok_or(Lost)?;
        let Ok(packet) = client.try_packet() else { return self.lose() };
        client.received.clear();
        self.heard = Instant::now();
        match &packet {
            Packet::Event(event) => self.events.push_back(event.clone()),
            Packet::Reply(reply) => {
                let (id, seen) = (self.id(), self.zxid);
                assert!(reply.zxid >= seen, "session {id:#x} has seen {seen:#x}, and then {reply:x?}");
                self.zxid = reply.zxid;
            }
        }
        Ok(packet)
    }

    fn lose<T>(&mut self) -> Result<T, Lost> {
        self.connection = None;
        self.next += 1;
        Err(Lost)
    }
}
