//! What a member of an ensemble keeps for good at its peers' word: epochs, cuts of its history, whole trees.

use bytes::Bytes;
use zoorum_proto::{Decode, Reader, TxnHeader, Zxid};
use zoorum_storage::log::scan::{LogScanner, Step as Scanned};
use zoorum_storage::snapshot::{Received, Receiving};
use zoorum_storage::{
    Disk, EpochError, ForceSnap, RecoverOptions, Truncation, TxnLog, name, recover, truncate,
};
use zoorum_tree::Loader;
use zoorum_zab::{Entry, Persist, SnapshotStep};

use super::snapshot::snapshot_options;
use super::start::log_options;
use super::{Halt, Process};
use crate::check::ensure;
use crate::faults::Bug;
use crate::ground::Ground;

/// Longest record of a tree that is received, in bytes.
const RECORD_LIMIT: usize = 2 << 20;

impl Process {
    pub(super) fn persist(&mut self, ground: &mut Ground, what: Persist) -> Result<(), Halt> {
        let Some(member) = &mut self.member else { return Ok(()) };
        ground.note(format_args!("server {} persists {what:?}", self.place + 1));
        match what {
            Persist::AcceptedEpoch(epoch) => {
                if ground.faults.bug != Some(Bug::ForgottenPromise) {
                    written(ground, member.epochs.accept(epoch))?;
                }
                ground.servers.on_accepted(self.place, epoch)?;
                if ground.faults.bug == Some(Bug::EpochBeforeHistory) {
                    member.epochs.enter(epoch).map_err(Halt::stop)?;
                }
            }
            Persist::CurrentEpoch(epoch) => {
                ground.servers.begin_entering(self.place, epoch);
                let is_ahead =
                    ground.faults.bug == Some(Bug::EpochBeforeHistory) && epoch < member.epochs.current();
                if ground.faults.bug != Some(Bug::ForgottenPromise) && !is_ahead {
                    member.epochs.enter(epoch).map_err(Halt::stop)?;
                }
                ground.servers.on_entered(self.place, epoch)?;
            }
            Persist::Truncate(_) if ground.faults.bug == Some(Bug::IgnoredTruncation) => {}
            Persist::Truncate(to) => {
                if let Some(reason) = self.cut_history(ground, to)? {
                    self.replica.on_truncation_impossible(&self.tree, ground.clocks(self.place), &reason);
                    return Ok(());
                }
            }
        }
        self.replica.on_persisted(&self.tree, ground.clocks(self.place), what);
        Ok(())
    }

    /// Cuts the history behind `to`, in files and tree. Why that is not possible, if so.
    fn cut_history(&mut self, ground: &mut Ground, to: Zxid) -> Result<Option<String>, Halt> {
        self.finish_snapshot(ground)?;
        let late = self.records_after(to);
        let Some(member) = &mut self.member else { return Ok(None) };
        ground.servers.begin_change(&ground.history, self.place, to)?;
        match truncate(&self.snapshots, &self.logs, to).map_err(Halt::stop)? {
            Truncation::Done(_) => {}
            Truncation::NotPossible(reason) => {
                ground.servers.give_up_change(self.place);
                ForceSnap::Truncation.set(&member.own).map_err(Halt::stop)?;
                return Ok(Some(reason.to_string()));
            }
        }
        let options = RecoverOptions { seed: ground.chance.number(), ..RecoverOptions::default() };
        let recovered = recover(&self.snapshots, &self.logs, &options).map_err(Halt::stop)?;
        self.log = TxnLog::open(self.logs.clone(), recovered.tail, log_options(&ground.faults));
        if ground.faults.bug != Some(Bug::StaleTree) {
            self.tree = recovered.tree;
        }
        if ground.faults.bug == Some(Bug::LateAppend) {
            late.iter().for_each(|(zxid, txn)| self.log.append(*zxid, txn));
            self.log.sync().map_err(Halt::stop)?;
        }
        ground.cuts += 1;
        if self.tree.last_zxid() != to {
            return Err(Halt::Wrong(format!("cut to {to}, and the tree is of {}", self.tree.last_zxid())));
        }
        ground.servers.end_change(&mut ground.history, self.place, to, &self.tree)?;
        Ok(None)
    }

