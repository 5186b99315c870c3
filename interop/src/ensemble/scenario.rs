//! What happens to an ensemble, as data: steps that fit every mix of implementations.
//!
//! A [`Run`] is an ensemble under load. It plays one scenario after the other; after each of them, all
//! members must serve, and agree with each other and with the clients.

use std::time::Instant;

use super::workload::{FENCE, Workload};
use super::{Ensemble, Kind, Mode, Plan, Role, ServerId, Sync, SyncMode, check};
use crate::wire::client::{create_record, set_data_record};
use crate::wire::{Acl, Client, flag, op};

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called, for choosing it.
    pub name: &'static str,
    /// Whether it is played every day, with the mixes of every day.
    pub daily: bool,
    /// What happens, in order.
    pub steps: &'static [Step],
}

/// To whom something happens. Whoever it is, is the victim from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Who leads now.
    Leader,
    /// One of those who follow; they take turns.
    Follower,
    /// One of those who observe; they take turns.
    Observer,
    /// To whom something happened last.
    Victim,
}

/// One thing that happens, or is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It crashes.
    Kill(Who),
    /// It is asked to stop, and does.
    Stop(Who),
    /// It does nothing for a while, and does not know.
    Pause(Who),
    /// The victim goes on.
    Resume,
    /// The victim, which is down, loses all its files.
    Wipe,
    /// The victim is started again.
    Launch,
    /// Every connection with others breaks, and there are no new ones.
    CutOff(Who),
    /// Every connection with others breaks, once.
    Reset(Who),
    /// Nothing that it sends arrives.
    Mute(Who),
    /// Nothing arrives at it.
    Deafen(Who),
    /// Both of that.
    Isolate(Who),
    /// The leader keeps as many voters as are no majority, and all observers; nothing passes between these
    /// and the others.
    Split,
    /// The network is well again.
    Heal,
    /// Everybody crashes.
    KillAll,
    /// Everybody is started again.
    LaunchAll,
    /// A voter other than the victim leads, in a new epoch.
    AwaitNewLeader,
    /// The victim does not lead any more.
    AwaitAbdication,
    /// The victim serves.
    AwaitServing,
    /// So many operations of the load are acknowledged.
    AwaitProgress(u64),
    /// So many writes are acknowledged, one behind the other without waiting.
    Burst(usize),
    /// The clients change nothing any more.
    Quiet,
    /// The clients go on.
    Busy,
    /// A session begins at one member, for [`Step::Post`].
    Greet(Who),
    /// That session asks for so many nodes and gets no answer; they must not be there in the end.
    Post(usize),
    /// This is how the victim was synchronized since it was started or resumed, or the network healed: so by
    /// the original, and if need be otherwise by others.
    ExpectSync(SyncMode, &'static [SyncMode]),
    /// One after the other, the leader last, is stopped and goes on as the other implementation.
    Migrate,
    /// The same back to what it was.
    MigrateBack,
}

/// An ensemble under load.
#[derive(Debug)]
pub struct Run {
    ensemble: Ensemble,
    workload: Workload,
    /// What each member is, and what it becomes by [`Step::Migrate`].
    home: Vec<Kind>,
    away: Kind,
    victim: Option<ServerId>,
    /// Counts the choices among several.
    choices: usize,
    /// The epoch when the network was last well.
    epoch: i64,
    /// How many synchronizations there had been when the victim came back.
    syncs: usize,
    guest: Option<Client>,
    /// Makes the names of the guests' nodes unique.
    posted: usize,
}

impl Run {
    /// Starts an ensemble, has `leader` lead it if one is named, and puts load on it.
    pub fn begin(plan: &Plan, leader: Option<ServerId>, away: Kind) -> Run {
        let mut ensemble = Ensemble::start(plan);
        if let Some(leader) = leader {
            ensemble.make_leader(leader);
        }
        let workload = Workload::begin(&ensemble.addresses());
        let home = ensemble.ids().into_iter().map(|id| ensemble.member(id).kind()).collect();
        let (victim, guest) = (None, None);
        Run { ensemble, workload, home, away, victim, choices: 0, epoch: 0, syncs: 0, guest, posted: 0 }
    }

