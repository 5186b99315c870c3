//! The recovery that a start would run, on files that it cannot change.

use std::path::Path;

use zoorum_config::{Mode, ServerConfig};
use zoorum_host::owner_reading;
use zoorum_storage::{RecoverError, RecoverOptions, RecoverWarning, Recovered, recover};

use super::finding::{Area, Report};
use crate::disk::ReadDisk;

/// Recovers, and tells what was found. The state, if it can be reached.
///
/// A server that runs writes meanwhile: it may end a log, and remove old files. So a failure counts only if it comes
/// twice, and a record that is only half there is no failure at all.
pub(super) fn run(
    config: &ServerConfig,
    snapshots: &Path,
    logs: &Path,
    is_in_use: bool,
    report: &mut Report,
) -> Option<Recovered> {
    let attempt = || {
        let open = |path: &Path| {
            let failed =
                |source: std::io::Error| RecoverError::Io { file: path.to_path_buf(), source: source.into() };
            ReadDisk::open(path).map_err(failed)
        };
        recover(&open(snapshots)?, &open(logs)?, &options(config))
    };
    let result = match attempt() {
        Err(_) if is_in_use => attempt(),
        result => result,
    };
    match result {
        Ok(recovered) => {
            recovered.warnings.iter().for_each(|warning| tell(warning, is_in_use, report));
            if recovered.tree.has_ttl_nodes() && !config.containers.extended_types_enabled {
                report.add(Area::Files).warning(
                    "there are znodes with a time to live, and extendedTypesEnabled is not set: Zoorum keeps them, ZooKeeper \
                     deletes them when it starts",
                    "set extendedTypesEnabled=true",
                );
            }
            report.add(Area::Files).ok(summary(&recovered));
            Some(recovered)
        }
        Err(error) => {
            let remedy = remedy(&error);
            report.add(Area::Files).error(error.to_string(), remedy);
            None
        }
    }
}

fn options(config: &ServerConfig) -> RecoverOptions {
    let storage = &config.storage;
    let markers = [storage.data_dir.join("initialize"), storage.data_log_dir.join("initialize")];
    RecoverOptions {
        owners: owner_reading(config),
        trust_empty: storage.snapshot_trust_empty,
        // A member without data can take it from the others.
        db_autocreate: storage.db_autocreate
            || markers.iter().any(|marker| marker.exists())
            || config.mode() == Mode::Distributed,
        digest: storage.digest_enabled,
        ..RecoverOptions::default()
    }
}

fn summary(recovered: &Recovered) -> String {
    let Recovered { last_zxid, txns_replayed, tree, .. } = recovered;
    let nodes = tree.node_count();
    match recovered.snapshot_zxid {
        Some(snapshot) => format!(
            "a start reaches zxid {last_zxid}: {nodes} znodes, from the snapshot of {snapshot} and {txns_replayed} \
             changes in the log, with none missing"
        ),
        None if txns_replayed == &0 => "there is no data yet: a start begins a new database".to_owned(),
        None => format!(
            "a start reaches zxid {last_zxid}: {nodes} znodes, from {txns_replayed} changes in the log"
        ),
    }
}

fn tell(warning: &RecoverWarning, is_in_use: bool, report: &mut Report) {
    let remedy = match warning {
        // The server is just writing it.
        RecoverWarning::TornRecord { .. } | RecoverWarning::EmptyLogRemoved { .. } if is_in_use => return,
        RecoverWarning::TornRecord { .. } | RecoverWarning::EmptyLogRemoved { .. } => {
            "none needed: a crash leaves this, it was never acknowledged, and a start of Zoorum mends it; ZooKeeper may \
             refuse to start on it"
        }
        RecoverWarning::SnapshotRejected(_) => {
            "none needed to start: an older snapshot and more of the log are used; look after the disk, and keep no \
             copy of this file as a backup"
        }
        RecoverWarning::NoLogs { .. } => {
            "put the logs into dataLogDir, if there are any; a member takes what it lacks from its ensemble"
        }
        RecoverWarning::TrustedEmpty => "set snapshot.trust.empty=false once the server has started",
        RecoverWarning::UnneededRecord { .. } => {
            "none needed to start; look after the disk: it lost what was written"
        }
        RecoverWarning::NotTidied { .. } => "let the user who runs the server rename files there",
        RecoverWarning::SnapshotShort { .. } | RecoverWarning::EmptyLogIgnored { .. } => "none needed",
        RecoverWarning::RepeatedRecord { .. } => "move the log that is a copy of another away",
        _ => {
            "let the server take a new snapshot (it does at its next start), and compare its tree with another member's: \
             zkSnapshotComparer.sh"
        }
    };
    report.add(Area::Files).warning(warning.to_string(), remedy);
}

/// Many errors end with what to do; the others get it here.
fn remedy(error: &RecoverError) -> &'static str {
    match error {
        RecoverError::Io { .. } | RecoverError::Scan(_) => {
            "let the user who runs the server read the file, or restore it"
        }
        RecoverError::Damaged { .. } => {
            "restore the file from a backup; a member of an ensemble may move its version-2 away and take everything \
             from the others; else zoorum log repair"
        }
        RecoverError::Gap { .. } | RecoverError::Misnamed { .. } => {
            "put the missing log back; a member of an ensemble may move its version-2 away and take everything from the \
             others"
        }
        RecoverError::NoValidSnapshot { .. } | RecoverError::NoSnapshot { .. } => {
            "put a sound snapshot back; a member of an ensemble may move its version-2 away and take everything from the \
             others"
        }
        RecoverError::Empty { .. } => {
            "run zkServer-initialize.sh if the server is new, or put its files back"
        }
        RecoverError::Undecodable { .. } => "start the release that wrote the log",
        _ => "restore snapshots and logs that belong together from a backup, or from another member",
    }
}
