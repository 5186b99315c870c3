//! Connections: bytes in order, late, cut anywhere; sometimes only one side notices.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::chance::Chance;

/// A connection, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Server,
    Client,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// What becomes of bytes in one direction.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Delivered,
    /// So many bytes still get through; then the connection breaks.
    CutAfter(usize),
    /// None gets through any more, and nobody is told.
    Swallowed,
}

#[derive(Debug)]
enum Parcel {
    Bytes(Vec<u8>),
    End,
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    flying: VecDeque<(Duration, Parcel)>,
    arrived: Vec<u8>,
    ended: bool,
    fate: Fate,
    newest_at: Duration,
    unread: usize,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) process: u64,
    pub(crate) worker: usize,
    to_server: Pipe,
    to_client: Pipe,
    delay: Duration,
    window: usize,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    links: BTreeMap<LinkId, Link>,
    count: u64,
}

/// Something arrives at this moment.
pub(crate) type Arrival = (Duration, LinkId, Side);

impl Pipe {
    fn new(fate: Fate) -> Self {
        Self {
            flying: VecDeque::new(),
            arrived: Vec::new(),
            ended: false,
            fate,
            newest_at: Duration::ZERO,
            unread: 0,
        }
    }

    fn put(&mut self, at: Duration, parcel: Parcel) -> Duration {
        self.newest_at = self.newest_at.max(at);
        self.flying.push_back((self.newest_at, parcel));
        self.newest_at
    }
}

impl Link {
    fn pipe_to(&mut self, side: Side) -> &mut Pipe {
        match side {
            Side::Server => &mut self.to_server,
            Side::Client => &mut self.to_client,
        }
    }
}

impl Network {
    pub(crate) fn connect(
        &mut self,
        chance: &mut Chance,
        client: usize,
        process: u64,
        worker: usize,
        may_be_cut: bool,
    ) -> LinkId {
        self.count += 1;
        let id = LinkId(self.count);
        let mut fate = || match may_be_cut && chance.one_in(4) {
            true => Fate::CutAfter(chance.below(20_000)),
            false => Fate::Delivered,
        };
        let (to_server, to_client) = (Pipe::new(fate()), Pipe::new(fate()));
        let delay = if chance.one_in(8) { chance.millis(20, 200) } else { chance.micros(20, 3_000) };
        let window = *chance.pick(&[300, 5_000, 65_536, 1 << 20]);
        self.links.insert(id, Link { client, process, worker, to_server, to_client, delay, window });
        id
    }

    pub(crate) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    /// Sends as much as the window lets through; tells how much, and what will arrive. `None`: the connection
    /// is broken.
    pub(crate) fn send(
        &mut self,
        chance: &mut Chance,
        now: Duration,
        id: LinkId,
        to: Side,
        bytes: &[u8],
        arrivals: &mut Vec<Arrival>,
    ) -> Option<usize> {
        let link = self.links.get_mut(&id)?;
        let (delay, window) = (link.delay, link.window);
        let pipe = link.pipe_to(to);
        if pipe.flying.back().is_some_and(|(_, parcel)| matches!(parcel, Parcel::End)) || pipe.ended {
            return None;
        }
        let room = if to == Side::Client { window.saturating_sub(pipe.unread) } else { usize::MAX };
        let count = bytes.len().min(room);
        if count == 0 {
            return Some(0);
        }
        let at = now + delay + chance.between(Duration::ZERO, delay);
        let through = match pipe.fate {
            Fate::Swallowed => return Some(count),
            Fate::CutAfter(left) => left.min(count),
            Fate::Delivered => count,
        };
        // In pieces, so that the reader sees frames in pieces too.
        let mut rest = &bytes[..through];
        while !rest.is_empty() {
            let length = if chance.one_in(4) { 1 + chance.below(rest.len()) } else { rest.len() };
            let at = pipe.put(at + chance.micros(0, 50), Parcel::Bytes(rest[..length].to_vec()));
            arrivals.push((at, id, to));
            rest = &rest[length..];
        }
        pipe.unread += through;
        if let Fate::CutAfter(left) = &mut pipe.fate {
            *left -= through;
            if through < count {
                self.cut(chance, now, id, arrivals);
            }
        }
        Some(count)
    }

