//! The replica's thread: requests in, the log, the tree, outcomes out.
//!
//! Everything that has come while the last batch was on its way to the disk is the next batch: group commit
//! needs no clock. The log is written and synced on this thread, because a lone write would otherwise pay for
//! two more wake-ups; while it waits for the disk, reads go on.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_server::Replica;
use zoorum_server::message::WorkerId;
use zoorum_server::time::Monotonic;
use zoorum_storage::{Disk, LogError, TxnLog};

use crate::audit::AuditLog;
use crate::mail::{ToReplica, ToWorker, WorkerBox};
use crate::shared::Shared;
use crate::snapshot::SnapshotThread;

/// Waking so late means that the whole process may have stood still, its workers too: signs of life may wait
/// in their sockets, unread.
const LATE: Duration = Duration::from_millis(20);
/// So long workers then have to read them, before a session may expire.
const CATCHING_UP: Duration = Duration::from_millis(500);

/// Pause while a worker is behind.
const BEHIND: Duration = Duration::from_millis(1);

/// A sync that takes longer is told to the operator.
pub(crate) struct SlowSync {
    pub(crate) threshold: Duration,
}

/// When the log is synced, if not at once: ZooKeeper's `flushDelay` and `maxBatchSize`.
pub(crate) struct FlushPolicy {
    /// Changes may wait so long for others to share the sync with.
    pub(crate) delay: Duration,
    /// Unless there are so many; `None`: however many.
    pub(crate) batch: Option<usize>,
    pub(crate) last_flush_at: Monotonic,
}

impl FlushPolicy {
    /// When `unlogged` changes are to be synced.
    fn due_at(&self, unlogged: usize, now: Monotonic) -> Monotonic {
        let is_full = self.batch.is_some_and(|batch| unlogged >= batch);
        if is_full { now } else { self.last_flush_at + self.delay }
    }
}

/// A replica with its thread's belongings.
pub(crate) struct ReplicaThread<D: Disk> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) replica: Replica,
    pub(crate) log: TxnLog<D>,
    pub(crate) snapshots: SnapshotThread,
    pub(crate) slow_sync: SlowSync,
    pub(crate) flush: FlushPolicy,
    pub(crate) snapshot_owed: bool,
    pub(crate) audit: Option<AuditLog>,
    /// No session expires before, because time was lost.
    pub(crate) expiry_held_until: Option<Monotonic>,
}

impl<D: Disk> ReplicaThread<D> {
    /// Serves until it is told to stop, and leaves a log that ends cleanly; or until the log fails: then nothing
    /// more may be acknowledged.
    pub(crate) fn run(mut self) -> Result<(), LogError> {
        let mut mail = Vec::new();
        let mut stopping = false;
        while !stopping {
            let patience = self.patience();
            self.shared.replica.take(&mut mail, patience);
            stopping = self.step(&mut mail)?;
        }
        self.log.close()
    }

    /// How long the thread may wait for mail.
    fn patience(&self) -> Duration {
        let now = self.shared.clock.monotonic();
        let mut wakeup = self.expiry_held_until.unwrap_or_else(|| self.replica.next_wakeup());
        if self.replica.unlogged() > 0 && !self.replica.waits_for_reads() {
            wakeup = wakeup.min(self.flush.due_at(self.replica.unlogged(), now));
        }
        wakeup.since(now)
    }

    /// Deals with all that has come. Whether the replica is told to stop.
    fn step(&mut self, mail: &mut Vec<ToReplica>) -> Result<bool, LogError> {
        let stopping = self.propose(mail);
        // What is committed goes first, and nobody waits for the disk while reads hold it up.
        self.publish();
        if self.may_flush()
            && let Some(proposals) = self.replica.take_proposals()
        {
            for (zxid, txn) in proposals.iter() {
                self.log.append(zxid, txn);
            }
            let through = self.sync()?;
            self.replica.on_synced(through);
            self.publish();
        }
        self.tell_operator();
        if self.replica.take_snapshot_due() {
            self.snapshot_owed = true;
        }
        self.start_owed_snapshot();
        Ok(stopping)
    }

