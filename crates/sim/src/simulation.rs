//! One run: a server or an ensemble, its clients, and everything that can happen to them.

use std::collections::BTreeSet;
use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_zab::LinkEvent;

use crate::chance::Chance;
use crate::check::{Checked, ensure};
use crate::client::Client;
use crate::faults::Faults;
use crate::ground::{Ground, Wake};
use crate::host::{self, Place, Process, Step};
use crate::model::compare;
use crate::wires::{Call, End};

/// After the last fault, every client has an answer by then, and every server serves.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a call that does not get through waits before it tries again.
const CALL_AGAIN: Duration = Duration::from_millis(50);

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
    /// What players of recipes took for true.
    pub claims: u64,
    /// Processes started.
    pub processes: u64,
    /// Terms of office of leaders.
    pub terms: u64,
    /// How often a server cut its history at a leader's word.
    pub cuts: u64,
    /// How often a server took over a leader's tree.
    pub trees: u64,
    /// How often a server was emptied whose files had decayed.
    pub emptied: u64,
    /// How often a learner was supplied from files.
    pub supplies: u64,
}

/// Servers with their clients, in one thread, on virtual time, all chance drawn from one seed.
pub struct Simulation {
    seed: u64,
    pub(crate) ground: Ground,
    pub(crate) servers: Vec<Server>,
    pub(crate) processes: u64,
    pub(crate) clients: Vec<Client>,
}

/// A server, whether it runs or not.
pub(crate) struct Server {
    pub(crate) place: Place,
    pub(crate) process: Option<Process>,
}

impl Simulation {
    /// Servers on empty disks, and clients that will connect.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut ground = Ground::new(Chance::new(seed), faults);
        let servers = (0..ground.faults.servers()).map(|number| {
            ground.wake(Duration::ZERO, Wake::Start(number));
            let place = Place::new(number, &ground.faults);
            Server { place, process: None }
        });
        let servers = servers.collect();
        ground.wake(Duration::from_millis(300), Wake::Fault);
        let mut clients = Client::all(&mut ground);
        for (number, client) in clients.iter_mut().enumerate() {
            client.alarm().set(&mut ground, Duration::ZERO, Wake::Client(number));
        }
        Self { seed, ground, servers, processes: 0, clients }
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

    /// Ends all faults; then every client must get an answer, every server serve, and soon.
    ///
    /// # Panics
    ///
    /// If one does not, or anything else is wrong.
    pub fn heal(&mut self) {
        self.ground.is_healed = true;
        self.repair();
        let before: Vec<_> = self.clients.iter().map(Client::answers).collect();
        let deadline = self.ground.now + PATIENCE;
        let (mut served, mut serving) = (BTreeSet::new(), BTreeSet::new());
        while self.ground.now < deadline {
            self.run_for(Duration::from_millis(500));
            let has_ended =
                |(client, before): (&Client, &u64)| client.answers() > before + 1 && !client.is_under_way();
            let clients = (0..).zip(self.clients.iter().zip(&before));
            served.extend(clients.filter(|(_, it)| has_ended(*it)).map(|(at, _)| at));
            let serves = |server: &Server| server.process.as_ref().is_some_and(Process::serves);
            serving.extend((0..).zip(&self.servers).filter(|(_, server)| serves(server)).map(|(at, _)| at));
            if served.len() == self.clients.len() && serving.len() == self.servers.len() {
                return;
            }
            // Those who only ask have been served, and go on to use up epoch after epoch: whoever plays with others is
            // interrupted by each. Now they only keep their sessions.
            self.ground.is_quiet =
                (0..self.clients.len()).all(|at| served.contains(&at) || self.clients[at].is_under_way());
        }
        let stuck =
            self.clients.iter().zip(&before).position(|(client, before)| client.answers() <= before + 1);
        let busy = (0..self.clients.len()).find(|at| !served.contains(at));
        let idle = (0..self.servers.len()).find(|at| !serving.contains(at));
        self.require(Err(format!(
            "client {stuck:?} got no answer in {PATIENCE:?} without faults; of servers, {idle:?} does not serve; \
             client {busy:?} does not end what it has begun"
        )));
    }