    /// A tree comes from the leader.
    pub(super) fn take_tree(&mut self, ground: &mut Ground, step: SnapshotStep) -> Result<(), Halt> {
        let Some(member) = &mut self.member else { return Ok(()) };
        match step {
            SnapshotStep::Begin(zxid) => {
                let options = snapshot_options(&ground.faults);
                let loader = Loader::new(ground.chance.number());
                let receiving =
                    Receiving::start(&self.snapshots, &self.logs, zxid, &options, RECORD_LIMIT, loader);
                member.receiving = Some((zxid, receiving.map_err(Halt::stop)?));
            }
            SnapshotStep::Bytes(bytes) => self.feed_tree(ground, &bytes),
            SnapshotStep::Abandon => (member.receiving, member.received) = (None, None),
            SnapshotStep::Install(behind) => self.install_tree(ground, &behind)?,
        }
        Ok(())
    }

    fn feed_tree(&mut self, ground: &mut Ground, bytes: &Bytes) {
        let Some(member) = &mut self.member else { return };
        let Some((zxid, mut receiving)) = member.receiving.take() else { return };
        let fed = match receiving.feed(bytes) {
            Ok(Received::Part) => {
                member.receiving = Some((zxid, receiving));
                return;
            }
            Ok(Received::Whole { rest }) => receiving.finish().map(|received| (received, rest)),
            Err(error) => Err(error),
        };
        let now = ground.clocks(self.place);
        match fed {
            Ok((received, rest)) => {
                member.received = Some(received);
                let rest = bytes.slice(bytes.len() - rest..);
                self.replica.on_snapshot_received(&self.tree, now, zxid, &rest);
            }
            Err(error) => self.replica.on_snapshot_refused(&self.tree, now, &error.to_string()),
        }
    }

    /// What the leader sent takes the place of what there was.
    fn install_tree(&mut self, ground: &mut Ground, behind: &[Entry]) -> Result<(), Halt> {
        self.finish_snapshot(ground)?;
        let Some(member) = &mut self.member else { return Ok(()) };
        let Some((tree, mut staged)) = member.received.take() else { return Ok(()) };
        let mut last = tree.last_zxid();
        for entry in behind {
            ground.history.check_received(last, entry.zxid, &entry.payload)?;
            last = entry.zxid;
            staged.append(entry.zxid, &entry.payload).map_err(Halt::stop)?;
        }
        ground.servers.begin_change(&ground.history, self.place, last)?;
        if ground.faults.bug == Some(Bug::TreeInMemory) {
            drop(staged);
        } else {
            self.life.skip_syncs(ground.faults.bug == Some(Bug::TreeNotSynced));
            let tail = staged.install().map_err(Halt::stop)?;
            self.life.skip_syncs(false);
            self.log = TxnLog::open(self.logs.clone(), tail, log_options(&ground.faults));
        }
        self.check_installed(ground, last)?;
        let Some(member) = &mut self.member else { return Ok(()) };
        ForceSnap::clear(&member.own).map_err(Halt::stop)?;
        self.tree = tree;
        ground.trees += 1;
        ground.servers.end_change(&mut ground.history, self.place, last, &self.tree)?;
        self.replica.on_snapshot_installed(&self.tree, ground.clocks(self.place));
        Ok(())
    }

    /// What was installed can be read again.
    fn check_installed(&self, ground: &Ground, last: Zxid) -> Result<(), Halt> {
        if ground.faults.bug == Some(Bug::TreeInMemory) {
            return Ok(());
        }
        let (snapshots, logs) = (self.snapshots.disk.duplicate(), self.logs.disk.duplicate());
        let read = recover(&snapshots, &logs, &RecoverOptions { seed: 1, ..RecoverOptions::default() });
        let read = read.map_err(|error| format!("what was installed cannot be read: {error}"))?;
        let found = read.tree.last_zxid();
        Ok(ensure(found == last, || format!("a history up to {last} was installed, and {found} is its end"))?)
    }

    /// Changes that a cut must remove.
    fn records_after(&self, to: Zxid) -> Vec<(Zxid, Vec<u8>)> {
        let disk = &self.logs.disk;
        let mut records = Vec::new();
        for log in name::logs(&disk.list().unwrap_or_default()) {
            let Ok(Some(mut scanner)) = LogScanner::open(disk, &log.name) else { continue };
            while let Ok(Scanned::Record { payload, .. }) = scanner.step() {
                let header = TxnHeader::decode(&mut Reader::new(payload));
                records.extend(header.map(|header| (header.zxid, payload.to_vec())));
            }
        }
        records.retain(|(zxid, _)| *zxid > to);
        records
    }
}

/// What comes of writing an epoch.
fn written(ground: &mut Ground, result: Result<(), EpochError>) -> Result<(), Halt> {
    match result {
        Err(error) if ground.faults.bug == Some(Bug::EpochInMemory) => {
            ground.note(format_args!("passed over: {error}"));
            Ok(())
        }
        result => result.map_err(Halt::stop),
    }
}
