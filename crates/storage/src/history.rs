//! The log read back for a server that lags behind: every change after the one it ends with.
//!
//! All of it is looked at before the first change is given out, because a leader that has begun to send a
//! history cannot take it back: each record is sound, none is missing, and all together are not more than the
//! leader wants to send. Between epochs only [`Joints`] that this server made itself are trusted.
//!
//! The log may be appended to meanwhile, by another thread: nothing behind the last change asked for is looked
//! at, and that must be durable. Files may also be purged; the reading then fails. Memory does not grow with
//! the history.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use crate::disk::Disk;
use crate::joints::Joints;
use crate::log::RECORD_OVERHEAD;
use crate::log::scan::ScanError;
use crate::name;
use crate::walk::{Broken, Found, Walk};

/// Why the history cannot be given. The server that lags behind needs a snapshot, then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HistoryError {
    /// The directory cannot be read.
    #[error("{directory}: {source}")]
    List {
        /// The directory of logs.
        directory: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The start is not in the log, or what follows it is not certain.
    #[error("the log has nothing that is sure to follow {after}{}", first(.found))]
    NotThere {
        /// After which change the history was to begin.
        after: Zxid,
        /// The first later change in the log.
        found: Option<Zxid>,
    },
    /// It is not certain that no change is missing.
    #[error("whether a change lies between {before} and {after} is not known{}", because(.broken))]
    Discontinuous {
        /// The last change before.
        before: Zxid,
        /// The first one behind.
        after: Zxid,
        /// What lies there, if the log is broken.
        broken: Option<Broken>,
    },
    /// The log does not hold the last change that was asked for.
    #[error("the log goes to {last}, and not exactly to {through}")]
    Short {
        /// The last change asked for.
        through: Zxid,
        /// The last one before it.
        last: Zxid,
    },
    /// There is more than was wanted.
    #[error("the history after {after} has more than {limit} bytes")]
    TooLarge {
        /// After which change it was to begin.
        after: Zxid,
        /// What was wanted at most, in bytes.
        limit: u64,
    },
}

fn first(found: &Option<Zxid>) -> String {
    found.map_or(String::new(), |found| format!("; the next change in it is {found}"))
}

fn because(broken: &Option<Broken>) -> String {
    broken.as_ref().map_or(String::new(), |broken| format!(": {broken}"))
}

/// A stretch of history, which is read as it is asked for.
pub struct History<D: Disk> {
    /// `None`: there is nothing in it.
    walk: Option<Walk<D>>,
    chain: Chain,
    bytes: u64,
}

/// Finds the changes after `after` up to `through`, both of them in the log. Nothing is given out before all of
/// it has been looked at, so this reads as much as it finds, or up to `limit` bytes of records.
///
/// A zxid with counter 0 stands for the beginning of an epoch: it is found between the changes around it.
///
/// # Errors
///
/// If the start is not there, something is or may be missing, or it is more than `limit`.
pub fn history<D: Disk>(
    logs: &D,
    joints: &Joints,
    after: Zxid,
    through: Zxid,
    limit: Option<u64>,
) -> Result<History<D>, HistoryError> {
    let entries = logs
        .list()
        .map_err(|source| HistoryError::List { directory: logs.path(""), source: Arc::new(source) })?;
    let files = name::logs(&entries);
    let files = name::logs_after(&files, after);
    let mut walk = Walk::new(logs, files);
    let mut chain = Chain { joints: joints.clone(), after, through, before: None, last: None };
    let (mut first, mut bytes) = (None, 0);
    while !chain.is_complete() {
        let Some(found) = walk.step()? else { return Err(chain.ends()) };
        if chain.take(&found)? {
            bytes += (walk.payload().len() + RECORD_OVERHEAD) as u64;
            first = first.or(Some((found.file, found.offset)));
            if let Some(limit) = limit.filter(|&limit| bytes > limit) {
                return Err(HistoryError::TooLarge { after, limit });
            }
        }
    }
    let walk = first.map(|(file, offset)| Walk::from(logs, &files[file..], offset)).transpose()?;
    chain.last = Some(after);
    Ok(History { walk, chain, bytes })
}

impl<D: Disk> History<D> {
    /// Bytes of all records in it, as they are in the files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next change: its zxid, and the transaction's bytes as they were logged.
    ///
    /// # Errors
    ///
    /// If it cannot be read any more, as it could before. What was given out until then is right.
    pub fn next_change(&mut self) -> Result<Option<(Zxid, &[u8])>, HistoryError> {
        let Some(walk) = &mut self.walk else { return Ok(None) };
        while !self.chain.is_complete() {
            let Some(found) = walk.step()? else { return Err(self.chain.ends()) };
            if self.chain.take(&found)? {
                return Ok(Some((found.zxid, walk.payload())));
            }
        }
        Ok(None)
    }
}

/// Judges record after record whether each follows the one before.
struct Chain {
    joints: Joints,
    after: Zxid,
    through: Zxid,
    /// The last change below the start that was seen.
    before: Option<Zxid>,
    /// The last change of the history that was seen, or the start once it was found.
    last: Option<Zxid>,
}

impl Chain {
    fn is_complete(&self) -> bool {
        self.last == Some(self.through)
    }

    /// Whether a record is the next one of the history. Otherwise it lies before, or repeats.
    fn take(&mut self, found: &Found) -> Result<bool, HistoryError> {
        let zxid = found.zxid;
        if zxid <= self.last.unwrap_or(self.after) {
            if zxid == self.after {
                self.last = Some(zxid);
            } else if self.last.is_none() {
                self.before = self.before.max(Some(zxid));
            }
            return Ok(false);
        }
        match self.last {
            None if !self.begins_with(zxid) => {
                return Err(HistoryError::NotThere { after: self.after, found: Some(zxid) });
            }
            Some(last) if !self.follows(last, zxid) => {
                let broken = found.broken.clone();
                return Err(HistoryError::Discontinuous { before: last, after: zxid, broken });
            }
            _ => {}
        }
        if zxid > self.through {
            return Err(self.ends());
        }
        self.last = Some(zxid);
        Ok(true)
    }

    fn begins_with(&self, zxid: Zxid) -> bool {
        self.joints.joins(self.after, zxid) || self.begins_epoch(self.before, zxid)
    }

    /// The start itself has no record if it is the beginning of an epoch, so that what comes next is seen twice
    /// in this way.
    fn follows(&self, last: Zxid, zxid: Zxid) -> bool {
        self.joints.joins(last, zxid) || (last == self.after && self.begins_epoch(self.before, zxid))
    }

    fn begins_epoch(&self, before: Option<Zxid>, zxid: Zxid) -> bool {
        self.after.counter() == 0 && before.is_some_and(|before| self.joints.joins(before, zxid))
    }

    fn ends(&self) -> HistoryError {
        match self.last {
            Some(last) => HistoryError::Short { through: self.through, last },
            None => HistoryError::NotThere { after: self.after, found: None },
        }
    }
}
