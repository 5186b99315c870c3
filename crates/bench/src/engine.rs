//! The loop of one thread: its connections, one epoll set, and the work that they are given.
//!
//! Readiness is edge-triggered. A connection that has something to read is read (once, as a rule),
//! its replies go to the work, the work refills its pipeline, and everything leaves in one write.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mio::{Events, Interest, Poll, Token};

use crate::args::ServerArgs;
use crate::connection::{Connection, Phase, Sent};
use crate::latency::Latencies;
use crate::wire::{ConnectResponse, ReplyHeader, XID_EVENT, XID_PING};

mod close;
mod homeless;

use close::Close;
use homeless::Homeless;

/// Idle connections are looked at this often, for pings.
const PING_CHECK: Duration = Duration::from_millis(500);
/// Sockets are opened in groups of this size; the answers are looked at in between.
const OPEN_GROUP: usize = 64;
/// No reply is longer; a server that announces more has gone astray.
const FRAME_MAX: usize = 256 * 1024 * 1024;

/// What a work has to send on a connection.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// It appended a request.
    Request {
        /// Comes back with the reply.
        tag: u32,
        /// When the request was due; latency counts from here.
        at: u64,
    },
    /// There is nothing to send on this connection now.
    Nothing,
}

/// A reply to a request.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// The connection, by index.
    pub connection: usize,
    /// What [`Next::Request`] said.
    pub tag: u32,
    /// When the request was due, in nanoseconds of the engine's clock.
    pub at: u64,
    /// When the reply was read.
    pub now: u64,
    /// 0 or an error code.
    pub error: i32,
}

/// What connections do once they are established.
pub trait Work {
    /// Appends the next request for `connection` to `out`, if there is one.
    fn next(&mut self, connection: usize, now: u64, xid: i32, out: &mut Vec<u8>) -> Next;

    /// Takes a reply.
    ///
    /// # Errors
    ///
    /// When going on makes no sense; the run ends with that error.
    fn on_reply(&mut self, reply: Reply) -> anyhow::Result<()>;

    /// Takes a watch event.
    fn on_event(&mut self, connection: usize, now: u64) {
        let _ = (connection, now);
    }

    /// Takes the end of a batch of replies and events, or of a wait; says whose turn it is now.
    fn on_batch(&mut self, now: u64) -> Turn {
        let _ = now;
        Turn::None
    }

    /// When the wait for replies should end though none arrived.
    fn wakeup(&self) -> Option<u64> {
        None
    }

    /// Whether nothing more will be sent. The run ends when the last reply is in, too.
    fn is_done(&self, now: u64) -> bool;
}

/// Which connections may have something to send though nothing came in on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// None of them.
    None,
    /// All of them.
    All,
}

/// How the opening of connections went.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// When each session stood, in nanoseconds since the first connection began.
    pub established: Vec<u64>,
    /// Connections that broke before that and were made anew.
    pub retries: u64,
}

/// The connections of one thread.
pub struct Engine {
    addresses: Vec<SocketAddr>,
    /// Which of them each connection uses.
    homes: Vec<usize>,
    timeout_ms: i32,
    in_flight: usize,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    epoch: Instant,
    pings_due: u64,
    connections: Vec<Connection>,
    in_flight_total: usize,
    turn_first: usize,
    is_closing: bool,
    opened: Opened,
    opening_began: u64,
    /// Those that look for another server, if servers are to be outlived.
    homeless: Option<Homeless>,
    lost: u64,
}

