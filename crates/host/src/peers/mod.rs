//! The sockets between this server and its peers, driven by the replica's thread.
//!
//! ```text
//! replica's thread   poll ─▶ events ─▶ the protocol ─▶ actions ─▶ perform … perform, flush
//!                     ▲
//!                     └ woken by mail, by the resolver's threads, and by threads that make snapshots
//! ```
//!
//! The replica waits for its sockets and for its mail in the same place, so that what a peer says costs no hop
//! between threads. A turn is one [`PeerSockets::poll`], what the protocol makes of its events, and one
//! [`PeerSockets::flush`]: every ready link is read once, and everything that is to be said on a link leaves in
//! one system call. Nothing here waits for anything but `poll`.
//!
//! | limit | what happens at it |
//! |---|---|
//! | 64 KiB read from a link in a turn | others are read first |
//! | 1 MiB sent on a link in a turn | others are written to first |
//! | 256 MiB waiting on a link of a learner, 1 MiB on one for votes | it is closed |
//! | 4 MiB in the feed of a snapshot | the thread that makes it waits |
//! | at a door, 64 strangers and one for each member who have not said a word | the oldest of them is closed |
//! | 1,024 connections that came in by one door | others wait to be accepted |

mod bell;
mod dials;
mod doors;
mod feed;
mod link;
mod links;
mod options;
mod output;
mod resolver;
mod tokens;

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Poll, Waker};
use zoorum_proto::Zxid;
use zoorum_zab::{Door, LinkAction, LinkEvent, LinkId};

pub(crate) use bell::Bell;
pub use feed::{FeedClosed, SnapshotFeed};
pub use options::PeerOptions;

pub use crate::sleeper::Sleeper;

use self::dials::{Call, Connected, Dials};
use self::doors::Doors;
use self::link::{Caller, Link};
use self::links::{Links, Overfull};
use self::resolver::{Asker, Lookup, Resolver, system_lookup};
use self::tokens::{Owner, Tokens, WAKER};

/// Most connections that may have come in by one door.
const VISITORS: usize = 1024;
/// Reports of readiness taken from the system at a time.
const READINESS: usize = 256;

/// All sockets between this server and its peers.
pub struct PeerSockets {
    poll: Poll,
    readiness: Events,
    sleeper: Arc<Sleeper>,
    bell: Arc<Bell>,
    options: PeerOptions,
    tokens: Tokens,
    resolver: Resolver,
    doors: Doors,
    dials: Dials,
    links: Links,
    /// Of the next connection that comes in.
    next_accepted: u64,
    /// Not told yet.
    events: Vec<LinkEvent>,
}

/// Something that is to be sent on a link as it is made, by other threads.
#[must_use = "the link waits for it"]
pub struct StreamOrder {
    /// What.
    pub source: Source,
    /// Where it goes.
    pub feed: SnapshotFeed,
}

/// What is sent as it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The tree as it is now, of this zxid.
    Tree(Zxid),
    /// What was found in the files for the learner on this link.
    Files(LinkId),
}

impl PeerSockets {
    /// No socket yet; and through whom others wake the thread that polls them.
    pub fn new(options: PeerOptions) -> io::Result<(Self, Arc<Sleeper>)> {
        Self::with_lookup(options, Arc::new(system_lookup))
    }

    fn with_lookup(options: PeerOptions, lookup: Arc<Lookup>) -> io::Result<(Self, Arc<Sleeper>)> {
        let poll = Poll::new()?;
        let sleeper = Arc::new(Sleeper::new(Waker::new(poll.registry(), WAKER)?));
        let bell = Arc::new(Bell::new(Arc::clone(&sleeper)));
        let sockets = Self {
            tokens: Tokens::new(poll.registry().try_clone()?),
            poll,
            readiness: Events::with_capacity(READINESS),
            sleeper: Arc::clone(&sleeper),
            resolver: Resolver::new(lookup, Arc::clone(&bell)),
            bell,
            options,
            doors: Doors::default(),
            dials: Dials::default(),
            links: Links::default(),
            next_accepted: LinkId::ACCEPTED,
            events: Vec::new(),
        };
        Ok((sockets, sleeper))
    }

