//! Quotas: the text of limits and usage, accounting, enforcement.
//!
//! ```text
//! /zookeeper/quota/<path>/zookeeper_limits   what an operator allows; its presence starts the accounting
//! /zookeeper/quota/<path>/zookeeper_stats    what is used; its data is rewritten in place, silently
//! text                                       count=<n>,bytes=<n>[=;<key>=<n>]*, other keys in order
//! ```
//!
//! Only the deepest path with a quota is accounted for and checked. Text that cannot be read stops the
//! original server for good; here unreadable usage is counted afresh, and unreadable limits refuse requests.

use std::collections::BTreeMap;
use std::fmt;

use zoorum_proto::{ErrorCode, path};

use crate::slab::Slot;
use crate::tree::Tree;

const COUNT: &str = "count";
const BYTES: &str = "bytes";
const COUNT_HARD: &str = "countHardLimit";
const BYTES_HARD: &str = "byteHardLimit";

/// Data of a limits or usage znode. Keys that mean nothing here are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct QuotaText {
    values: BTreeMap<String, i64>,
}

impl QuotaText {
    fn parse(data: Option<&[u8]>) -> Option<Self> {
        let text = std::str::from_utf8(data?).ok()?;
        let mut values = BTreeMap::new();
        if text.is_empty() {
            return Some(Self { values });
        }
        // Separators may repeat, but nothing may come before the first.
        if text.starts_with([',', ';']) {
            return None;
        }
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            // A second `=` ends the value: it stands there to keep old parsers from reading on.
            let (key, value) = pair.split_once('=')?;
            let value = value.split('=').next().unwrap_or_default();
            let value = if value.is_empty() { -1 } else { value.parse().ok()? };
            values.insert(key.to_owned(), value);
        }
        Some(Self { values })
    }

    fn value(&self, key: &str) -> i64 {
        self.values.get(key).copied().unwrap_or(-1)
    }

    fn add(&mut self, key: &str, difference: i64) {
        let value = self.value(key).saturating_add(difference);
        self.values.insert(key.to_owned(), value);
    }

    /// The limit of a key, and whether it is hard.
    fn limit(&self, soft: &str, hard: &str) -> Option<(i64, bool)> {
        let (soft, hard) = (self.value(soft), self.value(hard));
        if hard > -1 { Some((hard, true)) } else { (soft > -1).then_some((soft, false)) }
    }
}

impl fmt::Display for QuotaText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COUNT}={},{BYTES}={}", self.value(COUNT), self.value(BYTES))?;
        let others = self.values.iter().filter(|(key, _)| *key != COUNT && *key != BYTES);
        for (index, (key, value)) in others.enumerate() {
            let separator = if index == 0 { "=;" } else { ";" };
            write!(f, "{separator}{key}={value}")?;
        }
        Ok(())
    }
}

/// The path whose quota is kept below `parent`, a path under `/zookeeper/quota`. None for
/// `/zookeeper/quota` itself: the root has no quota.
pub(crate) fn accounted_path(parent: &str) -> Option<&str> {
    parent.strip_prefix(path::QUOTA).filter(|rest| rest.starts_with('/'))
}

fn limits_path(accounted: &str) -> String {
    format!("{}{accounted}/{}", path::QUOTA, path::QUOTA_LIMITS)
}

fn stats_path(accounted: &str) -> String {
    format!("{}{accounted}/{}", path::QUOTA, path::QUOTA_STATS)
}

