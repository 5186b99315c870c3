//! What the protocol must know of the configuration.

use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::ServerId;
use zoorum_proto::quorum::{Joint, Member};

use crate::link::PeerAddress;

/// The part of the configuration that decides how a server gets along with its peers.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// This server.
    pub me: ServerId,
    /// The base unit of the limits.
    pub tick: Duration,
    /// Ticks to connect to a leader and get in step with it.
    pub init_limit: u32,
    /// Ticks that a peer may be silent.
    pub sync_limit: u32,
    /// Ticks to connect to a leader; `None` stands for `init_limit`.
    pub connect_limit: Option<u32>,
    /// Pause between two attempts to connect to a leader.
    pub connect_pause: Duration,
    /// Longest random pause of an observer that has lost its leader, before it looks for another.
    pub observer_pause: Duration,
    /// Longest random pause before it calls one.
    pub observer_reconnect_pause: Duration,
    /// Where followers let observers in, if they do: the same port at all of them.
    pub observer_master_port: Option<u16>,
    /// How much history is kept in memory.
    pub history: crate::history::HistoryLimits,
    /// How learners are brought into step.
    pub sync: SyncSettings,
    /// The longest data of a packet that is taken from a peer, in bytes.
    pub packet_max: usize,
    /// How long a call for an election may take.
    pub election_connect: Duration,
    /// How long whoever calls for an election may take to say who it is.
    pub election_handshake: Duration,
    /// Whether others are told all addresses of this server, which those before 3.6 do not understand.
    pub multi_address: bool,
    /// Shortest and longest wait between two notifications of a vote.
    pub notification_intervals: (Duration, Duration),
}

/// How learners are brought into step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncSettings {
    /// Changes that memory lacks are sought in the log's files.
    pub reads_log: bool,
    /// Every learner is sent a whole tree, whatever it has.
    pub always_tree: bool,
    /// So many learners may be sent a whole tree at a time. More are let go, unless they vote.
    pub trees_max: usize,
    /// So many may be sent what they lack at a time.
    pub diffs_max: usize,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self { reads_log: true, always_tree: false, trees_max: 10, diffs_max: 100 }
    }
}

impl PeerSettings {
    /// So long may it take to get in step.
    pub fn init_time(&self) -> Duration {
        self.tick * self.init_limit
    }

    /// So long may a peer be silent.
    pub fn sync_time(&self) -> Duration {
        self.tick * self.sync_limit
    }

    /// So long may it take to connect to a leader.
    pub fn connect_time(&self) -> Duration {
        self.tick * self.connect_limit.unwrap_or(self.init_limit)
    }
}

/// The ensemble, as this server knows it.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// Who counts.
    pub joint: Joint,
    /// What NEWLEADER carries.
    pub text: Arc<str>,
}

impl Ensemble {
    /// The ensemble of `joint`.
    pub fn new(joint: Joint) -> Self {
        let text = joint.last_seen().to_string().into();
        Self { joint, text }
    }

    /// A member, whether it votes or not.
    pub fn member(&self, id: ServerId) -> Option<&Member> {
        self.joint.committed().members.get(&id).or_else(|| self.joint.last_seen().members.get(&id))
    }
}

/// Where a member's observers call, if it follows.
pub(crate) fn observer_addresses(member: &Member, port: u16) -> Vec<PeerAddress> {
    let hosts = member.addresses.iter().map(|address| address.quorum.host.clone());
    hosts.map(|host| PeerAddress { host, port }).collect()
}

/// Where a member's learners call.
pub(crate) fn quorum_addresses(member: &Member) -> Vec<PeerAddress> {
    let addresses = member.addresses.iter().map(|address| &address.quorum);
    addresses.map(|address| PeerAddress { host: address.host.clone(), port: address.port }).collect()
}
