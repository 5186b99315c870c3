//! Many runs, each under the faults that its seed draws.
//!
//! `ZOORUM_SIM_SEED=n` runs one seed again; `ZOORUM_SIM_SEEDS=n` runs so many of them.

use std::time::Duration;

use zoorum_sim::{Faults, Simulation};

/// So many seeds take less than a minute, lightly optimised as the workspace builds its tests.
const SEEDS: u64 = 500;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn whatever_happens_no_acknowledged_write_is_lost_and_no_client_is_lied_to() {
    let seeds = match number("ZOORUM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ZOORUM_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut simulated, mut commits, mut answers) = (Duration::ZERO, 0, 0);
    let (mut processes, mut repairs) = (0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let report = Simulation::run(seed, Faults::of_seed(seed));
        simulated += report.simulated;
        commits += report.commits;
        answers += report.answers;
        processes += report.processes;
        repairs += report.repairs;
    }
    println!(
        "{count} seeds: {:.2} hours simulated, {commits} changes, {answers} answers, {processes} processes, {repairs} repairs",
        simulated.as_secs_f64() / 3600.0,
    );
}
