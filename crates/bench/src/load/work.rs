//! What one thread of a load does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::Plan;
use crate::engine::{Next, Reply, Turn, Work};
use crate::latency::{Latencies, Series};
use crate::process::CpuClock;
use crate::progress::Counter;
use crate::wire::{Operation, Target, Template};

/// With a wanted rate, the connections get a turn this often, in nanoseconds.
const RATE_TICK: u64 = 1_000_000;
/// An operation sent no later than this after it was due counts from when it was sent: the wait for
/// the tick is the generator's own. Beyond that, a full pipeline has held it up.
const RATE_GRACE: u64 = 2 * RATE_TICK;

/// What a connection has created and deleted in its own folder: nodes `deleted..sent` may exist,
/// `deleted..confirmed` surely do.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The folder's number.
    pub folder: u32,
    /// Creates sent.
    pub sent: u32,
    /// Creates answered.
    pub confirmed: u32,
    /// Deletes sent.
    pub deleted: u32,
}

/// What came of a load: of one thread, or of all.
pub struct Outcome {
    /// By operation.
    pub latencies: [Latencies; Operation::ALL.len()],
    /// How often each error came.
    pub errors: BTreeMap<i32, u64>,
    /// Latencies over time, if wanted.
    pub series: Option<Series>,
    /// What the connections have left behind.
    pub made: Vec<Made>,
    /// How long was measured.
    pub seconds: f64,
    /// Wall clock time at which measuring began, in seconds since 1970.
    pub began_at: f64,
    /// CPU seconds of the generator and of the server while measuring.
    pub cpu: (f64, Option<f64>),
    /// Requests that servers took with them, if the load outlives servers.
    pub lost: u64,
}

impl Outcome {
    /// Nothing yet.
    pub fn new(plan: &Plan<'_>) -> Self {
        let slice = plan.args.series.map(nanoseconds);
        Self {
            latencies: std::array::from_fn(|_| Latencies::new()),
            errors: BTreeMap::new(),
            series: slice.map(|slice| Series::new(slice.max(1), nanoseconds(plan.args.duration))),
            made: Vec::new(),
            seconds: 0.0,
            began_at: f64::MAX,
            cpu: (0.0, None),
            lost: 0,
        }
    }

    /// Adds that of another thread.
    pub fn add(&mut self, other: Self) {
        for (mine, theirs) in self.latencies.iter_mut().zip(&other.latencies) {
            mine.add(theirs);
        }
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        if let (Some(mine), Some(theirs)) = (&mut self.series, &other.series) {
            mine.add(theirs);
        }
        self.made.extend(other.made);
        self.lost += other.lost;
        self.seconds = self.seconds.max(other.seconds);
        self.began_at = self.began_at.min(other.began_at);
        // Each thread sees the whole process.
        self.cpu = (self.cpu.0.max(other.cpu.0), other.cpu.1.or(self.cpu.1));
    }
}

/// The load of one thread.
pub struct Load<'a> {
    plan: &'a Plan<'a>,
    templates: [Template; Operation::ALL.len()],
    /// Each operation with the sum of the weights up to it.
    choice: Vec<(Operation, u32)>,
    random: Random,
    measure_from: u64,
    /// When sending stops.
    end: u64,
    rate: Option<Rate>,
    made: Vec<Made>,
    answered: u64,
    counter: Counter,
    cpu: Option<CpuClock>,
    cpu_used: Option<(f64, Option<f64>)>,
    /// When the last reply that counts was read.
    measured_until: u64,
    outcome: Outcome,
}

impl<'a> Load<'a> {
    /// For the connections with the given numbers; starts at `starts` of the engine's clock.
    pub fn new(plan: &'a Plan<'a>, connections: Range<u32>, starts: Duration, counter: Counter) -> Self {
        let made = |folder| Made { folder, sent: plan.made_each, confirmed: plan.made_each, deleted: 0 };
        let measure_from = nanoseconds(starts + plan.warm_up());
        let share = connections.len() as f64 / f64::from(plan.args.connections);
        let mut upto = 0;
        let sum = |&(operation, weight): &(Operation, u32)| {
            upto += weight;
            (operation, upto)
        };
        Self {
            templates: Operation::ALL.map(|operation| template(plan, operation)),
            choice: plan.mix.0.iter().map(sum).collect(),
            random: Random::new(plan.args.seed + u64::from(connections.start)),
            measure_from,
            end: measure_from + nanoseconds(plan.args.duration),
            rate: plan.args.rate.map(|rate| Rate::new(f64::from(rate) * share, nanoseconds(starts))),
            made: connections.map(made).collect(),
            answered: 0,
            counter,
            cpu: None,
            cpu_used: None,
            measured_until: measure_from,
            outcome: Outcome::new(plan),
            plan,
        }
    }

    /// What came of it.
    pub fn into_outcome(self) -> Outcome {
        // A load that ran out of znodes to delete ends early.
        let is_early = self.measured_until + nanoseconds(Duration::from_millis(500)) < self.end;
        let until = if is_early { self.measured_until } else { self.end };
        let cpu = self.cpu_used.or_else(|| self.cpu.as_ref().map(CpuClock::elapsed)).unwrap_or((0.0, None));
        let seconds = (until - self.measure_from).max(1) as f64 / 1e9;
        Outcome { made: self.made, seconds, cpu, ..self.outcome }
    }

    fn choose(&mut self) -> Operation {
        if let [(operation, _)] = self.choice[..] {
            return operation;
        }
        let total = self.choice.last().map_or(1, |&(_, upto)| upto);
        let drawn = self.random.below(total);
        let chosen = self.choice.iter().find(|&&(_, upto)| drawn < upto);
        chosen.expect("a number below the last sum is below one of them").0
    }

