//! What members do besides leading and following: they serve readers when there is no leader, leave clients to
//! others, and keep sessions to themselves. Each story is told by ensembles of the original, of Zoorum, and of both;
//! all must tell the same.

mod stories;

use std::sync::Mutex;

use zoorum_interop::ensemble::Kind;

use Kind::{Java395 as Java, Zoorum};

/// Members' timeouts are short, and a machine must not be busy with two ensembles.
static MACHINE: Mutex<()> = Mutex::new(());

/// Everybody tells what the original tells.
fn compare(tell: impl Fn(&[Kind]) -> Vec<String>, mixes: &[&[Kind]]) {
    let _alone = MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let expected = tell(&[Java, Java]);
    for mix in mixes {
        let found = tell(mix);
        assert_eq!(found.len(), expected.len(), "{mix:?} tells more or less: {found:#?}");
        let differing = expected.iter().zip(&found).filter(|(expected, found)| expected != found);
        let differing: Vec<String> = differing
            .map(|(expected, found)| format!("--- original\n{expected}\n--- here\n{found}"))
            .collect();
        assert!(differing.is_empty(), "{mix:?} tells another story\n{}", differing.join("\n"));
    }
}

#[test]
fn a_member_without_a_leader_serves_readers() {
    compare(stories::without_a_leader, &[&[Zoorum, Zoorum]]);
}

#[test]
fn a_leader_leaves_clients_to_others() {
    compare(stories::leader_without_clients, &[&[Zoorum, Zoorum]]);
}

#[test]
fn clients_of_a_follower_with_a_slow_disk_keep_their_sessions() {
    compare(stories::slow_disk, &[&[Zoorum, Zoorum], &[Zoorum, Java]]);
}

#[test]
fn local_sessions_become_known_when_they_must() {
    compare(|mix| stories::local_sessions(mix, true), &[&[Zoorum, Zoorum], &[Zoorum, Java]]);
}

#[test]
fn local_sessions_that_may_not_become_known_own_nothing() {
    compare(|mix| stories::local_sessions(mix, false), &[&[Zoorum, Zoorum], &[Zoorum, Java]]);
}
