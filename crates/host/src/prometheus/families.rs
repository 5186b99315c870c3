//! Samples by the names of the original, and the text format.

use std::fmt::{self, Write as _};

use crate::words::metrics::{CounterSet, Metrics, Number, Summary, SummarySet};
use crate::words::numbers::java_real;

/// Quantiles of what is told by its middle alone, by name and per mille.
const BASIC: [(&str, u64); 1] = [("0.5", 500)];
/// Of the rest.
const ADVANCED: [(&str, u64); 3] = [("0.5", 500), ("0.9", 900), ("0.99", 990)];

/// Samples of one kind under one name.
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) samples: Vec<Sample>,
}

/// A value, perhaps one of several.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: f64,
}

impl Sample {
    pub(super) fn of(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), labels: Vec::new(), value }
    }

    /// With one more label, which stands before those that there are.
    pub(super) fn labelled(mut self, label: &'static str, of: impl Into<String>) -> Self {
        self.labels.insert(0, (label, of.into()));
        self
    }
}

impl Family {
    /// Of one sample without labels.
    pub(super) fn single(name: &str, kind: &'static str, value: f64) -> Self {
        Self { name: name.to_owned(), kind, samples: vec![Sample::of(name, value)] }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, samples } = self;
        writeln!(f, "# HELP {name} {name}\n# TYPE {name} {kind}")?;
        for Sample { name, labels, value } in samples {
            let mut text = String::new();
            for (label, of) in labels {
                // With a comma behind each, as the original has it; strings accept everything.
                let _ = write!(text, "{label}=\"{}\",", escaped(of));
            }
            let text = if labels.is_empty() { text } else { format!("{{{text}}}") };
            writeln!(f, "{name}{text} {}", shown(*value))?;
        }
        Ok(())
    }
}

/// A label's value can come from a client: the name of a znode.
fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Nothing observed is no number.
fn shown(value: f64) -> String {
    if value.is_nan() { "NaN".to_owned() } else { java_real(value) }
}

/// The same as lines of `mntr`, as the original has them when Prometheus keeps its metrics.
pub(crate) fn samples(metrics: &Metrics) -> String {
    let line = |sample: &Sample| {
        let labels: Vec<String> =
            sample.labels.iter().map(|(label, of)| format!("{label}=\"{of}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        format!("zk_{}{labels}\t{}\n", sample.name, shown(sample.value))
    };
    of(metrics).iter().flat_map(|family| &family.samples).map(line).collect()
}

/// All that the original has.
pub(super) fn of(metrics: &Metrics) -> Vec<Family> {
    let gauge = |(name, value): &(String, Number)| Family::single(name, "gauge", real(*value));
    let counter = |(name, value): (&&str, &u64)| Family::single(name, "counter", *value as f64);
    let gauges = metrics.gauges.iter().filter(|(name, _)| !name.ends_with("_per_namespace")).map(gauge);
    let of_namespaces = per_namespace(&metrics.gauges);
    let counters = metrics.counters.iter().map(counter);
    let counter_sets =
        metrics.counter_sets.iter().filter(|set| !set.by_key.is_empty()).map(family_of_counters);
    let basic = metrics.summaries.iter().map(|(name, summary)| family_of(name, summary, &BASIC));
    let advanced = metrics.advanced.iter().map(|(name, summary)| family_of(name, summary, &ADVANCED));
    let sets = metrics.sets.iter().filter(|set| !set.by_key.is_empty()).map(family_of_set);
    gauges
        .chain(of_namespaces)
        .chain(counters)
        .chain(counter_sets)
        .chain(basic)
        .chain(advanced)
        .chain(sets)
        .collect()
}

fn real(value: Number) -> f64 {
    match value {
        Number::Integer(value) => value as f64,
        Number::Real(value) => value,
    }
}

/// `app_quota_count_limit_per_namespace` is of a family, with `app` for its key.
fn per_namespace(gauges: &[(String, Number)]) -> Vec<Family> {
    let kinds = ["count_limit", "bytes_limit", "count_usage", "bytes_usage"];
    let family = |kind: &str| {
        let name = format!("quota_{kind}_per_namespace");
        let of_key = |(full, value): &(String, Number)| {
            let key = full.strip_suffix(&name)?.strip_suffix('_')?;
            Some(Sample::of(name.clone(), real(*value)).labelled("key", key))
        };
        let samples: Vec<Sample> = gauges.iter().filter_map(of_key).collect();
        Family { name: name.clone(), kind: "gauge", samples }
    };
    kinds.into_iter().map(family).filter(|family| !family.samples.is_empty()).collect()
}

fn family_of(name: &str, summary: &Summary, quantiles: &[(&'static str, u64)]) -> Family {
    Family { name: name.to_owned(), kind: "summary", samples: samples_of(name, summary, quantiles).collect() }
}

fn family_of_counters(set: &CounterSet) -> Family {
    let of_key = |(key, value): (&String, &u64)| Sample::of(set.name, *value as f64).labelled("key", key);
    Family { name: set.name.to_owned(), kind: "counter", samples: set.by_key.iter().map(of_key).collect() }
}

fn family_of_set(set: &SummarySet) -> Family {
    let SummarySet { name, has_quantiles, by_key } = set;
    let quantiles: &[_] = if *has_quantiles { &ADVANCED } else { &BASIC };
    let samples = by_key.iter().flat_map(|(key, summary)| {
        samples_of(name, summary, quantiles).map(move |sample| sample.labelled("key", key))
    });
    Family { name: (*name).to_owned(), kind: "summary", samples: samples.collect() }
}

fn samples_of(
    name: &str,
    summary: &Summary,
    quantiles: &[(&'static str, u64)],
) -> impl Iterator<Item = Sample> {
    let quantile = |(quantile, per_mille): &(&'static str, u64)| {
        let value = if summary.count == 0 { f64::NAN } else { summary.quantile(*per_mille) as f64 };
        Sample::of(name, value).labelled("quantile", *quantile)
    };
    let totals = [
        Sample::of(format!("{name}_count"), summary.count as f64),
        Sample::of(format!("{name}_sum"), summary.sum as f64),
    ];
    let samples: Vec<Sample> = quantiles.iter().map(quantile).chain(totals).collect();
    samples.into_iter()
}
