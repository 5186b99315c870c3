//! Replaying the log over a snapshot.

use zoorum_proto::txn::TxnDigest;
use zoorum_proto::{Decode, Txn, Zxid};
use zoorum_tree::Tree;

use super::RecoverOptions;
use super::growth::{Growth, Progress};
use super::report::{RecoverError, RecoverWarning};
use crate::disk::Disk;
use crate::log::scan::{End, LogScanner, Step};
use crate::log::{RECORD_OVERHEAD, zxid_of};
use crate::name::{LogFile, logs_after};
use crate::snapshot::SnapshotDigest;

/// A replay under way.
pub(super) struct Replay {
    pub warnings: Vec<RecoverWarning>,
    tree: Tree,
    snapshot: Zxid,
    /// The last change in the tree.
    applied: Zxid,
    digests: DigestCheck,
    /// Nothing later is wanted.
    through: Option<Zxid>,
    txns: u64,
    bytes: u64,
}

/// What a replay left to be done.
pub(super) struct Replayed {
    pub tree: Tree,
    pub warnings: Vec<RecoverWarning>,
    pub last_zxid: Zxid,
    pub txns: u64,
    pub bytes: u64,
    /// Files whose records count.
    pub read: Vec<String>,
    /// Newest files without anything in them: to be removed.
    pub empty: Vec<String>,
    /// The newest file, if it must be cut, and where.
    pub torn: Option<(String, u64)>,
    /// The newest file, if it ends as it should, and where its records end.
    pub clean: Option<(String, u64)>,
    /// The newest file, by its zxid, if it has a header and no record.
    pub empty_file: Option<Zxid>,
}

/// Where one file's records ended.
struct FileEnd {
    end: End,
    has_records: bool,
}

impl Replay {
    pub fn new(tree: Tree, snapshot: Zxid, digest: Option<SnapshotDigest>, options: &RecoverOptions) -> Self {
        let warnings = Vec::new();
        let digests = DigestCheck::new(&tree, snapshot, digest, options);
        Self { warnings, tree, snapshot, applied: snapshot, digests, through: None, txns: 0, bytes: 0 }
    }

    /// The same, up to a change and no further.
    pub fn through(self, zxid: Option<Zxid>) -> Self {
        Self { through: zxid, ..self }
    }

    fn is_done(&self) -> bool {
        self.through.is_some_and(|through| self.applied >= through)
    }

    /// Replays what the files hold after the snapshot.
    pub fn run<D: Disk>(mut self, disk: &D, files: &[LogFile]) -> Result<Replayed, RecoverError> {
        let files = logs_after(files, self.snapshot);
        if files.is_empty() && self.snapshot > Zxid::ZERO {
            self.warnings.push(RecoverWarning::NoLogs { zxid: self.snapshot });
        }
        let (mut read, mut empty) = (Vec::new(), Vec::new());
        let (mut torn, mut clean, mut empty_file) = (None, None, None);
        let mut growth = Growth::new(&self.tree, disk, files);
        for (at, file) in files.iter().enumerate() {
            if self.is_done() {
                break;
            }
            let Some(mut scanner) = LogScanner::open(disk, &file.name)? else {
                empty.push(file);
                continue;
            };
            // An empty file in front of one with records is ignored: what is missing will show.
            self.ignore_empty(&mut empty);
            let next = files[at + 1..].iter().find(|next| next.length > 0);
            if next.is_none() {
                scanner.believe_mark();
            }
            let FileEnd { end, has_records } = self.file(&mut scanner, file, &mut growth)?;
            read.push((file, has_records));
            if self.is_done() {
                break;
            }
            clean = match end {
                End::Clean { offset } => Some((file.name.clone(), offset)),
                _ => None,
            };
            torn = self.judge_end(&scanner, end, next)?.map(|offset| (file.name.clone(), offset));
            empty_file = (!has_records).then_some(file.zxid);
        }
        self.refuse_misnamed(disk, &read)?;
        empty.extend(self.take_forsaken(&mut read));
        let read: Vec<_> = read.into_iter().map(|(file, _)| file.name.clone()).collect();
        for file in &empty {
            self.warnings.push(RecoverWarning::EmptyLogRemoved { file: file.name.clone() });
        }
        // Only the newest file is cut; older ones are read to the same place for ever.
        let torn = torn.filter(|(name, _)| read.last() == Some(name));
        self.digests.finish(self.applied, &mut self.warnings);
        self.tree.expect_no_more();
        Ok(Replayed {
            tree: self.tree,
            warnings: self.warnings,
            last_zxid: self.applied,
            txns: self.txns,
            bytes: self.bytes,
            read,
            empty: empty.into_iter().map(|file| file.name.clone()).collect(),
            torn,
            clean,
            empty_file,
        })
    }

