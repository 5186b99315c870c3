//! Many runs of ensembles, each of a size and under the faults that its seed draws.
//!
//! `cargo run --release -p zoorum-sim` runs as many more as one likes, and one seed again with all that happens in it.

use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_sim::{Faults, Simulation, Sum};

/// So many seeds take about a minute, fully optimised or lightly.
const SEEDS: u64 = if cfg!(debug_assertions) { 40 } else { 100 };

#[test]
fn whatever_happens_servers_agree_and_clients_are_told_the_truth() {
    println!("{}", Sum::of(0..SEEDS, Faults::of_ensemble));
}

#[test]
fn an_ensemble_whose_last_epoch_is_used_up_begins_another_and_serves() {
    for counter in [0xff00_0000, 0xffff_ffff] {
        let faults = Faults { voters: 3, begins_at: Zxid(5 << 32 | counter), ..Faults::none() };
        let report = Simulation::run(1, faults);
        assert_eq!(report.terms, 1, "{report:?}");
        assert!(report.commits > 100, "{report:?}");
    }
}

#[test]
fn a_leader_that_has_used_up_its_epoch_gives_way_to_another() {
    let faults = Faults { voters: 3, epoch_changes: 100, ..Faults::none() };
    let report = Simulation::run(1, faults);
    assert!(report.terms > 3 && report.commits > 300, "{report:?}");
}

#[test]
fn three_servers_without_faults_have_one_leader_from_beginning_to_end() {
    let faults = Faults { voters: 3, ..Faults::none() };
    let mut simulation = Simulation::new(1, faults);
    simulation.run_for(Duration::from_secs(10));
    simulation.heal();
    simulation.settle();
    let report = simulation.report();
    assert_eq!((report.processes, report.terms, report.cuts), (3, 1, 0), "{report:?}");
    assert!(report.commits > 100 && report.answers > report.commits, "{report:?}");
}
