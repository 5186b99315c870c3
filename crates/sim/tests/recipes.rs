//! Every recipe of the library under everything that can go wrong: lost connections, processes that stand still until
//! their session is over, servers that crash and are parted.

use zoorum_sim::{Faults, Play, Simulation};

/// So many seeds of each recipe with servers alone, and half as many with ensembles.
const SEEDS: u64 = 2;

fn play(play: Play) {
    for seed in 0..SEEDS {
        assert_played(seed, Faults { silence: true, cuts: true, ..Faults::of_seed(seed) }, play);
    }
    for seed in 0..SEEDS / 2 {
        assert_played(seed, Faults::of_ensemble(seed), play);
    }
}

fn assert_played(seed: u64, faults: Faults, play: Play) {
    let report = Simulation::run(seed, Faults { clients: 1, library: 0, players: 4, play, ..faults });
    assert!(report.claims > 0, "{play:?} is not played: {report:?}");
}

#[test]
fn locks_have_one_holder_and_readers_no_writer() {
    [Play::Lock, Play::ReadWrite].into_iter().for_each(play);
}

#[test]
fn semaphores_have_so_many_holders() {
    play(Play::Semaphore);
}

#[test]
fn elections_have_one_leader() {
    [Play::Latch, Play::Selector].into_iter().for_each(play);
}

#[test]
fn queues_lose_nothing_and_give_nothing_twice() {
    [Play::Queue, Play::Priority].into_iter().for_each(play);
}

#[test]
fn counters_lose_no_increment() {
    play(Play::Counter);
}

#[test]
fn barriers_hold_until_they_are_taken_down() {
    [Play::Barrier, Play::DoubleBarrier].into_iter().for_each(play);
}

#[test]
fn groups_have_their_members_and_copies_follow() {
    [Play::Group, Play::Cache].into_iter().for_each(play);
}
