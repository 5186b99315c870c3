//! The real world around a server: sockets, disk, clock, signals, reports.
//!
//! ```text
//! acceptor ─▶ workers ⇄ replica ─▶ log          words ─▶ asks workers and replica
//!                └──── tree ────┘ ─▶ snapshot   purge ─▶ old files
//! ```
//!
//! Each box is a thread. A worker has its connections to itself, the replica has the log; they share the tree
//! and write letters for all else. Nothing here decides anything about requests: that is `server`'s.

mod acceptor;
mod admission;
mod audit;
mod clock;
pub mod disk;
pub mod logging;
mod mail;
mod panics;
mod purge;
mod replica;
mod reporter;
mod serve;
mod settings;
mod shared;
mod snapshot;
mod sockets;
mod start;
mod stop;
mod timings;
mod unhonoured;
pub mod version;
mod words;
mod worker;

pub use mail::ToWorker;
pub use purge::purge_command;
pub use reporter::Reporter;
pub use shared::Shared;
pub use start::{StartError, run};
pub use unhonoured::unhonoured;
pub use worker::Question;
