//! How the load is steered: everybody asks before each turn.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What an actor is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something.
    Act,
    /// Nothing that changes anything.
    Rest,
    /// Close and go.
    End,
    /// Go at once: the test has failed.
    Abandon,
}

/// Shared by all actors.
#[derive(Debug)]
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    actors: usize,
}

#[derive(Debug)]
struct State {
    turn: Turn,
    /// Counts the changes of `turn`.
    round: u64,
    /// Actors that rest in this round.
    resting: usize,
    acknowledged: u64,
}

/// Remembers in which round an actor said that it rests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest(Option<u64>);

impl Control {
    /// For so many actors.
    pub fn new(actors: usize) -> Control {
        let state = State { turn: Turn::Act, round: 0, resting: 0, acknowledged: 0 };
        Control { state: Mutex::new(state), changed: Condvar::new(), actors }
    }

    /// What to do next, without waiting.
    pub fn turn(&self) -> Turn {
        self.state().turn
    }

    /// Waits for `pace`, or less if the answer changes.
    pub fn pace(&self, pace: Duration) -> Turn {
        let state = self.state();
        let turn = state.turn;
        let unchanged = |state: &mut State| state.turn == turn;
        let (state, _) = self.changed.wait_timeout_while(state, pace, unchanged).expect("nobody panics here");
        state.turn
    }

    /// An actor has nothing left to bring to an end.
    pub fn rests(&self, rest: &mut Rest) {
        let mut state = self.state();
        if state.turn == Turn::Rest && rest.0 != Some(state.round) {
            rest.0 = Some(state.round);
            state.resting += 1;
        }
    }

    /// Something was acknowledged.
    pub fn acknowledge(&self) {
        self.state().acknowledged += 1;
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.state().acknowledged
    }

    /// Whether everybody rests.
    pub(super) fn calm(&self) -> bool {
        self.state().resting == self.actors
    }

    pub(super) fn quiet(&self) {
        self.set(Turn::Rest);
    }

    pub(super) fn busy(&self) {
        self.set(Turn::Act);
    }

    pub(super) fn end(&self) {
        self.set(Turn::End);
    }

    pub(super) fn abandon(&self) {
        self.set(Turn::Abandon);
    }

    fn set(&self, turn: Turn) {
        let mut state = self.state();
        if state.turn != turn {
            state.turn = turn;
            state.round += 1;
            state.resting = 0;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while steering")
    }
}
