//! The replica's thread: requests in, the log, the tree, outcomes out.
//!
//! Everything that has come while the last batch was on its way to the disk is the next batch: group commit
//! needs no clock. The log is written and synced on this thread, because a lone write would otherwise pay for
//! two more wake-ups; while it waits for the disk, reads go on, and a [deputy](crate::deputy) may use all else.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use zoorum_proto::Zxid;
use zoorum_server::Replica;
use zoorum_server::message::WorkerId;
use zoorum_server::replica::{Mode, Proposals};
use zoorum_server::time::Monotonic;
use zoorum_storage::{Disk, TxnLog};

use crate::audit::AuditLog;
use crate::deputy;
use crate::errands::ErrandBox;
use crate::leaving::Leaving;
use crate::lost_time::LostTime;
use crate::mail::{ToReplica, ToWorker, WorkerBox};
use crate::member::{Member, ServeError};
use crate::service;
use crate::shared::Shared;
use crate::snapshot::SnapshotThread;

/// Pause while a worker is behind.
const BEHIND: Duration = Duration::from_millis(1);

/// A sync that takes longer is told to the operator.
pub(crate) struct SlowSync {
    pub(crate) threshold: Duration,
}

/// When the log is synced, if not at once: ZooKeeper's `flushDelay`, `maxWriteQueuePollTime` and `maxBatchSize`.
pub(crate) struct FlushPolicy {
    /// Changes may wait so long for others to share the sync with.
    pub(crate) delay: Duration,
    /// Unless no other came for so long.
    pub(crate) quiet: Duration,
    /// Or there are so many; `None`: however many.
    pub(crate) batch: Option<usize>,
    pub(crate) last_flush_at: Monotonic,
    /// So many changes wait, the last one since then.
    pub(crate) waiting: (usize, Monotonic),
}

impl FlushPolicy {
    /// When `unlogged` changes are to be synced.
    fn due_at(&mut self, unlogged: usize, now: Monotonic) -> Monotonic {
        if unlogged != self.waiting.0 {
            self.waiting = (unlogged, now);
        }
        let is_full = self.batch.is_some_and(|batch| unlogged >= batch);
        if is_full { now } else { (self.last_flush_at + self.delay).min(self.waiting.1 + self.quiet) }
    }
}

/// A replica with its thread's belongings.
pub(crate) struct ReplicaThread<D: Disk> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) replica: Replica,
    /// Locked apart from all else, which is free for others while this is synced.
    pub(crate) log: Arc<Mutex<TxnLog<D>>>,
    /// The thread waits for its disk, since then.
    pub(crate) waits_since: Option<Monotonic>,
    /// What its deputy could not do.
    pub(crate) trouble: Option<ServeError>,
    pub(crate) snapshots: SnapshotThread,
    pub(crate) slow_sync: SlowSync,
    pub(crate) flush: FlushPolicy,
    /// What comes is logged. Only an observer may be told otherwise: it then begins again where it last took a tree.
    pub(crate) keeps_log: bool,
    pub(crate) snapshot_owed: bool,
    pub(crate) errands: ErrandBox<D>,
    pub(crate) audit: Option<AuditLog>,
    pub(crate) lost_time: LostTime,
    /// What a server has that is one of an ensemble.
    pub(crate) member: Option<Member<D>>,
    /// It was told to stop.
    pub(crate) leaving: Option<Leaving>,
}

impl<D: Disk> ReplicaThread<D> {
    /// Serves until it is told to stop, and leaves a log that ends cleanly; or until the log fails: then nothing
    /// more may be acknowledged.
    pub(crate) fn run(self) -> Result<(), ServeError> {
        let is_member = self.member.is_some();
        let tick = self.shared.settings.tick;
        let desk = Arc::new(Mutex::new(self));
        if is_member {
            deputy::spawn(&desk, tick).map_err(ServeError::Deputy)?;
        }
        let mut thread = desk.lock();
        let mut mail = Vec::new();
        thread.perform()?;
        while !thread.has_ended() {
            thread.listen(&mut mail)?;
            thread.propose(&mut mail)?;
            if let Some(proposals) = thread.take_batch()? {
                let through = Self::log(&mut thread, &proposals)?;
                thread.on_synced(through)?;
            }
            thread.see_to_the_rest()?;
            thread.note_standing();
            thread.flush_to_peers();
        }
        // Peers are told first, by the end of their connections: they need not wait for this disk.
        thread.member = None;
        Ok(thread.log.lock().close()?)
    }

    /// Waits for mail, from peers or workers.
    fn listen(&mut self, mail: &mut Vec<ToReplica>) -> Result<(), ServeError> {
        let patience = self.patience();
        if self.member.is_some() {
            self.listen_to_peers(patience)?;
            self.shared.replica.take(mail, Duration::ZERO);
        } else {
            self.shared.replica.take(mail, patience);
        }
        Ok(())
    }

