//! The replicated state: znodes, sessions, quotas, digest; prep and apply; watch tables.
//!
//! ```text
//! request ──▶ Pending::prep ──▶ transaction ──▶ (order, log, commit) ──▶ Tree::apply ──▶ changes
//!             judged against the tree           decides nothing                          │
//!             and everything in flight                                    WatchTable::trigger ──▶ events
//! ```
//!
//! - [`Tree`] is the applied state. Reads look at it; only [`Tree::apply`] and loading change it.
//! - [`Pending`] holds what is proposed and not yet applied. A request is judged against both, and becomes
//!   a transaction with every decision made, or a refusal.
//! - [`Rules`] is what the configuration has to say about that.
//! - [`WatchTable`] knows who watches; the tree does not.
//! - A snapshot is the tree at one moment ([`Tree::begin_snapshot`]), written in steps while the tree goes on
//!   changing; [`Loader`] makes a tree of one, fuzzy ones of the original included.
//!
//! **Promise.** Equal histories give equal trees, with equal digests, on every server; what prep predicts is
//! what apply does; no transaction, however odd, stops it.
//! **Deliberately absent:** clocks, I/O, randomness, connections, and who leads.

mod acls;
mod bytes;
mod digest;
mod hash;
mod names;
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
