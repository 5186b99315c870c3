//! Connections between servers: bytes in order, late, held up, cut; sometimes only one side notices.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use zoorum_zab::{Door, LinkEvent, LinkId};

use crate::chance::Chance;

/// One end of a connection: whose, by process, and its number there.
pub(crate) type End = (u64, LinkId);

/// How long what cannot get through waits before it tries again.
const RETRY: Duration = Duration::from_millis(25);

#[derive(Debug)]
struct Half {
    /// The server that this end belongs to.
    at: usize,
    /// The server at the other end.
    from: usize,
    other: End,
    /// What is on its way to this end; nothing is its end.
    flying: VecDeque<(Duration, Option<Bytes>)>,
    newest_at: Duration,
    delay: Duration,
    /// Nothing arrives here any more, and nobody notices.
    is_swallowed: bool,
}

/// A call that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) to: usize,
    pub(crate) door: Door,
    pub(crate) until: Duration,
}

/// All connections between servers.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    halves: BTreeMap<End, Half>,
    calls: BTreeMap<End, Call>,
    /// Nothing gets from the one to the other.
    blocked: BTreeSet<(usize, usize)>,
}

impl Wires {
    pub(crate) fn block(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
    }

    pub(crate) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    pub(crate) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.contains(&(from, to))
    }

    pub(crate) fn call(&mut self, end: End, call: Call) {
        self.calls.insert(end, call);
    }

    pub(crate) fn take_call(&mut self, end: End) -> Option<Call> {
        self.calls.remove(&end)
    }

    /// Both ends of a new connection.
    pub(crate) fn connect(&mut self, chance: &mut Chance, one: (usize, End), two: (usize, End)) {
        let delay = if chance.one_in(8) { chance.millis(5, 150) } else { chance.micros(20, 3_000) };
        for ((at, end), (from, other)) in [(one, two), (two, one)] {
            let half = Half {
                at,
                from,
                other,
                flying: VecDeque::new(),
                newest_at: Duration::ZERO,
                delay,
                is_swallowed: false,
            };
            self.halves.insert(end, half);
        }
    }

    /// Sends from this end. Tells where and when something arrives.
    pub(crate) fn send(
        &mut self,
        chance: &mut Chance,
        now: Duration,
        from: End,
        bytes: Bytes,
    ) -> Vec<(Duration, End)> {
        let Some(other) = self.halves.get(&from).map(|half| half.other) else { return Vec::new() };
        let mut arrivals = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = if chance.one_in(4) { 1 + chance.below(rest.len()) } else { rest.len() };
            arrivals.extend(self.put(chance, now, other, Some(rest.split_to(length))));
        }
        arrivals
    }

    fn put(
        &mut self,
        chance: &mut Chance,
        now: Duration,
        end: End,
        parcel: Option<Bytes>,
    ) -> Option<(Duration, End)> {
        let half = self.halves.get_mut(&end).filter(|half| !half.is_swallowed)?;
        let at = now + half.delay + chance.between(Duration::ZERO, half.delay);
        half.newest_at = half.newest_at.max(at);
        half.flying.push_back((half.newest_at, parcel));
        Some((half.newest_at, end))
    }

    /// This end is closed. The other learns of it, perhaps before everything that was sent has arrived.
    pub(crate) fn close(&mut self, chance: &mut Chance, now: Duration, end: End) -> Option<(Duration, End)> {
        self.calls.remove(&end);
        let other = self.halves.remove(&end)?.other;
        if chance.one_in(3)
            && let Some(half) = self.halves.get_mut(&other)
        {
            let kept = chance.below(half.flying.len() + 1);
            half.flying.truncate(kept);
        }
        self.put(chance, now, other, None)
    }

    /// From now on nothing arrives at this end.
    pub(crate) fn swallow(&mut self, end: End) {
        if let Some(half) = self.halves.get_mut(&end) {
            half.is_swallowed = true;
            half.flying.clear();
        }
    }

    /// Breaks a connection: either end is told so.
    pub(crate) fn cut(&mut self, chance: &mut Chance, now: Duration, end: End) -> Vec<(Duration, End)> {
        let Some(other) = self.halves.get(&end).map(|half| half.other) else { return Vec::new() };
        for end in [end, other] {
            if let Some(half) = self.halves.get_mut(&end) {
                half.is_swallowed = false;
            }
        }
        [end, other].into_iter().filter_map(|end| self.put(chance, now, end, None)).collect()
    }

    /// What has arrived at an end by now; or when to look again.
    pub(crate) fn arrive(&mut self, now: Duration, end: End) -> Result<Option<LinkEvent>, Duration> {
        let Some(half) = self.halves.get_mut(&end) else { return Ok(None) };
        if half.flying.front().is_none_or(|(due, _)| *due > now) {
            return Ok(None);
        }
        if self.blocked.contains(&(half.from, half.at)) {
            return Err(now + RETRY);
        }
        let link = end.1;
        Ok(match half.flying.pop_front() {
            Some((_, Some(bytes))) => Some(LinkEvent::Received { link, bytes }),
            Some((_, None)) => {
                self.halves.remove(&end);
                Some(LinkEvent::Closed { link, reason: "the peer has closed the connection".to_owned() })
            }
            None => None,
        })
    }

    /// All ends of a process.
    pub(crate) fn of_process(&self, process: u64) -> Vec<End> {
        let mine = (process, LinkId(0))..=(process, LinkId(u64::MAX));
        self.halves.range(mine).map(|(end, _)| *end).collect()
    }

    /// All ends.
    pub(crate) fn ends(&self) -> Vec<End> {
        self.halves.keys().copied().collect()
    }

    /// Forgets a process's calls.
    pub(crate) fn forget_calls(&mut self, process: u64) {
        self.calls.retain(|(caller, _), _| *caller != process);
    }
}
