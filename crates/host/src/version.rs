//! Which ZooKeeper this stands for. Operators and charts parse these texts, so their shape is ZooKeeper's.

/// The release of Apache ZooKeeper whose behaviour this is.
const COMPATIBLE_WITH: &str = "3.9.5";
/// When that release's behaviour was taken over, in the shape of a build date.
const DATED: &str = "2026-02-11 20:15 UTC";

/// `3.9.5-zoorum0.1.0, built on …`: the version, as `srvr` and `mntr` tell it.
pub fn full() -> String {
    format!("{COMPATIBLE_WITH}-zoorum{}, built on {DATED}", env!("CARGO_PKG_VERSION"))
}

/// `Apache ZooKeeper, version 3.9.5 …`: the line of `zkServer.sh version`.
pub fn announcement() -> String {
    format!("Apache ZooKeeper, version {COMPATIBLE_WITH} {DATED}")
}
