//! What the protocol asks of the server around it.

use bytes::Bytes;
use zoorum_proto::quorum::{ForwardedRequest, Revalidate, Revalidated, Touch};
use zoorum_proto::{AuthId, Epoch, ServerId, Zxid};

use crate::history::Entry;
use crate::link::{LinkAction, LinkId};

/// One thing to be done, in order.
#[derive(Clone, Debug)]
pub enum Action {
    /// About connections.
    Link(LinkAction),
    /// Make something durable, then say so with [`crate::Peer::on_persisted`] before anything else is handed in.
    Persist(Persist),
    /// A leader's word that the session layer waits for.
    FromLeader(FromLeader),
    /// A learner's word for the session layer.
    FromLearner(FromLearner),
    /// What an observer of this server's, which follows, says for the leader. The session layer knows whether its clients'
    /// sessions are still with it, and says [`crate::Peer::pass_on`] or [`crate::Peer::let_go_of_observer`].
    FromObserver(FromLearner),
    /// A tree comes from the leader, to take the place of this server's.
    Snapshot(SnapshotStep),
    /// What a learner lacks is to be found; [`crate::Peer::on_sought`] is told what there is.
    Seek(Seek),
    /// This server's part has changed.
    Became(Part),
    /// What an operator should read.
    Tell(Notice),
}

/// What must be durable before the protocol goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// This server obeys no leader of an earlier epoch any more.
    AcceptedEpoch(Epoch),
    /// This server has followed, or been, the leader of this epoch.
    CurrentEpoch(Epoch),
    /// Everything after this zxid goes: from log, snapshots and tree.
    Truncate(Zxid),
}

/// A tree on its way from the leader.
#[derive(Clone, Debug)]
pub enum SnapshotStep {
    /// It is a tree of this zxid.
    Begin(Zxid),
    /// The next bytes. With the last of the tree, [`crate::Peer::on_snapshot_received`] is told what came behind it.
    Bytes(Bytes),
    /// The tree and these changes behind it are to take the place of this server's history, durably and at once:
    /// without them it could lack some that this server has acknowledged. Then
    /// [`crate::Peer::on_snapshot_installed`].
    Install(Vec<Entry>),
    /// No more will come.
    Abandon,
}

/// What a learner lacks that is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seek {
    /// The learner's connection.
    pub link: LinkId,
    /// Changes behind this one help, if the log has every one of them, and they are not too many. `None`: only a
    /// tree does.
    pub after: Option<Zxid>,
    /// A snapshot's file helps, too, if it is at least of this zxid. `None`: it must be the tree as it is.
    pub file_from: Option<Zxid>,
    /// From here on memory has what follows. Whatever is found must reach up to here.
    pub through: Zxid,
}

/// What there is for a learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// All changes that were sought: [`LinkAction::WriteSought`] sends them, each with its commit.
    Changes,
    /// A snapshot's file of this zxid, and the changes behind it as far as memory lacks them:
    /// [`LinkAction::WriteSought`] sends both.
    File(Zxid),
    /// Nothing in the files. The tree can be sent as it is: right now, a [`LinkAction::WriteSnapshot`] is carried out.
    Tree,
}

/// Where this server stands in the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nobody leads: clients are not served.
    Looking,
    /// It leads, and serves: its history is the ensemble's.
    Leading(Epoch),
    /// It is in step with a leader, and serves.
    Following(ServerId, Epoch),
    /// The same, without a vote.
    Observing(ServerId, Epoch),
}

impl Part {
    /// Whether clients are served.
    pub fn serves(self) -> bool {
        self != Self::Looking
    }

    /// The leader's epoch, if there is a leader.
    pub fn epoch(self) -> Option<Epoch> {
        match self {
            Self::Looking => None,
            Self::Leading(epoch) | Self::Following(_, epoch) | Self::Observing(_, epoch) => Some(epoch),
        }
    }
}

/// What a leader tells the session layer of a learner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromLeader {
    /// The oldest sync that was asked for is done: everything committed before has been told.
    ///
    /// That is what was committed up to here, and nothing behind it: what was asked for later waits for its own change.
    Synced(Zxid),
    /// The answer to whether a session is alive.
    Revalidated(Revalidated),
}

/// What learners tell the session layer of the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromLearner {
    /// A client of the learner asks.
    Request {
        /// Whose.
        learner: LinkId,
        /// What.
        request: ForwardedRequest,
        /// Who the client has proved to be.
        ids: Vec<AuthId>,
    },
    /// A client has come to the learner with this session: does it live?
    Revalidate {
        /// Whose.
        learner: LinkId,
        /// Which, with the timeout that is now negotiated.
        request: Revalidate,
    },
    /// These sessions were heard from, with their timeouts.
    Touched(Vec<Touch>),
    /// The learner is gone.
    Gone(LinkId),
}

/// What an operator should read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Things go their way.
    Info(String),
    /// Something is wrong, and dealt with.
    Warning(String),
}
