//! Replicas that are members of one ensemble, and a network that delivers at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::quorum::{Joint, QuorumConfig};
use zoorum_proto::reply::ReplyHeader;
use zoorum_proto::{Decode, Epoch, Monotonic, OpCode, ServerId, SessionId, WallClock, Zxid};
use zoorum_tree::Tree;
use zoorum_zab::{
    Door, HistoryLimits, LinkAction, LinkEvent, LinkId, Peer, PeerAddress, PeerSettings, Recovered,
    SyncSettings,
};

use super::{WORKER, client, create, write};
use crate::message::{ConnectionId, Outcome, Request, Requests, Service};
use crate::replica::{Effect, Mode, Now, Replica};
use crate::settings::{MemberSettings, Settings, test_settings};

const TICK: Duration = Duration::from_secs(2);

/// One of them. Server 1 is at place 0.
struct Member {
    tree: Tree,
    replica: Replica,
    doors: BTreeSet<Door>,
    /// Each connection with whom it leads to, and what it is called there.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    accepted: u64,
    events: VecDeque<LinkEvent>,
    service: Option<Service>,
    is_up: bool,
}

pub(super) struct Ensemble {
    members: Vec<Member>,
    now: Now,
}

/// What a client is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its session, if it has one.
    Connected(Option<SessionId>),
    /// Xid, zxid, error code.
    Reply(i32, Zxid, i32),
    Closed,
}

impl Ensemble {
    /// As many members as there are settings, all of them up, and long enough for one of them to lead.
    pub(super) fn start(settings: &[MemberSettings]) -> Self {
        let mut ensemble = Self::apart(settings);
        ensemble.members.iter_mut().for_each(|member| member.is_up = true);
        ensemble.pass(Duration::from_secs(1));
        ensemble
    }

    /// The same, with one more that observes, and has the follower for its master.
    pub(super) fn observed(settings: &[MemberSettings]) -> Self {
        let mut ensemble = Self::new(settings, settings.len() - 1);
        ensemble.members.iter_mut().for_each(|member| member.is_up = true);
        ensemble.pass(Duration::from_secs(3));
        ensemble
    }

    /// Only the first of them is up.
    pub(super) fn apart(settings: &[MemberSettings]) -> Self {
        Self::new(settings, settings.len())
    }

    /// Only the first of them is up. So many vote.
    fn new(settings: &[MemberSettings], voters: usize) -> Self {
        let now = Now { monotonic: Monotonic::default(), wall: WallClock(1_000) };
        let role = |id| if id <= voters { "participant" } else { "observer" };
        let line = |id| format!("server.{id}=m{id}:1:2:{}\n", role(id));
        let text: String = (1..=settings.len()).map(line).collect();
        let config = Arc::new(QuorumConfig::parse(&text, false).expect("a configuration"));
        let member = |(id, settings): (u8, &MemberSettings)| {
            let settings = Settings { server_id: id, member: settings.clone(), ..test_settings() };
            let found = Recovered {
                accepted: Epoch::ZERO,
                current: Epoch::ZERO,
                last: Zxid::ZERO,
                needs_snapshot: false,
                abstains: false,
            };
            let ensemble = zoorum_zab::Ensemble::new(Joint::stable(Arc::clone(&config)));
            let peer = Peer::new(now.monotonic, peer_settings(id), ensemble, found);
            let tree = Tree::new(7);
            let replica = Replica::among_peers(Arc::new(settings), &tree, 1, now, id.into(), peer);
            Member {
                tree,
                replica,
                doors: BTreeSet::new(),
                links: BTreeMap::new(),
                accepted: LinkId::ACCEPTED,
                events: VecDeque::new(),
                service: None,
                is_up: id == 1,
            }
        };
        let members = (1..).zip(settings).map(member).collect();
        let mut ensemble = Self { members, now };
        ensemble.settle();
        ensemble
    }

    /// Time passes, in small steps.
    pub(super) fn pass(&mut self, length: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let until = self.now.monotonic + length;
        while self.now.monotonic < until {
            self.now.monotonic = self.now.monotonic + STEP;
            for member in self.members.iter_mut().filter(|member| member.is_up) {
                if member.replica.next_peer_wakeup() <= self.now.monotonic {
                    member.replica.on_peer_tick(&member.tree, self.now);
                }
                if member.replica.next_wakeup() <= self.now.monotonic {
                    member.replica.on_tick(&member.tree, self.now);
                }
            }
            self.settle();
        }
    }

