//! What the admin server asks of the replica's thread: a snapshot at once, or another state.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use zoorum_proto::Zxid;
use zoorum_server::replica::NotRestorable;
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
}

/// Something to be done.
enum Errand<D: Disk> {
    Snapshot(SnapshotAsker),
    Restore(Box<Restoring<D>>, Sender<Result<Zxid, KeptState>>),
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
    /// durably.
    ///
    /// # Errors
    ///
    /// If the server keeps what it has.
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
    logs: D,
    log_options: LogOptions,
}

impl<D: Disk> ErrandBox<D> {
    /// Both ends. The logs are those that a restored state goes on with.
    pub(crate) fn new(shared: &Arc<Shared>, logs: D, log_options: LogOptions) -> (Errands<D>, Self) {
        let (sender, errands) = channel();
        let given = Errands { sender, shared: Arc::clone(shared) };
        (given, Self { errands, snapshot_askers: Vec::new(), logs, log_options })
    }

    pub(crate) fn wants_snapshot(&self) -> bool {
        !self.snapshot_askers.is_empty()
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
                    let restored = self.restore(*restoring)?;
                    let _ = asker.send(restored); // it may have given up
                }
            }
        }
        Ok(())
    }

    /// Another state takes the place of this one. Nothing is half done: the state is durable, whole and at its place
    /// before the tree is exchanged, and whoever is connected is let go. An error ends the server, and a restart
    /// finds the one state or the other.
    fn restore(&mut self, restoring: Restoring<D>) -> Result<Result<Zxid, KeptState>, ServeError> {
        let zxid = match self.replica.place_for_restored(restoring.origin()) {
            Ok(zxid) => zxid,
            Err(reason) => return Ok(Err(reason.into())),
        };
        let before = self.replica.standing().begins_with.max(self.shared.tree.read().last_zxid());
        // One that is being written is of the state that goes.
        self.snapshots.finish();
        let (tree, staged) = match restoring.settle_at(zxid) {
            Ok(settled) => settled,
            Err(error) => return Ok(Err(error.into())),
        };
        let tail = staged.install()?;
        self.log = TxnLog::open(self.errands.logs.clone(), tail, self.errands.log_options);
        let old = mem::replace(&mut *self.shared.tree.write(), tree);
        let now = self.shared.clock.now();
        self.replica.on_restored(&self.shared.tree.read(), now);
        self.snapshot_owed = false;
        self.publish()?;
        drop(old); // takes its time, and nobody waits for it but this thread
        tracing::warn!(
            "another state was restored at {zxid}, in the place of that of {before}; all sessions end"
        );
        Ok(Ok(zxid))
    }
}
