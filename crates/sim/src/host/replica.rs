//! The replica's loop: letters in, the log, the tree, letters out. A crash can fall between any two steps.

use zoorum_server::message::{Request, WorkerId};

use super::snapshot::Pass;
use super::{Process, Step, Stepped};
use crate::faults::Bug;
use crate::ground::{Ground, Wake};

/// Where the loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Propose,
    /// What is committed goes first.
    ApplyFirst,
    DeliverFirst,
    Append,
    Sync,
    Apply,
    Deliver,
    /// Only with [`Bug::ReplyBeforeSync`]: what was answered is written at last.
    SyncLate,
}

impl Process {
    pub(crate) fn step_replica(&mut self, ground: &mut Ground) -> Stepped {
        if !self.replica_alarm.take(ground.now) {
            return Ok(Step::Done);
        }
        let mut next = ground.now + ground.chance.micros(1, 100);
        match self.stage {
            Stage::Propose => self.propose(ground),
            Stage::ApplyFirst | Stage::Apply => self.apply(ground)?,
            Stage::DeliverFirst => {
                self.deliver(ground);
                self.take_batch(ground)?;
            }
            Stage::Append => self.append(ground)?,
            Stage::Sync | Stage::SyncLate => {
                next += ground.chance.micros(10, 3_000);
                if let Step::Stop = self.sync(ground)? {
                    return Ok(Step::Stop);
                }
            }
            Stage::Deliver => {
                self.deliver(ground);
                self.end_round(ground);
            }
        }
        if self.stage == Stage::Propose && self.mail.is_empty() {
            next = next.max(self.replica.next_wakeup().0);
        }
        self.replica_alarm.set(ground, next, Wake::Replica(self.number));
        Ok(Step::Done)
    }

    fn propose(&mut self, ground: &mut Ground) {
        let now = ground.clocks();
        for (worker, requests) in std::mem::take(&mut self.mail) {
            self.replica.on_requests(&self.tree, now, worker, &requests);
            let has_writes_only =
                requests.items.iter().all(|request| matches!(request, Request::Write { .. }));
            if ground.faults.bug == Some(Bug::RepeatedLetter) && has_writes_only && ground.chance.one_in(20) {
                self.replica.on_requests(&self.tree, now, worker, &requests);
            }
        }
        if now.monotonic >= self.replica.next_wakeup() {
            self.replica.on_tick(&self.tree, now);
            self.ticked_at.get_or_insert(ground.now);
        }
        self.stage = Stage::ApplyFirst;
    }

    /// What is to be logged, unless reads hold it up: then nothing slow is begun.
    fn take_batch(&mut self, ground: &mut Ground) -> Result<(), String> {
        self.batch = if self.replica.waits_for_reads() { None } else { self.replica.take_proposals() };
        let Some(batch) = &self.batch else {
            self.end_round(ground);
            return Ok(());
        };
        self.stage = Stage::Append;
        let ticked_at = self.ticked_at.take().unwrap_or(ground.now);
        for session in ground.history.propose(batch)? {
            ground.note(format_args!("{session} expires"));
            let slack = ground.faults.pause_max();
            ground.sessions.check_expiry(ground.now, ticked_at, session, slack)?;
        }
        ground.note(format_args!("proposed up to {}", batch.last().unwrap_or_default()));
        Ok(())
    }

    fn append(&mut self, ground: &mut Ground) -> Result<(), String> {
        let Some(batch) = &self.batch else { return Ok(()) };
        batch.iter().for_each(|(zxid, txn)| self.log.append(zxid, txn));
        self.stage = Stage::Sync;
        if ground.faults.bug == Some(Bug::ReplyBeforeSync) {
            let through = batch.last().unwrap_or_default();
            self.replica.on_synced(through);
            ground.history.commit(through)?;
            self.stage = Stage::Apply;
        }
        Ok(())
    }

    fn sync(&mut self, ground: &mut Ground) -> Stepped {
        match self.log.sync() {
            Ok(synced) => {
                ground.note(format_args!("synced up to {}", synced.through));
                if self.stage == Stage::SyncLate {
                    self.stage = Stage::Propose;
                    return Ok(Step::Done);
                }
                self.replica.on_synced(synced.through);
                ground.history.commit(synced.through)?;
                self.stage = Stage::Apply;
                Ok(Step::Done)
            }
            Err(error) => {
                ground.note(format_args!("the log fails: {error}"));
                Ok(Step::Stop)
            }
        }
    }

    fn apply(&mut self, ground: &mut Ground) -> Result<(), String> {
        self.stage = if self.stage == Stage::Apply { Stage::Deliver } else { Stage::DeliverFirst };
        if !self.replica.can_apply() {
            return Ok(());
        }
        self.is_locked = true;
        let nobody = vec![false; self.watching.len()];
        let is_blind = ground.faults.bug == Some(Bug::ForgottenWatches) && ground.chance.one_in(20);
        self.replica.apply(&mut self.tree, if is_blind { &nobody } else { &self.watching });
        ground.note(format_args!("applied up to {}", self.tree.last_zxid()));
        ground.history.applied(&self.tree)
    }

    /// Tells the workers, while the tree is still locked.
    fn deliver(&mut self, ground: &mut Ground) {
        for worker in 0..self.workers.len() {
            let outcomes = self.replica.take_outcomes(WorkerId(worker as u16));
            if !outcomes.is_empty() {
                self.workers[worker].mail.push_back(outcomes);
                self.wake_worker(ground, worker);
            }
        }
        self.is_locked = false;
    }

    fn end_round(&mut self, ground: &mut Ground) {
        if self.replica.take_snapshot_due() {
            self.snapshot_owed = true;
        }
        if self.snapshot_owed && matches!(self.pass, Pass::Idle) {
            self.snapshot_owed = false;
            self.log.roll();
            self.begin_snapshot(ground);
        }
        let is_late = ground.faults.bug == Some(Bug::ReplyBeforeSync) && self.batch.take().is_some();
        self.stage = if is_late { Stage::SyncLate } else { Stage::Propose };
    }
}
