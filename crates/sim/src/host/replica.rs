//! The replica's loop: letters in, the log, the tree, letters out. A crash can fall between any two steps.

use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_server::message::{Request, WorkerId};
use zoorum_server::replica::Proposals;
use zoorum_zab::Part;

use super::snapshot::Pass;
use super::{Halt, Process, Step, Stepped, TICK};
use crate::faults::Bug;
use crate::ground::{Ground, Wake};

/// Where the loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Listen,
    Propose,
    /// What is committed goes first.
    ApplyFirst,
    DeliverFirst,
    Append,
    Sync,
    Apply,
    Deliver,
    /// Only with an error planted: what was said to be synced is so at last.
    SyncLate,
}

impl Process {
    pub(crate) fn step_replica(&mut self, ground: &mut Ground) -> Stepped {
        if !self.replica_alarm.take(ground.now) {
            return Ok(Step::Done);
        }
        if ground.now < self.syncs_until {
            return self.wait_for_disk(ground);
        }
        if let Err(halt) = self.act(ground) {
            return halt.come_to(ground);
        }
        if matches!(self.stage, Stage::Sync | Stage::SyncLate) {
            self.syncs_until = ground.now + ground.chance.micros(10, 3_000) + ground.sync_delay(self.place);
            self.wake_from_disk(ground);
            return Ok(Step::Done);
        }
        let mut next = ground.now + ground.chance.micros(1, 100);
        if self.stage == self.first_stage() && self.mail.is_empty() && !self.replica.can_apply() {
            let tick_at = ground.true_time(self.place, self.replica.next_wakeup());
            next = next.max(tick_at.min(self.next_peer_turn(ground)));
        }
        self.replica_alarm.set(ground, next, Wake::Replica(self.number));
        Ok(Step::Done)
    }

    /// As on the real host, a follower's deputy gives signs of life, and passes on what workers have.
    fn wait_for_disk(&mut self, ground: &mut Ground) -> Stepped {
        if matches!(self.replica.part(), Some(Part::Following(..) | Part::Observing(..))) {
            let now = ground.clocks(self.place);
            self.hand_over(ground);
            self.replica.give_sign(&self.tree, now);
            if let Err(halt) = self.perform(ground) {
                return halt.come_to(ground);
            }
            self.flush_to_peers(ground);
        }
        self.wake_from_disk(ground);
        Ok(Step::Done)
    }

    /// The log will have been synced then, or it is the deputy's turn.
    fn wake_from_disk(&mut self, ground: &mut Ground) {
        let at = self.syncs_until.min(ground.now + TICK / 4);
        self.replica_alarm.put_off(ground, at, Wake::Replica(self.number));
    }

    /// Where a round begins. A server alone has nobody to listen to.
    fn first_stage(&self) -> Stage {
        if self.member.is_some() { Stage::Listen } else { Stage::Propose }
    }

    fn act(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        match self.stage {
            Stage::Listen => {
                self.listen(ground)?;
                self.stage = Stage::Propose;
            }
            Stage::Propose => self.propose(ground)?,
            Stage::ApplyFirst | Stage::Apply => self.apply(ground)?,
            Stage::DeliverFirst => {
                self.deliver(ground)?;
                self.take_batch(ground)?;
            }
            Stage::Append => self.append(ground)?,
            Stage::Sync | Stage::SyncLate => self.sync(ground)?,
            Stage::Deliver => {
                self.deliver(ground)?;
                self.note_joints(ground);
                self.end_round(ground);
            }
        }
        Ok(())
    }

    fn propose(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        self.hand_over(ground);
        let now = ground.clocks(self.place);
        if now.monotonic >= self.replica.next_wakeup() {
            self.replica.on_tick(&self.tree, now);
            self.ticked_at.get_or_insert(ground.now);
        }
        self.stage = Stage::ApplyFirst;
        self.perform(ground)
    }

    /// Hands the mail to the replica.
    fn hand_over(&mut self, ground: &mut Ground) {
        let now = ground.clocks(self.place);
        for (worker, requests) in std::mem::take(&mut self.mail) {
            self.replica.on_requests(&self.tree, now, worker, &requests);
            let has_writes_only =
                requests.items.iter().all(|request| matches!(request, Request::Write { .. }));
            if ground.faults.bug == Some(Bug::RepeatedLetter) && has_writes_only && ground.chance.one_in(20) {
                self.replica.on_requests(&self.tree, now, worker, &requests);
            }
        }
    }