    /// Lets clients only keep their sessions, until all others have expired; then the trees must be the model's.
    ///
    /// # Panics
    ///
    /// If one is not, or anything else is wrong.
    pub fn settle(&mut self) {
        self.ground.is_quiet = true;
        // Who has said farewell may still wait for the answer, and only then stops keeping the session. Others may have
        // asked much, and be let in with one request at a time.
        let deadline = self.ground.now + PATIENCE;
        let waits = |client: &Client| client.is_leaving() || client.is_owed();
        while self.clients.iter().any(waits) && self.ground.now < deadline {
            self.run_for(host::TICK);
        }
        // What was late while something was wrong can still end a session, and the client hear of it late, too.
        self.run_for(4 * host::TICK);
        // A new leader gives every session its whole time again.
        let (mut before, mut terms) = (self.ground.history.model.last(), None);
        while terms != Some(self.ground.servers.terms()) {
            terms = Some(self.ground.servers.terms());
            before = self.ground.history.model.last();
            self.run_for(Duration::from_millis(host::TIMEOUT_MAX_MS as u64) + 6 * host::TICK);
        }
        let deadline = self.ground.now + 4 * host::TICK;
        while !self.is_even() && self.ground.now < deadline {
            self.run_for(host::TICK / 10);
        }
        let checked = self.check_settled(before);
        self.require(checked);
    }

    /// A run from beginning to end.
    ///
    /// # Panics
    ///
    /// If anything is wrong.
    pub fn run(seed: u64, faults: Faults) -> Report {
        Self::new(seed, faults).run_to_end()
    }

    /// Everything that belongs to a run.
    ///
    /// # Panics
    ///
    /// If anything is wrong.
    pub fn run_to_end(mut self) -> Report {
        let length = if self.ground.faults.has_peers() { 30 } else { 20 };
        self.run_for(Duration::from_secs(length));
        self.heal();
        self.settle();
        self.report()
    }

    /// From now on every line of what happens is printed.
    pub fn print_trace(&mut self) {
        self.ground.trace.is_loud = true;
    }

    /// What the run has come to so far.
    pub fn report(&self) -> Report {
        Report {
            hash: self.ground.trace.hash(),
            simulated: self.ground.now,
            commits: self.ground.history.model.count() as u64,
            answers: self.clients.iter().map(Client::answers).sum(),
            claims: self.ground.recipes.claims,
            processes: self.processes,
            terms: self.ground.servers.terms() as u64,
            cuts: self.ground.cuts,
            trees: self.ground.trees,
            emptied: self.ground.emptied,
            supplies: self.ground.supplies,
        }
    }

    fn require(&self, checked: Checked) {
        let Err(error) = checked else { return };
        let alone = if self.ground.faults.has_peers() { "" } else { " --alone" };
        panic!(
            "{error}\n\nseed {seed}, after {now:?}, under {faults:?}; the last of what happened:\n{tail}\
             {error}\nreplay: cargo run --release -p zoorum-sim -- --seed {seed} --trace{alone}",
            seed = self.seed,
            now = self.ground.now,
            faults = self.ground.faults,
            tail = self.ground.trace.tail(),
        );
    }

