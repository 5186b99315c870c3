//! Time in which the whole process stood still, paused or starved. No session expires for it: signs of life may wait
//! in the workers' sockets, unread.

use std::time::Duration;

use zoorum_server::time::Monotonic;

/// Waking so late means that the process may have stood still.
const LATE: Duration = Duration::from_millis(20);
/// So long workers then have to read what has come, before a session may expire.
const CATCHING_UP: Duration = Duration::from_millis(500);
/// No stretch of that counts for more, however long it was: the process may stand still once more meanwhile.
const STRETCH: Duration = Duration::from_millis(50);

/// Whether time may be told to the replica, or is held back.
#[derive(Default)]
pub(crate) struct LostTime {
    hold: Option<Hold>,
}

struct Hold {
    /// So much of [`CATCHING_UP`] is left.
    left: Duration,
    /// When that was looked at last.
    looked_at: Monotonic,
}

impl LostTime {
    /// When to look at the clock next; the replica wants to hear of the time at `wakeup`.
    pub(crate) fn next_look(&self, wakeup: Monotonic) -> Monotonic {
        self.hold.as_ref().map_or(wakeup, |hold| hold.looked_at + hold.left.min(STRETCH))
    }

    /// Whether time may be told to the replica, which wanted to hear of it at `wakeup`. Not at once if that was long
    /// ago.
    pub(crate) fn is_tick_due(&mut self, now: Monotonic, wakeup: Monotonic) -> bool {
        if now < wakeup {
            self.hold = None;
            return false;
        }
        let Some(hold) = &mut self.hold else {
            let is_late = now.since(wakeup) > LATE;
            self.hold = is_late.then_some(Hold { left: CATCHING_UP, looked_at: now });
            return !is_late;
        };
        hold.left = hold.left.saturating_sub(now.since(hold.looked_at).min(STRETCH));
        hold.looked_at = now;
        let is_over = hold.left.is_zero();
        if is_over {
            self.hold = None;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    /// When time is told, if the clock is looked at whenever that is wanted.
    fn told_at(lost: &mut LostTime, wakeup: Monotonic) -> Monotonic {
        let mut now = lost.next_look(wakeup);
        while !lost.is_tick_due(now, wakeup) {
            now = lost.next_look(wakeup);
        }
        now
    }

    #[test]
    fn time_is_told_when_it_is_due() {
        let mut lost = LostTime::default();
        assert_eq!(lost.next_look(at(1000)), at(1000));
        assert!(!lost.is_tick_due(at(999), at(1000)));
        assert!(lost.is_tick_due(at(1001), at(1000)), "in time");
    }

    #[test]
    fn sessions_do_not_expire_before_their_signs_of_life_can_have_been_read() {
        let mut lost = LostTime::default();
        assert!(!lost.is_tick_due(at(9000), at(1000)), "the process stood still");
        assert_eq!(told_at(&mut lost, at(1000)), at(9500), "whoever is alive has been heard");
        assert!(lost.is_tick_due(at(9600), at(9600)), "and that is over");
    }

    #[test]
    fn a_second_standstill_while_signs_of_life_are_read_counts_like_the_first() {
        let mut lost = LostTime::default();
        assert!(!lost.is_tick_due(at(9000), at(1000)));
        assert!(!lost.is_tick_due(at(9040), at(1000)));
        assert!(!lost.is_tick_due(at(12_000), at(1000)), "it stood still once more");
        assert_eq!(told_at(&mut lost, at(1000)), at(12_410), "90 ms were heard before");
    }

    #[test]
    fn a_hold_ends_with_what_it_was_for() {
        let mut lost = LostTime::default();
        assert!(!lost.is_tick_due(at(9000), at(1000)));
        assert!(!lost.is_tick_due(at(9050), at(9700)), "nobody expires before");
        assert_eq!(lost.next_look(at(9700)), at(9700));
    }
}
