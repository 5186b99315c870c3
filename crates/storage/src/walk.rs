//! Reading the log as one stream: record after record, from file to file.

use std::path::PathBuf;

use zoorum_proto::Zxid;

use crate::disk::Disk;
use crate::log::scan::{Damage, End, LogScanner, ScanError, Step};
use crate::log::zxid_of;
use crate::name::LogFile;

/// Something broken in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: the record at byte {offset} is broken: {damage}")]
pub struct Broken {
    /// The log.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// What is wrong with it.
    pub damage: Damage,
}

/// A sound record, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub zxid: Zxid,
    /// Its file's place among those walked over.
    pub file: usize,
    /// Where it begins in that.
    pub offset: u64,
    /// What lies broken between it and the sound record before.
    pub broken: Option<Broken>,
}

impl Found {
    /// Whether this is what comes after `before`, as far as zxids tell. Behind something broken only the very
    /// next zxid proves that no change was lost there.
    pub(crate) fn may_follow(&self, before: Zxid) -> bool {
        if self.broken.is_some() { self.zxid == before.next() } else { before.may_precede(self.zxid) }
    }
}

/// Reads some logs, oldest first.
pub(crate) struct Walk<D: Disk> {
    disk: D,
    files: Vec<LogFile>,
    /// The file being read.
    at: usize,
    scanner: Option<LogScanner<D::File>>,
    broken: Option<Broken>,
}

impl<D: Disk> Walk<D> {
    pub(crate) fn new(disk: &D, files: &[LogFile]) -> Self {
        Self { disk: disk.clone(), files: files.to_vec(), at: 0, scanner: None, broken: None }
    }

    /// Begins with the record at a byte of the first file.
    pub(crate) fn from(disk: &D, files: &[LogFile], offset: u64) -> Result<Self, ScanError> {
        let mut walk = Self::new(disk, files);
        if let Some(first) = files.first()
            && let Some(mut scanner) = LogScanner::open(disk, &first.name)?
        {
            scanner.skip_to(disk, &first.name, offset)?;
            walk.scanner = Some(scanner);
        }
        Ok(walk)
    }

    /// The next sound record, or `None` at the end of the last file.
    pub(crate) fn step(&mut self) -> Result<Option<Found>, ScanError> {
        while let Some(file) = self.files.get(self.at) {
            let scanner = match &mut self.scanner {
                Some(scanner) => scanner,
                none => match LogScanner::open(&self.disk, &file.name)? {
                    Some(scanner) => none.insert(scanner),
                    // Nothing in it: what is missing will show.
                    None => {
                        self.at += 1;
                        continue;
                    }
                },
            };
            match scanner.step()? {
                Step::Record { offset, payload } => {
                    if let Some(zxid) = zxid_of(payload) {
                        let broken = self.broken.take();
                        return Ok(Some(Found { zxid, file: self.at, offset, broken }));
                    }
                }
                Step::BadChecksum { offset, damage } => self.break_at(offset, damage),
                Step::End(end) => {
                    if let End::Damaged { offset, damage, .. } = end {
                        self.break_at(offset, damage);
                    }
                    self.scanner = None;
                    self.at += 1;
                }
            }
        }
        Ok(None)
    }

    /// The payload of the record that the last step found.
    pub(crate) fn payload(&self) -> &[u8] {
        self.scanner.as_ref().map(LogScanner::payload).unwrap_or_default()
    }

    fn break_at(&mut self, offset: u64, damage: Damage) {
        let file = self.disk.path(&self.files[self.at].name);
        self.broken.get_or_insert(Broken { file, offset, damage });
    }
}
