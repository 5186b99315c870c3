//! What everything in a simulation stands on: time, chance, the network, the record of what happened.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::WallClock;
use zoorum_server::Monotonic;
use zoorum_server::replica::Now;

use crate::chance::Chance;
use crate::check::history::History;
use crate::check::recipes::Recipes;
use crate::check::servers::Servers;
use crate::check::sessions::Sessions;
use crate::faults::{DRIFT_MAX_PPM, Faults};
use crate::network::{LinkId, Network, Side};
use crate::trace::Trace;
use crate::wires::{End, Wires};

/// Millionths of a second in a second.
const TRUE_PPM: u128 = 1_000_000;
/// Makes the chance of clocks another than that of everything else.
const DRIFT: u64 = 0xc10c_2a7e;

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
    /// A process is started on a server.
    Start(usize),
    /// Something arrives at an end of a connection between servers.
    Wire(End),
    /// A connection between servers breaks.
    Broken(End),
    /// A call from one server to another is looked after.
    Call(End),
}

/// What everything stands on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) faults: Faults,
    pub(crate) now: Duration,
    /// What each server's clock is ahead.
    pub(crate) wall_offsets_ms: Vec<i64>,
    /// How many millionths of a second each server's clock goes on in a second.
    rates_ppm: Vec<u128>,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) network: Network,
    pub(crate) wires: Wires,
    pub(crate) history: History,
    pub(crate) servers: Servers,
    pub(crate) sessions: Sessions,
    pub(crate) recipes: Recipes,
    /// Connections that no worker has taken yet.
    pub(crate) accepts: Vec<LinkId>,
    /// How often a server cut its history.
    pub(crate) cuts: u64,
    /// How often a server took a whole tree over.
    pub(crate) trees: u64,
    /// How often an operator emptied a server whose files had decayed.
    pub(crate) emptied: u64,
    /// How often a learner was supplied from a server's files.
    pub(crate) supplies: u64,
    /// Until when which server's syncs take how long.
    pub(crate) slow_syncs: Vec<(Duration, Duration)>,
    /// Nothing goes wrong any more.
    pub(crate) is_healed: bool,
    /// Clients only stay connected.
    pub(crate) is_quiet: bool,
    queue: BinaryHeap<Reverse<(Duration, u64, Wake)>>,
    count: u64,
}

/// When a component acts next. Of several moments it is woken at the earliest, once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm {
    due: Option<Duration>,
    /// It stands still until then, whoever wakes it.
    not_before: Duration,
}

