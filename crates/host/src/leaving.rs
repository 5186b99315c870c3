//! The end of a server that is told to stop, step by step, so that nobody must wait for a timeout because of it.
//!
//! ```text
//! clients go, each behind its last answer ─▶ what was proposed is committed ─▶ peers are let go ─▶ the log is closed
//! ```
//!
//! A leader takes up no client any more that comes through a learner: it would be let go a second time in a moment. And
//! it takes nothing more from learners once its own clients are gone; then it lets go of them, and they elect another at
//! once.

use std::time::Duration;

use zoorum_server::time::Monotonic;

use crate::mail::ToWorker;
use crate::shared::Shared;

/// So long may clients take to read their last answers, and peers to acknowledge. What is not done by then is left to
/// whoever asked for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server on its way out.
pub(crate) struct Leaving {
    /// Workers that still have clients.
    pub(crate) workers: usize,
    /// The server ends by then.
    pub(crate) until: Monotonic,
}

impl Leaving {
    /// Has the workers let their clients go.
    pub(crate) fn begin(shared: &Shared, now: Monotonic) -> Self {
        shared.workers.iter().for_each(|worker| worker.send(ToWorker::Leave));
        Self { workers: shared.workers.len(), until: now + PATIENCE }
    }
}
