//! Members of both implementations that call each other directly: from followers of their own to observers, at
//! several addresses each, and with more to catch up on than a leader remembers.
//!
//! `ZOORUM_ENSEMBLES=all` plays all of it, and to its end, where some is enough for every day.

use std::sync::Mutex;

use zoorum_interop::ensemble::neighbours::Neighbours;
use zoorum_interop::ensemble::{Kind, Settings};
use zoorum_interop::wire::{Client, Connect, flag};

use Kind::{Java395 as Java, Zoorum};

/// Members' timeouts are short, and a machine must not be busy with two ensembles.
static MACHINE: Mutex<()> = Mutex::new(());

fn everything() -> bool {
    std::env::var("ZOORUM_ENSEMBLES").as_deref() == Ok("all")
}

/// Writes through one member, and reads through another what was written.
fn write_and_read(ensemble: &Neighbours, writer: usize, reader: usize, name: &str) {
    let mut client = ensemble.client(writer);
    let path = client.create(&format!("/{name}"), name.as_bytes(), 0).expect("it is written");
    client.close();
    let mut client = ensemble.client(reader);
    client.sync(Some(&path)).expect("it is in step");
    assert_eq!(client.get_data(&path, false).expect("it is there").0.as_deref(), Some(name.as_bytes()));
    client.close();
}

/// An observer learns from followers, through their deaths.
fn observe(voters: [Kind; 3], observer: Kind) {
    let _alone = MACHINE.lock().unwrap_or_else(|failed| failed.into_inner());
    let settings = Settings::default().with("observerMasterPort", "set");
    let mut ensemble = Neighbours::start(&voters, &[observer], settings, 1);
    assert_eq!(ensemble.connections_of_observers(), 1, "{}", ensemble.log(4));
    write_and_read(&ensemble, 4, 1, "through-a-follower");
    write_and_read(&ensemble, 1, 4, "to-an-observer");
    // A session goes to the observer and back: whoever it comes to asks the leader whether it lives.
    let session = ensemble.client(1).hang_up();
    let mut client = Client::connect_with(ensemble.client_address(4), &Connect::resume(&session));
    assert_eq!(client.id(), session.session, "the observer knows it");
    client.create("/of-a-session-that-moves", b"", flag::EPHEMERAL).expect("it is written");
    let session = client.hang_up();
    Client::connect_with(ensemble.client_address(1), &Connect::resume(&session)).close();
    let leader = ensemble.leader();
    if !everything() {
        return;
    }
    for follower in (1..=3).filter(|id| *id != leader) {
        ensemble.kill(follower);
        ensemble.launch(follower);
        ensemble.await_serving(follower);
        ensemble.await_serving(4);
    }
    write_and_read(&ensemble, 4, leader, "through-another");
    ensemble.kill(4);
    ensemble.wipe(4);
    ensemble.launch(4);
    ensemble.await_serving(4);
    write_and_read(&ensemble, leader, 4, "to-an-empty-observer");
}

#[test]
fn an_observer_of_javas_learns_from_zoorum() {
    observe([Zoorum, Zoorum, Zoorum], Java);
}

#[test]
fn an_observer_learns_from_followers_of_javas() {
    if everything() {
        observe([Java, Java, Java], Zoorum);
    }
}

#[test]
fn an_observer_learns_from_a_follower_between_it_and_a_leader_of_javas() {
    if everything() {
        observe([Zoorum, Zoorum, Java], Zoorum);
        observe([Java, Java, Zoorum], Java);
        observe([Zoorum, Zoorum, Zoorum], Zoorum);
    }
}

/// More has been written than a leader remembers, and no limit is set to what it reads from its log.
fn catch_up(leader: Kind, follower: Kind, told: &str) {
    let _alone = MACHINE.lock().unwrap_or_else(|failed| failed.into_inner());
    let settings = Settings::default().with("commitLogCount", "500").with("snapshotSizeFactor", "0");
    // The highest number leads, when all histories are the same.
    let mut ensemble = Neighbours::start(&[follower, leader, leader], &[], settings, 1);
    assert_ne!(ensemble.leader(), 1);
    write_and_read(&ensemble, 1, 3, "before");
    ensemble.kill(1);
    let leader = ensemble.leader();
    let mut client = ensemble.client(leader);
    for number in 0..800 {
        client.create(&format!("/n{number}"), &[7; 100], 0).expect("it is written");
    }
    client.close();
    ensemble.launch(1);
    ensemble.await_serving(1);
    write_and_read(&ensemble, leader, 1, "after");
    let mut client = ensemble.client(1);
    assert!((0..800).all(|number| client.exists(&format!("/n{number}"), false).is_ok()));
    client.close();
    let log = ensemble.log(leader);
    assert!(log.contains(told), "{log}");
}

#[test]
fn a_follower_of_javas_is_fed_from_zoorums_log() {
    catch_up(Zoorum, Java, "from the files of the log");
}

#[test]
fn a_follower_is_fed_from_javas_log() {
    if everything() {
        catch_up(Java, Zoorum, "Use txnlog and committedLog");
    }
}

#[test]
fn servers_with_several_addresses_find_each_other() {
    if !everything() {
        return;
    }
    let _alone = MACHINE.lock().unwrap_or_else(|failed| failed.into_inner());
    let settings = Settings::default().with("multiAddress.enabled", "true");
    let mut ensemble = Neighbours::start(&[Zoorum, Java, Zoorum], &[], settings, 2);
    write_and_read(&ensemble, 1, 2, "one");
    let leader = ensemble.leader();
    ensemble.kill(leader);
    let next = ensemble.leader();
    ensemble.launch(leader);
    ensemble.await_serving(leader);
    write_and_read(&ensemble, leader, next, "two");
}

#[test]
fn two_empty_servers_take_whole_trees_at_once() {
    if !everything() {
        return;
    }
    let _alone = MACHINE.lock().unwrap_or_else(|failed| failed.into_inner());
    let settings = Settings::default().with("snapshotSizeFactor", "-1").with("commitLogCount", "500");
    let mut ensemble = Neighbours::start(&[Zoorum, Zoorum, Zoorum], &[Java, Zoorum], settings, 1);
    let leader = ensemble.leader();
    let mut client = ensemble.client(leader);
    for number in 0..700 {
        client.create(&format!("/n{number}"), &[7; 5_000], 0).expect("it is written");
    }
    client.close();
    for id in [4, 5] {
        ensemble.kill(id);
        ensemble.wipe(id);
    }
    [4, 5].into_iter().for_each(|id| ensemble.launch(id));
    for id in [4, 5] {
        ensemble.await_serving(id);
        write_and_read(&ensemble, leader, id, &format!("to-{id}"));
    }
}