    /// Lets others see where this server stands.
    fn note_standing(&self) {
        if self.member.is_none() {
            return;
        }
        let now = self.replica.standing();
        let before = std::mem::replace(&mut *self.shared.standing.lock(), now).mode;
        if before != now.mode && self.leaving.is_none() {
            service::on_mode(now.mode);
        }
        match (before, now.mode) {
            (before, Mode::ReadOnly) if before != Mode::ReadOnly => {
                tracing::info!("Read-only server started: there is no leader");
            }
            (Mode::Waiting, mode) if mode != Mode::Waiting => tracing::info!("serving"),
            (mode, Mode::Waiting) if mode != Mode::Waiting => {
                tracing::info!("serving nobody: there is no leader")
            }
            _ => {}
        }
    }

    /// How long the thread may wait for mail.
    fn patience(&mut self) -> Duration {
        if self.replica.can_apply() || self.may_start_snapshot() {
            return Duration::ZERO;
        }
        let now = self.shared.clock.monotonic();
        let mut wakeup = self.lost_time.next_look(self.replica.next_wakeup());
        wakeup = wakeup.min(self.replica.next_peer_wakeup());
        if let Some(leaving) = &self.leaving {
            wakeup = wakeup.min(leaving.until);
        }
        wakeup = self.errands.next_wakeup().into_iter().fold(wakeup, Monotonic::min);
        if self.replica.unlogged() > 0 {
            wakeup = wakeup.min(self.flush.due_at(self.replica.unlogged(), now));
        }
        wakeup.since(now)
    }

    /// Hands all that has come to the replica. What needs no disk goes first.
    fn propose(&mut self, mail: &mut Vec<ToReplica>) -> Result<(), ServeError> {
        self.hand_over(mail);
        self.tell_time();
        self.perform()?;
        self.publish()
    }

    /// What is to be logged now. Followers are sent it, too: their disks work while this one does.
    fn take_batch(&mut self) -> Result<Option<Proposals>, ServeError> {
        if !self.may_flush() {
            return Ok(None);
        }
        let proposals = self.take_proposals();
        if proposals.is_some() {
            self.perform()?;
            self.flush_to_peers();
        }
        Ok(proposals)
    }

    /// Everything up to here is durable.
    fn on_synced(&mut self, through: Zxid) -> Result<(), ServeError> {
        self.replica.on_synced(&self.shared.tree.read(), self.shared.clock.now(), through);
        self.perform()?;
        self.publish()?;
        self.note_joints();
        Ok(())
    }

    fn see_to_the_rest(&mut self) -> Result<(), ServeError> {
        self.tell_operator();
        if self.replica.take_snapshot_due() && self.keeps_log {
            self.snapshot_owed = true;
        }
        self.run_errands()?;
        self.start_owed_snapshot();
        Ok(())
    }

    fn take_proposals(&mut self) -> Option<Proposals> {
        self.replica.take_proposals(&self.shared.tree.read(), self.shared.clock.now())
    }

    fn may_flush(&mut self) -> bool {
        if self.flush.delay.is_zero() {
            return true;
        }
        let now = self.shared.clock.monotonic();
        self.flush.due_at(self.replica.unlogged(), now) <= now
    }

    /// Hands the mail to the replica.
    pub(crate) fn hand_over(&mut self, mail: &mut Vec<ToReplica>) {
        let now = self.shared.clock.now();
        let tree = self.shared.tree.read();
        for message in mail.drain(..) {
            match message {
                ToReplica::Requests(worker, requests) => {
                    self.replica.on_requests(&tree, now, worker, &requests);
                }
                // Whoever asked may have given up.
                ToReplica::Report(reply) => drop(reply.send(self.report())),
                ToReplica::ResetCounters => self.replica.reset_counters(),
                ToReplica::ResetObservers => self.replica.reset_observers(),
                ToReplica::Errand => {} // looked for in any case
                ToReplica::Stop => {
                    self.replica.leave();
                    self.leaving = Some(Leaving::begin(&self.shared, now.monotonic));
                }
                ToReplica::Left => {
                    if let Some(leaving) = &mut self.leaving {
                        leaving.workers -= 1;
                    }
                }
            }
        }
    }

    /// Tells the replica the time if it is due: after the mail, which may hold the sign of life of a session that
    /// would expire.
    fn tell_time(&mut self) {
        let now = self.shared.clock.now();
        if self.lost_time.is_tick_due(now.monotonic, self.replica.next_wakeup()) {
            self.replica.on_tick(&self.shared.tree.read(), now);
        }
    }

