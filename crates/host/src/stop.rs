//! Signals, and an orderly end.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::audit::AuditLog;
use crate::logging;
use crate::mail::ToReplica;
use crate::service;
use crate::shared::Shared;

/// So long the last lines of the log may take to be written.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Who is to be told that the server ends.
struct Serving {
    shared: Arc<Shared>,
    audit: Option<AuditLog>,
}

/// Waits for a signal, then has the replica finish what is in flight. Before the server serves, during a second
/// signal, or when the disk takes too long, the process ends at once: nothing unfinished has been acknowledged.
pub(crate) struct Stopper {
    serving: Arc<OnceLock<Serving>>,
    code: Receiver<u8>,
}

impl Stopper {
    /// Starts the thread that waits. After a signal, what is in flight may take so long.
    pub(crate) fn spawn(patience: Duration) -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let serving = Arc::new(OnceLock::<Serving>::new());
        let (code, received) = channel();
        let known = Arc::clone(&serving);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut signals = signals.forever();
            let Some(signal) = signals.next() else { return };
            let exit_code = 128 + u8::try_from(signal).unwrap_or(0);
            tracing::info!("stopping");
            service::on_stopping();
            let Some(serving) = known.get() else {
                logging::flush(STOP_PATIENCE);
                std::process::exit(exit_code.into())
            };
            if let Some(audit) = &serving.audit {
                audit.on_stopping();
            }
            // Sent first: the replica's end ends the process's main thread, which asks for it.
            let _ = code.send(exit_code);
            serving.shared.replica.send(ToReplica::Stop);
            let _ = thread::Builder::new().name("deadline".to_owned()).spawn(move || {
                // The deadline itself: it ends the process unless that has ended before.
                thread::sleep(patience);
                std::process::exit(exit_code.into());
            });
            if signals.next().is_some() {
                std::process::exit(exit_code.into());
            }
        })?;
        Ok(Self { serving, code: received })
    }

    /// From now on, the end is an orderly one.
    pub(crate) fn on_serving(&self, shared: Arc<Shared>, audit: Option<AuditLog>) {
        let _ = self.serving.set(Serving { shared, audit });
    }

    /// With which code the process is to end, once the replica has ended.
    pub(crate) fn exit_code(&self) -> u8 {
        self.code.recv().unwrap_or(1)
    }
}
