//! The host of a server in a simulation: the shipping server's loops, a step at a time.
//!
//! Each loop of the real host is cut where another thread could come in between, or a crash: see
//! [`worker`], [`replica`], [`member`], [`supplies`] and [`snapshot`]. What the real host does under one lock is one step here, or keeps
//! the tree locked in between.

mod keep;
mod member;
mod replica;
mod snapshot;
mod start;
mod supplies;
mod tamper;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use zoorum_server::message::{Outcomes, Requests, WorkerId};
use zoorum_server::replica::Proposals;
use zoorum_server::{Replica, Settings};
use zoorum_storage::TxnLog;
use zoorum_tree::Tree;
use zoorum_zab::Part;

use crate::disk::{Life, ProcessDisk};
use crate::ground::{Alarm, Ground, Wake};
use crate::network::{LinkId, Side};
use member::Member;
use replica::Stage;
use snapshot::Pass;
pub(crate) use start::{Failed, Place, TICK, TIMEOUT_MAX_MS, TIMEOUT_MIN_MS, start};
use worker::WorkerThread;

/// A process that runs a server.
pub(crate) struct Process {
    pub(crate) number: u64,
    /// On which server.
    pub(crate) place: usize,
    pub(crate) life: Life,
    settings: Arc<Settings>,
    tree: Tree,
    /// Somebody holds the tree exclusively from one step to the next.
    is_locked: bool,
    replica: Replica,
    /// What a server has that is one of an ensemble.
    member: Option<Member>,
    /// Where it stood when it was last looked at.
    part: Part,
    log: TxnLog<ProcessDisk>,
    snapshots: ProcessDisk,
    logs: ProcessDisk,
    workers: Vec<WorkerThread>,
    watching: Vec<bool>,
    mail: Vec<(WorkerId, Requests)>,
    batch: Option<Proposals>,
    stage: Stage,
    /// The log is being synced until then.
    syncs_until: Duration,
    pass: Pass,
    snapshot_owed: bool,
    /// When time last passed for the replica, if what that brought about is not yet taken.
    ticked_at: Option<Duration>,
    replica_alarm: Alarm,
    snapshot_alarm: Alarm,
}

/// What a step came to.
pub(crate) enum Step {
    /// The process goes on.
    Done,
    /// The log has failed: the process ends itself.
    Stop,
}

type Stepped = Result<Step, String>;

/// Why a process does not go on with what it does.
enum Halt {
    /// It cannot keep its word, and ends itself.
    Stop(String),
    /// Something is wrong.
    Wrong(String),
}

impl Halt {
    fn stop(error: impl ToString) -> Self {
        Self::Stop(error.to_string())
    }

    /// What it comes to for the step.
    fn come_to(self, ground: &mut Ground) -> Stepped {
        match self {
            Self::Stop(error) => {
                ground.note(format_args!("the process stops: {error}"));
                Ok(Step::Stop)
            }
            Self::Wrong(error) => Err(error),
        }
    }
}

impl From<String> for Halt {
    fn from(error: String) -> Self {
        Self::Wrong(error)
    }
}

/// What a worker finds in its box.
type WorkerMail = VecDeque<Outcomes>;

impl Process {
    pub(crate) fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// A client has connected.
    pub(crate) fn accept(&mut self, ground: &mut Ground, worker: usize, link: LinkId) {
        self.workers[worker].accepted.push(link);
        self.wake_worker(ground, worker);
    }

    /// Something has arrived for a worker, or it may write again.
    pub(crate) fn on_socket(&mut self, ground: &mut Ground, worker: usize, writable: Option<LinkId>) {
        self.workers[worker].writable.extend(writable);
        self.wake_worker(ground, worker);
    }

    fn wake_worker(&mut self, ground: &mut Ground, worker: usize) {
        let at = ground.now + ground.chance.micros(1, 80);
        self.workers[worker].alarm.set(ground, at, Wake::Worker(self.number, worker));
    }

    fn wake_replica(&mut self, ground: &mut Ground) {
        let at = ground.now + ground.chance.micros(1, 80);
        self.replica_alarm.set(ground, at, Wake::Replica(self.number));
    }

    /// Lets a thread stand still for a while, or the whole process.
    pub(crate) fn pause(&mut self, ground: &mut Ground) {
        let at = ground.now + ground.chance.between(Duration::ZERO, ground.faults.pause_max());
        let (threads, number) = (self.workers.len() + 2, self.number);
        let which = Some(ground.chance.below(threads + 1)).filter(|which| *which < threads);
        match which {
            Some(which) => ground.note(format_args!("thread {which} pauses until {at:?}")),
            None => ground.note(format_args!("server {} pauses until {at:?}", self.place + 1)),
        }
        let workers = self.workers.iter_mut().map(|worker| &mut worker.alarm).zip(0..);
        let workers = workers.map(|(alarm, worker)| (alarm, Wake::Worker(number, worker)));
        let others = [
            (&mut self.replica_alarm, Wake::Replica(number)),
            (&mut self.snapshot_alarm, Wake::Snapshot(number)),
        ];
        for (thread, (alarm, wake)) in workers.chain(others).enumerate() {
            if which.is_none_or(|which| which == thread) {
                alarm.put_off(ground, at, wake);
            }
        }
    }

    /// Where the server stands among its peers, if it serves.
    pub(crate) fn serves(&self) -> bool {
        self.replica.serves()
    }

    /// Whether it leads.
    pub(crate) fn leads(&self) -> bool {
        matches!(self.replica.part(), None | Some(Part::Leading(_)))
    }

    /// The tree as it stands, with nothing on its way.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn check_invariants(&self) {
        self.replica.check_invariants();
    }

    /// The process is gone; so are its connections.
    pub(crate) fn end(self, ground: &mut Ground) {
        self.life.end();
        ground.servers.on_not_leading(self.place);
        ground.wires.forget_calls(self.number);
        for end in ground.wires.of_process(self.number) {
            ground.close_wire(end);
        }
        for link in ground.network.of_process(self.number) {
            ground.close(link, Side::Server);
        }
    }
}
