//! Hostile and broken peers: whoever comes to the ports where the members of an ensemble talk to each other costs
//! nothing but its own connection, is refused with a line that says who it was and what was wrong, and the ensemble
//! goes on serving writes.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use zoorum_interop::ensemble::{Ensemble, Kind, Plan, Port, ServerId};
use zoorum_interop::server::zoorum_binary;

/// The number of a packet in which a follower says who it is, and of one that acknowledges something.
const FOLLOWER_INFO: i32 = 11;
const ACK: i32 = 3;
/// The protocol of releases since 3.4.
const PROTOCOL: i32 = 0x1_0000;
/// So many connections are opened by a crowd.
const CROWD: usize = 1_500;

/// An ensemble, and its leader.
fn ensemble() -> (Ensemble, ServerId) {
    let mut ensemble = Ensemble::start(&Plan::new(&[Kind::Zoorum; 3], &[]));
    let leader = ensemble.await_leader();
    (ensemble, leader)
}

/// Somebody who calls at a member's port, and says something.
fn call(ensemble: &Ensemble, member: ServerId, port: Port, words: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(ensemble.member(member).address(port)).expect("the port is open");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // The member may have closed before all has been said.
    let _ = stream.write_all(words);
    stream
}

/// Waits until the member hangs up.
fn await_hang_up(mut stream: TcpStream) {
    let mut said = [0; 4096];
    loop {
        match stream.read(&mut said) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the member does not hang up: {error}"),
        }
    }
}

/// Says something at a port; the member hangs up, tells why in its log, naming the caller, and all goes on.
fn expect_refused(ensemble: &mut Ensemble, member: ServerId, port: Port, words: &[u8], reason: &str) {
    let stream = call(ensemble, member, port, words);
    let own = stream.local_addr().expect("an address").to_string();
    await_hang_up(stream);
    ensemble.await_that(&format!("{own} is refused: {reason}"), |ensemble| {
        let log = ensemble.member(member).log();
        log.lines().any(|line| line.contains(&own) && line.contains(reason)).then_some(())
    });
    ensemble.await_write(member);
}

/// The greeting of a server at an election port.
fn hello(server: i64) -> Vec<u8> {
    let (form, address) = (-65_536_i64, b"127.0.0.1:9");
    let length = (address.len() as i32).to_be_bytes();
    [&form.to_be_bytes()[..], &server.to_be_bytes(), &length, address].concat()
}

/// A packet between a learner and its leader; data of any length may be said to follow.
fn packet(kind: i32, zxid: i64, length: i32, data: &[u8]) -> Vec<u8> {
    let nobody = (-1_i32).to_be_bytes();
    [&kind.to_be_bytes()[..], &zxid.to_be_bytes(), &length.to_be_bytes(), data, &nobody].concat()
}

/// What a follower says first, of itself and of the epoch that it has accepted.
fn follower_info(server: i64, accepted: i64, protocol: i32) -> Vec<u8> {
    let data = [&server.to_be_bytes()[..], &protocol.to_be_bytes(), &0_i64.to_be_bytes()].concat();
    packet(FOLLOWER_INFO, accepted << 32, data.len() as i32, &data)
}

#[test]
fn strangers_at_the_election_port_are_refused() {
    let (mut ensemble, leader) = ensemble();
    let own = i64::from(leader.0);
    let too_long = [hello(99), 0x7fff_ffff_i32.to_be_bytes().to_vec()].concat();
    let negative = [hello(99), (-5_i32).to_be_bytes().to_vec()].concat();
    let rows: [(&[u8], &str); 5] = [
        (&(-70_000_i64).to_be_bytes(), "-70000"),
        (&hello(own), "two have one myid"),
        (&too_long, "as server 99"),
        (&negative, "as server 99"),
        (&hello(i64::MAX), "has no number"),
    ];
    for (words, reason) in rows {
        expect_refused(&mut ensemble, leader, Port::Election, words, reason);
    }
    // Not all of a greeting, and nothing more.
    expect_refused(&mut ensemble, leader, Port::Election, &hello(99)[..11], "did not say within");
}