    /// Whether every server has everything.
    fn is_even(&self) -> bool {
        let last = self.ground.history.model.last();
        self.running().all(|process| process.tree().last_zxid() == last)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Process> {
        self.servers.iter().filter_map(|server| server.process.as_ref())
    }

    /// Clients were quiet since `before`.
    fn check_settled(&self, before: Zxid) -> Checked {
        let model = &self.ground.history.model;
        for server in &self.servers {
            let Some(process) = &server.process else { return Err("no process serves".to_owned()) };
            compare(model, process.tree(), model.last())
                .map_err(|error| format!("server {}: {error}", process.place + 1))?;
        }
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
        let sessions: Vec<_> = self.clients.iter().filter_map(Client::session).collect();
        self.ground.recipes.check_settled(model, &sessions)
    }

    /// Where a process runs, if it still does.
    pub(crate) fn server_of(&self, number: u64) -> Option<usize> {
        self.servers.iter().position(|server| server.process.as_ref().is_some_and(|it| it.number == number))
    }

    fn step(&mut self, whom: Wake) -> Checked {
        match whom {
            Wake::Worker(number, _) | Wake::Replica(number) | Wake::Snapshot(number) => {
                let Some(at) = self.server_of(number) else { return Ok(()) };
                self.step_process(at, whom)?;
            }
            Wake::Writable(number, worker, link) => {
                let at = self.server_of(number);
                let Self { ground, servers, .. } = self;
                if let Some(process) = at.and_then(|at| servers[at].process.as_mut()) {
                    process.on_socket(ground, worker, Some(link));
                }
            }
            Wake::Arrival(link, side) => self.arrive(link, side)?,
            Wake::Client(number) => self.act(number)?,
            Wake::Wire(end) => self.arrive_by_wire(end),
            Wake::Broken(end) => self.ground.break_wire(end),
            Wake::Call(end) => self.answer(end),
            Wake::Fault => self.fault(),
            Wake::Repair => self.repair(),
            Wake::Start(at) => self.start(at)?,
        }
        Ok(())
    }

    fn step_process(&mut self, at: usize, whom: Wake) -> Checked {
        let Self { ground, servers, .. } = self;
        let Some(process) = &mut servers[at].process else { return Ok(()) };
        let stepped = match whom {
            Wake::Worker(_, worker) => process.step_worker(ground, worker)?,
            Wake::Snapshot(_) => process.step_snapshot(ground)?,
            _ => process.step_replica(ground)?,
        };
        process.check_invariants();
        // The process may have died by its own decision, or in an operation of the disk.
        if let Step::Stop = stepped {
            let place = &mut servers[at].place;
            place.is_condemned = place.is_decayed;
            self.crash(at, false);
        } else if !process.life.is_alive() {
            let cuts_power = self.ground.faults.power_cuts && self.ground.chance.one_in(2);
            self.crash(at, cuts_power);
        }
        Ok(())
    }

    /// Something arrives at a server from one of its peers.
    fn arrive_by_wire(&mut self, end: End) {
        match self.ground.wires.arrive(self.ground.now, end) {
            Err(again_at) => self.ground.wake(again_at, Wake::Wire(end)),
            Ok(None) => {}
            Ok(Some(event)) => {
                let at = self.server_of(end.0);
                let Self { ground, servers, .. } = self;
                if let Some(process) = at.and_then(|at| servers[at].process.as_mut()) {
                    process.on_wire(ground, event);
                }
            }
        }
    }

    /// A server has called another.
    fn answer(&mut self, end: End) {
        let Some(call) = self.ground.wires.take_call(end) else { return };
        let Some(from) = self.server_of(end.0) else { return };
        let Call { to, door, until, .. } = call;
        let wires = &self.ground.wires;
        let is_blocked = wires.is_blocked(from, to) || wires.is_blocked(to, from);
        let Self { ground, servers, .. } = self;
        if is_blocked && ground.now < until {
            ground.wires.call(end, call);
            return ground.wake(ground.now + CALL_AGAIN, Wake::Call(end));
        }
        let callee = servers.get_mut(to).and_then(|server| server.process.as_mut());
        let callee = callee.filter(|process| !is_blocked && process.is_open(door));
        let answered = callee.and_then(|process| {
            let link = process.let_in(ground, door, from)?;
            Some((process.number, link))
        });
        if let Some(other) = answered {
            ground.wires.connect(&mut ground.chance, (from, end), (to, other));
        }
        let Some(process) = &mut servers[from].process else { return };
        match answered {
            Some(_) => process.on_answered(ground, end.1, door),
            None => {
                let reason = format!("server {} does not answer at {door:?}", to + 1);
                process.on_wire(ground, LinkEvent::Closed { link: end.1, reason });
            }
        }
    }
}