    /// Folder and node for the operation; another operation if that one has nothing to work on.
    fn place(&mut self, connection: usize, operation: Operation) -> Option<(Operation, u32, u32)> {
        let made = &mut self.made[connection];
        match operation {
            Operation::Delete if made.deleted < made.confirmed => {
                made.deleted += 1;
                Some((operation, made.folder, made.deleted - 1))
            }
            Operation::Delete if !self.plan.mix.has(Operation::Create) => None,
            // With nothing to delete yet, a mix creates first.
            Operation::Create | Operation::Delete => {
                made.sent += 1;
                Some((Operation::Create, made.folder, made.sent - 1))
            }
            Operation::Get | Operation::Set | Operation::Exists | Operation::Children => {
                let key = self.random.below(self.plan.args.keys);
                let per_parent = self.plan.args.per_parent;
                Some((operation, key / per_parent, key % per_parent))
            }
        }
    }
}

impl Work for Load<'_> {
    #[inline]
    fn next(&mut self, connection: usize, now: u64, xid: i32, out: &mut Vec<u8>) -> Next {
        if now >= self.end {
            return Next::Nothing;
        }
        let at = match &mut self.rate {
            None => now,
            Some(rate) => match rate.take_due(now) {
                Some(at) => at,
                None => return Next::Nothing,
            },
        };
        let operation = self.choose();
        let Some((operation, folder, node)) = self.place(connection, operation) else { return Next::Nothing };
        self.templates[operation as usize].write(out, xid, folder, node);
        Next::Request { tag: operation as u32, at }
    }

    #[inline]
    fn on_reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        self.answered += 1;
        if reply.tag == Operation::Create as u32 {
            self.made[reply.connection].confirmed += 1;
        }
        if reply.error != 0 {
            *self.outcome.errors.entry(reply.error).or_default() += 1;
        }
        if reply.now >= self.measure_from && reply.now < self.end {
            let latency = reply.now.saturating_sub(reply.at);
            self.outcome.latencies[reply.tag as usize].record(latency);
            self.measured_until = reply.now;
            if let Some(series) = &mut self.outcome.series {
                series.record(reply.now - self.measure_from, latency);
            }
        }
        Ok(())
    }

    fn on_batch(&mut self, now: u64) -> Turn {
        self.counter.set(self.answered);
        if self.cpu.is_none() && now >= self.measure_from {
            self.cpu = Some(CpuClock::start(&self.plan.args.server.server_pid));
            self.outcome.began_at = std::time::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64());
        }
        if now >= self.end && self.cpu_used.is_none() {
            self.cpu_used = self.cpu.as_ref().map(CpuClock::elapsed);
        }
        if self.rate.as_mut().is_some_and(|rate| rate.take_tick(now)) { Turn::All } else { Turn::None }
    }

    fn wakeup(&self) -> Option<u64> {
        self.rate.as_ref().map(|rate| rate.tick)
    }

    fn is_done(&self, now: u64) -> bool {
        let is_used_up = |made: &Made| made.deleted == made.confirmed;
        let only_deletes = self.plan.made_each > 0 && self.choice.len() == 1;
        now >= self.end || only_deletes && self.made.iter().all(is_used_up)
    }
}

fn template(plan: &Plan<'_>, operation: Operation) -> Template {
    let (prefix, target) = match operation {
        Operation::Create | Operation::Delete => (&plan.own_prefix, Target::Node),
        Operation::Get | Operation::Set | Operation::Exists => (&plan.keys_prefix, Target::Node),
        Operation::Children => (&plan.keys_prefix, Target::Folder),
    };
    Template::new(operation, prefix, target, &plan.value, false)
}

/// When operations are due, if a rate is wanted.
struct Rate {
    interval: f64,
    due: f64,
    tick: u64,
}

impl Rate {
    fn new(per_second: f64, starts: u64) -> Self {
        Self { interval: 1e9 / per_second, due: starts as f64, tick: starts }
    }

    /// From when the next operation counts, if one is due.
    fn take_due(&mut self, now: u64) -> Option<u64> {
        let due = self.due as u64;
        if due > now {
            return None;
        }
        self.due += self.interval;
        Some(if now - due <= RATE_GRACE { now } else { due })
    }

    /// Whether the connections should get a turn.
    fn take_tick(&mut self, now: u64) -> bool {
        let is_due = self.tick <= now;
        if is_due {
            self.tick = now + RATE_TICK;
        }
        is_due
    }
}

/// A small generator of random numbers (splitmix64); good enough to choose keys.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[inline]
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The high half times the limit, so that no division is needed.
        (((mixed >> 32) * u64::from(limit)) >> 32) as u32
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).expect("584 years are enough")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_stay_below_their_limit_and_reach_all_of_it() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 10];
        (0..10_000).for_each(|_| seen[random.below(10) as usize] += 1);
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
    }

    #[test]
    fn an_operation_held_up_by_a_full_pipeline_counts_from_when_it_was_due() {
        let mut rate = Rate::new(1000.0, 0); // one each millisecond
        assert_eq!(rate.take_due(200_000), Some(200_000));
        assert_eq!(rate.take_due(300_000), None);
        assert_eq!(rate.take_due(2_100_000), Some(2_100_000), "a tick came late");
        assert_eq!(rate.take_due(5_500_000), Some(2_000_000));
        assert_eq!(rate.take_due(5_500_000), Some(3_000_000));
        assert_eq!(rate.take_due(5_500_000), Some(5_500_000));
    }
}
