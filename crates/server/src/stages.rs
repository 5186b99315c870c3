//! Where a write spends its time: stamps that are taken once for a batch, and the spans between them.
//!
//! ```text
//! received ── queue ──▶ taken ── prep ──▶ to the log ── sync ──▶ durable ── quorum ──▶ committed ── apply ──▶ applied ── reply ──▶ answered
//!                              └ leader ┘ on a server that passes it on: to the leader, and back as its proposal
//! ```
//!
//! The worker stamps both ends, the replica the rest; the stamps travel with the outcomes, once for all that has the
//! same. So a write costs a comparison, and nothing reads a clock for it.

use std::time::Duration;

use crate::histogram::Histogram;
use crate::latencies::Latencies;
use crate::time::Monotonic;

/// A part of a write's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Until the replica takes it up.
    Queue,
    /// Until it is decided, and handed to the log.
    Prep,
    /// The same at a server that passes it on: to the leader, and back as a proposal.
    Leader,
    /// Until the log keeps it.
    Sync,
    /// Until a quorum is known to keep it.
    Quorum,
    /// Until the tree shows it.
    Apply,
    /// Until its worker has the reply.
    Reply,
}

impl Stage {
    /// Every one, in order.
    pub const ALL: [Self; 7] =
        [Self::Queue, Self::Prep, Self::Leader, Self::Sync, Self::Quorum, Self::Apply, Self::Reply];

    /// What it is called in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Prep => "prep",
            Self::Leader => "leader",
            Self::Sync => "sync",
            Self::Quorum => "quorum",
            Self::Apply => "apply",
            Self::Reply => "reply",
        }
    }
}

/// When a write was where, as far as the replica knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The replica took it up.
    pub taken: Monotonic,
    /// The leader decided it, and this server does not lead.
    pub passed_on: bool,
    /// It was handed to the log.
    pub logged: Monotonic,
    /// The log keeps it.
    pub synced: Monotonic,
    /// A quorum keeps it.
    pub committed: Monotonic,
    /// The tree shows it.
    pub applied: Monotonic,
}

impl Stamps {
    /// What each stage took of a write that was received and answered at these moments.
    pub fn spans(&self, received: Monotonic, answered: Monotonic) -> [(Stage, Duration); 6] {
        let decided = if self.passed_on { Stage::Leader } else { Stage::Prep };
        [
            (Stage::Queue, self.taken.since(received)),
            (decided, self.logged.since(self.taken)),
            (Stage::Sync, self.synced.since(self.logged)),
            (Stage::Quorum, self.committed.since(self.synced)),
            (Stage::Apply, self.applied.since(self.committed)),
            (Stage::Reply, answered.since(self.applied)),
        ]
    }
}

/// What a stage took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans {
    /// In buckets.
    pub latencies: Latencies,
    /// In ms.
    pub ms: Histogram,
}

/// What every stage took, of all writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageTimes {
    spans: [Spans; Stage::ALL.len()],
    /// From a write's arrival to its commit, in ms.
    committed: Histogram,
    /// Writes with the same stamps, received and answered together, are counted together.
    run: Option<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    received: Monotonic,
    stamps: Stamps,
    answered: Monotonic,
    times: u64,
}

impl StageTimes {
    /// A write was answered.
    pub fn observe(&mut self, received: Monotonic, stamps: &Stamps, answered: Monotonic) {
        match &mut self.run {
            Some(run) if run.received == received && run.answered == answered && run.stamps == *stamps => {
                run.times += 1;
            }
            run => {
                let ended = run.replace(Run { received, stamps: *stamps, answered, times: 1 });
                self.count(ended);
            }
        }
    }

    fn count(&mut self, ended: Option<Run>) {
        let Some(Run { received, stamps, answered, times }) = ended else { return };
        for (stage, took) in stamps.spans(received, answered) {
            let spans = &mut self.spans[stage as usize];
            spans.latencies.observe(took, times);
            spans.ms.observe_times(as_ms(took), times);
        }
        self.committed.observe_times(as_ms(stamps.committed.since(received)), times);
    }

    /// What a stage took.
    pub fn of(&self, stage: Stage) -> Spans {
        self.whole().spans[stage as usize]
    }

    /// From each write's arrival to its commit, in ms.
    pub fn committed(&self) -> Histogram {
        self.whole().committed
    }

    /// With those that are yet to be counted.
    fn whole(&self) -> Self {
        let mut whole = *self;
        whole.count(self.run);
        whole
    }
}

fn as_ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    fn alone() -> Stamps {
        let [taken, logged, synced, applied] = [3, 4, 24, 25].map(at);
        Stamps { taken, passed_on: false, logged, synced, committed: synced, applied }
    }

    #[test]
    fn the_stages_are_what_lies_between_the_stamps_and_together_the_whole() {
        let spans = alone().spans(at(1), at(30));
        let ms: Vec<_> = spans.iter().map(|(stage, took)| (stage.name(), took.as_millis())).collect();
        let expected = [("queue", 2), ("prep", 1), ("sync", 20), ("quorum", 0), ("apply", 1), ("reply", 5)];
        assert_eq!(ms, expected);
        let passed_on = Stamps { passed_on: true, ..alone() }.spans(at(1), at(30));
        assert_eq!(passed_on[1], (Stage::Leader, Duration::from_millis(1)));
    }

    #[test]
    fn every_write_counts_in_each_stage_whether_it_shares_its_stamps_or_not() {
        let mut times = StageTimes::default();
        [at(1), at(1), at(2)].into_iter().for_each(|received| times.observe(received, &alone(), at(30)));
        times.observe(at(1), &Stamps { passed_on: true, ..alone() }, at(30));
        let counts = Stage::ALL.map(|stage| times.of(stage).ms.count());
        assert_eq!(counts, [4, 3, 1, 4, 4, 4, 4]);
        assert_eq!(times.of(Stage::Queue).ms.sum(), 2 + 2 + 1 + 2);
        assert_eq!(times.committed().sum(), 23 + 23 + 22 + 23);
        assert_eq!(times.of(Stage::Sync).latencies.sum(), Duration::from_millis(80));
    }
}
