//! Any bytes on the port.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::client::request;
use zoorum_interop::wire::{Connect, Wire, framed};

use crate::support::{Chance, Deaf, expect_bounded, expect_served, memory, signal};

#[test]
fn bytes_that_are_no_packets_cost_their_connection() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    let mut chance = Chance(0x5eed_0001);
    let mut connections = Vec::new();
    for round in 0..300 {
        let mut wire = server.wire();
        let length = (chance.next() % 300) as usize;
        let mut bytes = chance.bytes(length);
        match round % 5 {
            0 => {}
            1 => bytes = framed(&bytes),
            2 => bytes.splice(0..0, i32::to_be_bytes(-round)).for_each(drop),
            3 => bytes.splice(0..0, (1_000_000_i32).to_be_bytes()).for_each(drop),
            _ => {
                // A handshake with one byte changed, or cut short.
                bytes = framed(&Connect::default().encode());
                let at = (chance.next() as usize) % bytes.len();
                bytes[at] ^= chance.next() as u8;
                bytes.truncate(bytes.len() - (chance.next() as usize) % 3);
            }
        }
        wire.write(&bytes);
        connections.push(wire);
    }
    expect_served(&mut neighbour);
    drop(connections);
    expect_served(&mut neighbour);
}

#[test]
fn records_that_lie_are_refused() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    let before = memory(&server);
    let mut chance = Chance(0x5eed_0002);
    for kind in (-11..=23).chain(99..=108).chain([i32::MIN, i32::MAX]) {
        for _ in 0..4 {
            let mut client = Deaf::connect(server.address());
            for xid in 0..20 {
                let length = (chance.next() % 64) as usize;
                let mut record = chance.bytes(length);
                if chance.next().is_multiple_of(2) {
                    // Lengths and counts at the start that are plausible, or just too large.
                    let number = [1, 2, 4, 60, 1 << 20, i32::MAX, -1, -2][(chance.next() % 8) as usize];
                    record.splice(0..0, i32::to_be_bytes(number));
                }
                client.send(&request(xid, kind, &record));
            }
        }
        expect_served(&mut neighbour);
    }
    expect_bounded(&server, before, 100);
}

#[test]
fn words_with_garbage_behind_them_are_answered_or_reset() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    let before = memory(&server);
    for word in ["ruok", "stat", "mntr", "stmk", "nono"] {
        let mut deaf = Vec::new();
        for _ in 0..20 {
            let stream = TcpStream::connect(server.address()).expect("connect");
            let mut wire = Wire::on(stream);
            wire.write(&[word.as_bytes(), &[b'x'; 100_000]].concat());
            deaf.push(wire);
        }
        expect_served(&mut neighbour);
    }
    expect_bounded(&server, before, 100);
}

#[test]
fn connections_that_never_speak_and_storms_of_them_leave_nothing() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    let before = memory(&server);
    let silent: Vec<Wire> = (0..800).map(|_| server.wire()).collect();
    expect_served(&mut neighbour);
    for round in 0..3000 {
        let mut wire = server.wire();
        if round % 3 > 0 {
            wire.write(&framed(&Connect::default().encode())[..if round % 3 == 1 { 20 } else { 49 }]);
        }
        wire.hang_up();
    }
    expect_served(&mut neighbour);
    drop(silent);
    expect_bounded(&server, before, 100);
}

#[test]
fn an_end_that_comes_along_with_the_last_bytes_is_seen() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut halves: Vec<TcpStream> = Vec::new();
    let mut wires = Vec::new();
    for _ in 0..8 {
        let stream = TcpStream::connect(server.address()).expect("connect");
        halves.push(stream.try_clone().expect("the stream twice"));
        let mut wire = Wire::on(stream);
        wire.handshake(&Connect::default()).expect("a session");
        wires.push(wire);
    }
    // While the server stands still, half a frame and the end reach its socket together.
    signal(&server, "STOP");
    for half in &mut halves {
        half.write_all(&[0, 0])
            .and_then(|()| half.shutdown(Shutdown::Write))
            .expect("half a frame and the end");
    }
    signal(&server, "CONT");
    // Long before the sessions expire.
    wires.iter_mut().for_each(Wire::expect_closed);
}
