//! One run: a server, its clients, and everything that can happen to them.

use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_storage::Disk;
use zoorum_storage::memory::MemoryDisk;

use crate::chance::Chance;
use crate::check::{Checked, ensure};
use crate::client::{Client, Listener};
use crate::faults::{Bug, Faults};
use crate::ground::{Ground, Wake};
use crate::host::{self, Failed, Process, Step};
use crate::model::compare;
use crate::network::Side;

/// After the last fault, every client has an answer by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// A hash of everything that happened.
    pub hash: u64,
    /// Virtual time.
    pub simulated: Duration,
    /// Changes committed.
    pub commits: u64,
    /// Replies that clients got.
    pub answers: u64,
    /// Processes started.
    pub processes: u64,
    /// How often a log had to be repaired by hand after a power cut.
    pub repairs: u64,
}

/// A server with its clients, in one thread, on virtual time, all chance drawn from one seed.
pub struct Simulation {
    seed: u64,
    ground: Ground,
    snapshots: MemoryDisk,
    logs: MemoryDisk,
    process: Option<Process>,
    processes: u64,
    clients: Vec<Client>,
}

impl Simulation {
    /// A server on an empty disk, and clients that will connect.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let count = faults.clients;
        let mut ground = Ground::new(Chance::new(seed), faults);
        ground.wake(Duration::ZERO, Wake::Start);
        ground.wake(Duration::from_millis(300), Wake::Fault);
        let mut clients: Vec<_> = (0..count).map(Client::new).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.alarm.set(&mut ground, Duration::ZERO, Wake::Client(number));
        }
        Self {
            seed,
            ground,
            snapshots: MemoryDisk::new(),
            logs: MemoryDisk::new(),
            process: None,
            processes: 0,
            clients,
        }
    }

    /// Lets so much virtual time pass.
    ///
    /// # Panics
    ///
    /// If anything is wrong: with the seed, and the command that runs it again.
    pub fn run_for(&mut self, length: Duration) {
        let until = self.ground.now + length;
        while let Some(whom) = self.ground.next(until) {
            let checked = self.step(whom);
            self.require(checked);
        }
        self.ground.now = until;
    }

    /// Ends all faults; then every client must get an answer, and soon.
    ///
    /// # Panics
    ///
    /// If one does not, or anything else is wrong.
    pub fn heal(&mut self) {
        self.ground.is_healed = true;
        self.repair();
        let before: Vec<_> = self.clients.iter().map(|client| client.answers).collect();
        let deadline = self.ground.now + PATIENCE;
        while self.ground.now < deadline {
            self.run_for(Duration::from_millis(500));
            let is_served =
                self.clients.iter().zip(&before).all(|(client, before)| client.answers > before + 1);
            if is_served {
                return;
            }
        }
        let stuck =
            self.clients.iter().zip(&before).position(|(client, before)| client.answers <= before + 1);
        self.require(Err(format!("client {stuck:?} got no answer in {PATIENCE:?} without faults")));
    }

    /// Lets clients only keep their sessions, until all others have expired; then the tree must be the model's.
    ///
    /// # Panics
    ///
    /// If it is not, or anything else is wrong.
    pub fn settle(&mut self) {
        self.ground.is_quiet = true;
        let before = self.ground.history.model.last();
        self.run_for(Duration::from_millis(host::TIMEOUT_MAX_MS as u64) + 6 * host::TICK);
        let checked = self.check_settled(before);
        self.require(checked);
    }

    /// A run from beginning to end.
    pub fn run(seed: u64, faults: Faults) -> Report {
        let mut simulation = Self::new(seed, faults);
        simulation.run_for(Duration::from_secs(20));
        simulation.heal();
        simulation.settle();
        simulation.report()
    }

    /// What the run has come to so far.
    pub fn report(&self) -> Report {
        Report {
            hash: self.ground.trace.hash(),
            simulated: self.ground.now,
            commits: self.ground.history.model.last().0 as u64,
            answers: self.clients.iter().map(|client| client.answers).sum(),
            processes: self.processes,
            repairs: self.ground.repairs,
        }
    }

    fn require(&self, checked: Checked) {
        let Err(error) = checked else { return };
        panic!(
            "{error}\n\nseed {seed}, after {now:?}, under {faults:?}; the last of what happened:\n{tail}\
             {error}\nreplay: ZOORUM_SIM_SEED={seed} cargo test -p zoorum-sim --test campaign",
            seed = self.seed,
            now = self.ground.now,
            faults = self.ground.faults,
            tail = self.ground.trace.tail(),
        );
    }

    /// Clients were quiet since `before`.
    fn check_settled(&self, before: Zxid) -> Checked {
        let Some(process) = &self.process else { return Err("no process serves".to_owned()) };
        let model = &self.ground.history.model;
        compare(model, process.tree(), model.last())?;
        for (session, _) in model.sessions_at(before) {
            if model.session_now(session).is_none() {
                continue;
            }
            let is_held = self.clients.iter().any(|client| client.session() == Some(session));
            ensure(is_held, || format!("{session} has outlived its client"))?;
        }
        // A session that ended before may not be known to be gone yet: the last that a connection is owed can
        // take its time.
        let sessions_before: Vec<_> = model.sessions_at(before).map(|(session, _)| session).collect();
        for client in self.clients.iter().filter(|client| !client.is_leaving()) {
            let held = client.session().filter(|session| sessions_before.contains(session));
            let lives = held.is_none_or(|session| model.session_now(session).is_some());
            ensure(lives, || format!("{:?} has died, though its client lives", client.session()))?;
        }
        Ok(())
    }

    fn step(&mut self, whom: Wake) -> Checked {
        let Self { ground, process, .. } = self;
        let stepped = match (whom, process) {
            (Wake::Worker(number, worker), Some(process)) if process.number == number => {
                process.step_worker(ground, worker)?
            }
            (Wake::Replica(number), Some(process)) if process.number == number => {
                process.step_replica(ground)?
            }
            (Wake::Snapshot(number), Some(process)) if process.number == number => {
                process.step_snapshot(ground)?
            }
            (Wake::Worker(..) | Wake::Replica(_) | Wake::Snapshot(_), _) => Step::Done,
            (Wake::Writable(number, worker, link), process) => {
                if let Some(process) = process.as_mut().filter(|process| process.number == number) {
                    process.on_socket(ground, worker, Some(link));
                }
                Step::Done
            }
            (Wake::Arrival(link, side), _) => {
                self.arrive(link, side)?;
                Step::Done
            }
            (Wake::Client(number), _) => {
                self.act(number)?;
                Step::Done
            }
            (Wake::Fault, _) => {
                self.fault();
                Step::Done
            }
            (Wake::Repair, _) => {
                self.repair();
                Step::Done
            }
            (Wake::Start, _) => {
                self.start()?;
                Step::Done
            }
        };
        self.look_after_process(&stepped);
        Ok(())
    }

    /// Whether the process has died, by its own decision or in an operation of the disk.
    fn look_after_process(&mut self, stepped: &Step) {
        let Some(process) = &self.process else { return };
        process.check_invariants();
        if let Step::Stop = stepped {
            self.crash(false);
        } else if !process.life.is_alive() {
            let cuts_power = self.ground.faults.power_cuts && self.ground.chance.one_in(2);
            self.crash(cuts_power);
        }
    }

    fn arrive(&mut self, link: crate::network::LinkId, side: Side) -> Checked {
        let ground = &mut self.ground;
        ground.network.arrive(ground.now, link, side);
        let Some(found) = ground.network.link(link) else { return Ok(()) };
        match side {
            Side::Client => {
                let client = found.client;
                self.clients[client].receive(ground)
            }
            Side::Server => {
                let (number, worker) = (found.process, found.worker);
                if let Some(process) = self.process.as_mut().filter(|process| process.number == number) {
                    process.on_socket(ground, worker, None);
                }
                Ok(())
            }
        }
    }

    fn act(&mut self, number: usize) -> Checked {
        let Self { ground, process, clients, .. } = self;
        let client = &mut clients[number];
        if !client.alarm.take(ground.now) {
            return Ok(());
        }
        let listener = process
            .as_ref()
            .map(|process| Listener { process: process.number, workers: process.worker_count() });
        client.act(ground, listener)?;
        for link in std::mem::take(&mut ground.accepts) {
            if let (Some(process), Some(worker)) =
                (process.as_mut(), ground.network.link(link).map(|link| link.worker))
            {
                process.accept(ground, worker, link);
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Checked {
        if self.process.is_some() {
            return Ok(());
        }
        self.processes += 1;
        let Self { ground, snapshots, logs, .. } = self;
        let dies = ground.faults.deaths_in_disk && !ground.is_healed && ground.chance.one_in(2);
        let dies_after = dies.then(|| {
            let longest = *ground.chance.pick(&[3, 30, 1_000]);
            ground.chance.below(longest) as u32
        });
        if ground.faults.bug == Some(Bug::DropLastRecord) {
            crate::plant::drop_last_record(logs);
        }
        match host::start(ground, self.processes, snapshots, logs, dies_after) {
            Ok(process) => {
                self.process = Some(process);
                Ok(())
            }
            Err(Failed::Wrong(error)) => Err(error),
            Err(Failed::ForNow) => {
                if ground.faults.power_cuts && ground.chance.one_in(2) {
                    self.lose_power();
                }
                let at = self.ground.now + self.ground.chance.millis(20, 500);
                self.ground.wake(at, Wake::Start);
                Ok(())
            }
        }
    }

    /// The process dies. Another is started after a while.
    fn crash(&mut self, cuts_power: bool) {
        let Some(process) = self.process.take() else { return };
        self.ground.note(format_args!("process {} dies", process.number));
        process.end(&mut self.ground);
        if cuts_power {
            self.lose_power();
        }
        let pause = if self.ground.chance.one_in(5) {
            self.ground.chance.millis(100, 6_000)
        } else {
            self.ground.chance.millis(1, 200)
        };
        let at = self.ground.now + pause;
        self.ground.wake(at, Wake::Start);
    }

    fn lose_power(&mut self) {
        self.ground.note(format_args!("the power is cut"));
        self.ground.is_torn = true;
        if self.ground.chance.one_in(4) {
            self.snapshots.crash_hard();
            self.logs.crash_hard();
        } else {
            self.snapshots.crash(self.ground.chance.number());
            self.logs.crash(self.ground.chance.number());
        }
    }

    /// One fault of those that are enabled, if its turn has come.
    fn fault(&mut self) {
        if self.ground.is_healed {
            return;
        }
        let next = self.ground.now + self.ground.chance.millis(20, 1_500);
        self.ground.wake(next, Wake::Fault);
        let faults = self.ground.faults.clone();
        match self.ground.chance.below(8) {
            0 if faults.kills => self.crash(false),
            1 if faults.power_cuts => self.crash(true),
            2 if faults.sync_failures => {
                self.ground.note(format_args!("syncs fail"));
                let which = self.ground.chance.below(3);
                self.logs.fail_syncs(which != 0);
                self.snapshots.fail_syncs(which != 1);
                self.repair_soon();
            }
            3 if faults.full_disk => {
                self.ground.note(format_args!("the disk is full"));
                let room = self.ground.chance.below(3_000) as u64;
                self.logs.limit_room(Some(room));
                self.snapshots.limit_room(Some(room));
                self.repair_soon();
            }
            4 if faults.clock_jumps => {
                let jump = self.ground.chance.below(20_000_000) as i64 - 10_000_000;
                self.ground.note(format_args!("the wall clock jumps by {jump} ms"));
                self.ground.wall_offset_ms += jump;
            }
            5 if faults.pauses => {
                if let Some(process) = &mut self.process {
                    process.pause(&mut self.ground);
                }
            }
            6 if faults.half_open => self.swallow_one(),
            _ => {}
        }
    }

    fn swallow_one(&mut self) {
        let Some(process) = &self.process else { return };
        let links = self.ground.network.of_process(process.number);
        if !links.is_empty() {
            let link = *self.ground.chance.pick(&links);
            let side = if self.ground.chance.one_in(2) { Side::Server } else { Side::Client };
            self.ground.note(format_args!("nothing more of {link:?} reaches the {side:?}"));
            self.ground.network.swallow(link, side);
        }
    }

    fn repair_soon(&mut self) {
        let at = self.ground.now + self.ground.chance.millis(10, 2_000);
        self.ground.wake(at, Wake::Repair);
    }

    fn repair(&mut self) {
        for disk in [&self.logs, &self.snapshots] {
            disk.fail_syncs(false);
            disk.limit_room(None);
        }
        self.ground
            .note(format_args!("the disk works, with {} logs", self.logs.list().map_or(0, |l| l.len())));
    }
}