    /// A file whose name lies ahead and is not free: the log would come to it some day, and could not go on. No crash
    /// leaves one with a record in it.
    fn refuse_misnamed<D: Disk>(&self, disk: &D, read: &[(&LogFile, bool)]) -> Result<(), RecoverError> {
        let misnamed = |&&(file, has_records): &&(&LogFile, bool)| file.zxid > self.applied && has_records;
        match read.iter().find(misnamed) {
            Some((file, _)) => {
                Err(RecoverError::Misnamed { file: disk.path(&file.name), last: self.applied })
            }
            None => Ok(()),
        }
    }

    /// Files whose names lie ahead and that have no record, but for the newest, which the log goes on with. Each was begun
    /// for a change that never was: the process died, and the next one began another for its first change, and died, too.
    fn take_forsaken<'a>(&self, read: &mut Vec<(&'a LogFile, bool)>) -> Vec<&'a LogFile> {
        let newest = read.last().map(|(file, _)| file.zxid);
        let is_forsaken = |(file, has_records): &mut (&LogFile, bool)| {
            file.zxid > self.applied && !*has_records && Some(file.zxid) != newest
        };
        read.extract_if(.., is_forsaken).map(|(file, _)| file).collect()
    }

    fn ignore_empty(&mut self, empty: &mut Vec<&LogFile>) {
        let ignored = empty.drain(..).map(|file| RecoverWarning::EmptyLogIgnored { file: file.name.clone() });
        self.warnings.extend(ignored);
    }

    /// Replays one file.
    fn file<F: crate::disk::DiskFile>(
        &mut self,
        scanner: &mut LogScanner<F>,
        file: &LogFile,
        growth: &mut Growth,
    ) -> Result<FileEnd, RecoverError> {
        let path = scanner.path().clone();
        // What the next record should be, if the file is what its name says.
        let mut expected = file.zxid;
        let mut unneeded: Option<RecoverError> = None;
        let (mut has_records, mut told_repeated) = (false, false);
        loop {
            if self.is_done() {
                return Ok(FileEnd { end: End::Clean { offset: 0 }, has_records });
            }
            match scanner.step()? {
                Step::End(end) => return Ok(FileEnd { end, has_records }),
                Step::BadChecksum { offset, damage } => {
                    let error = RecoverError::Damaged {
                        file: path.clone(),
                        offset,
                        damage: damage.clone(),
                        after: self.applied,
                        next: None,
                    };
                    if expected > self.snapshot {
                        return Err(error);
                    }
                    self.warnings.push(RecoverWarning::UnneededRecord { file: path.clone(), offset, damage });
                    unneeded.get_or_insert(error);
                    expected = expected.next();
                    has_records = true;
                }
                Step::Record { offset, payload } => {
                    has_records = true;
                    let zxid = zxid_of(payload).unwrap_or(expected);
                    expected = zxid.next();
                    if zxid <= self.applied {
                        if zxid > self.snapshot && !told_repeated {
                            told_repeated = true;
                            let file = path.clone();
                            self.warnings.push(RecoverWarning::RepeatedRecord { file, offset, zxid });
                        }
                        continue;
                    }
                    if self.through.is_some_and(|through| zxid > through) {
                        return Ok(FileEnd { end: End::Clean { offset }, has_records });
                    }
                    if !self.applied.may_precede(zxid) {
                        let gap = RecoverError::Gap {
                            file: path.clone(),
                            offset,
                            after: self.applied,
                            found: zxid,
                        };
                        return Err(unneeded.unwrap_or(gap));
                    }
                    let txn = Txn::from_bytes(payload).map_err(|source| RecoverError::Undecodable {
                        file: path.clone(),
                        offset,
                        zxid,
                        source,
                    })?;
                    self.tree.apply(&txn, &mut |_| {});
                    self.applied = zxid;
                    self.txns += 1;
                    self.bytes += (payload.len() + RECORD_OVERHEAD) as u64;
                    self.digests.applied(&self.tree, &txn)?;
                    let progress = Progress { applied: zxid, txns: self.txns, bytes: self.bytes };
                    growth.applied(&mut self.tree, progress);
                }
            }
        }
    }

    /// Whether nothing can be missing between a file's end and what follows. Tells where a torn end is.
    fn judge_end<F: crate::disk::DiskFile>(
        &mut self,
        scanner: &LogScanner<F>,
        end: End,
        next: Option<&LogFile>,
    ) -> Result<Option<u64>, RecoverError> {
        let file = scanner.path().clone();
        match end {
            End::Clean { .. } => Ok(None),
            End::Torn { offset, damage } => {
                self.warnings.push(RecoverWarning::TornRecord { file, offset, damage, after: self.applied });
                Ok(Some(offset))
            }
            // Java goes on in a new file after whatever it took for the end. If that continues exactly, the
            // bytes here were never a change.
            End::Damaged { offset, damage, .. }
                if next.is_some_and(|next| next.zxid == self.applied.next()) =>
            {
                self.warnings.push(RecoverWarning::UnneededRecord { file, offset, damage });
                Ok(None)
            }
            End::Damaged { offset, damage, next } => {
                Err(RecoverError::Damaged { file, offset, damage, after: self.applied, next })
            }
        }
    }
}

