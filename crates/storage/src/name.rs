//! Which files are ours, and what their names say.
//!
//! ```text
//! log.<zxid>                        zxid of the first record
//! snapshot.<zxid>[.gz|.snappy]      zxid of the last change in it
//! tmp-snapshot-<zxid>               a snapshot being written: a name that ZooKeeper takes no notice of
//! install-<name>                    a snapshot that was received, or its log, about to get their names
//! corrupt-<name>                    a snapshot that could not be read, moved aside
//! cut-log.<zxid>-<offset>           what a repair or a truncation cut off a log
//! replaced-<name>                   a snapshot or log of a history that was given up, moved aside
//! ```
//!
//! The zxid is lower-case hex without leading zeroes. Anything else is not ours: neither read nor removed.

use std::cmp::Reverse;

use zoorum_proto::Zxid;

use crate::Compression;
use crate::disk::Entry;

/// What the names of snapshots being written begin with.
pub(crate) const TEMPORARY_PREFIX: &str = "tmp-snapshot-";

/// What the names of files that are to become the state begin with.
pub(crate) const INSTALL_PREFIX: &str = "install-";
/// What the names of files that were the state begin with.
pub(crate) const REPLACED_PREFIX: &str = "replaced-";

/// A transaction log in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// The zxid of its first record, as the name has it.
    pub zxid: Zxid,
    /// Its length in bytes.
    pub length: u64,
}

/// A snapshot in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name.
    pub name: String,
    /// The last change in it, as the name has it.
    pub zxid: Zxid,
    /// How it is packed.
    pub compression: Compression,
    /// Its length in bytes.
    pub length: u64,
}

/// The name of the log that begins with `zxid`.
pub fn log_name(zxid: Zxid) -> String {
    format!("log.{:x}", zxid.0)
}

/// The name of the snapshot that ends with `zxid`.
pub fn snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("snapshot.{:x}{}", zxid.0, compression.suffix())
}

pub(crate) fn temporary_name(zxid: Zxid) -> String {
    format!("{TEMPORARY_PREFIX}{:x}", zxid.0)
}

pub(crate) fn rejected_name(name: &str) -> String {
    format!("corrupt-{name}")
}

/// Of a tree that is being received.
pub(crate) fn received_name(zxid: Zxid) -> String {
    format!("{TEMPORARY_PREFIX}received-{:x}", zxid.0)
}

/// Of a state that is being made ready to replace what there is, at no known place in history yet.
pub(crate) fn restored_name() -> String {
    format!("{TEMPORARY_PREFIX}restored")
}

pub(crate) fn install_name(name: &str) -> String {
    format!("{INSTALL_PREFIX}{name}")
}

pub(crate) fn replaced_name(name: &str) -> String {
    format!("{REPLACED_PREFIX}{name}")
}

/// Files that were moved aside, by their old names.
pub(crate) fn replaced(entries: &[Entry]) -> Vec<Entry> {
    let old_name = |entry: &Entry| {
        let name = entry.name.strip_prefix(REPLACED_PREFIX)?.to_owned();
        Some(Entry { name, ..entry.clone() })
    };
    entries.iter().filter_map(old_name).collect()
}

/// The name of what was cut off a log at a place.
pub(crate) fn cut_name(name: &str, offset: u64) -> String {
    format!("cut-{name}-{offset:x}")
}

/// The logs that can hold changes after `zxid`: the last that begins before them, and all later ones.
pub(crate) fn logs_after(logs: &[LogFile], zxid: Zxid) -> &[LogFile] {
    let later = logs.partition_point(|file| file.zxid <= zxid);
    let begins_exactly = logs.get(later).is_some_and(|file| file.zxid == zxid.next());
    let first = if begins_exactly { later } else { later.saturating_sub(1) };
    &logs[first..]
}

/// The logs among `entries`, oldest first.
pub fn logs(entries: &[Entry]) -> Vec<LogFile> {
    let mut logs: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let zxid = hex(entry.name.strip_prefix("log.")?)?;
            Some(LogFile { name: entry.name.clone(), zxid, length: entry.length })
        })
        .collect();
    logs.sort_by_key(|log| log.zxid);
    logs
}

/// The snapshots among `entries`, newest first. Of several with one zxid the last written comes first.
pub fn snapshots(entries: &[Entry]) -> Vec<SnapshotFile> {
    let mut snapshots: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let rest = entry.name.strip_prefix("snapshot.")?;
            let (digits, compression) = match rest.split_once('.') {
                None => (rest, Compression::None),
                Some((digits, "gz")) => (digits, Compression::Gz),
                Some((digits, "snappy")) => (digits, Compression::Snappy),
                Some(_) => return None,
            };
            let file = SnapshotFile {
                name: entry.name.clone(),
                zxid: hex(digits)?,
                compression,
                length: entry.length,
            };
            Some((entry.modified, file))
        })
        .collect();
    snapshots.sort_by(|(a_modified, a), (b_modified, b)| {
        (Reverse(a.zxid), Reverse(a_modified), &a.name).cmp(&(Reverse(b.zxid), Reverse(b_modified), &b.name))
    });
    snapshots.into_iter().map(|(_, file)| file).collect()
}

/// A zxid as names have it: nothing but what [`log_name`] would write, so that one zxid has one name.
fn hex(digits: &str) -> Option<Zxid> {
    let zxid = Zxid(i64::from_str_radix(digits, 16).ok()?);
    (zxid >= Zxid::ZERO && format!("{:x}", zxid.0) == digits).then_some(zxid)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entries(names: &[&str]) -> Vec<Entry> {
        let entry = |(second, &name): (usize, &&str)| Entry {
            name: name.to_owned(),
            length: 16,
            modified: Duration::from_secs(second as u64),
        };
        names.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn logs_come_oldest_first_and_strange_names_are_left_out() {
        let names =
            ["log.100000001", "log.a", "log.50.bak", "log.", "log.zz", "log.-1", "log.0a", "log.9", "LOG.1"];
        let found: Vec<_> = logs(&entries(&names)).into_iter().map(|log| log.name).collect();
        assert_eq!(found, ["log.9", "log.a", "log.100000001"]);
    }

    #[test]
    fn snapshots_come_newest_first_and_the_last_written_wins_a_tie() {
        let names = [
            "snapshot.9c.gz",
            "snapshot.9c",
            "snapshot.99.tmp",
            "snapshot.ffffffffffffffff",
            "snapshot.100.snappy",
            "snapshot.0",
            "snapshot.10.gz.bak",
        ];
        let found: Vec<_> = snapshots(&entries(&names)).into_iter().map(|file| file.name).collect();
        assert_eq!(found, ["snapshot.100.snappy", "snapshot.9c", "snapshot.9c.gz", "snapshot.0"]);
    }

    #[test]
    fn the_file_that_holds_the_next_change_need_not_be_named_by_it() {
        let logs = logs(&entries(&["log.1", "log.a", "log.14"]));
        let rows = [(0, 0), (5, 0), (8, 0), (9, 1), (10, 1), (18, 1), (19, 2), (100, 2)];
        for (zxid, first) in rows {
            assert_eq!(logs_after(&logs, Zxid(zxid)), &logs[first..], "after {zxid}");
        }
        assert_eq!(logs_after(&[], Zxid(5)), []);
    }
}