    /// Waits until something happens, the thread is woken, or `patience` is over, and adds what has happened.
    /// What the sockets have left over from the last turn comes without waiting. [`Self::flush`] is to follow,
    /// even if nothing has happened.
    pub fn poll(&mut self, patience: Duration, events: &mut Vec<LinkEvent>) -> io::Result<()> {
        let patience = self.patience(patience);
        let polled = self.poll.poll(&mut self.readiness, Some(patience));
        self.sleeper.is_awake();
        match polled {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(()) => self.note_readiness(),
        }
        if self.bell.hear() {
            self.answer_askers();
            self.links.on_fed();
        }
        self.on_time();
        self.accept();
        self.links.read(&mut self.tokens, &mut self.events);
        events.append(&mut self.events);
        Ok(())
    }

    /// How long the thread may wait, if its owner lets it wait for `patience`.
    fn patience(&self, patience: Duration) -> Duration {
        let doors = [Door::Election, Door::Quorum, Door::ObserverMaster];
        let busy = !self.events.is_empty()
            || self.links.has_turns()
            || doors.into_iter().any(|door| self.doors.is_called(door) && self.room(door) > 0);
        if busy || patience.is_zero() {
            return Duration::ZERO;
        }
        self.sleeper.fall_asleep();
        if self.bell.is_rung() {
            return Duration::ZERO;
        }
        match self.next_wakeup() {
            Some(at) => patience.min(at.saturating_duration_since(Instant::now())),
            None => patience,
        }
    }

    fn next_wakeup(&self) -> Option<Instant> {
        self.dials.next_wakeup().into_iter().chain(self.doors.next_wakeup()).min()
    }

    fn note_readiness(&mut self) {
        for event in &self.readiness {
            match self.tokens.owner(event.token()) {
                Some(Owner::Link(link)) => self.links.on_event(link, event),
                Some(Owner::Door(door)) => self.doors.on_event(door, event.token()),
                Some(Owner::Attempt(link)) => {
                    let connected =
                        self.dials.on_event(link, event.token(), &mut self.tokens, &mut self.events);
                    if let Some(connected) = connected {
                        Self::on_connected(
                            connected,
                            &self.options,
                            &mut self.links,
                            &mut self.tokens,
                            &mut self.events,
                        );
                    }
                }
                // The waker, or a socket that was closed meanwhile.
                None => {}
            }
        }
    }

    fn on_connected(
        connected: Connected,
        options: &PeerOptions,
        links: &mut Links,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) {
        let Connected { link, door, stream, token } = connected;
        match link::set_up(&stream, door, Caller::Us, options) {
            Ok(()) => {
                links.insert(link, Link::new(stream, token, door, Caller::Us));
                // The report that the connection stands may have been that of its first bytes too.
                links.assume_readable(link);
                events.push(LinkEvent::Dialed { link });
            }
            Err(error) => {
                tokens.forget(token);
                let reason = format!("cannot set up the connection: {error}");
                events.push(LinkEvent::Closed { link, reason });
            }
        }
    }

    fn answer_askers(&mut self) {
        for answer in self.resolver.take() {
            let (address, found) = (&answer.address, answer.found);
            let (tokens, events) = (&mut self.tokens, &mut self.events);
            match answer.asker {
                Asker::Dial(link) => self.dials.on_resolved(link, address, found, tokens, events),
                Asker::Door(door) => {
                    self.doors.on_resolved(door, address, found, &self.options, tokens, events);
                }
            }
        }
    }

    fn on_time(&mut self) {
        let Some(due_at) = self.next_wakeup() else { return };
        let now = Instant::now();
        if due_at <= now {
            let (tokens, events) = (&mut self.tokens, &mut self.events);
            self.dials.on_time(now, tokens, events);
            self.doors.on_time(now, &self.options, &mut self.resolver, tokens, events);
        }
    }