/// Compares the tree with the digests that its writers noted.
struct DigestCheck {
    is_on: bool,
    tolerates: bool,
    /// The snapshot was written while the tree changed, and has this digest only after this change.
    fuzzy_until: Option<(Zxid, i64)>,
    /// Whether the tree agreed once: from then on it must.
    is_confirmed: bool,
    /// The first disagreement before that. It is told only if the tree never agrees: a snapshot of Java's can
    /// hold part of the change after the one whose digest it notes, and is whole once that is replayed.
    doubt: Option<RecoverWarning>,
}

impl DigestCheck {
    fn new(tree: &Tree, snapshot: Zxid, digest: Option<SnapshotDigest>, options: &RecoverOptions) -> Self {
        let mut check = Self {
            is_on: options.digest,
            tolerates: options.tolerate_digest_mismatch,
            fuzzy_until: None,
            is_confirmed: false,
            doubt: None,
        };
        let digest = digest
            .filter(|digest| check.is_on && digest.version == TxnDigest::VERSION && digest.zxid > Zxid::ZERO);
        match digest {
            Some(digest) if digest.zxid == snapshot => {
                check.is_confirmed = digest.value == tree.digest();
                if !check.is_confirmed {
                    // Java removes ephemerals of lost sessions without a change, then writes a snapshot with
                    // the digest from before: so this alone proves nothing.
                    check.doubt = Some(RecoverWarning::DigestOfSnapshot {
                        zxid: snapshot,
                        expected: digest.value,
                        actual: tree.digest(),
                    });
                }
            }
            Some(digest) if digest.zxid > snapshot => check.fuzzy_until = Some((digest.zxid, digest.value)),
            _ => {}
        }
        check
    }

    fn applied(&mut self, tree: &Tree, txn: &Txn<'_>) -> Result<(), RecoverError> {
        if !self.is_on {
            return Ok(());
        }
        let zxid = txn.header.zxid;
        let noted =
            txn.digest.filter(|digest| digest.version == TxnDigest::VERSION).map(|digest| digest.value);
        let expected = match self.fuzzy_until {
            Some((until, _)) if zxid < until => return Ok(()),
            Some((until, value)) => {
                self.fuzzy_until = None;
                if zxid == until { Some(value) } else { noted }
            }
            None => noted,
        };
        let actual = tree.digest();
        match expected {
            None => Ok(()),
            Some(expected) if expected == actual => {
                self.is_confirmed = true;
                self.doubt = None;
                Ok(())
            }
            Some(expected) if self.is_confirmed && !self.tolerates => {
                Err(RecoverError::Digest { zxid, expected, actual })
            }
            Some(expected) => {
                self.doubt.get_or_insert(RecoverWarning::DigestMismatch { zxid, expected, actual });
                Ok(())
            }
        }
    }

    fn finish(&mut self, last: Zxid, warnings: &mut Vec<RecoverWarning>) {
        warnings.extend(self.doubt.take());
        if let Some((until, _)) = self.fuzzy_until {
            warnings.push(RecoverWarning::SnapshotAhead { snapshot_until: until, last });
        }
    }
}
