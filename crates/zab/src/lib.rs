//! Atomic broadcast: one order of opaque changes, durable on a quorum before it is obeyed.
//!
//! ```text
//! peer        one server's part: looking for a leader, leading, learning; what drives all of it
//! election    who is to lead: votes, and the connections that carry them
//! leader      an epoch that nobody has used, a quorum in step with one history, then every change in order
//! master      a follower that has observers of its own
//! learner     getting in step with a leader, then taking every change as it comes
//! sync        where a learner's history and this server's meet, and what it is sent
//! history     where this server's history ends, what of it is durable, committed, in memory
//! link        connections between servers, as bytes; action: everything else that is asked of a host
//! report      what a server can tell of its part
//! alone       the same for a server without peers
//! ```
//!
//! Zab has never heard of znodes: it gives each change its place in history and says when the change may be
//! obeyed. It does no I/O, reads no clock and draws no chance: events come in, actions go out.
//!
//! **Promises.** No two leaders of one epoch. What is committed is durable on a quorum of voters, and part of the
//! history of every later leader. Changes are committed in the order in which they were proposed, with no gap.

pub mod action;
mod alone;
pub mod election;
mod elector;
mod ground;
pub mod history;
mod leader;
mod learner;
pub mod link;
mod master;
mod packets;
mod peer;
pub mod report;
#[cfg(test)]
mod scene;
pub mod settings;
mod sync;

pub use action::{Action, FromLeader, FromLearner, Notice, Part, Persist, Seek, SnapshotStep, Sought};
pub use alone::Broadcast;
pub use history::{Entry, History, HistoryLimits};
pub use link::{Door, LinkAction, LinkEvent, LinkId, PeerAddress};
pub use packets::encode_committed;
pub use peer::{Peer, Recovered};
pub use report::{LearnerReport, PeerCounters, PeerReport, Spans, Traffic};
pub use settings::{Ensemble, PeerSettings, SyncSettings};
