//! The world around the peers of a test: time, network, disks, and what must hold.

#[path = "files.rs"]
mod files;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::quorum::{Joint, QuorumConfig};
use zoorum_proto::{Epoch, Monotonic, OpCode, ServerId, Zxid};
use zoorum_zab::{
    Action, Door, Ensemble, Entry, FromLearner, HistoryLimits, LinkAction, LinkEvent, LinkId, Part, Peer,
    PeerSettings, Persist, Recovered, SnapshotStep, SyncSettings,
};

use crate::requests::{Requests, request};

/// Nothing may take longer once all is well.
const PATIENCE: Duration = Duration::from_secs(120);

/// What survives a crash.
#[derive(Clone, Default)]
struct Disk {
    accepted: Epoch,
    current: Epoch,
    log: Vec<Entry>,
    synced: usize,
}

struct Server {
    id: ServerId,
    disk: Disk,
    peer: Option<Peer>,
    /// What was made visible, by zxid.
    delivered: Vec<Entry>,
    proposed: Zxid,
    doors: Vec<Door>,
    incoming: Option<Vec<u8>>,
    staged: Option<Vec<Entry>>,
    needs_snapshot: bool,
    abstains: bool,
    searches: Vec<files::Search>,
    /// What was found, until it is sent.
    found: Vec<(LinkId, Bytes)>,
    sync_at: Option<Duration>,
    accepted_links: u64,
    wake_at: Duration,
}

/// One end of a connection, and what flies towards it.
struct End {
    server: usize,
    other: (usize, LinkId),
    flying: VecDeque<(Duration, Option<Bytes>)>,
}

pub struct World {
    seed: u64,
    state: u64,
    now: Duration,
    config: Arc<QuorumConfig>,
    servers: Vec<Server>,
    ends: BTreeMap<(usize, LinkId), End>,
    dials: Vec<(Duration, usize, LinkId, Door, Vec<String>)>,
    cut: Vec<(usize, usize)>,
    committed: Vec<Entry>,
    acknowledged: usize,
    /// What is committed begins with a state that was restored.
    is_restored: bool,
    requests: Requests,
    /// Followers let observers in.
    masters: bool,
    faults: bool,
}

