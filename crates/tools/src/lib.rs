//! The offline tools: logs and snapshots shown, compared and repaired, and a server's surroundings checked.
//!
//! ```text
//! txnlog     zoorum log       dump, chop and repair as TxnLogToolkit does them; check; repair
//! snapshot   zoorum snapshot  dump, compare, summary as the original's three tools do them
//! check      zoorum check     configuration, files, ports and peers, each finding with its remedy
//! digest     zoorum digest    the ids of scheme digest
//! release    zoorum release   the version, whole or in parts
//! classes    the original's main classes as names of commands
//! java       what the original's output owes to Java: orders of hash tables, texts, command lines
//! ```
//!
//! **Promise.** The original's options and output, byte for byte; `interop/tests/tools` compares. What a tool writes
//! has its name when it is complete, or not at all. Whatever only looks opens files to read.
//!
//! **Source.** Apache ZooKeeper 3.9.5, run.

mod check;
mod classes;
mod digest;
mod disk;
mod draft;
mod failure;
mod java;
mod release;
mod snapshot;
mod txnlog;

pub use check::{CheckArgs, run as check};
pub use classes::without_classes;
pub use digest::run as digest;
pub use release::run as release;
pub use snapshot::{SnapshotArgs, run as snapshot};
pub use txnlog::{LogArgs, run as log};
