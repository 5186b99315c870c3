//! What goes wrong with servers, and how they come back.

use std::time::Duration;

use zoorum_storage::Disk;

use crate::check::Checked;
use crate::faults::Bug;
use crate::ground::{Ground, Wake};
use crate::host::{self, Failed, Place};
use crate::network::Side;
use crate::plant;
use crate::simulation::Simulation;

/// How long an operator waits until the others can do without a server's files.
const EMPTIED_AGAIN: Duration = Duration::from_millis(50);
/// So long does a system wait for its peer's word that something has arrived: then the connection is broken.
const SILENCE_MAX: Duration = Duration::from_secs(10);

impl Simulation {
    /// Starts a process on a server that has none.
    pub(crate) fn start(&mut self, at: usize) -> Checked {
        if self.servers[at].process.is_some() {
            return Ok(());
        }
        self.processes += 1;
        let Self { ground, servers, .. } = self;
        let server = &mut servers[at];
        let dies = ground.faults.deaths_in_disk && !ground.is_healed && ground.chance.one_in(2);
        let dies_after = dies.then(|| {
            let longest = *ground.chance.pick(&[3, 30, 1_000]);
            ground.chance.below(longest) as u32
        });
        if server.place.is_condemned && !empty(ground, &mut server.place) {
            ground.wake(ground.now + EMPTIED_AGAIN, Wake::Start(at));
            return Ok(());
        }
        if ground.faults.bug == Some(Bug::DropLastRecord) {
            plant::drop_last_record(&server.place.logs);
        }
        match host::start(ground, self.processes, &mut server.place, dies_after) {
            Ok(process) => {
                server.process = Some(process);
                Ok(())
            }
            Err(Failed::Wrong(error)) => Err(error),
            Err(Failed::ForNow) => {
                if ground.faults.power_cuts && ground.chance.one_in(2) {
                    self.lose_power(at);
                }
                let again_at = self.ground.now + self.ground.chance.millis(20, 500);
                self.ground.wake(again_at, Wake::Start(at));
                Ok(())
            }
        }
    }

    /// The process dies. Another is started after a while.
    pub(crate) fn crash(&mut self, at: usize, cuts_power: bool) {
        let Some(process) = self.servers[at].process.take() else { return };
        self.ground.note(format_args!("process {} of server {} dies", process.number, at + 1));
        process.end(&mut self.ground);
        if cuts_power {
            self.lose_power(at);
        }
        let pause = if self.ground.chance.one_in(5) {
            self.ground.chance.millis(100, 6_000)
        } else {
            self.ground.chance.millis(1, 200)
        };
        let again_at = self.ground.now + pause;
        self.ground.wake(again_at, Wake::Start(at));
    }

    fn lose_power(&mut self, at: usize) {
        let Self { ground, servers, .. } = self;
        ground.note(format_args!("the power of server {} is cut", at + 1));
        let place = &mut servers[at].place;
        place.is_torn = true;
        let is_hard = ground.chance.one_in(4);
        // Without room ahead a log has no marks, and one that is torn out of order cannot be told from damage.
        let keeps_order = ground.faults.preallocate_bytes == 0;
        for disk in place.disks() {
            if is_hard {
                disk.crash_hard();
            } else if keeps_order {
                disk.crash_in_order(ground.chance.number());
            } else {
                disk.crash(ground.chance.number());
            }
        }
    }

    /// One fault of those that are enabled, if its turn has come.
    pub(crate) fn fault(&mut self) {
        if self.ground.is_healed {
            return;
        }
        let next = self.ground.now + self.ground.chance.millis(20, 1_500);
        self.ground.wake(next, Wake::Fault);
        let at = self.a_server();
        let faults = self.ground.faults.clone();
        let kinds = if faults.has_peers() { 14 } else { 8 } + usize::from(faults.wipes);
        match self.ground.chance.below(kinds) {
            0 if faults.kills => self.crash(at, false),
            1 if faults.power_cuts => self.crash(at, true),
            2 if faults.sync_failures => {
                self.ground.note(format_args!("syncs fail on server {}", at + 1));
                let which = self.ground.chance.below(3);
                let place = &self.servers[at].place;
                place.logs.fail_syncs(which != 0);
                place.snapshots.fail_syncs(which != 1);
                self.repair_soon();
            }
            3 if faults.full_disk => {
                self.ground.note(format_args!("the disk of server {} is full", at + 1));
                let room = self.ground.chance.below(3_000) as u64;
                self.servers[at].place.disks().into_iter().for_each(|disk| disk.limit_room(Some(room)));
                self.repair_soon();
            }
            4 if faults.clock_jumps => {
                let jump = self.ground.chance.below(20_000_000) as i64 - 10_000_000;
                self.ground.note(format_args!("the wall clock of server {} jumps by {jump} ms", at + 1));
                self.ground.wall_offsets_ms[at] += jump;
            }
            5 if faults.pauses => {
                let Self { ground, servers, .. } = self;
                if let Some(process) = &mut servers[at].process {
                    process.pause(ground);
                }
            }
            6 if faults.half_open => self.swallow_one(at),
            8 | 9 if faults.partitions => self.part_servers(at),
            10 if faults.wire_cuts => self.break_wire(),
            11 if faults.slow_syncs => {
                let until = self.ground.now + self.ground.chance.millis(100, 4_000);
                let longest = self.ground.chance.millis(1, 3_000);
                self.ground.note(format_args!("syncs on server {} take up to {longest:?}", at + 1));
                self.ground.slow_syncs[at] = (until, longest);
            }
            12 if faults.kills => self.crash_several(),
            13 if faults.decay => self.decay(at),
            14 => self.wipe(at),
            _ => {}
        }
    }

