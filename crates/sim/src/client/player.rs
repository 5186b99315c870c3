//! A client that is the whole library, with somebody who uses its recipes. Driver, tasks and recipes are those that
//! ship; only sockets, time and chance are the simulation's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use zoorum_client::driver::{Driver, Errand};
use zoorum_client::session::{ConnectString, Settings};
use zoorum_proto::{Monotonic, OpCode};

use super::executor::{Executor, Virtual};
use super::line::{Input, Line, hosts};
use super::{Listener, credentials};
use crate::check::Checked;
use crate::check::recipes::Claimant;
use crate::faults::Bug;
use crate::ground::{Alarm, Ground, Wake};
use crate::plays::{self, Scene, Script};

/// Rounds of driver and tasks at one moment, beyond which they keep each other busy for ever.
const ROUNDS_MAX: usize = 10_000;

/// See the module.
pub(crate) struct Player {
    number: usize,
    pub(super) alarm: Alarm,
    pub(super) line: Line,
    driver: Driver,
    executor: Executor,
    script: Arc<Script>,
    /// Until then the whole process stands still.
    stalled_until: Duration,
    stalls_at: Duration,
}

impl Player {
    pub(crate) fn new(ground: &mut Ground, number: usize) -> Self {
        let script = Arc::new(Script::default());
        let (driver, executor) = begin(ground, number, &script);
        let credentials = credentials(number);
        Self {
            number,
            alarm: Alarm::default(),
            line: Line::new(number, credentials.as_deref()),
            driver,
            executor,
            script,
            stalled_until: Duration::ZERO,
            stalls_at: ground.now + ground.chance.millis(0, 20_000),
        }
    }

    /// Whether something is begun that is to be ended.
    pub(super) fn is_under_way(&self) -> bool {
        !self.script.is_done.load(Ordering::Relaxed)
    }

    /// The client's turn, or something has arrived for it.
    pub(super) fn act(&mut self, ground: &mut Ground, listeners: &[Option<Listener>]) -> Checked {
        if ground.is_healed {
            self.stalled_until = Duration::ZERO;
            self.script.is_healed.store(true, Ordering::Relaxed);
        } else if ground.faults.silence && self.stalls_at <= ground.now {
            self.stalled_until = ground.now + ground.chance.millis(100, 9_000);
            self.stalls_at = self.stalled_until + ground.chance.millis(1_000, 20_000);
            ground.note(format_args!("client {} stands still until {:?}", self.number, self.stalled_until));
        }
        if self.stalled_until > ground.now {
            let at = self.stalled_until;
            self.alarm.set(ground, at, Wake::Client(self.number));
            return Ok(());
        }
        // Whatever comes first when a process goes on: what has arrived, or whose time is up.
        if ground.chance.one_in(2) {
            self.play(ground)?;
        }
        while let Some(input) = self.line.next_input(ground, listeners)? {
            let now = Monotonic(ground.now);
            match input {
                Input::Connected(connection) => self.driver.on_connected(now, connection),
                Input::Broken(connection) => self.driver.on_disconnected(now, connection),
                Input::Probed(host, is_read_write) => self.driver.on_probed(now, &host, is_read_write),
                Input::Received(connection, bytes, _) => self.driver.on_received(now, connection, &bytes),
            }
            self.perform(ground)?;
        }
        self.play(ground)?;
        if self.driver.is_over() {
            self.begin_again(ground);
            self.play(ground)?;
        }
        let wakeups =
            [self.driver.next_wakeup().map(|at| at.0), self.line.next_wakeup(), self.executor.next_wakeup()];
        let latest = ground.now + Duration::from_secs(1);
        let at = wakeups.into_iter().flatten().fold(latest, Duration::min);
        self.alarm.set(ground, at, Wake::Client(self.number));
        Ok(())
    }

    /// Lets driver and tasks do whatever can be done now.
    fn play(&mut self, ground: &mut Ground) -> Checked {
        for _ in 0..ROUNDS_MAX {
            self.executor.run(ground.now)?;
            self.judge(ground)?;
            let has_commands = self.driver.has_commands();
            self.driver.on_tick(Monotonic(ground.now));
            self.driver.session().check_invariants();
            self.perform(ground)?;
            if !has_commands && !self.executor.is_busy() {
                return Ok(());
            }
        }
        Err(format!("client {}: driver and tasks keep each other busy", self.number))
    }

    fn perform(&mut self, ground: &mut Ground) -> Checked {
        for errand in self.driver.take_errands() {
            match errand {
                Errand::Connect { connection, host, .. } => self.line.dial(ground, connection, host),
                Errand::Send(bytes)
                    if ground.faults.bug == Some(Bug::ForgottenRestore) && restores(&bytes) => {}
                Errand::Send(bytes) => drop(self.line.send(ground, &bytes)?),
                Errand::Disconnect(_) => self.line.close(ground),
                Errand::Probe { host, .. } => self.line.probe(ground, host),
            }
        }
        Ok(())
    }

    fn judge(&mut self, ground: &mut Ground) -> Checked {
        let claims = std::mem::take(&mut *self.script.claims.lock().expect("no holder panics"));
        for (session, claim) in claims {
            ground.note(format_args!("client {} claims {claim:?}", self.number));
            let who = Claimant { player: self.number, session, seen: self.line.tap.last_zxid };
            ground.recipes.judge(&ground.history.model, who, claim)?;
        }
        Ok(())
    }

    /// The session is over, and nobody is left who uses it.
    fn begin_again(&mut self, ground: &mut Ground) {
        self.line.close(ground);
        self.line.tap.forget_session();
        (self.driver, self.executor) = begin(ground, self.number, &self.script);
    }
}

fn begin(ground: &mut Ground, number: usize, script: &Arc<Script>) -> (Driver, Executor) {
    let timeout = Duration::from_millis(*ground.chance.pick(&[1_500, 3_000, 4_000, 4_000]));
    let settings = Settings { timeout, ..Settings::default() };
    let servers = ConnectString { hosts: hosts(ground.faults.servers()), chroot: String::new() };
    let executor = Executor::new(ground.chance.number());
    let seed = ground.chance.number();
    let world = Arc::new(Virtual(executor.world()));
    let (client, driver) = Driver::new(Monotonic(ground.now), servers, settings, seed, world.clone());
    if let Some(credentials) = credentials(number) {
        client.add_auth("digest", credentials.as_bytes());
    }
    let scene = Scene {
        client,
        world: executor.world(),
        script: Arc::clone(script),
        player: number,
        players: ground.faults.players,
        bug: ground.faults.bug,
        path: ground.faults.play.path(),
    };
    zoorum_client::World::spawn(&*world, Box::pin(plays::perform(scene, ground.faults.play)));
    (driver, executor)
}

/// Whether a frame sets watches again.
fn restores(frame: &[u8]) -> bool {
    let op = frame.get(8..12).and_then(|op| op.try_into().ok()).map(i32::from_be_bytes);
    let is_request = frame.get(4..8) == Some(&(-8_i32).to_be_bytes()[..]);
    is_request && (op == Some(OpCode::SetWatches as i32) || op == Some(OpCode::SetWatches2 as i32))
}
