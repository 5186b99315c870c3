//! Servers on virtual time, with what comes after an election reduced to its rule: a leader rules while a quorum
//! follows it, and whoever finds no rule looks again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::quorum::{Joint, PeerState, QuorumConfig};
use zoorum_proto::{Epoch, Monotonic, ServerId, Zxid};
use zoorum_zab::election::{ElectionPort, ElectionSettings, LinkAction, LinkId, LinkSettings, PortAction};

use crate::chance::Chance;
use crate::network::Network;

/// How long bytes, and dials, take at most.
const DELAY_MAX: Duration = Duration::from_millis(5);

/// How long a role may lack what it needs.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many servers there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ensemble {
    pub(crate) voters: i64,
    pub(crate) observers: i64,
    pub(crate) groups: &'static str,
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct History {
    epoch: Epoch,
    zxid: Zxid,
}

#[derive(Debug)]
enum Event {
    Dialed {
        from: ServerId,
        to: ServerId,
    },
    Received {
        link: LinkId,
        bytes: Bytes,
    },
    Written {
        link: LinkId,
    },
    Closed {
        link: LinkId,
    },
    Restarted {
        server: ServerId,
    },
    /// Time to see whether roles have what they need.
    Looked,
}

pub(crate) struct World {
    joint: Joint,
    chance: Chance,
    now: Monotonic,
    events: BTreeMap<(Monotonic, u64), Event>,
    count: u64,
    network: Network,
    servers: BTreeMap<ServerId, ElectionPort>,
    disks: BTreeMap<ServerId, History>,
    cuts: BTreeSet<(ServerId, ServerId)>,
    /// Since when each server's role has lacked what it needs.
    lacking: BTreeMap<ServerId, Monotonic>,
    writes: u64,
    /// Whether some bytes take very long.
    is_stormy: bool,
}

impl World {
    /// Everybody starts at about the same time, with histories that differ.
    pub(crate) fn new(seed: u64, ensemble: Ensemble) -> Self {
        let Ensemble { voters, observers, groups } = ensemble;
        let role = |id| if id > voters { "observer" } else { "participant" };
        let lines = (1..=voters + observers).map(|id| format!("server.{id}=host{id}:1:2:{}\n", role(id)));
        let text = lines.collect::<String>() + groups;
        let config = QuorumConfig::parse(&text, false).expect("a configuration");
        let mut chance = Chance::new(seed);
        let disks = config.members.keys().map(|&id| {
            let epoch = Epoch(chance.below(3) as i64);
            (id, History { epoch, zxid: Zxid::new(epoch, chance.below(4) as u32) })
        });
        let mut world = Self {
            disks: disks.collect(),
            joint: Joint::stable(Arc::new(config)),
            chance,
            now: Monotonic::default(),
            events: BTreeMap::new(),
            count: 0,
            network: Network::default(),
            servers: BTreeMap::new(),
            cuts: BTreeSet::new(),
            lacking: BTreeMap::new(),
            writes: 0,
            is_stormy: false,
        };
        let members: Vec<ServerId> = world.disks.keys().copied().collect();
        for server in members {
            let after = world.chance.up_to(Duration::from_millis(50));
            world.schedule(after, Event::Restarted { server });
        }
        world.schedule(PATIENCE / 4, Event::Looked);
        world
    }

    /// Who should win if nothing goes wrong.
    pub(crate) fn longest_history(&self) -> ServerId {
        let voters = self.disks.iter().filter(|(id, _)| self.joint.is_voter(**id));
        *voters.max_by_key(|(id, history)| (**history, **id)).expect("a voter").0
    }

    /// How many writes there were.
    pub(crate) fn said(&self) -> u64 {
        self.writes
    }

