//! Transaction log and snapshots, on whatever disk they are handed.
//!
//! ```text
//! disk       what a disk must promise: the floor under everything here; memory: one that loses power
//! log        appending and syncing; reading, with a torn end told from damage; repair
//! snapshot   writing and reading; recover: both together, back into a tree
//! history    the log read back for a server that lags behind; joints: where epochs meet without a hole
//! truncate   giving up the end of the history; install: replacing all of it by a state that was received
//! epochs     what was promised to leaders; force_snap: that only a snapshot can help
//! restore    a snapshot's file as a server's new state; backup: a copy of all files, proved to be of use
//! purge      removing what is no longer needed; check: a report on every file, for operators
//! ```
//!
//! Nothing here knows which machine it is on. What is read is checked where it enters: no byte of a file can
//! cause a panic, or an allocation larger than the file.
//!
//! **Source.** Apache ZooKeeper 3.9: the formats, the names, and the rules that recovery follows. Where
//! ZooKeeper would lose changes silently, this crate refuses and says which command helps.

pub mod backup;
pub mod check;
pub mod disk;
mod epochs;
mod force_snap;
mod history;
mod install;
mod joints;
pub mod log;
pub mod memory;
pub mod name;
mod purge;
mod recover;
mod restore;
mod small;
pub mod snapshot;
mod supply;
mod truncate;
mod walk;
mod window;

pub use disk::{Disk, DiskFile, Entry};
pub use epochs::{EpochError, EpochWarning, Epochs};
pub use force_snap::{ForceSnap, ForceSnapError};
pub use history::{History, HistoryError, history};
pub use install::{InstallError, Staged};
pub use joints::{Joint, Joints, JointsError};
pub use log::repair::{RepairError, Repaired, repair_tail};
pub use log::{LogError, LogOptions, Synced, Tail, TxnLog};
pub use purge::{KEEP_MIN, PurgeError, Purged, purge};
pub use recover::{
    Moment, Moments, Past, PastError, RecoverError, RecoverOptions, RecoverWarning, Recovered, moments, past,
    recover,
};
pub use restore::{RestoreError, Restoring, packing, state_of_file, unnamed_snapshot};
pub use snapshot::{
    Compression, SnapshotError, SnapshotOptions, SnapshotReadError, SnapshotWriter, write_tree,
};
pub use supply::{Supply, SupplyError};
pub use truncate::{TruncateError, Truncated, Truncation, Untruncatable, truncate};
pub use walk::Broken;
/// What is recovered, and written.
pub use zoorum_tree::Tree;
