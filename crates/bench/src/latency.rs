//! Latencies: recorded in nanoseconds, reported in microseconds.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer latencies count as this one: ten minutes.
const LATENCY_MAX: u64 = 600_000_000_000;

/// Latencies of one kind of operation.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None so far; they keep three digits.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("the bounds are in order"))
    }

    /// Notes one, in nanoseconds.
    #[inline]
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    /// Adds those of another thread.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("equal bounds");
    }

    /// How many were noted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Their distribution.
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| microseconds(self.0.value_at_quantile(quantile));
        LatencySummary {
            mean: (self.0.mean() / 100.0).round() / 10.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: microseconds(self.0.max()),
        }
    }
}

/// A distribution of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencySummary {
    mean: f64,
    pub(crate) p50: f64,
    p90: f64,
    pub(crate) p99: f64,
    p99_9: f64,
    pub(crate) max: f64,
}

impl std::fmt::Display for LatencySummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { mean, p50, p90, p99, p99_9, max } = self;
        write!(f, "mean {mean} µs, p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p99_9}, max {max}")
    }
}

/// One slice of a series.
#[derive(Clone, Debug, Serialize)]
pub struct Slice {
    /// Seconds from the start of measuring to the start of the slice.
    at: f64,
    count: u64,
    p50: f64,
    p99: f64,
    max: f64,
    /// Each latency, to two digits, and how often it came: slices can be joined from these.
    histogram: Vec<(f64, u64)>,
}

impl std::fmt::Display for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, count, p50, p99, max, .. } = self;
        write!(f, "{at:.3} s: {count} operations, p50 {p50} µs, p99 {p99}, max {max}")
    }
}

/// Latencies by the slice of time in which the reply came.
#[derive(Clone, Debug)]
pub struct Series {
    slice: u64,
    slices: Vec<Latencies>,
}

impl Series {
    /// Slices of `slice` nanoseconds over a span of `span`.
    pub fn new(slice: u64, span: u64) -> Self {
        let count = usize::try_from(span.div_ceil(slice)).expect("as many as memory holds");
        Self { slice, slices: vec![Latencies::coarse(); count] }
    }

    /// Notes one that ended `at` nanoseconds after the start of measuring.
    pub fn record(&mut self, at: u64, nanoseconds: u64) {
        let index = usize::try_from(at / self.slice).unwrap_or(usize::MAX);
        if let Some(latencies) = self.slices.get_mut(index) {
            latencies.record(nanoseconds);
        }
    }

    /// Adds that of another thread.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            mine.add(theirs);
        }
    }

    /// The slices in order of time.
    pub fn summary(&self) -> Vec<Slice> {
        let seconds = self.slice as f64 / 1e9;
        let row = |(index, latencies): (usize, &Latencies)| {
            let summary = latencies.summary();
            let at = (index as f64 * seconds * 1000.0).round() / 1000.0;
            let LatencySummary { p50, p99, max, .. } = summary;
            Slice { at, count: latencies.count(), p50, p99, max, histogram: latencies.histogram() }
        };
        self.slices.iter().enumerate().map(row).collect()
    }
}

impl Latencies {
    /// With two digits, and a tenth of the memory: there is one for each slice.
    fn coarse() -> Self {
        Self(Histogram::new_with_bounds(1000, LATENCY_MAX, 2).expect("the bounds are in order"))
    }

    /// Each latency in microseconds, and how often it came.
    fn histogram(&self) -> Vec<(f64, u64)> {
        let pair = |recorded: hdrhistogram::iterators::IterationValue<u64>| {
            (microseconds(recorded.value_iterated_to()), recorded.count_at_value())
        };
        self.0.iter_recorded().map(pair).collect()
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    (nanoseconds as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_in_microseconds() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|n| latencies.record(n * 1000));
        let summary = latencies.summary();
        let near = |value: f64, expected: f64| (value - expected).abs() <= expected / 500.0;
        assert!(
            near(summary.p50, 500.0) && near(summary.p99, 990.0) && near(summary.max, 1000.0),
            "{summary}"
        );
    }

    #[test]
    fn a_series_sorts_latencies_by_the_time_of_the_reply() {
        let mut series = Series::new(100, 300);
        series.record(99, 5_000);
        series.record(250, 7_000);
        series.record(300, 9_000);
        let counts: Vec<u64> = series.summary().iter().map(|slice| slice.count).collect();
        assert_eq!(counts, [1, 0, 1], "what comes after the span is not counted");
    }
}
