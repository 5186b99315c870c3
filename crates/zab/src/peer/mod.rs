//! One server's part in the protocol: looks for a leader, then leads or learns, until that is over.
//!
//! ```text
//!            ┌──────────── lost a quorum ───────────┐
//!            ▼                                       │
//!        Looking ── elected itself ─────────────▶ Leading
//!            │ ▲
//!            │ └──────── lost the leader ──────────┐
//!            └──────── elected another ─────────▶ Learning
//! ```
//!
//! **Contract.** Whoever drives a peer carries out its actions in order, and before it hands in anything else.
//! What [`Action::Persist`] asks for is durable before [`Peer::on_persisted`] is called. Entries go to the log
//! in the order in which they were taken, and none of a role that is over.

mod clients;
mod observers;
mod restored;
mod told;

pub(crate) use observers::pause;
use observers::pause_after;

use std::time::Duration;

use zoorum_proto::{Epoch, Monotonic, Zxid};

use crate::action::{Action, Notice, Part, Persist, Sought};
use crate::elector::{Elected, Elector};
use crate::ground::Ground;
use crate::history::{Entry, History};
use crate::leader::Leader;
use crate::learner::{Learner, Needs};
use crate::link::{Door, LinkAction, LinkEvent, LinkId};
use crate::master::ObserverMaster;
use crate::report::PeerCounters;
use crate::settings::{Ensemble, PeerSettings};

/// What recovery found of a server's part.
#[derive(Clone, Copy, Debug)]
pub struct Recovered {
    /// Below this epoch it obeys nobody.
    pub accepted: Epoch,
    /// The epoch of the leader that it followed last.
    pub current: Epoch,
    /// Where its history ends, durably.
    pub last: Zxid,
    /// Its history cannot be mended by cutting and adding, or its tree is wrong: it needs a whole tree.
    pub needs_snapshot: bool,
    /// It may have lost what it acknowledged. Until it has a leader's tree it neither votes nor counts.
    pub abstains: bool,
}

#[derive(Debug)]
enum Role {
    Looking,
    Leading(Box<Leader>),
    Learning(Box<Learner>),
}

/// See the module.
pub struct Peer {
    settings: PeerSettings,
    ensemble: Ensemble,
    history: History,
    accepted: Epoch,
    current: Epoch,
    /// An epoch that this server founds is later than this one, of which a state comes that was restored here.
    origin: Epoch,
    needs_snapshot: bool,
    abstains: bool,
    role: Role,
    /// It has observers of its own, while it follows.
    master: Option<ObserverMaster>,
    /// So many times in a row a role came to its end before clients were served.
    in_vain: u32,
    /// It has lost its leader, and looks for the next one only then.
    rests_until: Option<Monotonic>,
    part: Part,
    /// Since when.
    since: Monotonic,
    /// When the last election began.
    looking_since: Monotonic,
    elector: Elector,
    links: u64,
    counters: PeerCounters,
    actions: Vec<Action>,
    now: Monotonic,
}

/// What a role goes by at a step of the peer.
macro_rules! ground {
    ($peer:expr) => {
        Ground {
            now: $peer.now,
            settings: &$peer.settings,
            ensemble: &$peer.ensemble,
            history: &mut $peer.history,
            links: &mut $peer.links,
            counters: &mut $peer.counters,
            actions: &mut $peer.actions,
        }
    };
}

pub(crate) use ground;

impl Peer {
    /// A server that has recovered, and looks for a leader.
    pub fn new(now: Monotonic, settings: PeerSettings, ensemble: Ensemble, found: Recovered) -> Self {
        let elector = Elector::new(&settings, &ensemble);
        let history = History::recovered(found.last, settings.history);
        let mut peer = Self {
            settings,
            ensemble,
            history,
            accepted: found.accepted,
            current: found.current,
            origin: Epoch::ZERO,
            needs_snapshot: found.needs_snapshot || found.abstains,
            abstains: found.abstains,
            role: Role::Looking,
            master: None,
            in_vain: 0,
            rests_until: None,
            part: Part::Looking,
            since: now,
            looking_since: now,
            elector,
            links: 0,
            counters: PeerCounters::default(),
            actions: vec![Action::Link(LinkAction::Open { door: Door::Election })],
            now,
        };
        peer.look();
        peer
    }