impl Ground {
    pub(crate) fn new(mut chance: Chance, faults: Faults) -> Self {
        let servers = faults.servers();
        let skew = if faults.skew { 10_000_000 } else { 1 };
        let wall_offsets_ms: Vec<i64> =
            (0..servers).map(|_| 1_700_000_000_000 + chance.below(skew) as i64).collect();
        let mut drift = Chance::new(DRIFT ^ wall_offsets_ms[0] as u64);
        let mut rate = || match faults.drift {
            true => {
                TRUE_PPM + drift.below(2 * DRIFT_MAX_PPM as usize + 1) as u128 - u128::from(DRIFT_MAX_PPM)
            }
            false => TRUE_PPM,
        };
        Self {
            rates_ppm: (0..servers).map(|_| rate()).collect(),
            history: History::new(faults.close_session_paths, faults.begins_at),
            servers: Servers::new(&faults),
            wall_offsets_ms,
            now: Duration::ZERO,
            chance,
            trace: Trace::new(),
            network: Network::default(),
            wires: Wires::default(),
            sessions: Sessions::default(),
            recipes: Recipes::new(faults.play),
            accepts: Vec::new(),
            cuts: 0,
            trees: 0,
            emptied: 0,
            supplies: 0,
            slow_syncs: vec![(Duration::ZERO, Duration::ZERO); servers],
            is_healed: false,
            is_quiet: false,
            queue: BinaryHeap::new(),
            count: 0,
            faults,
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

    /// What a server's clock says.
    pub(crate) fn monotonic(&self, server: usize) -> Monotonic {
        Monotonic(from_nanos(self.now.as_nanos() * self.rates_ppm[server] / TRUE_PPM))
    }

    /// When a server's clock will say so.
    pub(crate) fn true_time(&self, server: usize, at: Monotonic) -> Duration {
        from_nanos((at.0.as_nanos() * TRUE_PPM).div_ceil(self.rates_ppm[server]))
    }

    /// A server's clocks.
    pub(crate) fn clocks(&self, server: usize) -> Now {
        let monotonic = self.monotonic(server);
        let wall = WallClock(self.wall_offsets_ms[server] + monotonic.0.as_millis() as i64);
        Now { monotonic, wall }
    }

    /// How much longer than usual a sync takes on a server.
    pub(crate) fn sync_delay(&mut self, server: usize) -> Duration {
        match self.slow_syncs.get(server) {
            Some((until, longest)) if *until > self.now => self.chance.between(Duration::ZERO, *longest),
            _ => Duration::ZERO,
        }
    }

    /// Sends what the connection takes; tells how much. `None`: it is broken.
    pub(crate) fn send(&mut self, id: LinkId, to: Side, bytes: &[u8]) -> Option<usize> {
        let mut arrivals = Vec::new();
        let sent = self.network.send(&mut self.chance, self.now, id, to, bytes, &mut arrivals);
        arrivals.into_iter().for_each(|(at, id, side)| self.wake(at, Wake::Arrival(id, side)));
        sent
    }

    /// A client connects to a worker of a process.
    pub(crate) fn connect(&mut self, client: usize, process: u64, worker: usize) -> LinkId {
        let may_be_cut = self.faults.cuts && !self.is_healed;
        let link = self.network.connect(&mut self.chance, client, process, worker, may_be_cut);
        self.accepts.push(link);
        link
    }

    /// A client has read, so that the server may write again.
    pub(crate) fn has_read(&mut self, link: LinkId) {
        if let Some((process, worker)) = self.network.link(link).map(|link| (link.process, link.worker)) {
            self.wake(self.now, Wake::Writable(process, worker, link));
        }
    }

    /// Sends to another server.
    pub(crate) fn send_by_wire(&mut self, from: End, bytes: Bytes) {
        for (at, end) in self.wires.send(&mut self.chance, self.now, from, bytes) {
            self.wake(at, Wake::Wire(end));
        }
    }

    /// A connection between servers breaks.
    pub(crate) fn break_wire(&mut self, end: End) {
        for (at, end) in self.wires.cut(&mut self.chance, self.now, end) {
            self.wake(at, Wake::Wire(end));
        }
    }

    /// A server closes its end.
    pub(crate) fn close_wire(&mut self, end: End) {
        if let Some((at, end)) = self.wires.close(&mut self.chance, self.now, end) {
            self.wake(at, Wake::Wire(end));
        }
    }

    /// A side closes its connection.
    pub(crate) fn close(&mut self, id: LinkId, by: Side) {
        let mut arrivals = Vec::new();
        self.network.close(&mut self.chance, self.now, id, by, &mut arrivals);
        arrivals.into_iter().for_each(|(at, id, side)| self.wake(at, Wake::Arrival(id, side)));
    }
}

fn from_nanos(nanos: u128) -> Duration {
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

impl Alarm {
    pub(crate) fn set(&mut self, ground: &mut Ground, at: Duration, whom: Wake) {
        let at = at.max(ground.now).max(self.not_before);
        if self.due.is_none_or(|earlier| at < earlier) {
            self.due = Some(at);
            ground.wake(at, whom);
        }
    }

    /// Whether this is the moment.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let is_due = self.due == Some(now);
        if is_due {
            self.due = None;
        }
        is_due
    }

    /// Nothing happens before `at`, and something then.
    pub(crate) fn put_off(&mut self, ground: &mut Ground, at: Duration, whom: Wake) {
        (self.due, self.not_before) = (Some(at), at);
        ground.wake(at, whom);
    }
}
