//! The epochs that a member promised, against the data that it has.

use std::path::Path;

use zoorum_config::ServerConfig;
use zoorum_storage::{Epochs, Recovered};

use super::finding::{Area, Report};
use crate::disk::ReadDisk;

/// Tells whether a member could take its place with them.
pub(super) fn check(config: &ServerConfig, snapshots: &Path, recovered: &Recovered, report: &mut Report) {
    let Ok(disk) = ReadDisk::open(snapshots) else { return };
    match Epochs::open(disk, recovered, config.storage.snapshot_trust_empty) {
        Ok((epochs, warnings)) => {
            for warning in &warnings {
                let remedy = "none needed: a start of Zoorum mends it; ZooKeeper refuses to start like this";
                report.add(Area::Files).in_file(snapshots).warning(warning.to_string(), remedy);
            }
            let (current, accepted) = (epochs.current(), epochs.accepted());
            report
                .add(Area::Files)
                .ok(format!("currentEpoch {current}, acceptedEpoch {accepted}: they fit the data"));
        }
        Err(error) => report.add(Area::Files).in_file(snapshots).error(
            error.to_string(),
            "put back what was lost, or let this server take its data from the others before it votes \
             (db.autocreate=false, without the epoch files)",
        ),
    }
}