    /// What is to be done, in order, since the last call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Where this server stands.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Since when it has been looking for a leader, if there is not even one to get in step with.
    pub fn looking_since(&self) -> Option<Monotonic> {
        matches!(self.role, Role::Looking).then_some(self.looking_since)
    }

    /// Something happened to a connection.
    pub fn on_link(&mut self, now: Monotonic, event: LinkEvent) {
        self.now = now;
        match &event {
            LinkEvent::Accepted { link, door: Door::Quorum, from } => match &mut self.role {
                Role::Leading(leader) => leader.on_accepted(&mut ground!(self), *link, from.clone()),
                _ => self.actions.push(Action::Link(LinkAction::Close { link: *link })),
            },
            LinkEvent::Dialed { link } if self.is_masters(*link) => {
                if let Role::Learning(learner) = &mut self.role {
                    learner.on_dialed(&mut ground!(self), *link);
                }
            }
            LinkEvent::Received { link, bytes } if self.is_masters(*link) => {
                let before = self.actions.len();
                self.learn(|learner, ground| learner.on_received(ground, bytes));
                self.pass_answers_on(before);
            }
            LinkEvent::Closed { link, reason } if self.is_masters(*link) => {
                self.learn(|learner, ground| learner.on_closed(ground, reason))
            }
            LinkEvent::Received { link, bytes } if self.is_learners(*link) => {
                if let Role::Leading(leader) = &mut self.role {
                    leader.on_received(&mut ground!(self), *link, bytes);
                }
            }
            LinkEvent::Taken { link } => {
                if let Role::Leading(leader) = &mut self.role {
                    leader.on_taken(self.now + self.settings.init_time(), *link);
                }
                if let Some(master) = &mut self.master {
                    master.on_taken(self.now + self.settings.init_time(), *link);
                }
            }
            LinkEvent::Closed { link, reason } if self.is_learners(*link) => {
                if let Role::Leading(leader) = &mut self.role {
                    leader.on_closed(&mut ground!(self), *link, reason);
                }
            }
            LinkEvent::Accepted { link, door: Door::ObserverMaster, from } => {
                self.on_observer_accepted(*link, from.clone());
            }
            LinkEvent::Received { link, bytes } if self.is_observers(*link) => {
                self.on_observer_received(*link, bytes);
            }
            LinkEvent::Closed { link, reason } if self.is_observers(*link) => {
                if let Some(master) = &mut self.master {
                    master.on_closed(&mut ground!(self), *link, reason);
                }
            }
            LinkEvent::Shut { door: Door::Quorum, reason } => {
                self.step_down(&format!("learners cannot be let in: {reason}"));
            }
            _ => self.elect(|elector, ground| elector.on_link(ground, &event)),
        }
        self.settle();
    }

    /// Time passes. To be called when [`Self::next_wakeup`] has come.
    pub fn on_tick(&mut self, now: Monotonic) {
        self.now = now;
        match &mut self.role {
            Role::Leading(leader) => {
                if let Err(reason) = leader.on_tick(&mut ground!(self)) {
                    self.step_down(&reason.0);
                }
            }
            Role::Learning(_) => self.learn(Learner::on_tick),
            Role::Looking => self.end_rest(),
        }
        if let Some(master) = &mut self.master
            && master.next_wakeup() <= now
        {
            master.on_tick(&mut ground!(self));
        }
        self.elect(Elector::on_tick);
        self.settle();
    }

    /// When [`Self::on_tick`] is to be called next.
    pub fn next_wakeup(&self) -> Monotonic {
        let role = match &self.role {
            Role::Looking => self.rests_until,
            Role::Leading(leader) => Some(leader.next_wakeup()),
            Role::Learning(learner) => Some(learner.next_wakeup()),
        };
        let master = self.master.as_ref().map(ObserverMaster::next_wakeup);
        role.into_iter()
            .chain(master)
            .chain(self.elector.next_wakeup())
            .min()
            .unwrap_or(Monotonic(Duration::MAX))
    }

