//! The bucket of tokens that sessions are asked for with, and the dropper that learns from how empty it is.
//!
//! ```text
//! a try     fill the bucket · drop by chance · then take the tokens, or be refused
//! chance    empty for longer than the freeze time: more · as good as full for as long: less
//! ```
//!
//! **Source.** ZooKeeper's `connection_throttle_*`; the dropper is the algorithm BLUE.

use super::Refused;
use crate::chance::Chance;
use crate::settings::TokenSettings;
use crate::time::Monotonic;

#[derive(Debug)]
pub(super) struct Bucket {
    settings: TokenSettings,
    tokens: u64,
    filled_at: Monotonic,
    drop_probability: f64,
    /// When the probability was last looked at, or somebody found too few tokens.
    frozen_at: Monotonic,
    chance: Chance,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(settings: TokenSettings, now: Monotonic, seed: u64) -> Self {
        Self {
            tokens: settings.size,
            settings,
            filled_at: now,
            drop_probability: 0.0,
            frozen_at: now,
            chance: Chance::new(seed),
        }
    }

    pub(super) fn drop_probability(&self) -> f64 {
        self.drop_probability
    }

    /// Takes what a session costs. Tells how many tokens are missing then.
    pub(super) fn take(&mut self, now: Monotonic, is_new: bool) -> Result<u64, Refused> {
        self.fill(now);
        if self.drops_by_chance(now) {
            return Err(Refused);
        }
        let cost = if is_new { self.settings.new_session_cost } else { self.settings.renewed_session_cost };
        if self.tokens < cost {
            self.frozen_at = now;
            return Err(Refused);
        }
        self.tokens -= cost;
        Ok(self.settings.size - self.tokens)
    }

    fn fill(&mut self, now: Monotonic) {
        let passed = now.since(self.filled_at);
        if passed > self.settings.fill_time {
            let fill_time = self.settings.fill_time.as_nanos().max(1);
            let gained = passed.as_nanos().saturating_mul(self.settings.fill_count.into()) / fill_time;
            let gained = u64::try_from(gained).unwrap_or(u64::MAX);
            self.tokens = self.tokens.saturating_add(gained).min(self.settings.size);
            self.filled_at = now;
        }
    }

    fn drops_by_chance(&mut self, now: Monotonic) -> bool {
        let Some(dropper) = &self.settings.dropper else { return false };
        if now.since(self.frozen_at) > dropper.freeze_time {
            let missing = self.settings.size - self.tokens;
            let as_good_as_full = (self.settings.size as f64 * dropper.decrease_ratio).round();
            if self.tokens == 0 {
                self.drop_probability = (self.drop_probability + dropper.increase).min(1.0);
            } else if missing as f64 <= as_good_as_full {
                self.drop_probability = (self.drop_probability - dropper.decrease).max(0.0);
            }
            self.frozen_at = now;
        }
        self.chance.fraction() < self.drop_probability
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::DropperSettings;

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    fn settings(size: u64) -> TokenSettings {
        TokenSettings {
            size,
            fill_time: Duration::from_millis(10),
            fill_count: 2,
            new_session_cost: 1,
            renewed_session_cost: 1,
            dropper: None,
        }
    }

    #[test]
    fn a_bucket_fills_with_time_and_not_beyond_its_size() {
        let mut bucket = Bucket::new(settings(3), at(0), 7);
        let missing: Vec<_> = (0..4).map(|_| bucket.take(at(10), true)).collect();
        assert_eq!(missing, [Ok(1), Ok(2), Ok(3), Err(Refused)]);
        assert_eq!(bucket.take(at(11), true), Ok(2), "11 ms bring two tokens");
        assert_eq!(bucket.take(at(1_000), true), Ok(1), "it was full again");
    }

    #[test]
    fn a_new_session_may_cost_more_than_an_old_one() {
        let settings = TokenSettings { new_session_cost: 5, renewed_session_cost: 2, ..settings(10) };
        let mut bucket = Bucket::new(settings, at(0), 7);
        assert_eq!(bucket.take(at(0), true), Ok(5));
        assert_eq!(bucket.take(at(0), false), Ok(7));
        assert_eq!(bucket.take(at(0), true), Err(Refused));
        assert_eq!(bucket.take(at(0), false), Ok(9));
        assert_eq!(bucket.take(at(0), false), Err(Refused));
    }

    #[test]
    fn an_empty_bucket_makes_chance_drop_more_and_a_full_one_less() {
        let dropper = DropperSettings {
            freeze_time: Duration::from_millis(100),
            increase: 0.75,
            decrease: 0.5,
            decrease_ratio: 0.0,
        };
        let fill_time = Duration::from_millis(250);
        let settings = TokenSettings { fill_time, fill_count: 1, dropper: Some(dropper), ..settings(1) };
        let mut bucket = Bucket::new(settings, at(0), 7);
        assert_eq!(bucket.take(at(0), true), Ok(1));
        let _ = bucket.take(at(100), true);
        assert_eq!(bucket.drop_probability(), 0.0, "not yet");
        let _ = bucket.take(at(201), true);
        assert_eq!(bucket.drop_probability(), 0.75, "empty for more than the freeze time");
        assert_eq!(bucket.take(at(251), true).is_ok(), bucket.tokens == 0, "chance decides about a token");
        for ms in [600, 1_000, 1_400] {
            let _ = bucket.take(at(ms), true);
        }
        assert!(bucket.drop_probability() < 0.75, "the bucket was full each time");
    }

    #[test]
    fn chance_drops_about_as_many_as_the_probability_says() {
        let dropper = DropperSettings {
            freeze_time: Duration::from_secs(1),
            increase: 0.25,
            decrease: 0.0,
            decrease_ratio: 0.0,
        };
        let mut settings = TokenSettings { dropper: Some(dropper), ..settings(1) };
        settings.new_session_cost = 0;
        let mut bucket = Bucket { tokens: 0, ..Bucket::new(settings, at(2_000), 7) };
        bucket.frozen_at = at(0);
        let dropped = (0..10_000).filter(|_| bucket.take(at(2_000), true).is_err()).count();
        assert!((2_300..2_700).contains(&dropped), "{dropped} of 10,000");
    }
}
