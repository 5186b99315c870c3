//! Transaction log and snapshots, on whatever disk they are handed.
//!
//! ```text
//! disk       what a disk must promise: the floor under everything here; memory: one that loses power
//! log        appending and syncing; reading, with a torn end told from damage; repair
//! snapshot   writing and reading; recover: both together, back into a tree
//! purge      removing what is no longer needed; check: a report on every file, for operators
//! ```
//!
//! Nothing here knows which machine it is on. What is read is checked where it enters: no byte of a file can
//! cause a panic, or an allocation larger than the file.
//!
//! **Source.** Apache ZooKeeper 3.9: the formats, the names, and the rules that recovery follows. Where
//! ZooKeeper would lose changes silently, this crate refuses and says which command helps.

pub mod check;
pub mod disk;
pub mod log;
pub mod memory;
pub mod name;
mod purge;
mod recover;
pub mod snapshot;
mod window;

pub use disk::{Disk, DiskFile, Entry};
pub use log::repair::{RepairError, Repaired, repair_tail};
pub use log::{LogError, LogOptions, Synced, Tail, TxnLog};
pub use purge::{KEEP_MIN, PurgeError, Purged, purge};
pub use recover::{RecoverError, RecoverOptions, RecoverWarning, Recovered, recover};
pub use snapshot::{Compression, SnapshotError, SnapshotOptions, SnapshotReadError, SnapshotWriter};
