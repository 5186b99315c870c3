//! A thread that sleeps in `poll`, and who fetches it from there: only if it sleeps, for that is a system call.

use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

/// Whether a thread sleeps, as those see it that have something for it.
///
/// The thread says that it falls asleep, then looks whether something has come, and only then sleeps; who has
/// something puts it where the thread looks, and only then wakes it. So nothing that comes is slept over.
pub struct Sleeper {
    waker: Waker,
    asleep: AtomicBool,
}

impl Sleeper {
    /// A thread that `waker` fetches from its `poll`.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { waker, asleep: AtomicBool::new(false) }
    }

    /// From now on the thread is woken.
    pub(crate) fn fall_asleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// From now on the thread looks by itself.
    pub(crate) fn is_awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Wakes the thread if it sleeps.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            // It still wakes when its patience is over; whoever waits for it waits that much longer.
            tracing::error!(%error, "cannot wake a thread");
        }
    }
}