impl Tree {
    /// The deepest prefix of `path`, itself included, that has a quota.
    fn quota_over<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.quotas().is_empty() {
            return None;
        }
        let shorter = |prefix: &&'p str| path::split(prefix).map(|(parent, _)| parent);
        std::iter::successors(Some(path), shorter)
            .take_while(|prefix| !prefix.is_empty())
            .find(|prefix| self.quotas().contains(*prefix))
    }

    /// Writes a change at `path` into the usage of the quota over it, if there is one.
    pub(crate) fn account(&mut self, path: &str, count: i64, bytes: i64) {
        let Some(accounted) = self.quota_over(path) else { return };
        let stats_path = stats_path(accounted);
        let Some(stats) = self.slot(&stats_path) else { return };
        let Some(mut usage) = QuotaText::parse(self.data(stats)) else {
            return self.recount(accounted);
        };
        usage.add(COUNT, count);
        usage.add(BYTES, bytes);
        self.write_usage(stats, &stats_path, &usage);
    }

    /// Counts the usage of a quota afresh.
    pub(crate) fn recount(&mut self, accounted: &str) {
        let stats_path = stats_path(accounted);
        let Some(stats) = self.slot(&stats_path) else { return };
        let (count, bytes) = self.slot(accounted).map_or((0, 0), |top| self.usage(top));
        let mut usage = QuotaText::default();
        usage.values.insert(COUNT.to_owned(), count);
        usage.values.insert(BYTES.to_owned(), bytes);
        self.write_usage(stats, &stats_path, &usage);
    }

    fn write_usage(&mut self, stats: Slot, stats_path: &str, usage: &QuotaText) {
        self.replace_data(stats, stats_path, Some(usage.to_string().as_bytes()));
    }

    /// Whether `count` more znodes and `bytes` more data at `path` stay within the hard limits over it. Judges
    /// by the usage applied so far: writes in flight may overshoot.
    pub(crate) fn check_quota(&self, path: &str, count: i64, bytes: i64) -> Result<(), ErrorCode> {
        if count == 0 && bytes == 0 {
            return Ok(());
        }
        let Some(accounted) = self.quota_over(path) else { return Ok(()) };
        let Some(limits) = self.node(&limits_path(accounted)) else { return Ok(()) };
        let limits = QuotaText::parse(limits.data()).ok_or(ErrorCode::MarshallingError)?;
        let Some(stats) = self.node(&stats_path(accounted)) else { return Ok(()) };
        // Unreadable usage refuses nothing: the next change below counts it afresh.
        let Some(usage) = QuotaText::parse(stats.data()) else { return Ok(()) };
        let rows = [(count, COUNT, COUNT_HARD), (bytes, BYTES, BYTES_HARD)];
        for (difference, key, hard_key) in rows {
            let exceeds = |limit: i64| usage.value(key).saturating_add(difference) > limit;
            if difference != 0
                && let Some((limit, true)) = limits.limit(key, hard_key)
                && exceeds(limit)
            {
                return Err(ErrorCode::QuotaExceeded);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reparsed(text: &str) -> Option<String> {
        QuotaText::parse(Some(text.as_bytes())).map(|text| text.to_string())
    }

    #[test]
    fn quota_texts_are_read_and_written_as_zookeeper_does() {
        let rows = [
            ("count=3,bytes=100", Some("count=3,bytes=100")),
            ("bytes=1,count=2", Some("count=2,bytes=1")),
            ("count=3", Some("count=3,bytes=-1")),
            ("count=", Some("count=-1,bytes=-1")),
            ("", Some("count=-1,bytes=-1")),
            (
                "count=3,bytes=100=;countHardLimit=3;byteHardLimit=7",
                Some("count=3,bytes=100=;byteHardLimit=7;countHardLimit=3"),
            ),
            ("count=3,,;bytes=4", Some("count=3,bytes=4")),
            ("x=1,count=3", Some("count=3,bytes=-1=;x=1")),
            ("garbage", None),
            ("count=x", None),
            (",count=1", None),
            ("count=99999999999999999999", None),
        ];
        for (text, expected) in rows {
            assert_eq!(reparsed(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(QuotaText::parse(None), None);
        assert_eq!(QuotaText::parse(Some(b"\xff=1")), None);
    }

    #[test]
    fn only_paths_below_the_quota_znode_are_accounted() {
        assert_eq!(accounted_path("/zookeeper/quota/a/b"), Some("/a/b"));
        assert_eq!(accounted_path("/zookeeper/quota"), None);
        assert_eq!(accounted_path("/zookeeper/quotas/a"), None);
        assert_eq!(accounted_path("/zookeeper"), None);
    }
}
