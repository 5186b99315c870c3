//! Two promises that outlive the process: whom a server obeys, and whose history it has.
//!
//! ```text
//! <dataDir>/version-2/acceptedEpoch    no leader below this epoch is obeyed any more
//! <dataDir>/version-2/currentEpoch     the epoch of the last leader whose history was taken over whole
//! ```
//!
//! Each is a decimal number without an end of line. **Promise.** An epoch is on the disk, durably, before
//! [`Epochs`] says that it is; neither ever falls; the accepted one is never below the current one, nor the
//! current one below that of the last change.
//!
//! **Source.** Apache ZooKeeper 3.9. Where a crash between a change of a new epoch and the note of it makes
//! ZooKeeper refuse to start, the change itself is taken as proof.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::{Epoch, Zxid};

use crate::disk::Disk;
use crate::recover::{RecoverWarning, Recovered};
use crate::small;

/// The file of the epoch that was accepted last.
const ACCEPTED: &str = "acceptedEpoch";
/// The file of the current epoch.
const CURRENT: &str = "currentEpoch";

/// Why the epochs cannot be known, or kept. A failed write is final: only a restart finds out what the disk kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EpochError {
    /// The system does not let us.
    #[error("{file}: cannot {doing}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried: read, write.
        doing: &'static str,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// There is something else than an epoch.
    #[error(
        "{file}: Found {text} in it, which is no epoch; put the right number there. It is not below that of any \
         other server of the ensemble: the largest of theirs is safe"
    )]
    NoEpoch {
        /// The file.
        file: PathBuf,
        /// What stands there, quoted.
        text: String,
    },
    /// The server once followed a leader, and now has neither snapshot nor log.
    #[error(
        "{file} says that this server followed the leader of epoch {epoch}, but there is no data in {directory}: it \
         was lost, and with it changes that were acknowledged. Put it back; or remove {file} and acceptedEpoch, \
         and start with db.autocreate=false, so that the server takes its data from the others before it votes"
    )]
    DataLost {
        /// The file.
        file: PathBuf,
        /// The epoch in it.
        epoch: Epoch,
        /// Where snapshots should be.
        directory: PathBuf,
    },
    /// The server followed a leader after its only snapshot, and has no log.
    #[error(
        "{file} says that this server followed the leader of epoch {epoch}, but beside the snapshot of \
         {snapshot} there is no log: changes that were acknowledged may be lost. Put the logs back; if there \
         never were any, let the missing log be trusted for one start"
    )]
    LogLost {
        /// The file.
        file: PathBuf,
        /// The epoch in it.
        epoch: Epoch,
        /// The last change in the snapshot.
        snapshot: Zxid,
    },
}

/// What was not as it should be, and put right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochWarning {
    /// The last change is of a later epoch than the note: a crash came between.
    #[error("The current epoch, {found}, is older than the last zxid, {last}: it is {} from now on", .last.epoch())]
    CurrentRaised {
        /// The epoch in the file.
        found: Epoch,
        /// The last change.
        last: Zxid,
    },
    /// An epoch is current that was never accepted.
    #[error("The accepted epoch, {found} is less than the current epoch, {current}: it is raised to that")]
    AcceptedRaised {
        /// The epoch in the file.
        found: Epoch,
        /// The current one.
        current: Epoch,
    },
}

/// The two epochs, and their files.
#[derive(Debug)]
pub struct Epochs<D> {
    disk: D,
    accepted: Epoch,
    current: Epoch,
}

impl<D: Disk> Epochs<D> {
    /// Reads the epochs, compares them with the last change that was recovered, and puts right what can be.
    ///
    /// `snapshots` is the directory of snapshots. It must be as recovery left it: the first snapshot of a new
    /// database is written later. `trusts_missing_log`: an operator says that no log was lost.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or holds no epoch, or if the epochs tell that data was lost.
    pub fn open(
        snapshots: D,
        recovered: &Recovered,
        trusts_missing_log: bool,
    ) -> Result<(Self, Vec<EpochWarning>), EpochError> {
        let (found_current, found_accepted) = (read(&snapshots, CURRENT)?, read(&snapshots, ACCEPTED)?);
        if let Some(epoch) = found_current {
            check_loss(&snapshots, epoch, recovered, trusts_missing_log)?;
        }
        let last = recovered.last_zxid;
        let mut warnings = Vec::new();
        let current = found_current.unwrap_or(last.epoch()).max(last.epoch());
        if let Some(found) = found_current.filter(|&found| found < current) {
            warnings.push(EpochWarning::CurrentRaised { found, last });
        }
        let accepted = found_accepted.unwrap_or(current).max(current);
        if let Some(found) = found_accepted.filter(|&found| found < accepted) {
            warnings.push(EpochWarning::AcceptedRaised { found, current });
        }
        // In this order, so that the accepted one is not below the other at any time.
        if found_accepted != Some(accepted) {
            write(&snapshots, ACCEPTED, accepted)?;
        }
        if found_current != Some(current) {
            write(&snapshots, CURRENT, current)?;
        }
        Ok((Self { disk: snapshots, accepted, current }, warnings))
    }