    /// What was asked for is durable.
    pub fn on_persisted(&mut self, now: Monotonic, what: Persist) {
        self.now = now;
        match what {
            Persist::AcceptedEpoch(epoch) => self.accepted = self.accepted.max(epoch),
            Persist::CurrentEpoch(epoch) => self.current = self.current.max(epoch),
            Persist::Truncate(to) => self.history.truncate(to),
        }
        match &mut self.role {
            Role::Looking => {}
            Role::Leading(leader) => leader.on_persisted(&mut ground!(self), what),
            Role::Learning(_) => self.learn(|learner, ground| learner.on_persisted(ground, what)),
        }
        self.settle();
    }

    /// The history cannot be cut where it was asked for: only a whole tree helps.
    pub fn on_truncation_impossible(&mut self, now: Monotonic, reason: &str) {
        self.now = now;
        self.needs_snapshot = true;
        self.step_down(&format!("the history cannot be cut: {reason}. The leader is asked for a whole tree"));
        self.settle();
    }

    /// The tree that the leader sends has come, whole; it is of this zxid, and `rest` came behind it.
    pub fn on_snapshot_received(&mut self, now: Monotonic, zxid: Zxid, rest: &bytes::Bytes) {
        self.now = now;
        self.learn(|learner, ground| learner.on_snapshot_received(ground, zxid, rest));
        self.settle();
    }

    /// The tree, and what came behind it, has taken the place of this server's history, durably.
    pub fn on_snapshot_installed(&mut self, now: Monotonic) {
        self.now = now;
        (self.needs_snapshot, self.abstains) = (false, false);
        self.learn(Learner::on_snapshot_installed);
        self.settle();
    }

    /// What the leader sent is no tree.
    pub fn on_snapshot_refused(&mut self, now: Monotonic, reason: &str) {
        self.now = now;
        self.step_down(&format!("the leader's tree is of no use: {reason}"));
        self.settle();
    }

    /// The tree is not what it should be: the next leader is asked for its own.
    pub fn distrust_tree(&mut self) {
        self.needs_snapshot = true;
    }

    /// What a learner lacks has been sought: that is what there is for it.
    pub fn on_sought(&mut self, now: Monotonic, link: LinkId, sought: Sought) {
        self.now = now;
        if let Role::Leading(leader) = &mut self.role {
            leader.on_sought(&mut ground!(self), link, sought);
        }
        if let Some(master) = &mut self.master {
            master.on_sought(&mut ground!(self), link, sought);
        }
        self.settle();
    }

    /// Changes of this server, which leads, on their way to its log. They go to the followers at once.
    pub fn propose(&mut self, now: Monotonic, entries: &[Entry]) {
        self.now = now;
        self.history.append(entries);
        if let Role::Leading(leader) = &mut self.role {
            leader.propose(&mut ground!(self), entries);
        }
    }

    /// How many changes of the leader's wait to be logged.
    pub fn unlogged(&self) -> usize {
        match &self.role {
            Role::Learning(learner) => learner.fresh_count(),
            _ => 0,
        }
    }

    /// Changes of the leader's, to be logged in this order. A leader is let go of that sends any that is not sound.
    pub fn take_received(&mut self, now: Monotonic, is_sound: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.now = now;
        let Role::Learning(learner) = &mut self.role else { return Vec::new() };
        let mut entries = learner.take_fresh();
        let sound = entries.iter().position(|entry| !is_sound(entry)).unwrap_or(entries.len());
        let refused = entries.split_off(sound);
        self.history.append(&entries);
        self.tell_observers();
        if let Some(entry) = refused.first() {
            self.step_down(&format!("the leader sent {}, which cannot be read", entry.zxid));
            self.settle();
        }
        entries
    }

    /// The log keeps everything up to here.
    pub fn on_synced(&mut self, now: Monotonic, through: Zxid) {
        self.now = now;
        self.history.on_synced(through);
        // Whoever has a change of an epoch has all that its leader began with, whether or not that leader came to say
        // so: the epoch is this server's, as it would be after a restart.
        let epoch = self.history.synced().epoch();
        if epoch > self.current {
            self.actions.push(Action::Persist(Persist::CurrentEpoch(epoch)));
        }
        match &mut self.role {
            Role::Looking => {}
            Role::Leading(leader) => leader.on_synced(&mut ground!(self)),
            Role::Learning(learner) => learner.on_synced(&mut ground!(self)),
        }
        self.settle();
    }

