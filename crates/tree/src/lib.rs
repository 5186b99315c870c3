//! The replicated state: znodes, sessions, quotas, digest; prep and apply; watch tables.

mod acls;
mod digest;
mod hash;
mod pending;
mod quota;
mod rules;
mod slab;
mod tree;
mod watch;

pub use acls::AclList;
pub use pending::{Pending, Prepared, Requester};
pub use rules::{AclRules, Rules};
pub use tree::{Applied, Change, ChangeKind, LoadError, Loader, NodeRef, Outcome, SnapshotStart, Tree};
pub use watch::{WatchCounts, WatchKind, WatchMode, WatchTable, WatcherId};
