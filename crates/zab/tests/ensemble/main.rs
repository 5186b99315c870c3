//! Whole ensembles of peers on virtual time: elections, synchronization and broadcast under crashes and cuts,
//! with logs that keep what was synced and nothing else.

mod requests;
mod world;

use std::time::Duration;

use world::World;
use zoorum_proto::{Epoch, OpCode};

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("ZOORUM_ZAB_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    0..count
}

#[test]
fn three_servers_elect_a_leader_and_commit() {
    let mut world = World::new(1, 3, 0);
    world.run_until("there is a leader", |world| world.leader().is_some());
    for _ in 0..10 {
        world.propose();
    }
    world.run_until("all have all", |world| world.all_delivered(10));
}

#[test]
fn a_server_alone_leads_itself() {
    let mut world = World::new(2, 1, 0);
    world.run_until("there is a leader", |world| world.leader().is_some());
    world.propose();
    world.run_until("it is committed", |world| world.all_delivered(1));
}

#[test]
fn observers_learn_and_do_not_vote() {
    let mut world = World::new(3, 3, 2);
    world.run_until("there is a leader", |world| world.leader().is_some());
    world.propose();
    world.run_until("all have it", |world| world.all_delivered(1));
}

#[test]
fn learners_are_answered_in_the_order_in_which_they_asked() {
    let mut world = World::new(5, 3, 1);
    world.run_until("there is a leader, and all follow", |world| world.all_delivered(0));
    let mut changes = 0;
    for round in 0..50 {
        for at in 0..4 {
            world.ask(at, if (round + at) % 3 == 0 { OpCode::Sync } else { OpCode::SetData });
        }
        world.propose();
        changes += 1;
    }
    world.run_until("all have all", |world| world.all_delivered(changes));
}

#[test]
fn a_dead_leader_is_replaced_and_nothing_is_lost() {
    let mut world = World::new(4, 3, 0);
    world.run_until("there is a leader", |world| world.leader().is_some());
    for _ in 0..5 {
        world.propose();
    }
    world.run_until("all have all", |world| world.all_delivered(5));
    let dead = world.leader().expect("there is a leader");
    world.kill(dead);
    world.run_until("there is another leader", |world| world.leader().is_some_and(|leader| leader != dead));
    world.propose();
    world.start(dead);
    world.run_until("all have all", |world| world.all_delivered(6));
}

#[test]
fn ensembles_under_faults_agree_and_recover() {
    for seed in seeds() {
        let voters = [3, 5, 3, 4][seed as usize % 4];
        let mut world = World::new(seed, voters, seed as usize % 3);
        world.run_with_faults(Duration::from_secs(60));
        world.heal();
        world.run_until("there is a leader again", |world| world.leader().is_some());
        let count = world.committed() + 1;
        world.propose();
        world.run_until("all have all", |world| world.all_delivered(count));
    }
}

#[test]
fn a_voter_that_has_lost_its_files_and_knows_it_does_not_help_to_lose_what_was_committed() {
    let mut world = World::new(5, 3, 0);
    world.run_until("there is a leader", |world| world.leader().is_some());
    world.propose();
    world.run_until("all have it", |world| world.all_delivered(1));
    let leader = world.leader().expect("there is a leader");
    let [laggard, wiped] = [(leader + 1) % 3, (leader + 2) % 3];
    world.kill(laggard);
    for _ in 0..3 {
        world.propose();
    }
    world.run_until("two have all", |world| world.committed() == 4);
    world.kill(leader);
    world.kill(wiped);
    world.wipe(wiped);
    world.start(laggard);
    world.start(wiped);
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.leader(), None, "of the two, neither knows what was committed");
    world.start(leader);
    world.run_until("all have all", |world| world.all_delivered(4));
}

#[test]
fn what_is_restored_on_a_leader_becomes_everybodys() {
    for seed in 0..20 {
        let mut world = World::new(seed, [3, 5][seed as usize % 2], 1);
        world.run_until("there is a leader", |world| world.leader().is_some());
        (0..seed).for_each(|_| world.propose());
        world.run_until("all have all", |world| world.all_delivered(seed as usize));
        world.propose(); // and it stays open what becomes of this one
        // Of this ensemble's history, or of that of another one.
        let origin = Epoch(if seed % 3 == 0 { 40 } else { 0 });
        let restored = world.restore(origin).expect("there is a leader");
        world.expect_from(restored);
        world.run_until("all have it, and nothing else", World::all_agree);
        world.propose();
        world.run_until("all have what follows", |world| world.committed() == 2 && world.all_agree());
        assert!(world.epoch() > origin, "later than all that was restored");
    }
}

#[test]
fn what_was_restored_on_a_leader_that_died_is_given_up_if_the_others_went_on() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3, 0);
        world.run_until("there is a leader", |world| world.leader().is_some());
        (0..seed).for_each(|_| world.propose());
        world.run_until("all have all", |world| world.all_delivered(seed as usize));
        let leader = world.leader().expect("there is a leader");
        world.restore(Epoch::ZERO).expect("there is a leader");
        world.kill(leader);
        world.run_until("the others have a leader", |world| world.leader().is_some());
        world.propose();
        world.start(leader);
        let count = seed as usize + 1;
        world.run_until("all have what the others had", |world| {
            world.committed() == count && world.all_agree()
        });
    }
}

#[test]
fn observers_learn_from_followers_and_find_others_when_those_are_gone() {
    let mut world = World::new(7, 3, 2);
    world.run_until("there is a leader", |world| world.leader().is_some());
    world.propose();
    world.run_until("all have it", |world| world.all_delivered(1));
    let leader = world.leader().expect("there is a leader");
    let followers: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    assert_eq!(world.observers_of(leader), 0, "the leader has none of them");
    assert_eq!(followers.iter().map(|at| world.observers_of(*at)).sum::<usize>(), 2);
    let master = *followers.iter().max_by_key(|at| world.observers_of(**at)).expect("two followers");
    world.kill(master);
    (0..20).for_each(|_| world.propose());
    let other = followers.iter().copied().find(|at| *at != master).expect("another");
    world.run_until("the other one has both", |world| world.observers_of(other) == 2);
    world.start(master);
    world.run_until("all have all", |world| world.all_delivered(21));
    world.kill(leader);
    world.run_until("there is another leader", |world| world.leader().is_some_and(|now| now != leader));
    world.propose();
    world.start(leader);
    world.run_until("all have all", |world| world.all_delivered(22));
}