    /// The tree has everything up to here.
    pub fn on_applied(&mut self, through: Zxid) {
        let kept = match &self.role {
            Role::Leading(leader) => leader.kept(),
            Role::Looking | Role::Learning(_) => self.master.as_ref().and_then(ObserverMaster::kept),
        };
        self.history.on_applied(through, kept);
    }

    /// How far the tree may go.
    pub fn may_apply(&self) -> Zxid {
        self.history.may_apply()
    }

    /// This server's history.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Gives up whatever part this server has, and looks for a leader anew.
    pub fn step_down(&mut self, reason: &str) {
        self.actions.push(Action::Tell(Notice::Warning(reason.to_owned())));
        let mut observed = false;
        match std::mem::replace(&mut self.role, Role::Looking) {
            Role::Looking => return,
            Role::Leading(mut leader) => leader.end(&mut ground!(self)),
            Role::Learning(mut learner) => {
                learner.end(&mut ground!(self));
                observed = learner.observes();
            }
        }
        if let Some(master) = self.master.take() {
            master.end(&mut ground!(self));
        }
        // It rests first, and has no leader already.
        self.looking_since = self.now;
        self.in_vain += 1;
        if self.part != Part::Looking {
            self.in_vain = 0;
            (self.part, self.since) = (Part::Looking, self.now);
            self.actions.push(Action::Became(Part::Looking));
        }
        match observed {
            true => self.rest(self.settings.observer_pause),
            false => self.rest(pause_after(self.in_vain)),
        }
    }

    fn look(&mut self) {
        let (epoch, last) = (self.current, if self.abstains { Zxid(-1) } else { self.history.last() });
        self.looking_since = self.now;
        self.counters.looking += 1;
        self.tell(format!("LOOKING for a leader, with a history of epoch {epoch} up to {last}"));
        self.elect(|elector, ground| elector.look(ground, epoch, last));
    }

    fn is_masters(&self, link: LinkId) -> bool {
        matches!(&self.role, Role::Learning(learner) if learner.has_link(link))
    }

    fn is_learners(&self, link: LinkId) -> bool {
        matches!(&self.role, Role::Leading(leader) if leader.has_link(link))
    }

    /// Lets the learner act; one that cannot go on lets go of its leader.
    fn learn(&mut self, act: impl FnOnce(&mut Learner, &mut Ground<'_>) -> Result<(), crate::learner::Lost>) {
        let Role::Learning(learner) = &mut self.role else { return };
        if let Err(lost) = act(learner, &mut ground!(self)) {
            self.step_down(&lost.0);
        }
    }

    /// Lets the election act; it may have found a leader.
    fn elect(&mut self, act: impl FnOnce(&mut Elector, &mut Ground<'_>) -> Option<Elected>) {
        let Some(elected) = act(&mut self.elector, &mut ground!(self)) else { return };
        self.tell_of_election(elected);
        let (accepted, current, origin) = (self.accepted, self.current, self.origin);
        let turn = self.counters.looking;
        let ground = &mut ground!(self);
        self.role = if elected.leader == ground.settings.me {
            Role::Leading(Box::new(Leader::new(ground, accepted.max(origin), current)))
        } else {
            let needs = Needs { snapshot: self.needs_snapshot, abstention: self.abstains };
            let learner = Learner::new(ground, &elected, accepted, current, needs, turn);
            Role::Learning(Box::new(learner))
        };
    }

    /// Notices what the last step has changed.
    fn settle(&mut self) {
        let part = match &self.role {
            Role::Leading(leader) if leader.is_established() => Part::Leading(leader.established_epoch()),
            Role::Learning(learner) if learner.is_active() => learner.part(),
            _ => Part::Looking,
        };
        if part != self.part {
            self.part = part;
            self.tell_of_part();
            self.since = self.now;
            self.actions.push(Action::Became(part));
            if let Some(epoch) = part.epoch() {
                self.elector.on_established(epoch);
            }
            self.begin_to_serve_observers();
        }
        self.tell_observers();
        self.check_invariants();
    }

    /// What holds between any two steps.
    pub fn check_invariants(&self) {
        self.history.check_invariants();
        assert!(self.current <= self.accepted, "nobody is followed whose epoch is not accepted");
        match &self.role {
            Role::Looking => {}
            Role::Leading(leader) => leader.check_invariants(&self.history),
            Role::Learning(learner) => learner.check_invariants(),
        }
    }
}