    /// Any server; rather often the one that leads.
    fn a_server(&mut self) -> usize {
        if self.servers.len() == 1 {
            return 0;
        }
        let leader = self.running().find(|process| process.leads()).map(|process| process.place);
        match leader {
            Some(leader) if self.ground.chance.one_in(3) => leader,
            _ => self.ground.chance.below(self.servers.len()),
        }
    }

    /// Several processes die at once, perhaps all.
    fn crash_several(&mut self) {
        for at in 0..self.servers.len() {
            if self.ground.chance.one_in(2) {
                let cuts_power = self.ground.faults.power_cuts && self.ground.chance.one_in(2);
                self.crash(at, cuts_power);
            }
        }
    }

    /// A server loses all it has. It comes back with nothing, once the others can do without what it had.
    fn wipe(&mut self, at: usize) {
        let is_whole = |place: &Place| !place.is_decayed && !place.is_torn && !place.is_condemned;
        if !self.servers.iter().all(|server| is_whole(&server.place))
            || !self.ground.faults.is_quorum(|other| other != at)
        {
            return;
        }
        self.crash(at, false);
        self.ground.note(format_args!("server {} is to lose all it has", at + 1));
        self.servers[at].place.is_condemned = true;
    }

    /// A server is down, and something in its files changes by itself. At most one has such files at a time, or is to
    /// lose what it has.
    fn decay(&mut self, at: usize) {
        let is_damaged = |place: &Place| place.is_decayed || place.is_torn || place.is_condemned;
        if self.servers.iter().any(|server| is_damaged(&server.place)) {
            return;
        }
        // Where nothing can be done without a server, nobody can give it back what it loses.
        if !self.ground.faults.is_quorum(|other| other != at) {
            return;
        }
        self.crash(at, false);
        let Self { ground, servers, .. } = self;
        let place = &mut servers[at].place;
        let durable = ground.servers.durable(at);
        if let Some(what) = plant::decay(&mut ground.chance, place, durable) {
            place.is_decayed = true;
            ground.note(format_args!("on server {}, {what} decays", at + 1));
        }
    }

    /// Nothing gets from some servers to others, one way or both, for a while; perhaps one is in touch with all.
    fn part_servers(&mut self, at: usize) {
        let count = self.servers.len();
        let Self { ground, .. } = self;
        let sides: Vec<bool> = match ground.chance.below(3) {
            0 => (0..count).map(|other| other == at).collect(),
            _ => (0..count).map(|_| ground.chance.one_in(2)).collect(),
        };
        let ways = ground.chance.below(3);
        let bridge = ground.chance.one_in(4).then(|| ground.chance.below(count));
        ground.note(format_args!("servers are parted: {sides:?}, {ways}, but for {bridge:?}"));
        for one in (0..count).filter(|one| bridge != Some(*one)) {
            for two in (0..count).filter(|two| sides[one] && !sides[*two] && bridge != Some(*two)) {
                if ways != 1 {
                    ground.wires.block(one, two);
                }
                if ways != 2 {
                    ground.wires.block(two, one);
                }
            }
        }
        let at = ground.now + ground.chance.millis(100, 8_000);
        ground.wake(at, Wake::Repair);
    }

    /// A connection between servers breaks, or goes silent at one end.
    fn break_wire(&mut self) {
        let ground = &mut self.ground;
        let ends = ground.wires.ends();
        if ends.is_empty() {
            return;
        }
        let end = *ground.chance.pick(&ends);
        if ground.chance.one_in(2) {
            ground.note(format_args!("nothing more arrives at {end:?}"));
            ground.wires.swallow(end);
            return ground.wake(ground.now + SILENCE_MAX, Wake::Broken(end));
        }
        ground.note(format_args!("{end:?} breaks"));
        ground.break_wire(end);
    }

    fn swallow_one(&mut self, at: usize) {
        let Some(process) = &self.servers[at].process else { return };
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

    /// Disks work again, and everything gets through.
    pub(crate) fn repair(&mut self) {
        for server in &self.servers {
            for disk in server.place.disks() {
                disk.fail_syncs(false);
                disk.limit_room(None);
            }
        }
        self.ground.wires.unblock_all();
        if self.ground.is_healed {
            self.ground.slow_syncs.fill((Duration::ZERO, Duration::ZERO));
        }
        let logs = self.servers.iter().map(|server| server.place.logs.list().map_or(0, |logs| logs.len()));
        let count: usize = logs.sum();
        self.ground.note(format_args!("all works again, with {count} logs"));
    }
}

/// The operator empties a server whose files are of no use, unless it is too early for that.
fn empty(ground: &mut Ground, place: &mut Place) -> bool {
    let is_safe = ground.servers.may_be_emptied(&ground.history, place.number);
    if is_safe {
        ground.note(format_args!("server {} is emptied", place.number + 1));
        ground.servers.emptied(place.number);
        ground.emptied += 1;
        *place = Place { number: place.number, ..Place::default() };
    }
    is_safe
}
