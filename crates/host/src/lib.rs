//! The real world around a server: sockets, disk, clock, signals, reports.
//!
//! ```text
//! acceptor ─▶ workers ⇄ replica ─▶ log          words, admin, prometheus ─▶ ask workers and replica
//!                └──── tree ────┘ ─▶ snapshot   purge ─▶ old files
//! ```
//!
//! Each box is a thread. A worker has its connections to itself, the replica has the log; they share the tree
//! and write letters for all else. Nothing here decides anything about requests: that is `server`'s.

mod acceptor;
mod admin;
mod admission;
mod audit;
mod bulk;
mod clock;
mod deputy;
pub mod disk;
mod errands;
mod http;
mod join;
mod leaving;
pub mod logging;
mod lost_time;
mod mail;
mod member;
mod panics;
pub mod peers;
mod process;
mod prometheus;
mod purge;
mod receiver;
mod replica;
mod reporter;
mod serve;
mod service;
mod settings;
mod shared;
mod sleeper;
mod snapshot;
mod sockets;
mod start;
mod stop;
mod supplies;
mod timings;
mod unhonoured;
pub mod version;
mod words;
mod worker;

pub use mail::ToWorker;
pub use purge::purge_command;
pub use reporter::Reporter;
pub use settings::owner_reading;
pub use shared::Shared;
pub use start::{StartError, run};
pub use unhonoured::unhonoured;
pub use worker::Question;
