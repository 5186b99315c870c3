//! Operations that took long, for the operator to read: each with where its time went, and never more than a few in
//! a second, for when a disk stands still everything is slow.

use std::fmt;
use std::time::Duration;

use zoorum_proto::{OpCode, SessionId, Xid, Zxid};

use crate::stages::Stage;
use crate::time::Monotonic;

/// So many are told one by one in a [`WINDOW`]; of the others, how many there were and the slowest.
const TOLD_MAX: u32 = 10;
/// See [`TOLD_MAX`].
const WINDOW: Duration = Duration::from_secs(1);

/// An operation that took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowOperation {
    /// Whose it was.
    pub session: SessionId,
    /// The client's number for it.
    pub xid: Xid,
    /// What it was.
    pub op: OpCode,
    /// The change that it made, or the last one before its answer.
    pub zxid: Zxid,
    /// The error code that it was answered with; 0 if it succeeded.
    pub err: i32,
    /// From its arrival to its answer.
    pub took: Duration,
    /// Where that went; `None` of a read, which waited for the writes before it, and of what makes no change.
    pub stages: Option<[(Stage, Duration); 6]>,
}

/// Something to be told of slow operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// One of them.
    Operation(SlowOperation),
    /// How many were not told one by one, and what the slowest of these took.
    More {
        /// How many.
        count: u64,
        /// What the slowest took.
        slowest: Duration,
    },
}

/// What there is to be told.
#[derive(Debug)]
pub(crate) struct SlowLog {
    /// `None`: nothing is slow.
    threshold: Option<Duration>,
    window_began_at: Option<Monotonic>,
    told: u32,
    untold: u64,
    slowest_untold: Duration,
    lines: Vec<Slow>,
}

impl SlowLog {
    pub(crate) fn new(threshold: Option<Duration>) -> Self {
        Self {
            threshold,
            window_began_at: None,
            told: 0,
            untold: 0,
            slowest_untold: Duration::ZERO,
            lines: Vec::new(),
        }
    }

    /// Whether an operation that took so long is to be told.
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        self.threshold.is_some_and(|threshold| took > threshold)
    }

    /// An operation was slow.
    pub(crate) fn on_slow(&mut self, now: Monotonic, operation: SlowOperation) {
        self.on_tick(now);
        self.window_began_at.get_or_insert(now);
        if self.told < TOLD_MAX {
            self.told += 1;
            self.lines.push(Slow::Operation(operation));
        } else {
            self.untold += 1;
            self.slowest_untold = self.slowest_untold.max(operation.took);
        }
    }

    /// Time passes: what was left out is told when the window is over.
    pub(crate) fn on_tick(&mut self, now: Monotonic) {
        if self.window_began_at.is_some_and(|began_at| now.since(began_at) >= WINDOW) {
            if self.untold > 0 {
                self.lines.push(Slow::More { count: self.untold, slowest: self.slowest_untold });
            }
            (self.window_began_at, self.told) = (None, 0);
            (self.untold, self.slowest_untold) = (0, Duration::ZERO);
        }
    }

    /// What is to be told since the last call.
    pub(crate) fn take(&mut self) -> Vec<Slow> {
        std::mem::take(&mut self.lines)
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(operation) => operation.fmt(f),
            Self::More { count, slowest } => write!(
                f,
                "{count} more slow operations within a second; the slowest took {}ms",
                slowest.as_millis()
            ),
        }
    }
}

impl fmt::Display for SlowOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, xid, op, zxid, err, took, stages } = self;
        let took = took.as_millis();
        write!(f, "slow operation: {} of session {session}, xid {}, ", name(*op), xid.0)?;
        write!(f, "zxid {zxid}, err {err}, took {took}ms")?;
        let Some(stages) = stages else { return Ok(()) };
        let parts = stages.iter().map(|(stage, took)| format!("{} {}", stage.name(), took.as_millis()));
        write!(f, " ({})", parts.collect::<Vec<_>>().join(", "))
    }
}

/// The name that clients know it by.
fn name(op: OpCode) -> String {
    let name = format!("{op:?}");
    let (first, rest) = name.split_at(1);
    first.to_lowercase() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    fn operation(took: u64) -> SlowOperation {
        SlowOperation {
            session: SessionId(0x100_0000_0000_0001),
            xid: Xid(7),
            op: OpCode::SetData,
            zxid: Zxid(0x1_0000_0005),
            err: -103,
            took: Duration::from_millis(took),
            stages: None,
        }
    }

    #[test]
    fn a_stall_fills_no_log() {
        let mut log = SlowLog::new(Some(Duration::from_millis(100)));
        assert!(!log.is_slow(Duration::from_millis(100)) && log.is_slow(Duration::from_millis(101)));
        (0..1_000_000).for_each(|number| log.on_slow(at(5_000), operation(200 + number % 7)));
        assert_eq!(log.take().len(), TOLD_MAX as usize);
        log.on_tick(at(5_999));
        assert_eq!(log.take(), []);
        log.on_tick(at(6_000));
        let slowest = Duration::from_millis(206);
        assert_eq!(log.take(), [Slow::More { count: 1_000_000 - u64::from(TOLD_MAX), slowest }]);
        log.on_slow(at(6_001), operation(300));
        assert_eq!(log.take(), [Slow::Operation(operation(300))]);
        log.on_slow(at(9_000), operation(300));
        assert_eq!(log.take().len(), 1, "nothing was left out");
    }

    #[test]
    fn without_a_threshold_nothing_is_slow() {
        assert!(!SlowLog::new(None).is_slow(Duration::MAX));
    }

    #[test]
    fn a_line_names_the_operation_and_where_its_time_went() {
        let ms = Duration::from_millis;
        let stages = [
            (Stage::Queue, ms(1)),
            (Stage::Prep, ms(2)),
            (Stage::Sync, ms(1_200)),
            (Stage::Quorum, ms(0)),
            (Stage::Apply, ms(3)),
            (Stage::Reply, ms(4)),
        ];
        let line = Slow::Operation(SlowOperation { stages: Some(stages), ..operation(1_210) }).to_string();
        assert_eq!(
            line,
            "slow operation: setData of session 0x100000000000001, xid 7, zxid 0x100000005, err -103, took 1210ms \
             (queue 1, prep 2, sync 1200, quorum 0, apply 3, reply 4)"
        );
        let more = Slow::More { count: 12, slowest: ms(3_000) }.to_string();
        assert_eq!(more, "12 more slow operations within a second; the slowest took 3000ms");
    }
}
