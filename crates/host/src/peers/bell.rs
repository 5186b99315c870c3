//! A bell that other threads ring when they have something for the sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sleeper::Sleeper;

/// Rung after something was put where the sockets' owner looks when it has heard the bell.
pub(crate) struct Bell {
    sleeper: Arc<Sleeper>,
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new(sleeper: Arc<Sleeper>) -> Self {
        Self { sleeper, rung: AtomicBool::new(false) }
    }

    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.sleeper.wake();
    }

    /// Whether it was rung and not heard since.
    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }

    /// Whether it was rung since it was last heard.
    pub(super) fn hear(&self) -> bool {
        self.is_rung() && self.rung.swap(false, Ordering::SeqCst)
    }
}
