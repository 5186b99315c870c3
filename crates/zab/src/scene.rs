//! What one role stands on in a test: its history, and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::quorum::packet::PACKET_DATA_MAX;
use zoorum_proto::quorum::{Joint, PacketType, QuorumConfig, QuorumPacket};
use zoorum_proto::{Monotonic, ServerId, Zxid};

use crate::action::{Action, FromLeader, Persist};
use crate::ground::Ground;
use crate::history::{Entry, History, HistoryLimits};
use crate::link::LinkAction;
use crate::report::PeerCounters;
use crate::settings::{Ensemble, PeerSettings, SyncSettings};

/// See the module.
pub(crate) struct Scene {
    pub(crate) now: Monotonic,
    settings: PeerSettings,
    pub(crate) ensemble: Ensemble,
    pub(crate) history: History,
    links: u64,
    counters: PeerCounters,
    actions: Vec<Action>,
}

impl Scene {
    /// Server `me` of three voters and an observer, server 4; its history ends at `last`.
    pub(crate) fn new(me: i64, last: Zxid) -> Self {
        let line = |at| format!("server.{at}=h:{}:{}:participant\n", 2_000 + at, 3_000 + at);
        let text: String = (1..=3).map(line).chain(["server.4=h:2004:3004:observer\n".to_owned()]).collect();
        let config = QuorumConfig::parse(&text, false).expect("this is a configuration");
        let settings = PeerSettings {
            me: ServerId(me),
            tick: Duration::from_secs(2),
            init_limit: 10,
            sync_limit: 5,
            connect_limit: None,
            connect_pause: Duration::from_millis(100),
            observer_pause: Duration::from_millis(200),
            observer_reconnect_pause: Duration::ZERO,
            observer_master_port: None,
            history: HistoryLimits::default(),
            sync: SyncSettings::default(),
            packet_max: PACKET_DATA_MAX,
            multi_address: false,
            election_connect: Duration::from_secs(5),
            election_handshake: Duration::from_secs(2),
            notification_intervals: (Duration::from_millis(200), Duration::from_secs(60)),
        };
        Self {
            now: Monotonic(Duration::ZERO),
            settings,
            ensemble: Ensemble::new(Joint::stable(Arc::new(config))),
            history: History::recovered(last, HistoryLimits::default()),
            links: 0,
            counters: PeerCounters::default(),
            actions: Vec::new(),
        }
    }

    pub(crate) fn ground(&mut self) -> Ground<'_> {
        Ground {
            now: self.now,
            settings: &self.settings,
            ensemble: &self.ensemble,
            history: &mut self.history,
            links: &mut self.links,
            counters: &mut self.counters,
            actions: &mut self.actions,
        }
    }

    /// What was sent and what is to be made durable since the last call, a word for each.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for action in self.actions.drain(..) {
            match action {
                Action::Persist(Persist::AcceptedEpoch(epoch)) => told.push(format!("accept {epoch}")),
                Action::Persist(Persist::CurrentEpoch(epoch)) => told.push(format!("enter {epoch}")),
                Action::Persist(Persist::Truncate(to)) => told.push(format!("cut to {to}")),
                Action::Link(LinkAction::Write { bytes, .. }) => {
                    let mut rest = bytes::BytesMut::from(&bytes[..]);
                    while let Ok(Some(packet)) = QuorumPacket::take(&mut rest, PACKET_DATA_MAX) {
                        told.push(format!("{} {}", packet.kind, packet.zxid));
                    }
                }
                _ => {}
            }
        }
        told
    }

    /// What the leader has told the session layer since the last call to this or that.
    pub(crate) fn answers(&mut self) -> Vec<FromLeader> {
        let said = |action| match action {
            Action::FromLeader(said) => Some(said),
            _ => None,
        };
        self.actions.drain(..).filter_map(said).collect()
    }
}

/// A change's place.
pub(crate) fn zxid(epoch: i64, counter: i64) -> Zxid {
    Zxid(epoch << 32 | counter)
}

/// A change.
pub(crate) fn entry(zxid: Zxid) -> Entry {
    Entry { zxid, payload: Bytes::from_static(b"a change") }
}

/// A packet's bytes; proposals carry something.
pub(crate) fn packet(kind: PacketType, zxid: Zxid) -> Bytes {
    let packet = match kind {
        PacketType::Proposal => QuorumPacket::with_data(kind, zxid, b"a change".to_vec()),
        _ => QuorumPacket::bare(kind, zxid),
    };
    crate::packets::bytes(&packet)
}