    /// No leader below this epoch is obeyed any more.
    pub fn accepted(&self) -> Epoch {
        self.accepted
    }

    /// The epoch of the last leader whose history was taken over whole.
    pub fn current(&self) -> Epoch {
        self.current
    }

    /// Promises to obey no leader below `epoch`. Durable when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written. The server must stop: nobody knows which epoch a restart will find.
    ///
    /// # Panics
    ///
    /// If a higher epoch was accepted: promises are kept.
    pub fn accept(&mut self, epoch: Epoch) -> Result<(), EpochError> {
        assert!(epoch >= self.accepted, "a server goes back on no promise");
        if epoch > self.accepted {
            write(&self.disk, ACCEPTED, epoch)?;
            self.accepted = epoch;
        }
        Ok(())
    }

    /// Notes that the history of the leader of `epoch` is here, whole and durable. Durable when this returns.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// If the epoch was not accepted, or a higher one is current.
    pub fn enter(&mut self, epoch: Epoch) -> Result<(), EpochError> {
        assert!(epoch <= self.accepted, "an epoch is accepted before it is entered");
        assert!(epoch >= self.current, "the current epoch never falls");
        if epoch > self.current {
            write(&self.disk, CURRENT, epoch)?;
            self.current = epoch;
        }
        Ok(())
    }
}

/// Whether the current epoch speaks of data that is not there.
fn check_loss<D: Disk>(
    disk: &D,
    epoch: Epoch,
    recovered: &Recovered,
    trusts_missing_log: bool,
) -> Result<(), EpochError> {
    let file = disk.path(CURRENT);
    match recovered.snapshot_zxid {
        None if recovered.last_zxid == Zxid::ZERO && epoch > Epoch::ZERO => {
            Err(EpochError::DataLost { file, epoch, directory: disk.path("") })
        }
        Some(snapshot) if is_log_missing(recovered) && epoch > snapshot.epoch() && !trusts_missing_log => {
            Err(EpochError::LogLost { file, epoch, snapshot })
        }
        _ => Ok(()),
    }
}

fn is_log_missing(recovered: &Recovered) -> bool {
    recovered.warnings.iter().any(|warning| matches!(warning, RecoverWarning::NoLogs { .. }))
}

/// The first line of the file, as ZooKeeper reads it. It may be −1, where Java found no data: no epoch yet.
fn read<D: Disk>(disk: &D, name: &str) -> Result<Option<Epoch>, EpochError> {
    let text = small::read(disk, name).map_err(|source| failed(disk, name, "read", source))?;
    let Some(text) = text else { return Ok(None) };
    let line = text.lines().next().unwrap_or_default();
    let epoch = line.trim().parse().ok().map(Epoch).filter(|epoch| epoch.is_usable());
    match epoch {
        Some(epoch) => Ok(Some(epoch.max(Epoch::ZERO))),
        None => {
            let text = format!("{:?}", line.chars().take(40).collect::<String>());
            Err(EpochError::NoEpoch { file: disk.path(name), text })
        }
    }
}

fn write<D: Disk>(disk: &D, name: &str, epoch: Epoch) -> Result<(), EpochError> {
    let text = epoch.0.to_string();
    small::replace(disk, name, text.as_bytes()).map_err(|source| failed(disk, name, "write", source))
}

fn failed<D: Disk>(disk: &D, name: &str, doing: &'static str, source: io::Error) -> EpochError {
    EpochError::Io { file: disk.path(name), doing, source: Arc::new(source) }
}
