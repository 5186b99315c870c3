//! What a server that is one of an ensemble has besides: the sockets of its peers, and the files that keep its
//! word.
//!
//! The replica's thread owns all of it, so what a peer says costs no hop between threads. Effects are carried out
//! in the order in which the replica asks for them; what must be durable is, before the replica hears of it.

use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_server::replica::{Effect, ReplicaReport};
use zoorum_storage::snapshot::{ReceiveError, Receiving};
use zoorum_storage::{
    Disk, EpochError, Epochs, ForceSnap, ForceSnapError, InstallError, Joints, LogError, LogOptions,
    RecoverError, RecoverOptions, SnapshotError, SnapshotOptions, Staged, TruncateError, Truncation, TxnLog,
    recover, truncate,
};
use zoorum_tree::{Loader, Tree};
use zoorum_zab::{Door, Entry, LinkEvent, Notice, Persist, SnapshotStep};

use crate::peers::{PeerSockets, SnapshotFeed, Source, StreamOrder};
use crate::receiver::Receiver;
use crate::replica::ReplicaThread;
use crate::supplies::Supplies;

/// Why a server cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An epoch cannot be kept.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The history cannot be cut.
    #[error(transparent)]
    Truncate(#[from] TruncateError),
    /// What was cut cannot be read again.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// A tree from the leader cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A tree from the leader cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There is no thread to stand in for the replica's.
    #[error("cannot start the thread that gives signs of life while the disk is slow: {0}")]
    Deputy(std::io::Error),
    /// There is no thread to receive a tree from the leader.
    #[error("cannot start the thread that receives the leader's tree: {0}")]
    Receiver(std::io::Error),
    /// The note that a tree is needed cannot be kept.
    #[error(transparent)]
    ForceSnap(#[from] ForceSnapError),
    /// The sockets cannot be waited for.
    #[error("cannot wait for the sockets of peers: {0}")]
    Poll(std::io::Error),
    /// Nobody can call for votes.
    #[error(
        "cannot listen on the election port: {0}. Free the port, or correct the line server.N of this server"
    )]
    ElectionPort(String),
}

/// How files are read and written.
#[derive(Clone, Debug)]
pub(crate) struct FileOptions {
    pub(crate) recover: RecoverOptions,
    pub(crate) log: LogOptions,
    pub(crate) snapshots: SnapshotOptions,
    /// Longest record of a tree that a leader may send, in bytes.
    pub(crate) record_limit: usize,
}

/// See the module.
pub(crate) struct Member<D: Disk> {
    /// What `/zookeeper/config` shows.
    pub(crate) config: Arc<str>,
    pub(crate) sockets: PeerSockets,
    pub(crate) epochs: Epochs<D>,
    pub(crate) snapshots: D,
    pub(crate) logs: D,
    /// The directory of what is Zoorum's own.
    pub(crate) own: D,
    pub(crate) joints: Joints,
    pub(crate) supplies: Supplies<D>,
    pub(crate) options: FileOptions,
    pub(crate) events: Vec<LinkEvent>,
    pub(crate) receiver: Option<Receiver<D>>,
    pub(crate) received: Option<(Tree, Staged<D>)>,
}