    /// A member stands still, and all its connections are gone.
    pub(super) fn stop(&mut self, place: usize) {
        self.members[place].is_up = false;
        let closed = |link| LinkEvent::Closed { link, reason: "gone".to_owned() };
        for (link, (other, there)) in std::mem::take(&mut self.members[place].links) {
            self.members[place].events.push_back(closed(link));
            self.members[other].links.remove(&there);
            self.members[other].events.push_back(closed(there));
        }
        self.settle();
    }

    /// A member takes part, perhaps again.
    pub(super) fn start_member(&mut self, place: usize) {
        self.members[place].is_up = true;
        self.settle();
    }

    pub(super) fn leader(&self) -> usize {
        let leads = |member: &Member| matches!(member.replica.part(), Some(zoorum_zab::Part::Leading(_)));
        self.members.iter().position(leads).expect("somebody leads")
    }

    pub(super) fn follower(&self) -> usize {
        let follows = |member: &Member| member.replica.standing().mode == Mode::Follower;
        self.members.iter().position(follows).expect("somebody follows")
    }

    pub(super) fn mode(&self, place: usize) -> Mode {
        self.members[place].replica.standing().mode
    }

    pub(super) fn service(&self, place: usize) -> Option<Service> {
        self.members[place].service
    }

    pub(super) fn zxid(&self, place: usize) -> Zxid {
        self.members[place].tree.last_zxid()
    }

    pub(super) fn has(&self, place: usize, path: &str) -> bool {
        self.members[place].tree.node(path).is_some()
    }

    /// Whether the whole ensemble knows the session.
    pub(super) fn is_global(&self, session: SessionId) -> bool {
        self.members.iter().all(|member| member.tree.session_timeout(session).is_some())
    }

    /// How many sessions a member alone knows.
    pub(super) fn local_sessions(&self, place: usize) -> usize {
        self.members[place].replica.report().sessions.iter().filter(|session| session.is_local).count()
    }

    /// A client asks a member for a session.
    pub(super) fn connect(
        &mut self,
        place: usize,
        slot: u32,
        session: Option<SessionId>,
    ) -> Option<SessionId> {
        let (connection, read_only) = (client(slot), Some(ReadOnly(true)));
        let request = Request::Connect { connection, session, timeout_ms: 4000, read_only };
        let told = self.ask(place, slot, request, Vec::new());
        match told[..] {
            [Told::Connected(session)] => session,
            _ => panic!("a client that wants a session is told {told:?}"),
        }
    }

    pub(super) fn create(&mut self, place: usize, session: SessionId, xid: i32, flags: i32) -> Vec<Told> {
        self.write(place, session, xid, OpCode::Create, create(&format!("/{xid}"), flags))
    }

    pub(super) fn close(&mut self, place: usize, session: SessionId, xid: i32) -> Vec<Told> {
        self.write(place, session, xid, OpCode::CloseSession, Vec::new())
    }

    /// A client at slot 1 asks for a change.
    pub(super) fn write(
        &mut self,
        place: usize,
        session: SessionId,
        xid: i32,
        op: OpCode,
        body: Vec<u8>,
    ) -> Vec<Told> {
        self.ask(place, 1, write(1, session, xid, op, &body), body)
    }

    fn ask(&mut self, place: usize, slot: u32, request: Request, bytes: Vec<u8>) -> Vec<Told> {
        let member = &mut self.members[place];
        let era = member.service.expect("clients are served").era;
        let requests = Requests { bytes, items: vec![request], era };
        member.replica.on_requests(&member.tree, self.now, WORKER, &requests);
        let mut told = Vec::new();
        self.settle_for(Some((place, client(slot))), &mut told);
        told
    }

    fn settle(&mut self) {
        self.settle_for(None, &mut Vec::new());
    }

