//! How long things take, counted in the buckets of a Prometheus histogram.

use std::time::Duration;

/// The upper bound of each bucket but the last, which has none.
pub const BOUNDS: [Duration; 17] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// So often something took so long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// A count for each bucket of [`BOUNDS`], and for what took longer.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Latencies {
    /// So many things took so long, each.
    pub fn observe(&mut self, took: Duration, times: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        self.counts[bucket] += times;
        self.sum += took.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX));
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound, and how many took no longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut so_far = 0;
        BOUNDS.into_iter().zip(self.counts).map(move |(bound, count)| {
            so_far += count;
            (bound, so_far)
        })
    }

    /// Both together.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let mut latencies = Latencies::default();
        for (micros, times) in [(0, 1), (50, 2), (51, 3), (10_000_000, 4), (10_000_001, 5)] {
            latencies.observe(Duration::from_micros(micros), times);
        }
        let buckets: Vec<u64> = latencies.cumulative().map(|(_, count)| count).collect();
        assert_eq!((buckets[0], buckets[1], buckets[15], buckets[16]), (3, 6, 6, 10));
        assert_eq!(latencies.count(), 15);
        assert_eq!(latencies.sum(), Duration::from_micros(100 + 153 + 40_000_000 + 50_000_005));
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn two_together_have_the_counts_of_both() {
        let mut one = Latencies::default();
        let mut other = Latencies::default();
        one.observe(Duration::from_millis(3), 2);
        other.observe(Duration::from_secs(60), 1);
        let both = one.merged(&other);
        assert_eq!((both.count(), both.sum()), (3, Duration::from_millis(60_006)));
    }
}