    /// Breaks a connection; one side may never be told.
    pub(crate) fn cut(
        &mut self,
        chance: &mut Chance,
        now: Duration,
        id: LinkId,
        arrivals: &mut Vec<Arrival>,
    ) {
        let untold = chance.below(6);
        for (number, side) in [Side::Server, Side::Client].into_iter().enumerate() {
            if number == untold {
                self.swallow(id, side);
            } else {
                self.end(chance, now, id, side, arrivals);
            }
        }
    }

    /// From now on nothing more arrives at a side, and nobody notices.
    pub(crate) fn swallow(&mut self, id: LinkId, to: Side) {
        if let Some(link) = self.links.get_mut(&id) {
            link.pipe_to(to).fate = Fate::Swallowed;
        }
    }

    /// Tells a side that the other has closed; perhaps before everything that was sent has arrived.
    fn end(&mut self, chance: &mut Chance, now: Duration, id: LinkId, to: Side, arrivals: &mut Vec<Arrival>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let delay = link.delay;
        let pipe = link.pipe_to(to);
        if chance.one_in(3) {
            let kept = chance.below(pipe.flying.len() + 1);
            pipe.flying.truncate(kept);
        }
        let at = pipe.put(now + delay, Parcel::End);
        arrivals.push((at, id, to));
    }

    /// A side closes: it hears nothing more, and the other side learns of it, unless nothing reaches it.
    pub(crate) fn close(
        &mut self,
        chance: &mut Chance,
        now: Duration,
        id: LinkId,
        by: Side,
        arrivals: &mut Vec<Arrival>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let own = link.pipe_to(by);
        own.flying.clear();
        own.arrived.clear();
        own.ended = true;
        own.fate = Fate::Swallowed;
        let other = link.pipe_to(by.other());
        if other.ended {
            self.links.remove(&id);
        } else if !matches!(other.fate, Fate::Swallowed) {
            let at = match by {
                // What the server sent before it closed arrives.
                Side::Server => {
                    let at = now + link.delay;
                    link.to_client.put(at, Parcel::End)
                }
                Side::Client => {
                    self.end(chance, now, id, Side::Server, arrivals);
                    return;
                }
            };
            arrivals.push((at, id, by.other()));
        }
    }

    /// Moves what has arrived by now to where it can be read.
    pub(crate) fn arrive(&mut self, now: Duration, id: LinkId, at: Side) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let pipe = link.pipe_to(at);
        while pipe.flying.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, parcel)) = pipe.flying.pop_front() else { return };
            match parcel {
                Parcel::Bytes(bytes) => pipe.arrived.extend_from_slice(&bytes),
                Parcel::End => pipe.ended = true,
            }
        }
    }

    /// Reads up to `count` bytes. `None`: there are no more, and never will be.
    pub(crate) fn read(&mut self, id: LinkId, at: Side, count: usize) -> Option<Vec<u8>> {
        let pipe = self.links.get_mut(&id)?.pipe_to(at);
        if pipe.arrived.is_empty() && pipe.ended {
            return None;
        }
        let count = count.min(pipe.arrived.len());
        pipe.unread -= count;
        Some(pipe.arrived.drain(..count).collect())
    }

    /// Whether a read would tell something.
    pub(crate) fn is_readable(&self, id: LinkId, at: Side) -> bool {
        self.links.get(&id).is_none_or(|link| {
            let pipe = match at {
                Side::Server => &link.to_server,
                Side::Client => &link.to_client,
            };
            !pipe.arrived.is_empty() || pipe.ended
        })
    }

    /// Connections to a process.
    pub(crate) fn of_process(&self, process: u64) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.process == process).map(|(id, _)| *id).collect()
    }
}