impl World {
    pub fn new(seed: u64, voters: usize, observers: usize) -> Self {
        let mut text = String::new();
        for id in 1..=voters + observers {
            let role = if id <= voters { "participant" } else { "observer" };
            text += &format!("server.{id}=h{id}:{}:{}:{role}\n", 2000 + id, 3000 + id);
        }
        let config = Arc::new(QuorumConfig::parse(&text, false).expect("a configuration"));
        let server = |id: usize| Server {
            id: ServerId(id as i64),
            disk: Disk::default(),
            peer: None,
            delivered: Vec::new(),
            proposed: Zxid::ZERO,
            doors: Vec::new(),
            incoming: None,
            staged: None,
            needs_snapshot: false,
            abstains: false,
            searches: Vec::new(),
            found: Vec::new(),
            sync_at: None,
            accepted_links: LinkId::ACCEPTED,
            wake_at: Duration::ZERO,
        };
        let mut world = Self {
            seed,
            state: seed ^ 0x5eed,
            now: Duration::from_secs(1),
            config,
            servers: (1..=voters + observers).map(server).collect(),
            ends: BTreeMap::new(),
            dials: Vec::new(),
            cut: Vec::new(),
            committed: Vec::new(),
            acknowledged: 0,
            is_restored: false,
            requests: Requests::default(),
            masters: seed % 2 == 1,
            faults: false,
        };
        (0..voters + observers).for_each(|at| world.start(at));
        world
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.now)
    }

    pub fn leader(&self) -> Option<usize> {
        self.servers
            .iter()
            .position(|server| matches!(server.peer.as_ref().map(Peer::part), Some(Part::Leading(_))))
    }

    /// How many observers a server has, in step.
    pub fn observers_of(&self, at: usize) -> usize {
        let learners = self.servers[at].peer.as_ref().map(|peer| peer.report().learners).unwrap_or_default();
        learners.iter().filter(|learner| learner.observes && learner.in_step).count()
    }

    /// The epoch of the last change that is committed.
    pub fn epoch(&self) -> Epoch {
        self.committed.last().map_or(Epoch::ZERO, |entry| entry.zxid.epoch())
    }

    pub fn committed(&self) -> usize {
        self.committed.len()
    }

    /// Whether every server serves and has delivered at least so many.
    pub fn all_delivered(&self, count: usize) -> bool {
        self.servers.iter().all(|server| {
            server.peer.as_ref().is_some_and(|peer| peer.part().serves()) && server.delivered.len() >= count
        })
    }

    pub fn start(&mut self, at: usize) {
        if self.servers[at].peer.is_some() {
            return;
        }
        let settings = PeerSettings {
            me: self.servers[at].id,
            tick: Duration::from_millis(100),
            init_limit: 20,
            sync_limit: 5,
            connect_limit: None,
            connect_pause: Duration::from_millis(100),
            observer_pause: Duration::from_millis(200),
            observer_reconnect_pause: Duration::from_millis(50),
            observer_master_port: self.masters.then_some(4000),
            history: HistoryLimits { entries: 8, bytes: 1 << 20 },
            sync: SyncSettings::default(),
            election_connect: Duration::from_secs(5),
            election_handshake: Duration::from_secs(2),
            packet_max: zoorum_proto::quorum::packet::PACKET_DATA_MAX,
            multi_address: true,
            notification_intervals: (Duration::from_millis(200), Duration::from_secs(60)),
        };
        let ensemble = Ensemble::new(Joint::stable(Arc::clone(&self.config)));
        let disk = &self.servers[at].disk;
        let last = disk.log.last().map_or(Zxid::ZERO, |entry| entry.zxid);
        let found = Recovered {
            accepted: disk.accepted.max(last.epoch()),
            current: disk.current.max(last.epoch()),
            last,
            needs_snapshot: self.servers[at].needs_snapshot,
            abstains: self.servers[at].abstains,
        };
        let server = &mut self.servers[at];
        server.delivered = server.disk.log.clone();
        server.peer = Some(Peer::new(Monotonic(self.now), settings, ensemble, found));
        self.perform(at);
    }

    /// A server that is dead loses its files, and knows it.
    pub fn wipe(&mut self, at: usize) {
        let server = &mut self.servers[at];
        assert!(server.peer.is_none(), "its process has died");
        (server.disk, server.abstains) = (Disk::default(), true);
    }

    /// The process dies; of what was not synced, some may be kept.
    pub fn kill(&mut self, at: usize) {
        let keep = self.below(3) == 0;
        let server = &mut self.servers[at];
        server.peer = None;
        if !keep {
            server.disk.log.truncate(server.disk.synced);
        }
        server.disk.synced = server.disk.log.len();
        (server.incoming, server.staged, server.sync_at) = (None, None, None);
        server.doors.clear();
        self.requests.forget(at);
        server.searches.clear();
        let mine: Vec<_> = self.ends.keys().filter(|(owner, _)| *owner == at).copied().collect();
        for key in mine {
            self.close(key);
        }
        self.dials.retain(|(_, caller, ..)| *caller != at);
    }

    fn close(&mut self, key: (usize, LinkId)) {
        let Some(end) = self.ends.remove(&key) else { return };
        let at = self.now + Duration::from_millis(1);
        if let Some(other) = self.ends.get_mut(&end.other) {
            other.flying.push_back((at, None));
        }
    }

    pub fn propose(&mut self) {
        let Some(at) = self.leader() else { return };
        let now = self.monotonic();
        let server = &mut self.servers[at];
        let Some(peer) = &mut server.peer else { return };
        let Part::Leading(epoch) = peer.part() else { return };
        server.proposed = server.proposed.max(Zxid::new(epoch, 0)).next();
        let payload = Bytes::from(format!("{}@{}", server.proposed, server.id).into_bytes());
        let entry = Entry { zxid: server.proposed, payload };
        peer.propose(now, std::slice::from_ref(&entry));
        server.disk.log.push(entry);
        self.sync_soon(at);
        self.perform(at);
    }

    /// The leader has another state, of a history up to epoch `origin`, in the place of the one that there was. The others
    /// may take it over.
    pub fn restore(&mut self, origin: Epoch) -> Option<Entry> {
        let at = self.leader()?;
        let now = self.monotonic();
        let server = &mut self.servers[at];
        let peer = server.peer.as_mut()?;
        let Part::Leading(epoch) = peer.part() else { return None };
        let place = server.proposed.max(Zxid::new(epoch, 0)).next();
        let entry = Entry { zxid: place, payload: Bytes::from_static(b"restored") };
        server.delivered = vec![entry.clone()];
        server.disk.log = vec![entry.clone()];
        (server.disk.synced, server.sync_at) = (1, None);
        peer.on_restored(now, place, origin);
        self.perform(at);
        Some(entry)
    }

    /// What was restored is to be the beginning of what is committed.
    pub fn expect_from(&mut self, restored: Entry) {
        (self.committed, self.acknowledged, self.is_restored) = (vec![restored], 1, true);
    }

    /// Whether every server serves, and has delivered what is committed, and nothing else.
    pub fn all_agree(&self) -> bool {
        self.all_delivered(0) && self.servers.iter().all(|server| server.delivered == self.committed)
    }

    /// A learner passes on what one of its clients asks.
    pub fn ask(&mut self, at: usize, op: OpCode) {
        let now = self.monotonic();
        if let Some(peer) = &mut self.servers[at].peer
            && peer.part().serves()
        {
            peer.forward(now, &request(op), Vec::new());
            self.perform(at);
        }
    }

    /// The leader does what a learner asks.
    fn on_learner(&mut self, at: usize, word: &FromLearner) {
        let (now, server) = (self.monotonic(), &mut self.servers[at]);
        let Some(peer) = &mut server.peer else { return };
        let Part::Leading(epoch) = peer.part() else { return };
        let proposed = server.proposed.max(Zxid::new(epoch, 0));
        match self.requests.on_word(at, word, proposed.next()) {
            Some((learner, OpCode::Sync)) => peer.sync(now, learner, proposed),
            Some(_) => self.propose(),
            None => {}
        }
    }

    fn sync_soon(&mut self, at: usize) {
        let slow = if self.faults && self.below(50) == 0 { 700 } else { 5 };
        let delay = Duration::from_millis(1 + self.below(slow));
        let due = self.now + delay;
        self.servers[at].sync_at.get_or_insert(due);
    }

    fn perform(&mut self, at: usize) {
        loop {
            let actions = match &mut self.servers[at].peer {
                Some(peer) => peer.take_actions(),
                None => return,
            };
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.carry_out(at, action);
            }
        }
        self.take_received(at);
        self.deliver(at);
        self.check();
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        let now = self.monotonic();
        match action {
            Action::Link(action) => self.on_link_action(at, action),
            Action::Persist(what) => {
                let server = &mut self.servers[at];
                match what {
                    Persist::AcceptedEpoch(epoch) => {
                        assert!(epoch > server.disk.accepted, "I-2: accepted epochs rise");
                        server.disk.accepted = epoch;
                    }
                    Persist::CurrentEpoch(epoch) => {
                        assert!(epoch >= server.disk.current, "I-2: current epochs never fall");
                        server.disk.current = epoch;
                    }
                    Persist::Truncate(to) if server.disk.log.first().is_some_and(|first| first.zxid > to) => {
                        server.needs_snapshot = true;
                        if let Some(peer) = &mut server.peer {
                            peer.on_truncation_impossible(now, "the beginning is not there");
                        }
                        return;
                    }
                    Persist::Truncate(to) => {
                        let is_there =
                            to == Zxid::ZERO || server.disk.log.iter().any(|entry| entry.zxid == to);
                        assert!(is_there, "what is cut to is there");
                        server.disk.log.retain(|entry| entry.zxid <= to);
                        server.disk.synced = server.disk.log.len();
                        server.delivered.retain(|entry| entry.zxid <= to);
                        let lost = self.committed.iter().find(|entry| entry.zxid > to);
                        let had = lost.is_some_and(|lost| {
                            self.acknowledged > 0
                                && server.disk.log.iter().any(|entry| entry.zxid == lost.zxid)
                        });
                        assert!(!had, "I-12: nothing committed is cut");
                    }
                }
                if let Some(peer) = &mut server.peer {
                    peer.on_persisted(now, what);
                }
            }
            Action::Snapshot(step) => self.on_snapshot(at, step),
            Action::FromLearner(word) => self.on_learner(at, &word),
            Action::FromObserver(word) => {
                if let Some(peer) = &mut self.servers[at].peer {
                    peer.pass_on(now, word);
                }
            }
            Action::Became(_) => self.requests.forget(at),
            Action::Seek(seek) => self.seek(at, seek),
            Action::FromLeader(_) | Action::Tell(_) => {}
        }
    }

    fn on_snapshot(&mut self, at: usize, step: SnapshotStep) {
        let now = self.monotonic();
        let server = &mut self.servers[at];
        match step {
            SnapshotStep::Begin(_) => server.incoming = Some(Vec::new()),
            SnapshotStep::Abandon => (server.incoming, server.staged) = (None, None),
            SnapshotStep::Bytes(bytes) => {
                let Some(incoming) = &mut server.incoming else { return };
                incoming.extend_from_slice(&bytes);
                if let Some((entries, used)) = decode(incoming) {
                    let rest = Bytes::copy_from_slice(&incoming[used..]);
                    let zxid = entries.last().map_or(Zxid::ZERO, |entry| entry.zxid);
                    server.incoming = None;
                    server.staged = Some(entries);
                    if let Some(peer) = &mut server.peer {
                        peer.on_snapshot_received(now, zxid, &rest);
                    }
                }
            }
            SnapshotStep::Install(behind) => {
                let mut entries = server.staged.take().expect("a tree has come");
                server.delivered = entries.clone();
                entries.extend(behind);
                server.disk.synced = entries.len();
                server.disk.log = entries;
                (server.needs_snapshot, server.abstains) = (false, false);
                if let Some(peer) = &mut server.peer {
                    peer.on_snapshot_installed(now);
                }
            }
        }
    }

    fn on_link_action(&mut self, at: usize, action: LinkAction) {
        match action {
            LinkAction::Dial { link, door, addresses, .. } => {
                let due = self.now + Duration::from_millis(1 + self.below(5));
                let hosts = addresses.into_iter().map(|address| address.host).collect();
                self.dials.push((due, at, link, door, hosts));
            }
            LinkAction::Write { link, bytes } => {
                self.requests.on_written(at, link, &bytes);
                self.write((at, link), bytes);
            }
            LinkAction::WriteSnapshot { link, zxid } => {
                let server = &self.servers[at];
                let tree: Vec<Entry> = server.delivered.iter().filter(|e| e.zxid <= zxid).cloned().collect();
                assert_eq!(
                    tree.last().map_or(Zxid::ZERO, |entry| entry.zxid),
                    zxid,
                    "the tree is of its zxid"
                );
                assert_eq!(tree.len(), server.delivered.len(), "the tree is exactly what is delivered");
                self.write((at, link), encode(&tree));
            }
            LinkAction::WriteSought { link } => self.write_sought(at, link),
            LinkAction::Close { link } => self.close((at, link)),
            LinkAction::Open { door } => self.servers[at].doors.push(door),
            LinkAction::Shut { door } => self.servers[at].doors.retain(|open| *open != door),
        }
    }

    fn write(&mut self, key: (usize, LinkId), bytes: Bytes) {
        let delay = Duration::from_micros(200 + self.below(if self.faults { 20_000 } else { 1_000 }));
        let Some(end) = self.ends.get(&key) else { return };
        let other = end.other;
        if self.cut.contains(&(key.0, other.0)) {
            return; // swallowed: the connection looks alive
        }
        let Some(end) = self.ends.get_mut(&other) else { return };
        let earliest = end.flying.back().map_or(Duration::ZERO, |(at, _)| *at);
        end.flying.push_back((earliest.max(self.now + delay), Some(bytes)));
    }

    fn take_received(&mut self, at: usize) {
        let now = self.monotonic();
        let server = &mut self.servers[at];
        let Some(peer) = &mut server.peer else { return };
        let entries = peer.take_received(now, |_| true);
        if !entries.is_empty() {
            server.disk.log.extend(entries);
            self.sync_soon(at);
        }
    }

    fn deliver(&mut self, at: usize) {
        let server = &mut self.servers[at];
        let Some(peer) = &mut server.peer else { return };
        let last = server.delivered.last().map_or(Zxid::ZERO, |entry| entry.zxid);
        let through = peer.may_apply();
        let news: Vec<Entry> =
            server.disk.log.iter().filter(|e| e.zxid > last && e.zxid <= through).cloned().collect();
        if !peer.part().serves() {
            return;
        }
        server.delivered.extend(news);
        peer.on_applied(through.min(server.delivered.last().map_or(Zxid::ZERO, |entry| entry.zxid)));
        let first = self.committed.first().map_or(Zxid::ZERO, |entry| entry.zxid);
        if self.is_restored && server.delivered.last().is_some_and(|entry| entry.zxid < first) {
            return; // it follows the leader of before, and has not heard that it is gone
        }
        let is_longer = server.delivered.len() > self.committed.len();
        let (short, long) = if is_longer {
            (&self.committed, &server.delivered)
        } else {
            (&server.delivered, &self.committed)
        };
        assert!(
            long.starts_with(short),
            "I-4: server {} delivers another history, seed {}",
            server.id,
            self.seed
        );
        if is_longer {
            self.committed = server.delivered.clone();
            self.acknowledged = self.committed.len();
        }
    }

    fn check(&self) {
        let mut leaders: Vec<Epoch> = Vec::new();
        for server in &self.servers {
            if let Some(peer) = &server.peer {
                peer.check_invariants();
                let disk = &server.disk;
                let epoch = disk.log[..disk.synced].last().map_or(Epoch::ZERO, |entry| entry.zxid.epoch());
                assert!(disk.current >= epoch, "I-2: server {}, seed {}", server.id, self.seed);
                if let Part::Leading(epoch) = peer.part() {
                    assert!(!leaders.contains(&epoch), "I-1: two leaders of one epoch, seed {}", self.seed);
                    leaders.push(epoch);
                }
            }
        }
    }

    /// Whatever is due next happens.
    fn step(&mut self) {
        let flying = self.ends.values().filter_map(|end| end.flying.front().map(|(at, _)| *at));
        let dials = self.dials.iter().map(|(at, ..)| *at);
        let syncs = self.servers.iter().filter_map(|server| server.sync_at);
        let ticks = self
            .servers
            .iter()
            .filter_map(|server| server.peer.as_ref().map(|peer| peer.next_wakeup().0.max(server.wake_at)));
        let soon = self.now + Duration::from_millis(20);
        let searches = self.next_search();
        let next = flying.chain(dials).chain(searches).chain(syncs).chain(ticks).fold(soon, Duration::min);
        self.now = self.now.max(next);
        self.arrive();
        self.connect();
        self.end_searches();
        for at in 0..self.servers.len() {
            if self.servers[at].sync_at.is_some_and(|due| due <= self.now) {
                self.sync(at);
            }
        }
        for at in 0..self.servers.len() {
            let now = self.monotonic();
            let server = &mut self.servers[at];
            if let Some(peer) = &mut server.peer
                && peer.next_wakeup() <= now
                && server.wake_at <= self.now
            {
                server.wake_at = self.now + Duration::from_millis(1);
                peer.on_tick(now);
                self.perform(at);
            }
        }
    }

    fn sync(&mut self, at: usize) {
        let now = self.monotonic();
        let server = &mut self.servers[at];
        server.sync_at = None;
        server.disk.synced = server.disk.log.len();
        let Some(through) = server.disk.log.last().map(|entry| entry.zxid) else { return };
        if let Some(peer) = &mut server.peer {
            peer.on_synced(now, through);
            self.perform(at);
        }
    }

    fn arrive(&mut self) {
        let due: Vec<(usize, LinkId)> = self
            .ends
            .iter()
            .filter(|(_, end)| end.flying.front().is_some_and(|(at, _)| *at <= self.now))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            let Some(end) = self.ends.get_mut(&key) else { continue };
            let (server, Some((_, parcel))) = (end.server, end.flying.pop_front()) else { continue };
            let event = match parcel {
                Some(bytes) => LinkEvent::Received { link: key.1, bytes },
                None => {
                    self.ends.remove(&key);
                    LinkEvent::Closed { link: key.1, reason: "the other side closed it".to_owned() }
                }
            };
            self.hand_in(server, event);
        }
    }

    fn hand_in(&mut self, at: usize, event: LinkEvent) {
        let now = self.monotonic();
        if let Some(peer) = &mut self.servers[at].peer {
            peer.on_link(now, event);
            self.perform(at);
        }
    }

    fn connect(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.dials.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, from, link, door, hosts) in due {
            let number = |host: &String| host.trim_start_matches('h').parse::<usize>().ok();
            let to = hosts.first().and_then(number).map(|number| number - 1);
            let open = to.filter(|to| {
                self.servers[*to].peer.is_some()
                    && self.servers[*to].doors.contains(&door)
                    && !self.cut.contains(&(from, *to))
                    && !self.cut.contains(&(*to, from))
            });
            let Some(to) = open else {
                self.hand_in(from, LinkEvent::Closed { link, reason: "refused".to_owned() });
                continue;
            };
            let there = LinkId(self.servers[to].accepted_links);
            self.servers[to].accepted_links += 1;
            let (ours, theirs) = ((from, link), (to, there));
            self.ends.insert(ours, End { server: from, other: theirs, flying: VecDeque::new() });
            self.ends.insert(theirs, End { server: to, other: ours, flying: VecDeque::new() });
            self.hand_in(to, LinkEvent::Accepted { link: there, door, from: format!("h{}", from + 1) });
            self.hand_in(from, LinkEvent::Dialed { link });
        }
    }

    pub fn run_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = self.now + PATIENCE;
        while !is_so(self) {
            assert!(self.now < deadline, "not in time: {what}, seed {}, parts {:?}", self.seed, self.parts());
            self.step();
        }
    }

    pub fn run_for(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.step();
        }
    }

    fn parts(&self) -> Vec<(Option<Part>, Zxid, usize)> {
        let part = |server: &Server| {
            let last = server.disk.log.last().map_or(Zxid::ZERO, |entry| entry.zxid);
            (server.peer.as_ref().map(Peer::part), last, server.delivered.len())
        };
        self.servers.iter().map(part).collect()
    }

    pub fn run_with_faults(&mut self, length: Duration) {
        self.faults = true;
        let until = self.now + length;
        let mut next_fault = self.now;
        let mut next_write = self.now;
        while self.now < until {
            self.step();
            if self.now >= next_write {
                next_write = self.now + Duration::from_millis(1 + self.below(200));
                self.propose();
                let learner = self.below(self.servers.len() as u64) as usize;
                for _ in 0..self.below(4) {
                    let op = [OpCode::Sync, OpCode::SetData][self.below(2) as usize];
                    self.ask(learner, op);
                }
            }
            if self.now >= next_fault {
                next_fault = self.now + Duration::from_millis(50 + self.below(3_000));
                self.fault();
            }
        }
    }

    fn fault(&mut self) {
        let count = self.servers.len() as u64;
        let (one, two) = (self.below(count) as usize, self.below(count) as usize);
        match self.below(7) {
            0 => self.kill(one),
            1 => (0..self.servers.len()).for_each(|at| self.start(at)),
            2 => self.cut.push((one, two)),
            3 => self.cut = (0..self.servers.len()).flat_map(|other| [(one, other), (other, one)]).collect(),
            4 => self.cut.clear(),
            5 => {
                let keys: Vec<_> = self.ends.keys().copied().collect();
                if !keys.is_empty() {
                    let which = self.below(keys.len() as u64) as usize;
                    self.close(keys[which]);
                    self.hand_in(
                        keys[which].0,
                        LinkEvent::Closed { link: keys[which].1, reason: "reset".to_owned() },
                    );
                }
            }
            _ => self.servers[one].wake_at = self.now + Duration::from_millis(self.below(2_000)),
        }
    }

    pub fn heal(&mut self) {
        self.faults = false;
        self.cut.clear();
        (0..self.servers.len()).for_each(|at| self.start(at));
    }
}

fn encode(entries: &[Entry]) -> Bytes {
    let mut out = (entries.len() as u32).to_be_bytes().to_vec();
    for entry in entries {
        out.extend(entry.zxid.0.to_be_bytes());
        out.extend((entry.payload.len() as u32).to_be_bytes());
        out.extend(&entry.payload[..]);
    }
    out.into()
}

fn decode(bytes: &[u8]) -> Option<(Vec<Entry>, usize)> {
    let count = u32::from_be_bytes(*bytes.first_chunk()?);
    let mut used = 4;
    let mut entries = Vec::new();
    for _ in 0..count {
        let zxid = Zxid(i64::from_be_bytes(*bytes.get(used..)?.first_chunk()?));
        let length = u32::from_be_bytes(*bytes.get(used + 8..)?.first_chunk()?) as usize;
        let payload = Bytes::copy_from_slice(bytes.get(used + 12..used + 12 + length)?);
        used += 12 + length;
        entries.push(Entry { zxid, payload });
    }
    Some((entries, used))
}
