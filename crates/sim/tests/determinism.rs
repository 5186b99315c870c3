//! One seed is one run.

use zoorum_sim::{Faults, Simulation};

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 12, 156] {
        let first = Simulation::run(seed, Faults::of_seed(seed));
        assert_eq!(first, Simulation::run(seed, Faults::of_seed(seed)), "seed {seed}");
    }
    let first = Simulation::run(5, Faults::of_ensemble(5));
    assert_eq!(first, Simulation::run(5, Faults::of_ensemble(5)), "an ensemble");
}

#[test]
fn without_faults_one_process_serves_from_beginning_to_end() {
    for seed in 0..3 {
        let report = Simulation::run(seed, Faults::none());
        assert_eq!(report.processes, 1);
        assert!(report.commits > 100 && report.answers > report.commits, "{report:?}");
    }
}