#[test]
fn strangers_at_the_quorum_port_are_refused() {
    let (mut ensemble, leader) = ensemble();
    let own = i64::from(leader.0);
    let other = ensemble.ids().into_iter().find(|id| *id != leader).map_or(0, |id| i64::from(id.0));
    let rows: [(&[u8], &str); 8] = [
        (&follower_info(99, 0, PROTOCOL), "server 99 is not in this server's configuration"),
        (&follower_info(own, 0, PROTOCOL), "two have one myid"),
        (&follower_info(other, 0x7fff_ffff, PROTOCOL), "epoch 0x7fffffff, which is out of range"),
        (&follower_info(other, 0x1000, PROTOCOL), "it has accepted epoch 0x1000"),
        (&follower_info(other, 0, 1), "older than that of release 3.4"),
        (&packet(FOLLOWER_INFO, 0, i32::MAX, &[0; 12]), "2147483647"),
        (&packet(FOLLOWER_INFO, 0, -1, &[]), "does not say which server it is"),
        (&packet(ACK, 1, -1, &[]), "it was to say who it is"),
    ];
    for (words, reason) in rows {
        expect_refused(&mut ensemble, leader, Port::Quorum, words, reason);
    }
    expect_refused(&mut ensemble, leader, Port::Quorum, &[], "nothing was heard of it in time");
    ensemble.await_all_serving();
}

#[test]
fn a_crowd_that_says_nothing_keeps_no_member_out() {
    let (mut ensemble, leader) = ensemble();
    let address = |port| ensemble.member(leader).address(port);
    let (quorum, election) = (address(Port::Quorum), address(Port::Election));
    let connect = |address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
    let crowd: Vec<TcpStream> =
        (0..CROWD).filter_map(|number| connect(if number % 2 == 0 { quorum } else { election })).collect();
    assert!(crowd.len() > CROWD / 2, "only {} connections", crowd.len());
    ensemble.await_write(leader);
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).expect("there are three");
    ensemble.kill(follower);
    ensemble.launch(follower);
    ensemble.await_serving(follower);
    ensemble.await_write(follower);
}

#[test]
fn a_server_with_an_epoch_of_the_future_is_refused_and_the_others_go_on() {
    let (mut ensemble, leader) = ensemble();
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).expect("there are three");
    ensemble.await_write(leader);
    ensemble.stop(follower);
    let files = ensemble.member(follower).data().join("version-2");
    fs::write(files.join("acceptedEpoch"), "77").expect("a promise");
    ensemble.launch(follower);
    ensemble.await_that("it is refused", |ensemble| {
        let log = ensemble.member(leader).log();
        let reason = format!("closing the connection of server {follower} at ");
        let is_it = |line: &str| line.contains(&reason) && line.contains("it has accepted epoch 0x4d");
        log.lines().any(is_it).then_some(())
    });
    ensemble.await_write(leader);
    // A new election takes it along.
    ensemble.kill(leader);
    ensemble.await_leader();
    ensemble.launch(leader);
    ensemble.await_all_serving();
}

/// A member of an ensemble of three that is started by itself, and ends by itself: its exit code, and what it said.
fn run_alone(myid: &str, servers: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("a directory");
    fs::write(data.join("myid"), myid).expect("myid");
    let rest = format!("dataDir={}\nclientPort=0\ninitLimit=5\nsyncLimit=2\n", data.display());
    let config = directory.path().join("zoo.cfg");
    fs::write(&config, rest + servers).expect("zoo.cfg");
    let output = Command::new(zoorum_binary()).args(["server", "start-foreground"]).arg(&config).output();
    let output = output.expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_myid_that_no_line_has_is_refused_at_the_start() {
    let servers = "server.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n";
    let (code, text) = run_alone("9\n", servers);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("My id 9 not in the peer list"), "{text}");
}

#[test]
fn whoever_cannot_have_its_election_port_ends_as_the_original_does() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let servers = format!("server.1=127.0.0.1:1:{port}\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n");
    let (code, text) = run_alone("1\n", &servers);
    assert_eq!(code, Some(14), "{text}");
    assert!(text.contains(&format!("cannot listen on 127.0.0.1:{port}: Address already in use")), "{text}");
}