    /// How many more may come in by `door`.
    fn room(&self, door: Door) -> usize {
        VISITORS.saturating_sub(self.links.accepted(door))
    }

    fn accept(&mut self) {
        for door in [Door::Election, Door::Quorum, Door::ObserverMaster] {
            if self.doors.is_called(door) {
                for (stream, from) in self.doors.accept(door, self.room(door)) {
                    self.let_in(door, stream, from);
                }
            }
        }
    }

    fn let_in(&mut self, door: Door, mut stream: TcpStream, from: SocketAddr) {
        if let Some(link) = self.links.crowding(door, self.options.members) {
            self.close(link, "it said nothing while others called".to_owned());
        }
        let link = LinkId(self.next_accepted);
        self.next_accepted += 1;
        let set_up = link::set_up(&stream, door, Caller::Peer, &self.options)
            .and_then(|()| self.tokens.register(&mut stream, Owner::Link(link)));
        let from = SocketAddr::new(from.ip().to_canonical(), from.port()).to_string();
        match set_up {
            Ok(token) => {
                self.links.insert(link, Link::new(stream, token, door, Caller::Peer));
                self.events.push(LinkEvent::Accepted { link, door, from });
            }
            Err(error) => tracing::warn!(%error, %from, "cannot set up a peer's connection, closing it"),
        }
    }

    fn close(&mut self, link: LinkId, reason: String) {
        self.links.close(link, &mut self.tokens);
        self.events.push(LinkEvent::Closed { link, reason });
    }

    /// Pieces that wait to be written on a link, and their bytes.
    pub(crate) fn queued(&self, link: LinkId) -> (usize, usize) {
        self.links.queued(link)
    }

    /// What other threads ring when they have something for the thread that polls.
    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Carries an action out. What it leaves to others is a stream: of the tree, to be begun before that changes, or
    /// from files.
    pub fn perform(&mut self, action: LinkAction) -> Option<StreamOrder> {
        match action {
            LinkAction::Dial { link, door, addresses, timeout } => {
                let call = Call { link, door, addresses, timeout };
                self.dials.start(call, &mut self.resolver, &mut self.tokens, &mut self.events);
            }
            LinkAction::Write { link, bytes } => {
                if let Err(Overfull { limit }) = self.links.write(link, bytes) {
                    self.close(link, format!("the peer is too slow: more than {limit} bytes wait for it"));
                }
            }
            LinkAction::WriteSnapshot { link, zxid } => return self.stream(link, Source::Tree(zxid)),
            LinkAction::WriteSought { link } => return self.stream(link, Source::Files(link)),
            LinkAction::Close { link } => {
                self.dials.cancel(link, &mut self.tokens);
                self.links.close(link, &mut self.tokens);
                self.events.retain(|event| link_of(event) != Some(link));
            }
            LinkAction::Open { door } => {
                let (tokens, events) = (&mut self.tokens, &mut self.events);
                self.doors.open(door, &self.options, &mut self.resolver, tokens, events);
            }
            LinkAction::Shut { door } => self.doors.shut(door, &mut self.tokens),
        }
        None
    }

    fn stream(&mut self, link: LinkId, source: Source) -> Option<StreamOrder> {
        let (feed, end) = feed::feed(Arc::clone(&self.bell));
        self.links.write_snapshot(link, end).then_some(StreamOrder { source, feed })
    }

    /// Sends what is to be sent, as far as the sockets take it.
    pub fn flush(&mut self) {
        self.links.flush(&mut self.tokens, &mut self.events);
    }
}

/// Whom the event is about, if it is a link.
fn link_of(event: &LinkEvent) -> Option<LinkId> {
    match event {
        LinkEvent::Dialed { link }
        | LinkEvent::Accepted { link, .. }
        | LinkEvent::Received { link, .. }
        | LinkEvent::Taken { link }
        | LinkEvent::Closed { link, .. } => Some(*link),
        LinkEvent::Shut { .. } => None,
    }
}
