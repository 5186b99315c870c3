//! A follower's own observers; and how an observer that has lost its leader goes about finding another.

use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::{Monotonic, ServerId};

use super::{Peer, Role, ground};
use crate::action::{Action, FromLearner, Part};
use crate::ground::Ground;
use crate::link::{LinkAction, LinkId};
use crate::master::ObserverMaster;

impl Peer {
    pub(super) fn is_observers(&self, link: LinkId) -> bool {
        self.master.as_ref().is_some_and(|master| master.has_link(link))
    }

    /// It may have come into step with its leader.
    pub(super) fn begin_to_serve_observers(&mut self) {
        if let Part::Following(_, epoch) = self.part
            && self.settings.observer_master_port.is_some()
        {
            self.master = Some(ObserverMaster::new(&mut ground!(self), epoch));
        }
    }

    pub(super) fn on_observer_accepted(&mut self, link: LinkId, from: String) {
        match &mut self.master {
            Some(master) => master.on_accepted(&mut ground!(self), link, from),
            None => self.actions.push(Action::Link(LinkAction::Close { link })),
        }
    }

    /// An observer has sent something; some of it is to go on to the leader.
    pub(super) fn on_observer_received(&mut self, link: LinkId, bytes: &Bytes) {
        let Some(master) = &mut self.master else { return };
        let words = master.on_received(&mut ground!(self), link, bytes);
        self.actions.extend(words.into_iter().map(Action::FromObserver));
    }

    /// What an observer of this server's says goes on to the leader.
    pub fn pass_on(&mut self, now: Monotonic, word: FromLearner) {
        self.now = now;
        let Role::Learning(learner) = &mut self.role else { return };
        match word {
            FromLearner::Request { request, ids, .. } => learner.forward(&mut ground!(self), &request, ids),
            FromLearner::Revalidate { request, .. } => learner.revalidate(&mut ground!(self), request),
            FromLearner::Touched(touches) => {
                touches.iter().for_each(|touch| learner.touch(touch.session, touch.timeout_ms));
            }
            FromLearner::Gone(_) => {}
        }
    }

    /// An observer of this server's says what may not go on to the leader.
    pub fn let_go_of_observer(&mut self, now: Monotonic, link: LinkId, reason: &str) {
        self.now = now;
        if let Some(master) = &mut self.master {
            master.drop_observer(&mut ground!(self), link, reason);
        }
    }

    /// Of what the leader has answered, as of the action `from`, an observer gets what it asked for.
    pub(super) fn pass_answers_on(&mut self, from: usize) {
        if self.master.is_none() || from >= self.actions.len() {
            return;
        }
        for action in self.actions.split_off(from) {
            match (&mut self.master, action) {
                (Some(master), Action::FromLeader(answer)) => {
                    let own = master.on_answer(&mut ground!(self), answer);
                    self.actions.extend(own.map(Action::FromLeader));
                }
                (_, action) => self.actions.push(action),
            }
        }
    }

    /// What has been committed goes on to observers.
    pub(super) fn tell_observers(&mut self) {
        if let Some(master) = &mut self.master {
            master.tell(&mut ground!(self));
        }
    }

    /// Those that have all lost the same leader do not all come back at once, but within this time.
    pub(super) fn rest(&mut self, longest: Duration) {
        let pause = pause(self.settings.me, self.counters.looking, longest);
        self.rests_until = Some(self.now + pause);
        self.end_rest();
    }

    pub(super) fn end_rest(&mut self) {
        if self.rests_until.is_some_and(|until| until <= self.now) {
            self.rests_until = None;
            self.look();
        }
    }
}

/// How long at most a voter rests that has so often tried to lead or to follow in vain. What keeps it from that is not
/// over sooner because it asks a thousand times a second; and most who failed once or twice are in step in the next moment.
pub(super) fn pause_after(in_vain: u32) -> Duration {
    const UNPUNISHED: u32 = 3;
    const LONGEST: Duration = Duration::from_secs(1);
    let doublings = in_vain.saturating_sub(UNPUNISHED).min(8);
    (Duration::from_millis(10) * ((1 << doublings) - 1)).min(LONGEST)
}

/// Some time up to `longest`, another for each server and each time.
pub(crate) fn pause(me: ServerId, turn: u64, longest: Duration) -> Duration {
    let mixed = (me.0 as u64 ^ turn << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    longest.mul_f64(mixed as f64 / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_rests_longer_and_longer() {
        let pauses = (0..20).map(|in_vain| pause_after(in_vain).as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses[..8], [0, 0, 0, 0, 10, 30, 70, 150]);
        assert_eq!((pauses[10], pauses[19]), (1_000, 1_000));
    }

    #[test]
    fn pauses_differ_and_are_never_too_long() {
        let longest = Duration::from_millis(200);
        let pauses: Vec<Duration> = (1..=50).map(|turn| pause(ServerId(4), turn, longest)).collect();
        assert!(pauses.iter().all(|pause| *pause <= longest));
        assert!(
            pauses.iter().any(|pause| *pause > longest / 2)
                && pauses.iter().any(|pause| *pause < longest / 2)
        );
        assert_ne!(pause(ServerId(4), 1, longest), pause(ServerId(5), 1, longest));
        assert_eq!(pause(ServerId(4), 1, Duration::ZERO), Duration::ZERO);
    }
}