    /// Plays a scenario, and checks what it left.
    pub fn play(&mut self, scenario: &Scenario) {
        if !self.can_play(scenario) {
            return;
        }
        let begun = Instant::now();
        self.epoch = self.leaders_epoch();
        for step in scenario.steps {
            let at = Instant::now();
            self.workload.expect_well();
            self.take(*step);
            eprintln!(
                "{}: {step:?} ({} ms), victim {:?}",
                scenario.name,
                at.elapsed().as_millis(),
                self.victim
            );
        }
        self.guest = None;
        self.check();
        let operations = self.workload.acknowledged();
        eprintln!("✓ {} ({} ms; {operations} operations)", scenario.name, begun.elapsed().as_millis());
    }

    /// Ends the load, and checks a last time.
    pub fn finish(mut self) {
        self.check();
        self.workload.end();
    }

    fn can_play(&self, scenario: &Scenario) -> bool {
        let observers = self.members_of(Role::Observer);
        !observers.is_empty()
            || !scenario.steps.iter().any(|step| {
                matches!(
                    step,
                    Step::Kill(Who::Observer) | Step::Stop(Who::Observer) | Step::Isolate(Who::Observer)
                )
            })
    }

    fn check(&mut self) {
        // A member may say that it serves before it notices that the others have given it up.
        self.ensemble.ids().into_iter().for_each(|id| self.ensemble.await_write(id));
        self.workload.quiet();
        check::expect_agreement(&self.ensemble, &self.workload.ledgers());
        self.ensemble.expect_sense();
        self.workload.busy();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Kill(who) => {
                let id = self.choose(who);
                self.ensemble.kill(id);
            }
            Step::Stop(who) => {
                let id = self.choose(who);
                self.ensemble.stop(id);
            }
            Step::Pause(who) => {
                let id = self.choose(who);
                self.ensemble.pause(id);
            }
            Step::Resume => {
                self.mark();
                self.ensemble.resume(self.victim());
            }
            Step::Wipe => self.ensemble.wipe(self.victim()),
            Step::Launch => {
                self.mark();
                self.ensemble.launch(self.victim());
            }
            Step::CutOff(who) => {
                let id = self.choose(who);
                self.ensemble.cut_off(id);
            }
            Step::Reset(who) => {
                let id = self.choose(who);
                self.mark();
                self.ensemble.reset(id);
            }
            Step::Mute(who) => {
                let id = self.choose(who);
                self.ensemble.mute(id);
            }
            Step::Deafen(who) => {
                let id = self.choose(who);
                self.ensemble.deafen(id);
            }
            Step::Isolate(who) => {
                let id = self.choose(who);
                self.ensemble.mute(id);
                self.ensemble.deafen(id);
            }
            Step::Split => self.split(),
            Step::KillAll => self.ensemble.ids().into_iter().for_each(|id| self.ensemble.kill(id)),
            Step::LaunchAll => self.ensemble.ids().into_iter().for_each(|id| self.ensemble.launch(id)),
            Step::Heal => {
                self.mark();
                self.ensemble.links().heal();
            }
            Step::AwaitNewLeader => self.await_new_leader(),
            Step::AwaitAbdication => self.ensemble.await_abdication(self.victim()),
            Step::AwaitServing => {
                self.ensemble.await_serving(self.victim());
            }
            Step::AwaitProgress(count) => self.workload.await_progress(count),
            Step::Burst(count) => self.burst(count),
            Step::Quiet => self.workload.quiet(),
            Step::Busy => self.workload.busy(),
            Step::Greet(who) => {
                let id = self.choose(who);
                self.guest = Some(self.ensemble.client(id));
            }
            Step::Post(count) => self.post(count),
            Step::ExpectSync(original, others) => self.expect_sync(original, others),
            Step::Migrate => self.migrate(|run, _| run.away),
            Step::MigrateBack => self.migrate(|run, id| run.home[usize::from(id.0) - 1]),
        }
    }

    fn split(&mut self) {
        let leader = self.choose(Who::Leader);
        let voters = self.ensemble.voters();
        let mut majority: Vec<ServerId> = voters.iter().copied().filter(|id| *id != leader).collect();
        majority.truncate(voters.len() / 2 + 1);
        let minority = self.ensemble.ids().into_iter().filter(|id| !majority.contains(id));
        for (one, other) in minority.flat_map(|one| majority.iter().map(move |other| (one, *other))) {
            self.ensemble.links().hold(one, other);
            self.ensemble.links().hold(other, one);
        }
    }

    fn victim(&self) -> ServerId {
        self.victim.expect("a scenario names a victim first")
    }

    fn choose(&mut self, who: Who) -> ServerId {
        let chosen = match who {
            Who::Leader => self.ensemble.await_leader(),
            Who::Victim => self.victim(),
            Who::Follower => {
                let leader = self.ensemble.await_leader();
                let mut followers = self.members_of(Role::Voter);
                followers.retain(|id| *id != leader);
                self.one_of(&followers)
            }
            Who::Observer => {
                let observers = self.members_of(Role::Observer);
                self.one_of(&observers)
            }
        };
        self.victim = Some(chosen);
        chosen
    }

    fn one_of(&mut self, candidates: &[ServerId]) -> ServerId {
        self.choices += 1;
        candidates[self.choices % candidates.len()]
    }

    fn members_of(&self, role: Role) -> Vec<ServerId> {
        self.ensemble.ids().into_iter().filter(|id| self.ensemble.member(*id).role() == role).collect()
    }

    /// From here on the victim may be synchronized.
    fn mark(&mut self) {
        self.syncs = self.ensemble.links().syncs().len();
    }

    fn leaders_epoch(&mut self) -> i64 {
        let leader = self.ensemble.await_leader();
        self.ensemble.await_serving(leader).epoch()
    }

    fn await_new_leader(&mut self) {
        let (victim, epoch) = (self.victim(), self.epoch);
        let others: Vec<ServerId> = self.ensemble.voters().into_iter().filter(|id| *id != victim).collect();
        self.ensemble.await_that("there is a leader of a new epoch", |ensemble| {
            others.iter().find_map(|id| {
                let status = ensemble.member(*id).status()?;
                (status.mode == Mode::Leader && status.epoch() > epoch).then_some(())
            })
        });
    }

    fn burst(&mut self, count: usize) {
        let leader = self.ensemble.await_leader();
        let mut client = self.ensemble.client(leader);
        let record = set_data_record(FENCE, b"burst", -1);
        for _ in 0..count {
            client.post(op::SET_DATA, &record);
        }
        for _ in 0..count {
            assert_eq!(client.reply().err, 0, "a write of a burst");
        }
        client.close();
    }

    fn post(&mut self, count: usize) {
        let guest = self.guest.as_mut().expect("a guest was greeted");
        for _ in 0..count {
            self.posted += 1;
            let path = format!("/tail{}", self.posted);
            guest.post(op::CREATE, &create_record(&path, b"", &Acl::open(), flag::PERSISTENT));
        }
    }

    fn expect_sync(&mut self, original: SyncMode, others: &[SyncMode]) {
        let (victim, mark) = (self.victim(), self.syncs);
        let syncs = self.ensemble.await_that("the victim is synchronized", |ensemble| {
            let all = ensemble.links().syncs();
            let syncs: Vec<Sync> =
                all[mark..].iter().filter(|sync| sync.learner == victim).cloned().collect();
            syncs.iter().any(|sync| sync.complete).then_some(syncs)
        });
        // The first attempt counts: a failure of it must not hide behind the next.
        let Sync { leader, mode, .. } = syncs[0];
        let right = mode == original
            || (self.ensemble.member(leader).kind() == Kind::Zoorum && others.contains(&mode));
        let told: Vec<String> = syncs.iter().map(ToString::to_string).collect();
        assert!(right, "{victim} should have been synchronized by {original:?} or {others:?}: {told:#?}");
    }

    fn migrate(&mut self, kind: impl Fn(&Run, ServerId) -> Kind) {
        let leader = self.ensemble.await_leader();
        let mut order = self.ensemble.ids();
        order.retain(|id| *id != leader);
        order.push(leader);
        for id in order {
            let kind = kind(self, id);
            self.ensemble.stop(id);
            self.ensemble.launch_as(id, kind);
            self.ensemble.await_serving(id);
            self.workload.await_progress(10);
        }
    }
}
