//! What the leader knows of one learner's connection.

use zoorum_proto::{Epoch, Monotonic, ServerId, Zxid};

use crate::packets::PacketBuffer;
use crate::report::Traffic;

/// How far a learner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not said who it is.
    Hello,
    /// It waits for the epoch to be fixed.
    AwaitsEpoch,
    /// It has been told the epoch, and is to answer.
    OwesAckEpoch,
    /// It waits until enough others have answered.
    AwaitsTurn,
    /// What it lacks is being sought. What lies behind this must stay in memory.
    AwaitsFiles(Zxid),
    /// It is being brought into step, and owes the ack of this leader's beginning.
    OwesNewLeaderAck,
    /// It is in step, and waits for the leader to be established.
    AwaitsStart,
    /// It has everything, as it comes.
    Active,
}

/// One learner's connection.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) stage: Stage,
    pub(super) id: ServerId,
    pub(super) is_observer: bool,
    /// For messages.
    pub(super) from: String,
    pub(super) input: PacketBuffer,
    /// It must be heard from before.
    pub(super) deadline: Monotonic,
    /// The epoch it had accepted when it came.
    pub(super) accepted: Epoch,
    /// Where its history ends, as it says.
    pub(super) last: Zxid,
    /// It is sent a whole tree.
    pub(super) takes_tree: bool,
    /// It is sent what comes after this.
    pub(super) fed_after: Zxid,
    /// It has everything up to here durably, that it was sent as proposals.
    pub(super) acked: Zxid,
    /// The oldest proposal that it is watched for, and since when; and the newest sent to it.
    pub(super) unacked: Option<(Zxid, Monotonic)>,
    pub(super) traffic: Traffic,
}

impl Learner {
    /// Whether proposals, commits or informs go to it as they come.
    pub(super) fn is_fed(&self) -> bool {
        matches!(self.stage, Stage::OwesNewLeaderAck | Stage::AwaitsStart | Stage::Active)
    }

    /// How messages call it.
    pub(super) fn name(&self) -> String {
        if self.stage == Stage::Hello {
            format!("the peer at {}", self.from)
        } else {
            format!("server {} at {}", self.id, self.from)
        }
    }
}
