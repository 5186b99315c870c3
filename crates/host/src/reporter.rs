//! Asks every thread of a server what it can tell of itself.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use zoorum_server::replica::ReplicaReport;
use zoorum_server::worker::{WatchReport, WorkerReport};

use crate::mail::{ToReplica, ToWorker};
use crate::shared::Shared;

/// How long a thread may take to tell of itself. The replica may be waiting for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks every thread of a server what it can tell of itself.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
}

impl Reporter {
    /// Asks the threads of this server.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What the threads share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What the replica tells; `None` if it does not answer in time.
    pub fn replica(&self) -> Option<ReplicaReport> {
        let (reply, answer) = channel();
        self.shared.replica.send(ToReplica::Report(reply));
        answer.recv_timeout(PATIENCE).ok()
    }

    /// What each worker tells.
    pub fn workers(&self) -> Vec<WorkerReport> {
        self.ask_workers(ToWorker::Report)
    }

    /// What each worker tells of its watches.
    pub fn watches(&self) -> Vec<WatchReport> {
        self.ask_workers(ToWorker::ReportWatches)
    }

    /// Starts counting anew: the server's figures.
    pub fn reset_counters(&self) {
        self.shared.workers.iter().for_each(|worker| worker.send(ToWorker::ResetCounters));
        self.shared.replica.send(ToReplica::ResetCounters);
        self.shared.timings.reset();
        self.shared.admission.reset_refused();
    }

    /// Starts counting anew: each connection's figures.
    pub fn reset_connections(&self) {
        self.shared.workers.iter().for_each(|worker| worker.send(ToWorker::ResetConnections));
    }

    /// Starts counting anew what passes on the connections of observers.
    pub fn reset_observers(&self) {
        self.shared.replica.send(ToReplica::ResetObservers);
    }

    fn ask_workers<T>(&self, question: impl Fn(Sender<T>) -> ToWorker) -> Vec<T> {
        let ask = |worker: &crate::mail::WorkerBox| -> Receiver<T> {
            let (reply, answer) = channel();
            worker.send(question(reply));
            answer
        };
        let answers: Vec<_> = self.shared.workers.iter().map(ask).collect();
        answers.into_iter().filter_map(|answer| answer.recv_timeout(PATIENCE).ok()).collect()
    }
}
