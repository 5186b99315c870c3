//! Letter boxes between threads. A batch is put in with one lock, and a sleeper is woken only if it sleeps.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use mio::Waker;
use mio::net::TcpStream;
use parking_lot::{Condvar, Mutex};
use zoorum_server::message::{ConnectionId, Outcomes, Requests, WorkerId};
use zoorum_server::replica::ReplicaReport;
use zoorum_server::worker::{WatchReport, WorkerReport};

use crate::sleeper::Sleeper;

/// Bytes of outcomes in a worker's box above which the replica waits: a worker with many watchers takes longer to
/// tell of a change than the replica takes to make it.
const WEIGHT_LIMIT: usize = 64 << 20;

/// What a worker finds in its box.
#[derive(Debug)]
pub enum ToWorker {
    /// The replica has decided.
    Outcomes(Outcomes),
    /// A client has connected.
    Accepted(TcpStream, SocketAddr),
    /// The text that answers a four-letter word.
    Answer(ConnectionId, Vec<u8>),
    /// Tell of yourself.
    Report(Sender<WorkerReport>),
    /// Tell of your watches.
    ReportWatches(Sender<WatchReport>),
    /// Start counting anew: the server's figures.
    ResetCounters,
    /// Start counting anew: each connection's figures.
    ResetConnections,
    /// The server ends: let the clients go.
    Leave,
}

/// What the replica finds in its box.
#[derive(Debug)]
pub enum ToReplica {
    /// A worker asks.
    Requests(WorkerId, Requests),
    /// Tell of yourself.
    Report(Sender<ReplicaReport>),
    /// Start counting anew.
    ResetCounters,
    /// The same for what passes on the connections of observers.
    ResetObservers,
    /// There may be an errand, or time for one that waits.
    Errand,
    /// Finish what is in flight, and end.
    Stop,
    /// A worker's clients have all gone, because the server ends.
    Left,
}

/// A worker's box. The worker sleeps in `poll`, from which its waker fetches it.
pub struct WorkerBox {
    mail: Mutex<Vec<ToWorker>>,
    sleeper: Sleeper,
    /// Bytes of the outcomes in the mail.
    weight: AtomicUsize,
}

impl WorkerBox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { mail: Mutex::default(), sleeper: Sleeper::new(waker), weight: AtomicUsize::new(0) }
    }

    /// Puts a message in without waking the worker: [`Self::wake`] is to follow.
    pub(crate) fn put(&self, message: ToWorker) {
        let weight = match &message {
            ToWorker::Outcomes(outcomes) => outcomes.weight(),
            _ => 0,
        };
        let mut mail = self.mail.lock();
        mail.push(message);
        self.weight.fetch_add(weight, Ordering::Relaxed);
    }

    /// Whether the worker is so far behind that more of the same should wait.
    pub(crate) fn is_overfull(&self) -> bool {
        self.weight.load(Ordering::Relaxed) > WEIGHT_LIMIT
    }

    /// Wakes the worker if it sleeps.
    pub(crate) fn wake(&self) {
        self.sleeper.wake();
    }

    /// Puts a message in and sees that it is read.
    pub fn send(&self, message: ToWorker) {
        self.put(message);
        self.wake();
    }

    /// Says that the worker is about to sleep. Whether it may: there must be no mail.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeper.fall_asleep();
        let may_sleep = self.mail.lock().is_empty();
        if !may_sleep {
            self.sleeper.is_awake();
        }
        may_sleep
    }

    pub(crate) fn is_awake(&self) {
        self.sleeper.is_awake();
    }

    /// Takes all messages, in order, leaving the memory of `into` for the next ones.
    pub(crate) fn take(&self, into: &mut Vec<ToWorker>) {
        let mut mail = self.mail.lock();
        self.weight.store(0, Ordering::Relaxed);
        std::mem::swap(&mut *mail, into);
    }
}

/// The replica's box.
#[derive(Default)]
pub struct ReplicaBox {
    mail: Mutex<Vec<ToReplica>>,
    bed: Bed,
}

/// Where the replica sleeps.
enum Bed {
    /// At its box. That takes the least time to wake from, so a server without peers does it.
    Box(Condvar),
    /// In `poll`, among the sockets of its peers.
    Sockets(Arc<Sleeper>),
}

impl Default for Bed {
    fn default() -> Self {
        Self::Box(Condvar::new())
    }
}

impl ReplicaBox {
    /// The box of a replica that sleeps among the sockets of its peers.
    pub fn woken_by(sleeper: Arc<Sleeper>) -> Self {
        Self { mail: Mutex::default(), bed: Bed::Sockets(sleeper) }
    }

    /// Puts a message in and sees that it is read.
    pub fn send(&self, message: ToReplica) {
        self.mail.lock().push(message);
        match &self.bed {
            Bed::Box(arrived) => drop(arrived.notify_one()),
            Bed::Sockets(sleeper) => sleeper.wake(),
        }
    }

    /// Says that the replica is about to sleep among its sockets. Whether it may: there must be no mail.
    pub fn may_sleep(&self) -> bool {
        if let Bed::Sockets(sleeper) = &self.bed {
            sleeper.fall_asleep();
        }
        self.mail.lock().is_empty()
    }

    /// Takes all messages, in order. A replica that sleeps at its box waits for one until `patience` is over.
    pub(crate) fn take(&self, into: &mut Vec<ToReplica>, patience: Duration) {
        let mut mail = self.mail.lock();
        if let Bed::Box(arrived) = &self.bed
            && mail.is_empty()
        {
            arrived.wait_for(&mut mail, patience);
        }
        std::mem::swap(&mut *mail, into);
    }
}

/// A poll and the box whose waker fetches it.
pub(crate) fn worker_box(token: mio::Token) -> io::Result<(mio::Poll, WorkerBox)> {
    let poll = mio::Poll::new()?;
    let waker = Waker::new(poll.registry(), token)?;
    Ok((poll, WorkerBox::new(waker)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_far_behind_says_so_until_it_looks_into_its_mail() {
        let (_poll, mailbox) = worker_box(mio::Token(0)).expect("a poll");
        let batch = || ToWorker::Outcomes(Outcomes { bytes: vec![0; 1 << 20], ..Outcomes::default() });
        (0..64).for_each(|_| mailbox.put(batch()));
        assert!(!mailbox.is_overfull());
        mailbox.put(batch());
        assert!(mailbox.is_overfull());
        let mut mail = Vec::new();
        mailbox.take(&mut mail);
        assert_eq!(mail.len(), 65);
        assert!(!mailbox.is_overfull());
    }
}