impl Engine {
    /// An engine whose clock starts at `epoch`; each connection will keep `in_flight` requests going.
    pub fn new(server: &ServerArgs, in_flight: u32, epoch: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            addresses: server.server.clone(),
            homes: Vec::new(),
            timeout_ms: i32::try_from(server.session_timeout.as_millis()).unwrap_or(i32::MAX),
            in_flight: in_flight as usize,
            poll: Poll::new().context("cannot make an epoll set")?,
            events: Events::with_capacity(1024),
            scratch: Vec::new(),
            epoch,
            pings_due: 0,
            connections: Vec::new(),
            in_flight_total: 0,
            turn_first: 0,
            is_closing: false,
            opened: Opened::default(),
            opening_began: 0,
            homeless: None,
            lost: 0,
        })
    }

    /// Whether, from now on, a connection goes to another server when its own breaks off.
    pub fn outlive_servers(&mut self, outlive: bool) {
        self.homeless = outlive.then(Homeless::default);
    }

    /// How many requests servers took with them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Nanoseconds since the epoch.
    pub fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).expect("584 years are enough")
    }

    /// Opens `count` connections at once and waits until each has its session.
    pub fn open(&mut self, count: usize, within: Duration) -> anyhow::Result<Opened> {
        let deadline = Instant::now() + within;
        self.opened = Opened::default();
        self.opening_began = self.now();
        let wanted = self.connections.len() + count;
        let mut idle = Idle;
        while self.opened.established.len() < count {
            let group = OPEN_GROUP.min(wanted - self.connections.len());
            for _ in 0..group {
                self.homes.push(self.connections.len() % self.addresses.len());
                let connection = self.connect(self.connections.len())?;
                self.connections.push(connection);
            }
            let more = self.connections.len() < wanted;
            self.turn(&mut idle, if more { Duration::ZERO } else { PING_CHECK })?;
            ensure!(
                Instant::now() < deadline,
                "only {} of {count} sessions stood after {} s",
                self.opened.established.len(),
                within.as_secs_f64()
            );
        }
        Ok(std::mem::take(&mut self.opened))
    }

    /// Runs `work` to its end, on connections that are all established.
    pub fn run(&mut self, work: &mut impl Work, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        self.fill_all(work)?;
        while !(self.in_flight_total == 0 && work.is_done(self.now())) {
            self.turn(work, PING_CHECK)?;
            ensure!(
                Instant::now() < deadline,
                "no end after {} s, with {} replies missing",
                within.as_secs_f64(),
                self.in_flight_total
            );
        }
        Ok(())
    }

    /// Closes every session; how long each close took.
    pub fn close(mut self, within: Duration) -> anyhow::Result<Latencies> {
        self.is_closing = true;
        let is_open = |connection: &&Connection| connection.phase() == Phase::Established;
        let open = self.connections.iter().filter(is_open).count();
        let mut close = Close::new(self.connections.len(), open);
        self.run(&mut close, within)?;
        Ok(close.latencies)
    }

    /// Keeps the sessions alive for a while, and does nothing else.
    pub fn hold(&mut self, span: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + span;
        while Instant::now() < deadline {
            self.turn(&mut Idle, deadline.saturating_duration_since(Instant::now()).min(PING_CHECK))?;
        }
        Ok(())
    }

    /// One wait for readiness, and what follows from it.
    fn turn(&mut self, work: &mut impl Work, wait_max: Duration) -> anyhow::Result<()> {
        let now = self.now();
        let due = self.homeless.as_ref().and_then(Homeless::due);
        let due = work.wakeup().into_iter().chain(due).min();
        let wait = due.map_or(wait_max, |at| Duration::from_nanos(at.saturating_sub(now)).min(wait_max));
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        // The events borrow the engine otherwise; they come back with their memory below.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let result =
            events.iter().try_for_each(|event| self.on_ready(work, event.token().0, event.is_readable()));
        self.events = events;
        result?;
        let now = self.now();
        if work.on_batch(now) == Turn::All {
            self.fill_all(work)?;
        }
        if now >= self.pings_due {
            self.ping_idle(now)?;
        }
        self.house_the_homeless(now)
    }

    fn on_ready(&mut self, work: &mut impl Work, index: usize, readable: bool) -> anyhow::Result<()> {
        if self.connections[index].phase() == Phase::Closed {
            return Ok(());
        }
        let result = if readable { self.read(work, index) } else { Ok(()) };
        let result = match result {
            Ok(()) => self.fill(work, index),
            Err(error) => Err(error),
        };
        match result {
            Err(Trouble::Broken(error)) => self.on_broken(index, error),
            Err(Trouble::Fatal(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    fn read(&mut self, work: &mut impl Work, index: usize) -> Result<(), Trouble> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.read_into(&mut scratch, work, index);
        self.scratch = scratch;
        result
    }

    fn read_into(
        &mut self,
        scratch: &mut Vec<u8>,
        work: &mut impl Work,
        index: usize,
    ) -> Result<(), Trouble> {
        while let Some(received) = self.connections[index].receive(scratch)? {
            let now = self.now();
            let mut rest = &scratch[..received.end];
            while let Some((frame, behind)) = split_frame(rest)? {
                self.on_frame(work, index, frame, now)?;
                rest = behind;
            }
            self.connections[index].keep(rest);
            if received.drained {
                break;
            }
        }
        Ok(())
    }

    fn on_frame(
        &mut self,
        work: &mut impl Work,
        index: usize,
        frame: &[u8],
        now: u64,
    ) -> Result<(), Trouble> {
        let connection = &mut self.connections[index];
        if connection.phase() == Phase::Connecting {
            let response =
                ConnectResponse::parse(frame).ok_or_else(|| protocol("a connect response is too short"))?;
            if response.timeout_ms <= 0 {
                return Err(protocol("the server refused a session"));
            }
            connection.establish(response.timeout_ms);
            self.opened.established.push(now - self.opening_began);
            return Ok(());
        }
        let header =
            ReplyHeader::parse(frame).ok_or_else(|| protocol("a reply is shorter than its header"))?;
        match header.xid {
            XID_PING => {}
            XID_EVENT => work.on_event(index, now),
            xid => {
                let Some(Sent { at, tag }) = connection.answered(xid) else {
                    return Err(protocol("a reply answers another request than the one whose turn it is"));
                };
                self.in_flight_total -= 1;
                work.on_reply(Reply { connection: index, tag, at, now, error: header.error })
                    .map_err(Trouble::Fatal)?;
            }
        }
        Ok(())
    }

    /// Lets the work fill a connection's pipeline, and sends what is queued.
    fn fill(&mut self, work: &mut impl Work, index: usize) -> Result<(), Trouble> {
        let now = self.now();
        let connection = &mut self.connections[index];
        if connection.phase() == Phase::Established {
            while connection.in_flight() < self.in_flight {
                let (xid, out) = connection.next_request();
                let Next::Request { tag, at } = work.next(index, now, xid, out) else { break };
                connection.requested(Sent { at, tag });
                self.in_flight_total += 1;
            }
        }
        connection.flush(now)?;
        Ok(())
    }

    fn fill_all(&mut self, work: &mut impl Work) -> anyhow::Result<()> {
        // Whoever comes first may take what there is to send: a different one each time.
        self.turn_first = self.turn_first.wrapping_add(1);
        let (first, count) = (self.turn_first, self.connections.len());
        for index in (0..count).map(|index| index.wrapping_add(first) % count) {
            if self.connections[index].phase() != Phase::Established {
                continue;
            }
            match self.fill(work, index) {
                Err(Trouble::Broken(error)) => self.on_broken(index, error)?,
                Err(Trouble::Fatal(error)) => return Err(error),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// A connection that breaks before its session stands is made anew, as a client would; one that
    /// breaks later ends the run, unless nothing was under way on it, or servers are outlived.
    fn on_broken(&mut self, index: usize, error: io::Error) -> anyhow::Result<()> {
        if self.homeless.is_some() && self.connections[index].phase() != Phase::Closed {
            self.leave_home(index);
            return Ok(());
        }
        let connection = &mut self.connections[index];
        match connection.phase() {
            Phase::Connecting if error.kind() == io::ErrorKind::ConnectionRefused => {
                bail!("nobody listens at {}", self.addresses[self.homes[index]])
            }
            Phase::Connecting => {
                let _ = self.poll.registry().deregister(&mut connection.stream);
                self.opened.retries += 1;
                self.connections[index] = self.connect(index)?;
            }
            // The server hangs up once it has confirmed that a session is closed.
            Phase::Established if self.is_closing && connection.in_flight() == 0 => connection.close(),
            Phase::Established => {
                return Err(error).with_context(|| {
                    format!("the server left a connection with {} requests under way", connection.in_flight())
                });
            }
            Phase::Closed => {}
        }
        Ok(())
    }

    fn connect(&self, index: usize) -> anyhow::Result<Connection> {
        let address = self.addresses[self.homes[index]];
        let mut connection = Connection::open(address, self.timeout_ms, self.in_flight)
            .with_context(|| format!("cannot connect to {address}"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut connection.stream, Token(index), interest)?;
        Ok(connection)
    }

    fn ping_idle(&mut self, now: u64) -> anyhow::Result<()> {
        self.pings_due = now + u64::try_from(PING_CHECK.as_nanos()).expect("half a second fits");
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            let is_idle = now.saturating_sub(connection.sent_last) > connection.timeout / 3;
            if connection.phase() == Phase::Established && is_idle {
                connection.ping();
                if let Err(error) = connection.flush(now) {
                    self.on_broken(index, error)?;
                }
            }
        }
        Ok(())
    }
}

/// Why a connection cannot go on.
enum Trouble {
    /// The connection is gone; what that means depends on its phase.
    Broken(io::Error),
    /// The run is over.
    Fatal(anyhow::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

fn protocol(what: &'static str) -> Trouble {
    Trouble::Fatal(anyhow::anyhow!("the server breaks the protocol: {what}"))
}

/// A frame, and what lies behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The first frame of `bytes` without its length, and the bytes behind it; `None` if it has no end.
#[inline]
fn split_frame(bytes: &[u8]) -> Result<Option<Split<'_>>, Trouble> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    match usize::try_from(i32::from_be_bytes(*length)) {
        Ok(length) if length <= FRAME_MAX => Ok(rest.split_at_checked(length)),
        _ => Err(protocol("the length of a frame is negative or beyond reason")),
    }
}

/// Does nothing: for the time in which sessions are opened or held.
struct Idle;

impl Work for Idle {
    fn next(&mut self, _: usize, _: u64, _: i32, _: &mut Vec<u8>) -> Next {
        Next::Nothing
    }

    fn on_reply(&mut self, _: Reply) -> anyhow::Result<()> {
        Ok(())
    }

    fn is_done(&self, _: u64) -> bool {
        true
    }
}
