//! What everything in a simulation stands on: time, chance, the network, the record of what happened.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use zoorum_proto::WallClock;
use zoorum_server::Monotonic;
use zoorum_server::replica::Now;

use crate::chance::Chance;
use crate::check::history::History;
use crate::check::sessions::Sessions;
use crate::faults::Faults;
use crate::network::{LinkId, Network, Side};
use crate::trace::Trace;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// A worker of a process.
    Worker(u64, usize),
    /// The replica of a process.
    Replica(u64),
    /// The snapshot writer of a process.
    Snapshot(u64),
    /// Something arrives at a side of a connection.
    Arrival(LinkId, Side),
    /// A client has read, so that a worker may write again.
    Writable(u64, usize, LinkId),
    Client(usize),
    /// Something goes wrong.
    Fault,
    /// Something that went wrong is over.
    Repair,
    /// A process is started.
    Start,
}

/// What everything stands on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) faults: Faults,
    pub(crate) now: Duration,
    pub(crate) wall_offset_ms: i64,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) network: Network,
    pub(crate) history: History,
    pub(crate) sessions: Sessions,
    /// Connections that no worker has taken yet.
    pub(crate) accepts: Vec<LinkId>,
    /// The power was cut since a process last recovered: the last write may be torn.
    pub(crate) is_torn: bool,
    /// How often an operator had to repair a log, all of whose lost changes were never acknowledged.
    pub(crate) repairs: u64,
    /// Nothing goes wrong any more.
    pub(crate) is_healed: bool,
    /// Clients only stay connected.
    pub(crate) is_quiet: bool,
    queue: BinaryHeap<Reverse<(Duration, u64, Wake)>>,
    count: u64,
}

/// When a component acts next. Of several moments it is woken at the earliest, once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm(Option<Duration>);

impl Ground {
    pub(crate) fn new(chance: Chance, faults: Faults) -> Self {
        Self {
            history: History::new(faults.close_session_paths),
            faults,
            now: Duration::ZERO,
            wall_offset_ms: 1_700_000_000_000,
            chance,
            trace: Trace::default(),
            network: Network::default(),
            sessions: Sessions::default(),
            accepts: Vec::new(),
            is_torn: false,
            repairs: 0,
            is_healed: false,
            is_quiet: false,
            queue: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    pub(crate) fn wake(&mut self, at: Duration, whom: Wake) {
        self.count += 1;
        self.queue.push(Reverse((at.max(self.now), self.count, whom)));
    }

    /// Whose turn is next; time passes up to then.
    pub(crate) fn next(&mut self, until: Duration) -> Option<Wake> {
        let &Reverse((at, _, _)) = self.queue.peek()?;
        if at > until {
            return None;
        }
        let Reverse((at, _, whom)) = self.queue.pop()?;
        self.now = at;
        Some(whom)
    }

    pub(crate) fn monotonic(&self) -> Monotonic {
        Monotonic(self.now)
    }

    pub(crate) fn clocks(&self) -> Now {
        let wall = WallClock(self.wall_offset_ms + self.now.as_millis() as i64);
        Now { monotonic: self.monotonic(), wall }
    }

    /// Sends what the connection takes; tells how much. `None`: it is broken.
    pub(crate) fn send(&mut self, id: LinkId, to: Side, bytes: &[u8]) -> Option<usize> {
        let mut arrivals = Vec::new();
        let sent = self.network.send(&mut self.chance, self.now, id, to, bytes, &mut arrivals);
        arrivals.into_iter().for_each(|(at, id, side)| self.wake(at, Wake::Arrival(id, side)));
        sent
    }

    /// A side closes its connection.
    pub(crate) fn close(&mut self, id: LinkId, by: Side) {
        let mut arrivals = Vec::new();
        self.network.close(&mut self.chance, self.now, id, by, &mut arrivals);
        arrivals.into_iter().for_each(|(at, id, side)| self.wake(at, Wake::Arrival(id, side)));
    }
}

impl Alarm {
    pub(crate) fn set(&mut self, ground: &mut Ground, at: Duration, whom: Wake) {
        let at = at.max(ground.now);
        if self.0.is_none_or(|earlier| at < earlier) {
            self.0 = Some(at);
            ground.wake(at, whom);
        }
    }

    /// Whether this is the moment.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let due = self.0 == Some(now);
        if due {
            self.0 = None;
        }
        due
    }

    /// Nothing happens before `at`.
    pub(crate) fn put_off(&mut self, ground: &mut Ground, at: Duration, whom: Wake) {
        self.0 = Some(at);
        ground.wake(at, whom);
    }
}
