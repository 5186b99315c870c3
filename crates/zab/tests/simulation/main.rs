//! Ensembles that elect leaders over a network that delays, cuts and loses, while servers crash: is there always
//! a leader in the end?
//!
//! What follows an election, the leader's proof that a quorum follows it, is played by a simple rule: see
//! [`world::World`]. `ZOORUM_SIM_SEED` runs one seed again, `ZOORUM_SIM_SEEDS` so many instead of the usual ones.

mod chance;
mod network;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::world::{Ensemble, World};

/// Runs every seed, and says which one failed.
fn for_each_seed(usual: u64, run: impl Fn(u64)) {
    let number = |name| env::var(name).ok().and_then(|text: String| text.parse().ok());
    let seeds = match number("ZOORUM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ZOORUM_SIM_SEEDS").unwrap_or(usual),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("replay: ZOORUM_SIM_SEED={seed} cargo test -p zoorum-zab --test simulation");
            resume_unwind(panic);
        }
    }
}

const ENSEMBLES: [Ensemble; 5] = [
    Ensemble { voters: 3, observers: 0, groups: "" },
    Ensemble { voters: 5, observers: 1, groups: "" },
    Ensemble { voters: 2, observers: 0, groups: "" },
    Ensemble { voters: 5, observers: 0, groups: "group.1=1:2:3:4:5\nweight.2=0\nweight.5=3\n" },
    Ensemble { voters: 6, observers: 1, groups: "group.1=1:2\ngroup.2=3:4\ngroup.3=5:6\n" },
];

#[test]
fn after_all_faults_there_is_one_leader_whom_everybody_follows() {
    for_each_seed(200, |seed| {
        let mut world = World::new(seed, ENSEMBLES[seed as usize % ENSEMBLES.len()]);
        world.suffer(Duration::from_secs(120));
        world.heal();
        world.run(Duration::from_secs(300));
        world.check_everybody_follows_one_leader();
        let said = world.said();
        world.run(Duration::from_secs(300));
        assert_eq!(world.said(), said, "once everybody has a leader there is nothing to say");
    });
}

#[test]
fn without_faults_the_longest_history_wins_in_half_a_second() {
    for_each_seed(100, |seed| {
        let ensemble = ENSEMBLES[seed as usize % 3];
        let mut world = World::new(seed, ensemble);
        let longest = world.longest_history();
        world.run(Duration::from_millis(500));
        assert_eq!(world.check_voters_follow_one_leader(), longest);
        // An observer may have heard of a vote that was beaten since, and finds out in its own time.
        world.run(Duration::from_secs(10));
        assert_eq!(world.check_everybody_follows_one_leader(), longest);
    });
}

#[test]
fn a_leader_that_crashes_is_replaced_in_half_a_second() {
    for_each_seed(100, |seed| {
        let mut world = World::new(seed, ENSEMBLES[seed as usize % 2]);
        world.run(Duration::from_secs(10));
        let leader = world.check_everybody_follows_one_leader();
        world.crash(leader);
        world.notice_crashes();
        world.run(Duration::from_millis(500));
        let successor = world.check_voters_follow_one_leader();
        assert_ne!(successor, leader);
        // It comes back, and follows.
        world.restart(leader);
        world.run(Duration::from_secs(10));
        assert_eq!(world.check_everybody_follows_one_leader(), successor);
    });
}
