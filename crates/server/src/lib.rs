//! One server as a value: the replica and its workers.
//!
//! ```text
//! socket bytes ▶ Worker::received ┬ read ─────────────── tree ──────────────▶ output ▶ socket
//!                                 └ write ▶ Requests ▶ Replica::step ▶ log, synced
//!                                   Worker::deliver ◀ Outcomes ◀ Replica::apply ▶ tree
//! ```
//!
//! A [`Worker`] owns connections: their order, identities, watches and bytes. The [`Replica`] owns what all
//! must agree on: sessions, the order of changes, and the moment each is applied. Neither does I/O, reads a
//! clock or draws chance; a host moves bytes between them, and there are two hosts, the real one and the
//! simulator.
//!
//! **Promises.** Replies of one connection leave in the order of its requests. An event leaves before any
//! reply that shows its change. No write is answered before [`Replica::on_synced`] has been told of it.

pub mod audit;
pub mod auth;
mod chance;
mod frame;
pub mod gate;
pub mod histogram;
pub mod latencies;
pub mod message;
pub mod replica;
pub mod settings;
pub mod slow;
pub mod stages;
pub mod traffic;
mod view;
pub mod worker;

pub use gate::Gate;
pub use message::{Address, ConnectionId, Outcomes, Requests, WorkerId};
pub use replica::{Effect, Replica};
pub use settings::Settings;
pub use worker::Worker;
pub use zoorum_proto::time;
pub use zoorum_proto::time::Monotonic;