    /// What is to be logged.
    fn take_batch(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        let decides = self.leads();
        self.batch = self.replica.take_proposals(&self.tree, ground.clocks(self.place));
        let Some(batch) = &self.batch else {
            self.end_round(ground);
            return Ok(());
        };
        self.stage = Stage::Append;
        let ticked_at = self.ticked_at.take().unwrap_or(ground.now);
        for session in ground.servers.take(&mut ground.history, self.place, decides, batch)? {
            ground.note(format_args!("{session} expires"));
            // A leader is told twice a tick whom others have heard.
            let told_late = if ground.faults.has_peers() { TICK } else { Duration::ZERO };
            let slack = ground.faults.pause_max() + ground.faults.drift_max();
            // A server that lost its leader answers its clients for a while, and nobody hears of them.
            if !ground.faults.has_peers() || ground.is_quiet {
                let told_by = ticked_at.saturating_sub(told_late);
                ground.sessions.check_expiry(ground.now, told_by, session, slack)?;
            }
        }
        ground.note(format_args!(
            "server {} takes up to {}",
            self.place + 1,
            batch.last().unwrap_or_default()
        ));
        // To the followers, too: their disks work while this one does.
        self.perform(ground)?;
        self.flush_to_peers(ground);
        Ok(())
    }

    fn append(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        let Some(batch) = &self.batch else { return Ok(()) };
        let loses =
            ground.faults.bug == Some(Bug::UnloggedChange) && !self.leads() && ground.chance.one_in(20);
        let count = batch.iter().count() - usize::from(loses);
        batch.iter().take(count).for_each(|(zxid, txn)| self.log.append(zxid, txn));
        self.stage = Stage::Sync;
        let is_early = match ground.faults.bug {
            Some(Bug::ReplyBeforeSync) => true,
            // What comes while it gets in step.
            Some(Bug::InStepBeforeSync) => !self.part.serves(),
            _ => false,
        };
        if is_early {
            let through = batch.last().unwrap_or_default();
            self.stage = Stage::Apply;
            self.on_synced(ground, through)?;
        }
        Ok(())
    }

    /// The replica is told that its log keeps everything up to `through`.
    fn on_synced(&mut self, ground: &mut Ground, through: Zxid) -> Result<(), Halt> {
        self.replica.on_synced(&self.tree, ground.clocks(self.place), through);
        if self.member.is_none() {
            ground.history.commit(through)?;
        }
        self.perform(ground)
    }

    fn sync(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        let mut through = self.log.sync().map_err(Halt::stop)?.through;
        ground.note(format_args!("server {} has synced up to {through}", self.place + 1));
        if ground.faults.bug == Some(Bug::UnloggedChange) {
            through = self.batch.as_ref().and_then(Proposals::last).unwrap_or(through);
        }
        ground.servers.on_synced(self.place, through)?;
        if self.stage == Stage::SyncLate {
            self.stage = self.first_stage();
            return Ok(());
        }
        self.stage = Stage::Apply;
        self.on_synced(ground, through)
    }

    fn apply(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        self.stage = if self.stage == Stage::Apply { Stage::Deliver } else { Stage::DeliverFirst };
        if !self.replica.can_apply() {
            return Ok(());
        }
        self.is_locked = true;
        let nobody = vec![false; self.watching.len()];
        let is_blind = ground.faults.bug == Some(Bug::ForgottenWatches) && ground.chance.one_in(20);
        self.replica.apply(&mut self.tree, if is_blind { &nobody } else { &self.watching });
        ground.note(format_args!("server {} has applied up to {}", self.place + 1, self.tree.last_zxid()));
        // Without a leader nothing is applied, and the tree is as the log was: its end may never be committed.
        if self.replica.serves() || !ground.faults.read_only {
            ground.history.applied(&self.tree)?;
        }
        Ok(())
    }

    /// Tells the workers, while the tree is still locked.
    fn deliver(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        self.replica.on_round(&self.tree, ground.clocks(self.place));
        for worker in 0..self.workers.len() {
            let outcomes = self.replica.take_outcomes(WorkerId(worker as u16));
            if !outcomes.is_empty() {
                self.workers[worker].mail.push_back(outcomes);
                self.wake_worker(ground, worker);
            }
        }
        self.is_locked = false;
        self.perform(ground)
    }

    fn end_round(&mut self, ground: &mut Ground) {
        if self.replica.take_snapshot_due() {
            self.snapshot_owed = true;
        }
        if self.snapshot_owed && self.replica.serves() && matches!(self.pass, Pass::Idle) {
            self.snapshot_owed = false;
            self.log.roll();
            self.begin_snapshot(ground);
        }
        let had_batch = self.batch.take().is_some();
        let is_late = had_batch && self.log.bytes_unsynced() > 0;
        self.stage = if is_late { Stage::SyncLate } else { self.first_stage() };
        self.flush_to_peers(ground);
    }
}
