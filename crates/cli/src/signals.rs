//! SIGINT, which Ctrl-C sends, and SIGTERM: heard in one place as long as the shell lives, so that none is lost between
//! two things that are waited for.
//!
//! Whoever must put something in order first holds them, and is told which one came. One that nobody holds ends the
//! process at once, whatever the shell is doing: it may be writing to a pipe that nobody empties.

use std::future::pending;
use std::sync::Arc;

use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

use crate::fault::Fault;

/// Somebody's wish for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// Both.
    pub(crate) const ALL: &'static [Self] = &[Self::Interrupt, Self::Terminate];

    /// The exit code of a shell that it ends.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
        }
    }
}

impl From<Signal> for Fault {
    fn from(signal: Signal) -> Self {
        let message = match signal {
            Signal::Interrupt => "interrupted",
            Signal::Terminate => "told to end",
        };
        Self { message: message.to_owned(), code: signal.code() }
    }
}

/// What is held, and the first that came meanwhile.
#[derive(Debug, Default)]
struct State {
    held: &'static [Signal],
    heard: Option<Signal>,
}

impl State {
    /// Keeps a signal if somebody holds it, and says whether that is so.
    fn keep(&mut self, signal: Signal) -> bool {
        let is_held = self.held.contains(&signal);
        if is_held {
            self.heard.get_or_insert(signal);
        }
        is_held
    }

    /// Lets go of the signals, unless one was heard.
    fn release(&mut self) -> Result<(), Signal> {
        match self.heard {
            Some(signal) => Err(signal),
            None => {
                self.held = &[];
                Ok(())
            }
        }
    }
}

/// The ear for both.
pub(crate) struct Signals(Arc<watch::Sender<State>>);

impl Signals {
    /// Begins to hear them; before, they have their usual effect.
    pub(crate) fn listen() -> Self {
        let state = Arc::new(watch::Sender::new(State::default()));
        for &signal in Signal::ALL {
            // One that cannot be heard keeps its usual effect.
            let Ok(mut arrivals) = unix::signal(signal.kind()) else { continue };
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                while arrivals.recv().await.is_some() {
                    state.send_modify(|state| {
                        if !state.keep(signal) {
                            std::process::exit(signal.code().into());
                        }
                    });
                }
            });
        }
        Self(state)
    }

    /// Keeps these from ending the process, until what is returned is dropped.
    pub(crate) fn hold(&self, held: &'static [Signal]) -> Held {
        self.0.send_modify(|state| *state = State { held, heard: None });
        Held(Arc::clone(&self.0))
    }
}

/// A hold on signals.
pub(crate) struct Held(Arc<watch::Sender<State>>);

impl Held {
    /// Waits for one; returns at once if it has come already.
    pub(crate) async fn wait(&self) -> Signal {
        let mut states = self.0.subscribe();
        // As long as this is there, so is the sender.
        match states.wait_for(|state| state.heard.is_some()).await.ok().and_then(|state| state.heard) {
            Some(signal) => signal,
            None => pending().await,
        }
    }

    /// Whether one has come.
    ///
    /// # Errors
    /// Which.
    pub(crate) fn check(&self) -> Result<(), Signal> {
        self.0.borrow().heard.map_or(Ok(()), Err)
    }

    /// Lets go of them, if none has come: whichever comes later finds nothing to put in order.
    ///
    /// # Errors
    /// Which has come. They are still held.
    pub(crate) fn release(&self) -> Result<(), Signal> {
        let mut released = Ok(());
        self.0.send_modify(|state| released = state.release());
        released
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|state| *state = State::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_that_is_held_is_kept_and_the_others_are_not() {
        let mut state = State { held: &[Signal::Interrupt], heard: None };
        assert!(!state.keep(Signal::Terminate), "nobody holds it");
        assert!(state.keep(Signal::Interrupt));
        assert_eq!(state.release(), Err(Signal::Interrupt), "whoever holds it must heed it");
        assert!(state.keep(Signal::Interrupt), "and holds it until then");
        let mut state = State { held: Signal::ALL, heard: None };
        assert_eq!(state.release(), Ok(()));
        assert!(!state.keep(Signal::Interrupt), "it came too late to be held");
    }
}