    /// Everything that can happen without time passing happens. What one client is told is noted.
    fn settle_for(&mut self, listener: Option<(usize, ConnectionId)>, told: &mut Vec<Told>) {
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for place in 0..self.members.len() {
                if !self.members[place].is_up {
                    continue;
                }
                is_quiet &= !self.work(place);
                self.hear(place, listener.filter(|(at, _)| *at == place).map(|(_, client)| client), told);
            }
        }
    }

    /// Whether the member had anything to do.
    fn work(&mut self, place: usize) -> bool {
        let now = self.now;
        let member = &mut self.members[place];
        let mut worked = false;
        if let Some(event) = member.events.pop_front() {
            member.replica.on_link(&member.tree, now, event);
            worked = true;
        }
        for effect in member.replica.take_effects() {
            worked = true;
            match effect {
                Effect::Link(action) => self.perform(place, action),
                Effect::Persist(what) => {
                    let member = &mut self.members[place];
                    member.replica.on_persisted(&member.tree, now, what);
                }
                effect @ (Effect::Snapshot(_) | Effect::Seek(_) | Effect::DistrustTree) => {
                    panic!("histories begin alike, and yet: {effect:?}")
                }
                Effect::Tell(_) => {}
            }
        }
        let member = &mut self.members[place];
        if let Some(proposals) = member.replica.take_proposals(&member.tree, now) {
            member.replica.on_synced(&member.tree, now, proposals.last().expect("proposals are not empty"));
            worked = true;
        }
        if member.replica.can_apply() {
            member.replica.apply(&mut member.tree, &[false]);
            worked = true;
        }
        member.replica.on_round(&member.tree, now);
        worked
    }

    fn perform(&mut self, place: usize, action: LinkAction) {
        match action {
            LinkAction::Open { door } => drop(self.members[place].doors.insert(door)),
            LinkAction::Shut { door } => drop(self.members[place].doors.remove(&door)),
            LinkAction::Dial { link, door, addresses, .. } => self.dial(place, link, door, &addresses),
            LinkAction::Write { link, bytes } => {
                if let Some((other, link)) = self.members[place].links.get(&link).copied() {
                    self.members[other].events.push_back(LinkEvent::Received { link, bytes });
                }
            }
            LinkAction::Close { link } => {
                if let Some((other, link)) = self.members[place].links.remove(&link) {
                    self.members[other].links.remove(&link);
                    let reason = "closed".to_owned();
                    self.members[other].events.push_back(LinkEvent::Closed { link, reason });
                }
            }
            LinkAction::WriteSnapshot { .. } | LinkAction::WriteSought { .. } => {
                panic!("histories begin alike")
            }
        }
    }

    fn dial(&mut self, place: usize, link: LinkId, door: Door, addresses: &[PeerAddress]) {
        let other = addresses[0].host[1..].parse::<usize>().expect("members are called m and a number") - 1;
        let called = &mut self.members[other];
        if !called.is_up || !called.doors.contains(&door) {
            let reason = "nobody is there".to_owned();
            return self.members[place].events.push_back(LinkEvent::Closed { link, reason });
        }
        let there = LinkId(called.accepted);
        called.accepted += 1;
        called.links.insert(there, (place, link));
        called.events.push_back(LinkEvent::Accepted { link: there, door, from: format!("m{}", place + 1) });
        self.members[place].links.insert(link, (other, there));
        self.members[place].events.push_back(LinkEvent::Dialed { link });
    }

    fn hear(&mut self, place: usize, listener: Option<ConnectionId>, told: &mut Vec<Told>) {
        let member = &mut self.members[place];
        let outcomes = member.replica.take_outcomes(WORKER);
        for outcome in outcomes.items {
            match outcome {
                Outcome::Served { service } => member.service = service,
                Outcome::Connected { connection, session, .. } if Some(connection) == listener => {
                    told.push(Told::Connected(session));
                }
                Outcome::Close { connection } if Some(connection) == listener => told.push(Told::Closed),
                Outcome::Reply { connection, frame, close, .. } if Some(connection) == listener => {
                    let frame = &outcomes.bytes[frame];
                    let header = ReplyHeader::from_bytes(&frame[4..]).expect("a reply has a header");
                    told.push(Told::Reply(header.xid.0, header.zxid, header.err));
                    told.extend(close.then_some(Told::Closed));
                }
                _ => {}
            }
        }
    }
}

fn peer_settings(id: u8) -> PeerSettings {
    PeerSettings {
        me: ServerId(id.into()),
        tick: TICK,
        init_limit: 10,
        sync_limit: 5,
        connect_limit: None,
        connect_pause: Duration::from_millis(100),
        observer_pause: Duration::from_millis(200),
        observer_reconnect_pause: Duration::ZERO,
        observer_master_port: Some(3),
        history: HistoryLimits::default(),
        sync: SyncSettings::default(),
        packet_max: zoorum_proto::quorum::packet::PACKET_DATA_MAX,
        multi_address: false,
        election_connect: Duration::from_secs(5),
        election_handshake: Duration::from_secs(10),
        notification_intervals: (Duration::from_millis(200), Duration::from_secs(60)),
    }
}