    fn may_flush(&self) -> bool {
        if self.flush.delay.is_zero() {
            return !self.replica.waits_for_reads();
        }
        let now = self.shared.clock.monotonic();
        !self.replica.waits_for_reads() && self.flush.due_at(self.replica.unlogged(), now) <= now
    }

    /// Hands the mail to the replica, and the time if it is due: after the mail, which may hold the sign of
    /// life of a session that would expire.
    fn propose(&mut self, mail: &mut Vec<ToReplica>) -> bool {
        let mut stopping = false;
        let now = self.shared.clock.now();
        let tree = self.shared.tree.read();
        for message in mail.drain(..) {
            match message {
                ToReplica::Requests(worker, requests) => {
                    self.replica.on_requests(&tree, now, worker, &requests);
                }
                // Whoever asked may have given up.
                ToReplica::Report(reply) => drop(reply.send(self.replica.report())),
                ToReplica::ResetCounters => self.replica.reset_counters(),
                ToReplica::Stop => stopping = true,
            }
        }
        if is_tick_due(now.monotonic, self.replica.next_wakeup(), &mut self.expiry_held_until) {
            self.replica.on_tick(&tree, now);
        }
        stopping
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

    fn sync(&mut self) -> Result<Zxid, LogError> {
        let started = self.shared.clock.monotonic();
        let synced = self.log.sync()?;
        self.flush.last_flush_at = self.shared.clock.monotonic();
        let took = self.flush.last_flush_at.since(started);
        self.shared.timings.on_synced(took);
        if took > self.slow_sync.threshold {
            tracing::warn!(
                "fsync-ing the write ahead log took {}ms which will adversely effect operation latency.\
                 File size is {} bytes. See the ZooKeeper troubleshooting guide",
                took.as_millis(),
                self.log.file_length(),
            );
        }
        Ok(synced.through)
    }

    /// Applies what is committed and tells the workers, all under the tree's exclusive lock: a worker that
    /// sees the new tree finds the news in its box.
    fn publish(&mut self) {
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
            tell(&mut self.replica, &mut woken);
        } else {
            tell(&mut self.replica, &mut woken);
        }
        woken.into_iter().for_each(|id| self.shared.worker(id).wake());
    }

    /// A snapshot that fell due while another was being written is owed until that one is done.
    fn start_owed_snapshot(&mut self) {
        if self.snapshot_owed && self.snapshots.is_idle() {
            self.snapshot_owed = false;
            self.log.roll();
            let start = self.shared.tree.write().begin_snapshot();
            self.snapshots.start(start);
        }
    }
}

/// Whether time may be told to the replica, which wanted to hear of it at `wakeup`. Not at once if that was long
/// ago: `held_until` keeps until when.
fn is_tick_due(now: Monotonic, wakeup: Monotonic, held_until: &mut Option<Monotonic>) -> bool {
    if now < wakeup {
        *held_until = None;
        return false;
    }
    if held_until.is_none() && now.since(wakeup) > LATE {
        *held_until = Some(now + CATCHING_UP);
    }
    match *held_until {
        Some(until) if now < until => false,
        _ => {
            *held_until = None;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delayed_flush_comes_in_its_time_or_with_a_full_batch() {
        let at = |ms| Monotonic(Duration::from_millis(ms));
        let flush = FlushPolicy { delay: Duration::from_millis(5), batch: Some(10), last_flush_at: at(100) };
        assert_eq!(flush.due_at(9, at(101)), at(105));
        assert_eq!(flush.due_at(10, at(101)), at(101));
    }

    #[test]
    fn sessions_do_not_expire_before_their_signs_of_life_can_have_been_read() {
        let at = |ms| Monotonic(Duration::from_millis(ms));
        let mut held = None;
        assert!(!is_tick_due(at(999), at(1000), &mut held));
        assert!(is_tick_due(at(1001), at(1000), &mut held), "in time");
        assert!(!is_tick_due(at(9000), at(1000), &mut held), "the process stood still");
        assert!(!is_tick_due(at(9499), at(1000), &mut held));
        assert!(is_tick_due(at(9500), at(1000), &mut held), "whoever is alive has been heard");
        assert_eq!(held, None);
    }
}
