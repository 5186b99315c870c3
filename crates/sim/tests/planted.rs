//! Errors planted in the simulated host are found, within a stated number of seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zoorum_sim::{Bug, Faults, Simulation};

/// The first seed that finds the error, and in what words.
fn found(bug: Bug, seeds: u64) -> (u64, String) {
    let run = |seed| {
        let faults = Faults::of_seed(seed).with_bug(bug);
        let panic = catch_unwind(AssertUnwindSafe(|| Simulation::run(seed, faults))).err()?;
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Some((seed, words.unwrap_or_default()))
    };
    let found = (0..seeds).find_map(run);
    found.unwrap_or_else(|| panic!("{bug:?} is not found in {seeds} seeds"))
}

#[track_caller]
fn assert_found(bug: Bug, seeds: u64, words: &[&str]) {
    let (seed, message) = found(bug, seeds);
    let first = message.lines().next().unwrap_or_default();
    println!("{bug:?} is found by seed {seed}: {first}");
    assert!(words.iter().any(|words| first.contains(words)), "seed {seed} finds something else: {first}");
}

#[test]
fn answering_before_the_log_is_synced_is_found() {
    assert_found(Bug::ReplyBeforeSync, 20, &["was durable"]);
}

#[test]
fn a_snapshot_of_another_moment_than_it_says_is_found() {
    assert_found(Bug::FuzzySnapshot, 20, &["the snapshot of"]);
}

#[test]
fn a_read_ahead_of_the_letters_that_came_while_the_tree_was_waited_for_is_found() {
    assert_found(Bug::LateMail, 20, &["comes before", "and due is"]);
}

#[test]
fn losing_the_newest_record_is_found() {
    assert_found(Bug::DropLastRecord, 20, &["was durable"]);
}

#[test]
fn losing_signs_of_life_is_found() {
    assert_found(Bug::DropHeard, 20, &["was heard from"]);
}

#[test]
fn a_letter_read_twice_is_found() {
    assert_found(Bug::RepeatedLetter, 20, &["a second time", "is proposed after"]);
}

#[test]
fn a_directory_that_is_not_synced_is_found() {
    assert_found(Bug::NoDirectorySync, 40, &["was durable", "cannot recover"]);
}

#[test]
fn a_change_that_watchers_are_not_told_of_is_found() {
    assert_found(Bug::ForgottenWatches, 20, &["comes before", "and due is"]);
}
