//! What the admin server asks of the replica's thread: a snapshot at once, or another state.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_server::replica::{NotRestorable, Place};
use zoorum_server::time::Monotonic;
use zoorum_storage::{Disk, LogOptions, Restoring, SnapshotError, TxnLog};

use crate::mail::ToReplica;
use crate::member::ServeError;
use crate::replica::ReplicaThread;
use crate::shared::Shared;
use crate::snapshot::SnapshotAsker;

/// Why a server keeps the state that it has.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptState {
    /// The replica does not take it.
    #[error(transparent)]
    Refused(#[from] NotRestorable),
    /// It cannot be written to its end.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The server ends, or does not come to it.
    #[error("the server did not come to it")]
    NotDone,
    /// The others went on with what they have.
    #[error(
        "this server lost touch with its ensemble before the others had the state, and they went on without it: it is \
         given up here, too"
    )]
    NotTakenOver,
    /// There is no leader, or something else is done with the tree.
    #[error(
        "the server keeps its state: for {} s the ensemble had no leader, or the tree was being written or sent",
        RESTORE_PATIENCE.as_secs()
    )]
    NotInTime,
    /// The others are not there.
    #[error(
        "the state is restored here, and is the ensemble's once a quorum has taken it over, which it had not after {} s: \
         look whether all members run",
        RESTORE_PATIENCE.as_secs()
    )]
    NotYetTakenOver,
}

/// How long a state that is ready may take to become the server's, and its ensemble's.
const RESTORE_PATIENCE: Duration = Duration::from_secs(120);

/// Who asked for another state.
type RestoreAsker = Sender<Result<Zxid, KeptState>>;

/// A state that waits for its place, and until when.
struct Waiting<D: Disk> {
    restoring: Box<Restoring<D>>,
    asker: RestoreAsker,
    until: Monotonic,
}

/// A restored state that the ensemble is to take over: where it stands, and until when that is waited for.
struct Restored {
    zxid: Zxid,
    asker: RestoreAsker,
    until: Monotonic,
}

/// Something to be done.
enum Errand<D: Disk> {
    Snapshot(SnapshotAsker),
    Restore(Box<Restoring<D>>, RestoreAsker),
}

/// Where errands are given.
pub(crate) struct Errands<D: Disk> {
    sender: Sender<Errand<D>>,
    shared: Arc<Shared>,
}

impl<D: Disk> Errands<D> {
    /// A snapshot is wanted; whoever asks hears of it.
    pub(crate) fn ask_for_snapshot(&self) -> Receiver<Result<Zxid, SnapshotError>> {
        let (asker, answer) = channel();
        self.give(Errand::Snapshot(asker));
        answer
    }

    /// Another state is to take the place of this server's; says at which place in history it does, once it has,
    /// durably, and so that no fault of a minority undoes it.
    ///
    /// # Errors
    ///
    /// If the server keeps what it has, or what the others do is not known.
    pub(crate) fn restore(&self, restoring: Restoring<D>) -> Result<Zxid, KeptState> {
        let (asker, answer) = channel();
        self.give(Errand::Restore(Box::new(restoring), asker));
        answer.recv().unwrap_or(Err(KeptState::NotDone))
    }

    fn give(&self, errand: Errand<D>) {
        // The thread lives as long as the process, or nobody needs an answer any more.
        let _ = self.sender.send(errand);
        self.shared.replica.send(ToReplica::Errand);
    }
}

/// Where the replica's thread finds them.
pub(crate) struct ErrandBox<D: Disk> {
    errands: Receiver<Errand<D>>,
    snapshot_askers: Vec<SnapshotAsker>,
    waiting: Vec<Waiting<D>>,
    restored: Option<Restored>,
    logs: D,
    log_options: LogOptions,
}

impl<D: Disk> ErrandBox<D> {
    /// Both ends. The logs are those that a restored state goes on with.
    pub(crate) fn new(shared: &Arc<Shared>, logs: D, log_options: LogOptions) -> (Errands<D>, Self) {
        let (sender, errands) = channel();
        let given = Errands { sender, shared: Arc::clone(shared) };
        let (snapshot_askers, waiting) = (Vec::new(), Vec::new());
        (given, Self { errands, snapshot_askers, waiting, restored: None, logs, log_options })
    }

