//! Runs a client's tasks, one at a time and always in the same order, on virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use zoorum_client::{Task, World};

use crate::chance::Chance;

/// Polls at one moment, beyond which the tasks keep each other busy for ever.
const POLLS_MAX: usize = 100_000;

/// The tasks of one process.
pub(crate) struct Executor {
    tasks: BTreeMap<u64, (Task, Waker)>,
    state: Arc<Shared>,
}

/// What tasks and executor share.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

struct State {
    now: Duration,
    chance: Chance,
    count: u64,
    spawned: Vec<(u64, Task)>,
    /// In the order in which they were spawned, whoever wakes them and how.
    awake: BTreeSet<u64>,
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({:?}, {} tasks)", self.now, self.count)
    }
}

struct TaskWaker {
    task: u64,
    state: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.state.state().awake.insert(self.task);
    }
}

impl Executor {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            now: Duration::ZERO,
            chance: Chance::new(seed),
            count: 0,
            spawned: Vec::new(),
            awake: BTreeSet::new(),
            sleepers: BTreeMap::new(),
        };
        Self { tasks: BTreeMap::new(), state: Arc::new(Shared(Mutex::new(state))) }
    }

    /// The world that the tasks live in.
    pub(crate) fn world(&self) -> Arc<Shared> {
        Arc::clone(&self.state)
    }

    /// Runs whatever can run now.
    pub(crate) fn run(&mut self, now: Duration) -> Result<(), String> {
        self.state.wake_sleepers(now);
        for _ in 0..POLLS_MAX {
            self.take_spawned();
            let Some(task) = self.state.state().awake.pop_first() else { return Ok(()) };
            let Some((future, waker)) = self.tasks.get_mut(&task) else { continue };
            if future.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                self.tasks.remove(&task);
            }
        }
        Err("tasks keep each other busy, and no time passes".to_owned())
    }

    /// Whether something can run before time passes.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state.state();
        !state.awake.is_empty() || !state.spawned.is_empty()
    }

    /// When somebody wants to be woken.
    pub(crate) fn next_wakeup(&self) -> Option<Duration> {
        self.state.state().sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    fn take_spawned(&mut self) {
        for (task, future) in std::mem::take(&mut self.state.state().spawned) {
            let waker = Waker::from(Arc::new(TaskWaker { task, state: Arc::clone(&self.state) }));
            self.tasks.insert(task, (future, waker));
        }
    }
}

/// Tasks know each other by what they share; with the process they are gone.
impl Drop for Executor {
    fn drop(&mut self) {
        // What a dropped task spawns for its end is dropped as well, until nothing is left.
        while !self.tasks.is_empty() || self.is_busy() {
            drop(std::mem::take(&mut self.tasks));
            self.state.state().awake.clear();
            self.take_spawned();
            self.state.state().awake.clear();
        }
        let sleepers = std::mem::take(&mut self.state.state().sleepers);
        drop(sleepers);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    fn wake_sleepers(&self, now: Duration) {
        let woken = {
            let mut state = self.state();
            state.now = now;
            let later = state.sleepers.split_off(&(now + Duration::from_nanos(1), 0));
            std::mem::replace(&mut state.sleepers, later)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// A random number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        self.state().chance.below(end)
    }

    /// A random length between so many milliseconds.
    pub(crate) fn millis(&self, low: u64, high: u64) -> Duration {
        self.state().chance.millis(low, high)
    }
}

/// The world of a client in a simulation.
#[derive(Debug)]
pub(crate) struct Virtual(pub(crate) Arc<Shared>);

impl World for Virtual {
    fn spawn(&self, task: Task) {
        let mut state = self.0.state();
        state.count += 1;
        let number = state.count;
        state.spawned.push((number, task));
        state.awake.insert(number);
    }

    fn sleep(&self, length: Duration) -> Task {
        let at = self.0.state().now + length;
        Box::pin(Sleep { at, state: Arc::clone(&self.0), is_noted: false })
    }

    fn number(&self) -> u64 {
        self.0.state().chance.number()
    }
}

struct Sleep {
    at: Duration,
    state: Arc<Shared>,
    is_noted: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let is_noted = self.is_noted;
        let mut state = self.state.state();
        if state.now >= at {
            return Poll::Ready(());
        }
        if !is_noted {
            state.count += 1;
            let number = state.count;
            state.sleepers.insert((at, number), context.waker().clone());
        }
        drop(state);
        self.is_noted = true;
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_in_the_order_of_their_time() {
        let mut executor = Executor::new(1);
        let said = Arc::new(Mutex::new(Vec::new()));
        for millis in [30, 10, 20] {
            let world = Virtual(executor.world());
            let (said, sleep) = (Arc::clone(&said), world.sleep(Duration::from_millis(millis)));
            world.spawn(Box::pin(async move {
                sleep.await;
                said.lock().expect("nobody panics").push(millis);
            }));
        }
        for millis in 0..25 {
            executor.run(Duration::from_millis(millis)).expect("nobody is busy");
        }
        assert_eq!(*said.lock().expect("nobody panics"), [10, 20]);
        assert_eq!(executor.next_wakeup(), Some(Duration::from_millis(30)));
    }
}
