//! Errors planted in the simulated host are found, within a stated number of seeds.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zoorum_sim::{Bug, Faults, Simulation};

/// What is found of a tree that did not last: it is missed, or there is an older one in its place.
const WRONG_TREE: &[&str] = &["was durable", "I-", "cannot recover", "recovery finds", "the snapshot of"];

/// The first seed that finds the error, and in what words.
fn found(bug: Bug, seeds: Range<u64>, faults: impl Fn(u64) -> Faults) -> (u64, String) {
    let run = |seed| {
        let faults = faults(seed).with_bug(bug);
        let panic = catch_unwind(AssertUnwindSafe(|| Simulation::run(seed, faults))).err()?;
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Some((seed, words.unwrap_or_default()))
    };
    let found = seeds.clone().find_map(run);
    found.unwrap_or_else(|| panic!("{bug:?} is not found in seeds {seeds:?}"))
}

/// A server alone has the error.
#[track_caller]
fn assert_found(bug: Bug, seeds: u64, words: &[&str]) {
    assert_found_among(bug, 0..seeds, Faults::of_seed, words);
}

/// Servers of ensembles have the error.
#[track_caller]
fn assert_found_in_ensembles(bug: Bug, seeds: u64, words: &[&str]) {
    assert_found_among(bug, 0..seeds, Faults::of_ensemble, words);
}

#[track_caller]
fn assert_found_among(bug: Bug, seeds: Range<u64>, faults: impl Fn(u64) -> Faults, words: &[&str]) {
    let (seed, message) = found(bug, seeds, faults);
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

#[test]
fn an_ack_before_the_log_is_synced_is_found() {
    assert_found_in_ensembles(Bug::ReplyBeforeSync, 10, &["I-17", "I-10"]);
}

#[test]
fn being_in_step_before_the_history_is_durable_is_found() {
    assert_found_in_ensembles(Bug::InStepBeforeSync, 20, &["I-17", "I-10", "was durable"]);
}

#[test]
fn claiming_an_epoch_before_its_history_is_durable_is_found() {
    assert_found_in_ensembles(Bug::EpochBeforeHistory, 20, &["I-"]);
}

#[test]
fn promises_that_are_not_written_down_are_found() {
    assert_found_in_ensembles(Bug::ForgottenPromise, 20, &["I-"]);
}

#[test]
fn a_tree_that_is_taken_over_in_memory_only_is_found() {
    assert_found_in_ensembles(Bug::TreeInMemory, 40, WRONG_TREE);
}

#[test]
fn a_truncation_that_is_passed_over_is_found() {
    assert_found_in_ensembles(Bug::IgnoredTruncation, 40, &["I-", "the tree is never ahead of the log"]);
}

#[test]
fn a_tree_that_is_installed_and_not_synced_is_found() {
    // The runs before these take a minute and a half, and in none of them does a power cut follow an installation.
    assert_found_among(Bug::TreeNotSynced, 60..100, Faults::of_ensemble, WRONG_TREE);
}

#[test]
fn a_tree_that_is_not_cut_with_its_files_is_found() {
    assert_found_in_ensembles(Bug::StaleTree, 40, &["and the tree is of"]);
}

#[test]
fn a_record_of_a_role_that_is_over_is_found() {
    // The runs before these take minutes, and in none of them is anything cut that a role still had for the log.
    let words = &["changes are logged in zxid order", "is the last taken", "I-"];
    assert_found_among(Bug::LateAppend, 60..100, Faults::of_ensemble, words);
}

#[test]
fn an_end_of_an_epoch_that_is_left_out_is_found() {
    assert_found_in_ensembles(Bug::EpochEndLeftOut, 40, &["I-14"]);
}

#[test]
fn an_ack_before_a_server_is_in_step_is_found() {
    assert_found_in_ensembles(Bug::EarlyAck, 20, &["I-18"]);
}

#[test]
fn servers_that_need_no_others_are_found() {
    assert_found_in_ensembles(Bug::LonelyQuorum, 20, &["I-"]);
}

#[test]
fn an_epoch_that_is_accepted_in_memory_only_is_found() {
    assert_found_in_ensembles(Bug::EpochInMemory, 40, &["I-2", "I-3", "is accepted before it is entered"]);
}

#[test]
fn a_change_that_is_obeyed_and_not_logged_is_found() {
    assert_found_in_ensembles(Bug::UnloggedChange, 20, &["I-", "was durable", "cannot recover"]);
}

#[test]
fn a_lock_that_does_not_look_again_is_found() {
    assert_found(Bug::HastyLock, 10, &["has not ended"]);
}

#[test]
fn a_lock_that_is_kept_when_its_session_is_over_is_found() {
    assert_found(Bug::KeptHold, 10, &["was told that it is lost"]);
}

#[test]
fn an_element_that_is_taken_twice_is_found() {
    assert_found(Bug::RepeatedTake, 10, &["was taken before"]);
}

#[test]
fn an_increment_that_is_lost_is_found() {
    assert_found(Bug::BlindCounter, 10, &["somebody else has made it"]);
}

#[test]
fn watches_that_are_not_set_again_are_found() {
    // In most runs, every waiter is told by a connection that never broke.
    let words = &["does not end what it has begun"];
    assert_found_among(Bug::ForgottenRestore, 10..60, Faults::of_seed, words);
}
