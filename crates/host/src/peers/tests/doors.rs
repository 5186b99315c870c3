use std::io::{self, Write};
use std::num::NonZeroU32;

use super::*;

fn at(host: &str, address: SocketAddr) -> Vec<HostPort> {
    vec![HostPort { host: host.to_owned(), port: address.port() }]
}

#[test]
fn a_door_can_be_shut_and_opened_again_while_those_inside_stay() {
    let mut scene = Scene::with_doors();
    let address = scene.open(Door::Quorum);
    let (mut guest, link) = scene.called_at(address);
    scene.perform(LinkAction::Shut { door: Door::Quorum });
    assert!(TcpStream::connect(address).is_err(), "shut");
    scene.sockets.options.quorum = at("127.0.0.1", address);
    assert_eq!(scene.open(Door::Quorum), address);
    let (_other, _) = scene.called_at(address);
    guest.write_all(b"still here").expect("a write");
    assert_eq!(scene.received(link, 10), b"still here");
}

#[test]
fn each_door_is_known_by_its_callers() {
    let mut scene = Scene::with_doors();
    for door in [Door::Election, Door::Quorum, Door::ObserverMaster] {
        let address = scene.open(door);
        let _peer = TcpStream::connect(address).expect("a connection");
        let called = scene.until("accepted", |event| match event {
            LinkEvent::Accepted { door, link, .. } => Some((*door, *link)),
            _ => None,
        });
        assert_eq!(called.0, door);
        assert!(called.1 >= LinkId(LinkId::ACCEPTED));
    }
}

#[test]
fn a_quorum_door_that_is_taken_is_reported_at_once() {
    let (_taken, address) = listener();
    let quorum = at("127.0.0.1", address);
    let mut scene = Scene::with(PeerOptions { quorum, ..PeerOptions::alone() });
    scene.perform(LinkAction::Open { door: Door::Quorum });
    let reason = scene.until_shut(Door::Quorum);
    assert!(reason.starts_with(&format!("cannot listen on {address}: ")), "{reason}");
    scene.perform(LinkAction::Open { door: Door::Quorum });
    scene.until_shut(Door::Quorum);
}

#[test]
fn an_election_door_that_is_taken_opens_once_it_is_free() {
    let (taken, address) = listener();
    let mut scene = Scene::with(PeerOptions {
        election: at("127.0.0.1", address),
        election_bind_attempts: None,
        ..PeerOptions::alone()
    });
    scene.perform(LinkAction::Open { door: Door::Election });
    scene.sockets.poll(Duration::ZERO, &mut scene.events).expect("a poll");
    assert!(scene.events.is_empty(), "{:?}", scene.events);
    drop(taken);
    while scene.sockets.doors.bound_to(Door::Election).is_empty() {
        scene.turn();
    }
    scene.called_at(address);
}

#[test]
fn an_election_door_is_given_up_after_the_configured_attempts() {
    let (_taken, address) = listener();
    let mut scene = Scene::with(PeerOptions {
        election: at("127.0.0.1", address),
        election_bind_attempts: NonZeroU32::new(2),
        ..PeerOptions::alone()
    });
    scene.perform(LinkAction::Open { door: Door::Election });
    scene.until_shut(Door::Election);
}

#[test]
fn one_of_several_addresses_is_enough() {
    let ((_taken, address), free) = (listener(), nobody());
    let quorum = [at("127.0.0.1", address), at("localhost-by-name", free)].concat();
    let lookup = |_: &str| Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]);
    let mut scene = Scene::looking_up(PeerOptions { quorum, ..PeerOptions::alone() }, Arc::new(lookup));
    scene.perform(LinkAction::Open { door: Door::Quorum });
    while scene.sockets.doors.bound_to(Door::Quorum).is_empty() {
        scene.turn();
    }
    scene.called_at(free);
}

#[test]
fn a_name_of_ones_own_that_is_not_found_is_a_reason() {
    let lookup = |_: &str| Err(io::Error::other("no such name"));
    let quorum = at("zk1", nobody());
    let mut scene = Scene::looking_up(PeerOptions { quorum, ..PeerOptions::alone() }, Arc::new(lookup));
    scene.perform(LinkAction::Open { door: Door::Quorum });
    let reason = scene.until_shut(Door::Quorum);
    assert!(reason.starts_with("cannot listen on zk1:") && reason.ends_with(": no such name"), "{reason}");
}

#[test]
fn a_door_on_all_interfaces_names_callers_plainly() {
    let address = nobody();
    let quorum = at(HostPort::ANY_HOST, address);
    let mut scene = Scene::with(PeerOptions { quorum, ..PeerOptions::alone() });
    scene.open(Door::Quorum);
    scene.called_at(address); // compares with the peer's own idea of its address
}

#[test]
fn a_door_without_an_address_is_reported() {
    let mut scene = Scene::new();
    scene.perform(LinkAction::Open { door: Door::ObserverMaster });
    assert_eq!(scene.until_shut(Door::ObserverMaster), "no address is configured for it");
}
