//! What a follower knows of the connection of one of its observers.

use zoorum_proto::{Monotonic, ServerId, Zxid};

use crate::link::LinkId;
use crate::packets::PacketBuffer;
use crate::report::{LearnerReport, Traffic};

/// How far an observer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not said who it is.
    Hello,
    /// It has been told the epoch, and is to answer.
    OwesAckEpoch,
    /// It knows more of what is committed than this server.
    AwaitsUs,
    /// What it lacks is being sought. What lies behind this must stay in memory.
    AwaitsFiles(Zxid),
    /// It is being brought into step, and owes the ack of the leader's beginning.
    OwesNewLeaderAck,
    /// It has everything, as it comes.
    Active,
}

impl Stage {
    /// What an observer at this stage may send, for messages.
    pub(super) fn expects(self) -> &'static str {
        match self {
            Self::Hello => "it was to say that it is an observer, and which",
            Self::OwesAckEpoch => "it was to answer which epoch and history it has",
            Self::AwaitsUs | Self::AwaitsFiles(_) => "it was to wait",
            Self::OwesNewLeaderAck => "it was to acknowledge the leader's beginning, and nothing else",
            Self::Active => "that means nothing",
        }
    }
}

/// One observer's connection.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) stage: Stage,
    pub(super) id: ServerId,
    /// For messages.
    from: String,
    pub(super) input: PacketBuffer,
    /// It must be heard from before.
    pub(super) deadline: Monotonic,
    /// Where its history ends, as it says.
    pub(super) last: Zxid,
    /// It is sent a whole tree.
    pub(super) takes_tree: bool,
    pub(super) traffic: Traffic,
}

impl Observer {
    pub(super) fn new(from: String, now: Monotonic, deadline: Monotonic, packet_max: usize) -> Self {
        let input = PacketBuffer::new(packet_max);
        let (stage, id) = (Stage::Hello, ServerId::NONE);
        Self {
            stage,
            id,
            from,
            input,
            deadline,
            last: Zxid::ZERO,
            takes_tree: false,
            traffic: Traffic::since(now),
        }
    }

    /// Whether what is committed goes to it as it comes.
    pub(super) fn is_fed(&self) -> bool {
        matches!(self.stage, Stage::OwesNewLeaderAck | Stage::Active)
    }

    /// What lies behind this must stay in memory for it.
    pub(super) fn kept(&self) -> Option<Zxid> {
        match self.stage {
            Stage::AwaitsFiles(kept) => Some(kept),
            _ => None,
        }
    }

    pub(super) fn report(&self, link: LinkId) -> LearnerReport {
        LearnerReport {
            link,
            id: self.id,
            from: self.from.clone(),
            observes: true,
            votes: false,
            in_step: self.stage == Stage::Active,
            traffic: self.traffic,
            queued: (0, 0),
        }
    }

    /// How messages call it.
    pub(super) fn name(&self) -> String {
        if self.stage == Stage::Hello {
            format!("the observer at {}", self.from)
        } else {
            format!("observer {} at {}", self.id, self.from)
        }
    }
}