    pub(crate) fn run(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            let event = self.events.first_key_value().map(|(&(at, _), _)| at);
            let wakeups = self.servers.iter().filter_map(|(id, port)| Some((port.next_wakeup()?, *id)));
            let wakeup = wakeups.min();
            let next = event.into_iter().chain(wakeup.map(|(at, _)| at)).min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            match wakeup.filter(|(wakes_at, _)| *wakes_at == at) {
                Some((_, id)) => self.with(id, |port, now, out| port.on_tick(now, out)),
                None => {
                    let (_, event) = self.events.pop_first().expect("one is due");
                    self.happen(event);
                }
            }
        }
        self.now = end;
    }

    /// Runs while servers crash, connections break and cables are cut.
    pub(crate) fn suffer(&mut self, length: Duration) {
        self.is_stormy = true;
        let end = self.now + length;
        let ids: Vec<ServerId> = self.disks.keys().copied().collect();
        while self.now < end {
            let rest = self.chance.up_to(Duration::from_millis(1500));
            self.run(rest);
            let one = ids[self.chance.below(ids.len() as u64) as usize];
            let two = ids[self.chance.below(ids.len() as u64) as usize];
            match self.chance.below(6) {
                0 if self.servers.contains_key(&one) => {
                    self.crash(one);
                    let after = self.chance.up_to(Duration::from_secs(4));
                    self.schedule(after, Event::Restarted { server: one });
                }
                1 => self.cut(one, two),
                2 => drop(self.cuts.pop_first()),
                3 => self.cuts.clear(),
                _ => {
                    let chance = self.chance.below(u64::MAX);
                    if let Some(link) = self.network.any(chance) {
                        self.break_link(link);
                    }
                }
            }
        }
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.is_stormy = false;
        self.cuts.clear();
        let down: Vec<ServerId> =
            self.disks.keys().copied().filter(|id| !self.servers.contains_key(id)).collect();
        down.into_iter().for_each(|server| self.restart(server));
    }

    pub(crate) fn crash(&mut self, server: ServerId) {
        self.servers.remove(&server);
        self.lacking.remove(&server);
        for link in self.network.of(server) {
            self.break_link(link);
        }
    }

    pub(crate) fn restart(&mut self, server: ServerId) {
        if self.servers.contains_key(&server) {
            return;
        }
        let links = LinkSettings { server, multi_address: false, handshake_timeout: Duration::from_secs(5) };
        let port = ElectionPort::new(ElectionSettings::new(server), links, self.joint.clone());
        self.servers.insert(server, port);
        self.look(server);
    }

    /// Whoever follows a server that is gone notices at once.
    pub(crate) fn notice_crashes(&mut self) {
        let orphans = self.servers.iter().filter(|(_, port)| {
            port.election().vote().is_some_and(|vote| !self.servers.contains_key(&vote.leader))
        });
        let orphans: Vec<ServerId> = orphans.map(|(id, _)| *id).collect();
        orphans.into_iter().for_each(|server| self.look(server));
    }

    /// Returns the leader, whom also observers watch.
    pub(crate) fn check_everybody_follows_one_leader(&self) -> ServerId {
        self.check_leader_of(|_| true)
    }

    /// Returns the leader.
    pub(crate) fn check_voters_follow_one_leader(&self) -> ServerId {
        self.check_leader_of(|id| self.joint.is_voter(id))
    }

    fn check_leader_of(&self, counts: impl Fn(ServerId) -> bool) -> ServerId {
        let mut states = Vec::new();
        for (id, port) in self.servers.iter().filter(|(id, _)| counts(**id)) {
            states.push((*id, port.election().state(), port.election().vote().map(|vote| vote.leader)));
        }
        let leader = states.iter().find(|(_, state, _)| *state == PeerState::Leading);
        let leader = leader.unwrap_or_else(|| panic!("nobody leads at {:?}: {states:?}", self.now)).0;
        for &(id, state, voted) in &states {
            let expected = match self.joint.is_voter(id) {
                _ if id == leader => PeerState::Leading,
                true => PeerState::Following,
                false => PeerState::Observing,
            };
            assert_eq!((state, voted), (expected, Some(leader)), "server {id}: {states:?}");
        }
        leader
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), event);
    }

    fn delay(&mut self) -> Duration {
        let longest = if self.is_stormy && self.chance.once_in(100) { DELAY_MAX * 100 } else { DELAY_MAX };
        self.chance.up_to(longest)
    }

    fn is_cut(&self, one: ServerId, two: ServerId) -> bool {
        self.cuts.contains(&(one.min(two), one.max(two)))
    }

    fn cut(&mut self, one: ServerId, two: ServerId) {
        self.cuts.insert((one.min(two), one.max(two)));
        self.network.between(one, two).into_iter().for_each(|link| self.break_link(link));
    }

    /// Both ends notice, each when it does; what was on its way is lost.
    fn break_link(&mut self, link: LinkId) {
        let Some(end) = self.network.remove(link) else { return };
        self.network.remove(end.other);
        for (link, owner) in [(link, end.owner), (end.other, end.other_owner)] {
            self.with(owner, |port, now, out| port.on_closed(now, link, out));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Dialed { from, to } => self.dialed(from, to),
            Event::Received { link, bytes } => {
                let Some(end) = self.network.end(link).copied() else { return };
                self.with(end.owner, |port, now, out| port.on_received(now, link, &bytes, out));
            }
            Event::Written { link } => {
                let Some(end) = self.network.end(link).copied() else { return };
                self.with(end.owner, |port, _, out| port.on_written(link, out));
            }
            Event::Closed { link } => {
                let Some(end) = self.network.remove(link) else { return };
                self.with(end.owner, |port, now, out| port.on_closed(now, link, out));
            }
            Event::Restarted { server } => self.restart(server),
            Event::Looked => {
                self.see_who_rules();
                self.schedule(PATIENCE / 4, Event::Looked);
            }
        }
    }

    fn dialed(&mut self, from: ServerId, to: ServerId) {
        if !self.servers.contains_key(&from) {
            return;
        }
        if !self.servers.contains_key(&to) || self.is_cut(from, to) {
            return self.with(from, |port, _, out| port.on_dial_failed(to, out));
        }
        let (dialer, acceptor) = self.network.connect(from, to, self.now);
        self.with(to, |port, now, out| port.on_accepted(now, acceptor, out));
        self.with(from, |port, now, out| port.on_dialed(now, to, dialer, out));
    }

    fn with(&mut self, id: ServerId, act: impl FnOnce(&mut ElectionPort, Monotonic, &mut Vec<PortAction>)) {
        let Some(port) = self.servers.get_mut(&id) else { return };
        let mut actions = Vec::new();
        act(port, self.now, &mut actions);
        for action in actions {
            match action {
                PortAction::Link(LinkAction::Dial { peer, addresses }) => {
                    assert_eq!(addresses[0].host, format!("host{peer}"));
                    let after = self.delay();
                    self.schedule(after, Event::Dialed { from: id, to: peer });
                }
                PortAction::Link(LinkAction::Write { link, bytes }) => self.write(link, bytes),
                PortAction::Link(LinkAction::Close(link) | LinkAction::Refuse { link, .. }) => {
                    self.close(link)
                }
                PortAction::Elected(_) => {}
                PortAction::Adopt(config) => unreachable!("all have the same configuration: {config}"),
            }
        }
    }

    /// The bytes arrive in one or two pieces, behind those written before.
    fn write(&mut self, link: LinkId, bytes: Bytes) {
        self.writes += 1;
        let middle = if self.chance.once_in(4) { self.chance.below(bytes.len() as u64) as usize } else { 0 };
        for piece in [bytes.slice(..middle), bytes.slice(middle..)] {
            let delay = self.delay();
            let Some(end) = self.network.end(link) else { return };
            end.arrives_at = end.arrives_at.max(self.now + delay);
            let (after, other) = (end.arrives_at.since(self.now), end.other);
            self.schedule(after, Event::Received { link: other, bytes: piece });
        }
        let after = self.delay();
        self.schedule(after, Event::Written { link });
    }

    /// The other end learns of it behind all that was written.
    fn close(&mut self, link: LinkId) {
        let Some(end) = self.network.remove(link) else { return };
        let after = end.arrives_at.since(self.now);
        self.schedule(after, Event::Closed { link: end.other });
    }

    fn look(&mut self, server: ServerId) {
        let History { epoch, zxid } = self.disks[&server];
        self.lacking.remove(&server);
        self.with(server, |port, now, out| port.look(now, epoch, zxid, out));
    }

    /// Whether this server follows, or watches, that one, and it knows.
    fn is_led_by(&self, id: ServerId, leader: ServerId) -> bool {
        self.servers.get(&id).is_some_and(|port| {
            let election = port.election();
            let votes = election.vote().is_some_and(|vote| vote.leader == leader);
            election.state() != PeerState::Looking && votes && !self.is_cut(id, leader)
        })
    }

    /// A leader that a quorum follows begins an epoch, in which its followers share its history.
    fn see_who_rules(&mut self) {
        let ids: Vec<ServerId> = self.servers.keys().copied().collect();
        for &id in &ids {
            let election = self.servers[&id].election();
            let (state, Some(vote)) = (election.state(), election.vote()) else { continue };
            let has_what_it_needs = match state {
                PeerState::Looking => true,
                PeerState::Leading => self.joint.is_quorum(|other| self.is_led_by(other, id)),
                PeerState::Following | PeerState::Observing => {
                    let leads = |port: &ElectionPort| port.election().state() == PeerState::Leading;
                    self.servers.get(&vote.leader).is_some_and(leads) && !self.is_cut(id, vote.leader)
                }
            };
            if has_what_it_needs {
                self.lacking.remove(&id);
            } else if self.now.since(*self.lacking.entry(id).or_insert(self.now)) >= PATIENCE {
                self.look(id);
            }
            if state == PeerState::Leading && has_what_it_needs {
                self.rule(id, &ids);
            }
        }
    }

    fn rule(&mut self, leader: ServerId, ids: &[ServerId]) {
        let vote = self.servers[&leader].election().vote().expect("it leads");
        let mut history = self.disks[&leader];
        if vote.epoch != history.epoch || history.zxid.epoch() != history.epoch {
            let newest = self.disks.values().map(|history| history.epoch).max().expect("a server");
            history.epoch = newest.next().expect("few epochs");
            history.zxid = Zxid::new(history.epoch, 1);
        }
        let led: Vec<ServerId> = ids.iter().copied().filter(|&id| self.is_led_by(id, leader)).collect();
        for id in led {
            self.disks.insert(id, history);
            self.servers.get_mut(&id).expect("it is there").refresh_vote(history.epoch);
        }
    }
}
