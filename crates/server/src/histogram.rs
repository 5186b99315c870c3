//! Values observed many times, kept by size: what latency quantiles are told from.
//!
//! ```text
//! 0 … 15    a place each
//! 16 …      sixteen places for every doubling, so that a quantile is at most a sixteenth too low
//! ```

/// Places of exact values, and of each doubling above them.
const PLACES: usize = 16;
/// Doublings above the exact values. What is larger still counts in the last place.
const DOUBLINGS: usize = 16;

/// How often values of each size were observed. To observe one more is to add to a place of a fixed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    places: [u32; PLACES * (1 + DOUBLINGS)],
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { places: [0; PLACES * (1 + DOUBLINGS)], count: 0, sum: 0, min: 0, max: 0 }
    }
}

impl Histogram {
    /// One more value.
    pub fn observe(&mut self, value: u64) {
        self.observe_times(value, 1);
    }

    /// So many more of the same value.
    pub fn observe_times(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let place = &mut self.places[place_of(value)];
        *place = place.saturating_add(u32::try_from(times).unwrap_or(u32::MAX));
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += times;
        self.sum += value * times;
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All values together.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The smallest value; 0 of none.
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The largest value; 0 of none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that `per_mille` of a thousand values do not exceed; 0 of none.
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let in_places: u64 = self.places.iter().map(|count| u64::from(*count)).sum();
        let rank = (in_places * per_mille).div_ceil(1000).max(1);
        let mut passed = 0;
        let place = self.places.iter().position(|count| {
            passed += u64::from(*count);
            passed >= rank
        });
        place.map_or(0, |place| smallest_of(place).clamp(self.min, self.max))
    }

    /// Both together.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        if other.count == 0 {
            return self;
        }
        for (place, count) in self.places.iter_mut().zip(other.places) {
            *place = place.saturating_add(count);
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
        self
    }
}

fn place_of(value: u64) -> usize {
    let exact = PLACES.ilog2();
    let Some(doubling) = value.checked_ilog2().and_then(|log| log.checked_sub(exact)) else {
        return value as usize; // below PLACES
    };
    let within = (value >> doubling) as usize - PLACES;
    (PLACES * (1 + doubling as usize) + within).min(PLACES * (1 + DOUBLINGS) - 1)
}

/// The smallest value that counts in a place.
fn smallest_of(place: usize) -> u64 {
    match (place / PLACES).checked_sub(1) {
        None => place as u64,
        Some(doubling) => ((PLACES + place % PLACES) as u64) << doubling,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.observe(value));
        histogram
    }

    #[test]
    fn every_value_counts_in_the_place_that_begins_at_or_just_below_it() {
        for value in (0..4096).chain([65_535, 65_536, 1 << 19]) {
            let place = place_of(value);
            assert!(smallest_of(place) <= value, "{value}");
            assert!(value < smallest_of(place + 1), "{value}");
        }
        assert_eq!(place_of(u64::MAX), PLACES * (1 + DOUBLINGS) - 1);
    }

    #[test]
    fn quantiles_of_small_values_are_exact() {
        let histogram = of((1..=10).flat_map(|value| [value; 100]));
        let quantiles = [500, 950, 990, 999].map(|per_mille| histogram.quantile(per_mille));
        assert_eq!(quantiles, [5, 10, 10, 10]);
        assert_eq!((histogram.count(), histogram.sum()), (1000, 5500));
        assert_eq!((histogram.min(), histogram.max()), (1, 10));
    }

    #[test]
    fn quantiles_of_large_values_are_a_sixteenth_too_low_at_most() {
        let histogram = of(0..100_000);
        for (per_mille, exact) in [(500, 50_000_u64), (990, 99_000)] {
            let quantile = histogram.quantile(per_mille);
            assert!(quantile <= exact && exact - quantile <= exact / 16, "{per_mille}: {quantile}");
        }
    }

    #[test]
    fn nothing_observed_is_all_zeroes() {
        let nothing = Histogram::default();
        assert_eq!([nothing.quantile(500), nothing.min(), nothing.max()], [0; 3]);
        assert_eq!(of([3]).merged(&nothing), of([3]));
        assert_eq!(nothing.merged(&of([3, 70])), of([3, 70]));
        assert_eq!(of([3]).merged(&of([70])), of([3, 70]));
        let mut twice = of([3]);
        twice.observe_times(70, 2);
        twice.observe_times(1, 0);
        assert_eq!(twice, of([3, 70, 70]));
    }
}
