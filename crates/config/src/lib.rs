//! ZooKeeper's configuration, merged once into one typed value.
//!
//! ```text
//! zoo.cfg ─────▶ properties ─┐
//! arguments ───▶ flags ──────┼▶ settings ▶ reader ▶ ServerConfig, Notices
//! SERVER_JVMFLAGS, JVMFLAGS ─┘  (names,    (values
//!                                origins)   with types)
//! ```
//!
//! **Promise.** The same names with the same meaning and the same precedence as in ZooKeeper 3.9; every
//! error and notice keeps ZooKeeper's sentence and adds where the setting stands. No input panics.
//!
//! **Stricter than ZooKeeper** in one thing: a property that should be a number and is none stops the
//! start, where Java silently takes the default. Only `preAllocSize` keeps its documented warning.
//!
//! **Deliberately absent.** Nothing here reads a file or the environment: both are handed in. Nothing
//! resolves a host name or looks at a directory.

mod auth;
mod catalogue;
mod config;
#[cfg(test)]
mod documented;
mod error;
mod flags;
mod membership;
mod network;
mod operations;
mod quorum;
mod reader;
mod requests;
mod settings;
mod sources;
mod storage;
mod tls;

pub use auth::{Auth, AuthProvider, DigestAlgorithm, Secret};
pub use config::{Loaded, Mode, ServerConfig, load};
pub use error::{ConfigError, Problem};
pub use flags::{Flags, SystemProperty, split_words};
pub use network::{ConnectionThrottle, Network};
pub use operations::{
    Admin, Audit, FourLetterWords, Log, LogLevel, Metrics, MetricsProvider, Purge, Whitelist,
};
pub use quorum::{MultiAddress, Quorum, QuorumSasl};
pub use reader::{Level, Notice};
pub use requests::{Containers, Quotas, Requests, Sessions};
pub use settings::{Origin, Setting, Settings};
pub use sources::{Sources, Start};
pub use storage::{SnapshotCompression, Storage};
pub use tls::{ClientAuth, Tls, TlsFamily, TlsStore, TlsStoreKind};
