//! Keeps a connection's write from being seen by reads that the same connection sent before it.
//!
//! A read waits for the writes before it, and is answered by its worker from the tree. Were the connection's
//! next write applied in the same breath as the one before the read, the read would see both. So a write that
//! has reads waiting before it is applied only when its worker has dealt with the outcome they wait for.

use std::collections::VecDeque;

use crate::message::{Address, ConnectionId, WorkerId};

/// What each worker has been told of its own writes and has not confirmed.
#[derive(Debug)]
pub(super) struct Barrier {
    workers: Vec<Told>,
    /// Nothing more is applied until this worker has dealt with that batch of outcomes.
    waiting_for: Option<(WorkerId, u64)>,
}

#[derive(Debug, Default)]
struct Told {
    /// Batches of outcomes handed out.
    taken: u64,
    /// Batches that the worker says it has dealt with.
    seen: u64,
    /// Connections that were answered, with the batch that has the answer.
    unconfirmed: VecDeque<(u64, ConnectionId)>,
}

impl Barrier {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers: std::iter::repeat_with(Told::default).take(workers).collect(), waiting_for: None }
    }

    /// The worker has dealt with so many batches.
    pub(super) fn on_seen(&mut self, worker: WorkerId, seen: u64) {
        let told = &mut self.workers[usize::from(worker.0)];
        told.seen = seen;
        while told.unconfirmed.front().is_some_and(|(batch, _)| *batch <= seen) {
            told.unconfirmed.pop_front();
        }
        self.waiting_for.take_if(|(waited, batch)| *waited == worker && *batch <= seen);
    }

    /// A batch is handed out.
    pub(super) fn on_taken(&mut self, worker: WorkerId) {
        self.workers[usize::from(worker.0)].taken += 1;
    }

    /// The batch being made has an answer for this connection.
    pub(super) fn on_answered(&mut self, address: Address) {
        let told = &mut self.workers[usize::from(address.worker.0)];
        told.unconfirmed.push_back((told.taken + 1, address.connection));
    }

    /// A write of this connection is next, with reads waiting before it. Whether it must wait for them; then
    /// the batch being made is the one to be confirmed.
    pub(super) fn closes_before(&mut self, address: Address) -> bool {
        let told = &self.workers[usize::from(address.worker.0)];
        let waits = told.unconfirmed.iter().any(|(_, connection)| *connection == address.connection);
        if waits {
            self.waiting_for = Some((address.worker, told.taken + 1));
        }
        waits
    }

    pub(super) fn is_closed(&self) -> bool {
        self.waiting_for.is_some()
    }
}