    pub(crate) fn wants_snapshot(&self) -> bool {
        !self.snapshot_askers.is_empty()
    }

    /// When somebody has waited long enough.
    pub(crate) fn next_wakeup(&self) -> Option<Monotonic> {
        let waiting = self.waiting.iter().map(|waiting| waiting.until);
        waiting.chain(self.restored.as_ref().map(|restored| restored.until)).min()
    }

    pub(crate) fn take_snapshot_askers(&mut self) -> Vec<SnapshotAsker> {
        mem::take(&mut self.snapshot_askers)
    }
}

impl<D: Disk> ReplicaThread<D> {
    /// Sees to what was asked for.
    pub(crate) fn run_errands(&mut self) -> Result<(), ServeError> {
        while let Ok(errand) = self.errands.errands.try_recv() {
            match errand {
                Errand::Snapshot(asker) => self.errands.snapshot_askers.push(asker),
                Errand::Restore(restoring, asker) => {
                    let until = self.shared.clock.monotonic() + RESTORE_PATIENCE;
                    self.errands.waiting.push(Waiting { restoring, asker, until });
                }
            }
        }
        self.restore_next()?;
        self.see_who_has_taken_over();
        Ok(())
    }

    /// Finds the next state that waits its place, if it can have one now.
    fn restore_next(&mut self) -> Result<(), ServeError> {
        let now = self.shared.clock.now();
        for late in self.errands.waiting.extract_if(.., |waiting| waiting.until <= now.monotonic) {
            let _ = late.asker.send(Err(KeptState::NotInTime)); // it may have given up
        }
        // A pass over the tree is of the state that goes; whoever is sent one is not kept from it.
        if self.errands.restored.is_some() || !self.snapshots.is_idle() {
            return Ok(());
        }
        let Some(waiting) = self.errands.waiting.pop() else { return Ok(()) };
        match self.replica.place_for_restored(waiting.restoring.origin()) {
            Ok(Place::Next(zxid)) => return self.restore(waiting, zxid),
            Ok(Place::NotYetKnown) => self.errands.waiting.push(waiting),
            Err(reason) => drop(waiting.asker.send(Err(reason.into()))),
        }
        Ok(())
    }

    /// Another state takes the place of this one. Nothing is half done: the state is durable, whole and at its place
    /// before the tree is exchanged, and whoever is connected is let go. An error ends the server, and a restart
    /// finds the one state or the other.
    fn restore(&mut self, waiting: Waiting<D>, zxid: Zxid) -> Result<(), ServeError> {
        let Waiting { restoring, asker, until } = waiting;
        let origin = restoring.origin();
        let before = self.replica.standing().begins_with.max(self.shared.tree.read().last_zxid());
        let (tree, staged) = match restoring.settle_at(zxid) {
            Ok(settled) => settled,
            Err(error) => {
                drop(asker.send(Err(error.into())));
                return Ok(());
            }
        };
        let tail = staged.install()?;
        *self.log.lock() = TxnLog::open(self.errands.logs.clone(), tail, self.errands.log_options);
        let old = self.show_tree(tree);
        let now = self.shared.clock.now();
        self.replica.on_restored(&self.shared.tree.read(), now, origin);
        self.snapshot_owed = false;
        self.errands.restored = Some(Restored { zxid, asker, until });
        self.publish()?;
        drop(old); // takes its time, and nobody waits for it but this thread
        tracing::warn!(
            "another state was restored at {zxid}, in the place of that of {before}; all sessions end"
        );
        Ok(())
    }

    /// Tells whoever asked for the state that was restored what became of it, once that is known.
    fn see_who_has_taken_over(&mut self) {
        let Some(Restored { zxid, asker, until }) = self.errands.restored.take() else { return };
        let told = match self.replica.is_taken_over() {
            Some(true) => Ok(zxid),
            Some(false) => Err(KeptState::NotTakenOver),
            None if until <= self.shared.clock.monotonic() => Err(KeptState::NotYetTakenOver),
            None => {
                self.errands.restored = Some(Restored { zxid, asker, until });
                return;
            }
        };
        let _ = asker.send(told); // it may have given up
    }
}