impl<D: Disk> ReplicaThread<D> {
    /// Waits until peers or workers have something, or time is up; peers' news are dealt with.
    pub(crate) fn listen_to_peers(&mut self, patience: Duration) -> Result<(), ServeError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let patience = if self.shared.replica.may_sleep() { patience } else { Duration::ZERO };
        let mut events = std::mem::take(&mut member.events);
        member.sockets.poll(patience, &mut events).map_err(ServeError::Poll)?;
        for event in events.drain(..) {
            if let LinkEvent::Shut { door: Door::Election, reason } = event {
                return Err(ServeError::ElectionPort(reason));
            }
            let now = self.shared.clock.now();
            self.replica.on_link(&self.shared.tree.read(), now, event);
            self.perform()?;
        }
        self.take_received()?;
        self.supply_learners()?;
        let now = self.shared.clock.now();
        if self.replica.next_peer_wakeup() <= now.monotonic {
            self.replica.on_peer_tick(&self.shared.tree.read(), now);
            self.perform()?;
        }
        if let Some(member) = &mut self.member {
            member.events = events;
        }
        Ok(())
    }

    /// What the replica tells of itself, with what waits to be written to its learners.
    pub(crate) fn report(&self) -> ReplicaReport {
        let mut report = self.replica.report();
        if let (Some(peer), Some(member)) = (&mut report.peer, &self.member) {
            for learner in &mut peer.learners {
                learner.queued = member.sockets.queued(learner.link);
            }
        }
        report
    }

    /// Sends what is to be sent to peers.
    pub(crate) fn flush_to_peers(&mut self) {
        if let Some(member) = &mut self.member {
            member.sockets.flush();
        }
    }

    /// Carries out what the replica asks for, in order.
    pub(crate) fn perform(&mut self) -> Result<(), ServeError> {
        loop {
            let effects = self.replica.take_effects();
            if effects.is_empty() {
                return Ok(());
            }
            for effect in effects {
                match effect {
                    Effect::Link(action) => {
                        let order = self.member.as_mut().and_then(|member| member.sockets.perform(action));
                        match order {
                            Some(StreamOrder { source: Source::Tree(zxid), feed }) => {
                                self.send_tree(zxid, feed)
                            }
                            Some(StreamOrder { source: Source::Files(link), feed }) => {
                                if let Some(member) = &mut self.member {
                                    member.supplies.send(link, feed);
                                }
                            }
                            None => {}
                        }
                    }
                    Effect::Persist(what) => self.persist(what)?,
                    Effect::Snapshot(step) => self.take_tree(step)?,
                    Effect::DistrustTree => {
                        if let Some(member) = &self.member {
                            ForceSnap::Digest.set(&member.own)?;
                        }
                    }
                    Effect::Seek(seek) => {
                        if let Some(member) = &mut self.member {
                            member.supplies.seek(seek, &member.joints);
                        }
                    }
                    Effect::Tell(Notice::Info(text)) => tracing::info!("{text}"),
                    Effect::Tell(Notice::Warning(text)) => tracing::warn!("{text}"),
                }
            }
        }
    }

    fn persist(&mut self, what: Persist) -> Result<(), ServeError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        match what {
            Persist::AcceptedEpoch(epoch) => member.epochs.accept(epoch)?,
            Persist::CurrentEpoch(epoch) => member.epochs.enter(epoch)?,
            Persist::Truncate(to) => {
                if let Some(reason) = self.cut_history(to)? {
                    let now = self.shared.clock.now();
                    self.replica.on_truncation_impossible(&self.shared.tree.read(), now, &reason);
                    return Ok(());
                }
            }
        }
        let now = self.shared.clock.now();
        self.replica.on_persisted(&self.shared.tree.read(), now, what);
        Ok(())
    }

    /// Cuts the history behind `to`, in files and tree. Why that is not possible, if so.
    fn cut_history(&mut self, to: Zxid) -> Result<Option<String>, ServeError> {
        self.snapshots.finish();
        let Some(member) = &mut self.member else { return Ok(None) };
        match truncate(&member.snapshots, &member.logs, to)? {
            Truncation::Done(done) => {
                for file in done.moved {
                    tracing::info!("{} was moved aside", file.display());
                }
            }
            Truncation::NotPossible(reason) => {
                ForceSnap::Truncation.set(&member.own)?;
                return Ok(Some(reason.to_string()));
            }
        }
        let recovered = recover(&member.snapshots, &member.logs, &member.options.recover)?;
        *self.log.lock() = TxnLog::open(member.logs.clone(), recovered.tail, member.options.log);
        drop(self.show_tree(recovered.tree));
        Ok(None)
    }

    /// This tree takes the place of the one that there was. Whoever is in the ensemble is as this server's
    /// configuration says, wherever the tree came from. Gives back what there was.
    pub(crate) fn show_tree(&self, mut tree: Tree) -> Tree {
        if let Some(member) = &self.member {
            tree.show_config(&member.config, self.shared.clock.now().wall);
        }
        std::mem::replace(&mut *self.shared.tree.write(), tree)
    }

    /// A learner is to be sent the tree as it is now.
    fn send_tree(&self, zxid: Zxid, feed: SnapshotFeed) {
        assert!(self.snapshots.is_idle(), "the tree is promised only while nothing is made of it");
        let start = self.shared.tree.write().begin_snapshot();
        assert_eq!(start.zxid, zxid, "the tree is sent as it was when it was promised");
        self.snapshots.send(start, feed);
    }

    /// A tree comes from the leader.
    fn take_tree(&mut self, step: SnapshotStep) -> Result<(), ServeError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        match step {
            SnapshotStep::Begin(zxid) => {
                (member.receiver, member.received) = (None, None);
                let options = &member.options;
                let receiving = Receiving::start(
                    &member.snapshots,
                    &member.logs,
                    zxid,
                    &options.snapshots,
                    options.record_limit,
                    Loader::with_owners(options.recover.seed, options.recover.owners),
                )?;
                let bell = member.sockets.bell();
                let receiver = Receiver::start(zxid, receiving, move || bell.ring());
                member.receiver = Some(receiver.map_err(ServeError::Receiver)?);
            }
            SnapshotStep::Bytes(bytes) => {
                if let Some(receiver) = &member.receiver {
                    receiver.feed(bytes);
                }
            }
            SnapshotStep::Abandon => (member.receiver, member.received) = (None, None),
            SnapshotStep::Install(behind) => self.install_tree(&behind)?,
        }
        Ok(())
    }

    /// Tells the replica what became of the tree that the leader sent, once that is known.
    fn take_received(&mut self) -> Result<(), ServeError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let Some(receiver) = &member.receiver else { return Ok(()) };
        let Some((outcome, rest)) = receiver.outcome() else { return Ok(()) };
        let zxid = receiver.zxid;
        member.receiver = None;
        let now = self.shared.clock.now();
        match outcome {
            Ok(received) => {
                member.received = Some(received);
                self.replica.on_snapshot_received(&self.shared.tree.read(), now, zxid, &rest);
            }
            // It would go no better with the next one.
            Err(ReceiveError::Snapshot(error)) => return Err(InstallError::Snapshot(error).into()),
            Err(error) => {
                self.replica.on_snapshot_refused(&self.shared.tree.read(), now, &error.to_string());
            }
        }
        self.perform()
    }

    /// What the leader sent takes the place of what there was.
    fn install_tree(&mut self, behind: &[Entry]) -> Result<(), ServeError> {
        self.snapshots.finish();
        let Some(member) = &mut self.member else { return Ok(()) };
        let Some((tree, mut staged)) = member.received.take() else { return Ok(()) };
        for entry in behind {
            staged.append(entry.zxid, &entry.payload)?;
        }
        let tail = staged.install()?;
        *self.log.lock() = TxnLog::open(member.logs.clone(), tail, member.options.log);
        ForceSnap::clear(&member.own)?;
        drop(self.show_tree(tree));
        let now = self.shared.clock.now();
        self.replica.on_snapshot_installed(&self.shared.tree.read(), now);
        Ok(())
    }

    /// Notes where epochs met in the log. Only how laggards are helped depends on it.
    pub(crate) fn note_joints(&mut self) {
        let joints = self.log.lock().take_joints();
        if let Some(member) = &mut self.member
            && let Err(error) = member.joints.note(&member.own, &joints)
        {
            tracing::warn!("{error}");
        }
    }
}