    /// Whether this server was told to stop, and nothing is left to be done, or no time.
    fn has_ended(&mut self) -> bool {
        match &self.leaving {
            None => false,
            Some(Leaving { until, .. }) if *until <= self.shared.clock.monotonic() => true,
            Some(Leaving { workers, .. }) if *workers > 0 => false,
            Some(_) => {
                self.replica.finish();
                self.replica.is_finished()
            }
        }
    }

    /// What operators want to read in their logs.
    fn tell_operator(&mut self) {
        for (session, timeout) in self.replica.take_expired() {
            tracing::info!("Expiring session {session}, timeout of {}ms exceeded", timeout.as_millis());
        }
        if let Some(audit) = &self.audit {
            self.replica.take_audit_records().iter().for_each(|record| audit.write(record));
        }
    }

    /// Makes changes durable; tells up to which.
    fn log(thread: &mut MutexGuard<'_, Self>, proposals: &Proposals) -> Result<Zxid, ServeError> {
        if !thread.keeps_log {
            return Ok(proposals.last().unwrap_or_default());
        }
        let log = Arc::clone(&thread.log);
        let mut log = log.lock();
        for (zxid, txn) in proposals.iter() {
            log.append(zxid, txn);
        }
        let started = thread.shared.clock.monotonic();
        thread.waits_since = Some(started);
        let synced = MutexGuard::unlocked(thread, || log.sync())?;
        thread.waits_since = None;
        thread.tell_of_sync(started, log.file_length());
        match thread.trouble.take() {
            Some(trouble) => Err(trouble),
            None => Ok(synced.through),
        }
    }

    fn tell_of_sync(&mut self, started: Monotonic, file_length: u64) {
        self.flush.last_flush_at = self.shared.clock.monotonic();
        self.flush.waiting.0 = 0;
        let took = self.flush.last_flush_at.since(started);
        self.shared.timings.on_synced(took);
        if took > self.slow_sync.threshold {
            self.shared.timings.on_slow_sync();
            tracing::warn!(
                "fsync-ing the write ahead log took {}ms which will adversely effect operation latency.\
                 File size is {file_length} bytes. See the ZooKeeper troubleshooting guide",
                took.as_millis(),
            );
        }
    }

    /// Applies what is committed and tells the workers, all under the tree's exclusive lock: a worker that
    /// sees the new tree finds the news in its box.
    pub(crate) fn publish(&mut self) -> Result<(), ServeError> {
        while self.shared.workers.iter().any(WorkerBox::is_overfull) {
            thread::sleep(BEHIND); // nothing keeps a worker from its mail, but work
        }
        let mut woken = Vec::new();
        let tell = |replica: &mut Replica, woken: &mut Vec<WorkerId>| {
            for (worker, id) in self.shared.workers.iter().zip(0..) {
                let outcomes = replica.take_outcomes(WorkerId(id));
                if !outcomes.is_empty() {
                    worker.put(ToWorker::Outcomes(outcomes));
                    woken.push(WorkerId(id));
                }
            }
        };
        if self.replica.can_apply() {
            let mut tree = self.shared.tree.write();
            let watching = self.shared.watching();
            self.replica.apply(&mut tree, &watching);
            self.replica.on_round(&tree, self.shared.clock.now());
            tell(&mut self.replica, &mut woken);
        } else {
            if self.member.is_some() {
                self.replica.on_round(&self.shared.tree.read(), self.shared.clock.now());
            }
            tell(&mut self.replica, &mut woken);
        }
        woken.into_iter().for_each(|id| self.shared.worker(id).wake());
        self.perform()
    }

    fn may_start_snapshot(&self) -> bool {
        let is_due = self.snapshot_owed && self.replica.serves()
            || self.errands.wants_snapshot() && self.replica.standing().mode != Mode::Waiting;
        is_due && self.snapshots.is_idle()
    }

    /// A snapshot that fell due, or was asked for, while another was being written is owed until that one is done.
    fn start_owed_snapshot(&mut self) {
        if self.may_start_snapshot() {
            self.snapshot_owed = false;
            self.log.lock().roll();
            let start = self.shared.tree.write().begin_snapshot();
            self.snapshots.start(start, self.errands.take_snapshot_askers());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delayed_flush_comes_in_its_time_or_with_a_full_batch() {
        let at = |ms| Monotonic(Duration::from_millis(ms));
        let (delay, quiet) = (Duration::from_millis(50), Duration::from_millis(20));
        let (last_flush_at, waiting) = (at(100), (0, at(100)));
        let mut flush = FlushPolicy { delay, quiet, batch: Some(10), last_flush_at, waiting };
        assert_eq!(flush.due_at(7, at(101)), at(121), "unless more come");
        assert_eq!(flush.due_at(7, at(115)), at(121));
        assert_eq!(flush.due_at(9, at(118)), at(138));
        assert_eq!(flush.due_at(10, at(119)), at(119), "the batch is full");
        assert_eq!(flush.due_at(1, at(140)), at(150), "however many come");
    }
}
