//! The snapshot writer's loop, a few znodes at a time, with everything else in between.

use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::name::snapshot_name;
use zoorum_storage::snapshot::{STREAM_END, stream_head};
use zoorum_storage::{RecoverOptions, SnapshotOptions, SnapshotWriter, purge, recover};
use zoorum_tree::SnapshotStart;
use zoorum_zab::LinkId;

use super::{Process, Step, Stepped};
use crate::disk::ProcessDisk;
use crate::faults::{Bug, Faults};
use crate::ground::{Ground, Wake};

/// So many snapshots are kept.
const KEPT: usize = 3;

/// How far a snapshot is.
pub(super) enum Pass {
    Idle,
    Begun(SnapshotStart),
    Sending { start: Option<SnapshotStart>, link: LinkId },
    Writing { start: SnapshotStart, writer: SnapshotWriter<ProcessDisk>, nodes: Vec<u8>, is_done: bool },
}

impl Process {
    /// Marks the moment, as the replica does.
    pub(super) fn begin_snapshot(&mut self, ground: &mut Ground) {
        let start = self.tree.begin_snapshot();
        ground.note(format_args!("snapshot of {} begins", start.zxid));
        self.pass = Pass::Begun(start);
        let at = ground.now + ground.chance.micros(10, 5_000);
        self.snapshot_alarm.set(ground, at, Wake::Snapshot(self.number));
    }

    pub(crate) fn step_snapshot(&mut self, ground: &mut Ground) -> Stepped {
        if !self.snapshot_alarm.take(ground.now) {
            return Ok(Step::Done);
        }
        if !self.is_locked {
            self.advance_snapshot(ground)?;
        }
        if !matches!(self.pass, Pass::Idle) {
            let at = ground.now + ground.chance.micros(10, 20_000);
            self.snapshot_alarm.set(ground, at, Wake::Snapshot(self.number));
        }
        Ok(Step::Done)
    }

    /// The tree is sent to a learner, from this moment on.
    pub(super) fn begin_sending(&mut self, ground: &mut Ground, start: SnapshotStart, link: LinkId) {
        ground.note(format_args!("server {} sends the tree of {} by {link:?}", self.place + 1, start.zxid));
        self.pass = Pass::Sending { start: Some(start), link };
        let at = ground.now + ground.chance.micros(10, 5_000);
        self.snapshot_alarm.set(ground, at, Wake::Snapshot(self.number));
    }

    /// Waits until no snapshot is being made.
    pub(super) fn finish_snapshot(&mut self, ground: &mut Ground) -> Result<(), String> {
        while !matches!(self.pass, Pass::Idle) {
            self.advance_snapshot(ground)?;
        }
        Ok(())
    }

    fn advance_sending(&mut self, ground: &mut Ground, start: Option<SnapshotStart>, link: LinkId) {
        let mut chunk = Vec::new();
        if let Some(start) = start {
            stream_head(&start, &mut chunk);
        }
        let ends = self.tree.snapshot_step(1 + ground.chance.below(12), &mut chunk);
        if ends {
            chunk.extend_from_slice(STREAM_END);
        }
        let goes_on = self.feed_learner(ground, link, &chunk, ends) && !ends;
        if goes_on {
            self.pass = Pass::Sending { start: None, link };
        } else {
            self.tree.end_snapshot();
        }
    }

    fn advance_snapshot(&mut self, ground: &mut Ground) -> Result<(), String> {
        let options = snapshot_options(&ground.faults);
        match std::mem::replace(&mut self.pass, Pass::Idle) {
            Pass::Idle => {}
            Pass::Sending { start, link } => self.advance_sending(ground, start, link),
            Pass::Begun(start) => {
                if ground.faults.bug == Some(Bug::FuzzySnapshot) {
                    self.tree.begin_snapshot();
                }
                match SnapshotWriter::start(&self.snapshots, &start, &options) {
                    Ok(writer) => {
                        self.pass = Pass::Writing { start, writer, nodes: Vec::new(), is_done: false };
                    }
                    Err(error) => self.snapshot_failed(ground, &error.to_string()),
                }
            }
            Pass::Writing { start, writer, nodes, is_done: true } => {
                let mut writer = writer;
                match writer.nodes(&nodes).and_then(|()| writer.finish()) {
                    Ok(()) => self.snapshot_done(ground, &start)?,
                    Err(error) => self.snapshot_failed(ground, &error.to_string()),
                }
            }
            Pass::Writing { start, mut writer, mut nodes, is_done: false } => {
                let is_done = self.tree.snapshot_step(1 + ground.chance.below(12), &mut nodes);
                if ground.chance.one_in(3) {
                    if let Err(error) = writer.nodes(&nodes) {
                        self.snapshot_failed(ground, &error.to_string());
                        return Ok(());
                    }
                    nodes.clear();
                }
                self.pass = Pass::Writing { start, writer, nodes, is_done };
            }
        }
        Ok(())
    }

    fn snapshot_failed(&mut self, ground: &mut Ground, error: &str) {
        ground.note(format_args!("no snapshot: {error}"));
        self.tree.end_snapshot();
    }

    /// The snapshot is there: it can be read, and is the tree at exactly its zxid.
    fn snapshot_done(&mut self, ground: &mut Ground, start: &SnapshotStart) -> Result<(), String> {
        self.tree.end_snapshot();
        ground.note(format_args!("snapshot of {} is written", start.zxid));
        let name = snapshot_name(start.zxid, ground.faults.compression);
        let Some(content) = self.snapshots.disk.content(&name) else {
            return Err(format!("{name} is written and missing"));
        };
        let copy = MemoryDisk::new();
        copy.place(&name, content);
        let read =
            recover(&copy, &MemoryDisk::new(), &RecoverOptions { seed: 1, ..RecoverOptions::default() });
        let read = read.map_err(|error| format!("{name} cannot be read: {error}"))?;
        ground.history.check_snapshot(&read.tree, start.zxid)?;
        if ground.faults.purges {
            match purge(&self.snapshots, &self.logs, KEPT, &mut |_| false) {
                Ok(purged) => ground.note(format_args!("purged {:?}", purged.removed)),
                Err(error) => ground.note(format_args!("no purge: {error}")),
            }
        }
        Ok(())
    }
}

/// How snapshots are written in this run.
pub(super) fn snapshot_options(faults: &Faults) -> SnapshotOptions {
    SnapshotOptions { compression: faults.compression, ..SnapshotOptions::default() }
}
