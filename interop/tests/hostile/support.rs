//! What the tests watch: the server's memory, and whether others are served.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use zoorum_interop::server::Server;
use zoorum_interop::wire::client::{create_record, request};
use zoorum_interop::wire::{Acl, Client, Connect, SubOp, Wire, flag, op};

/// How long a neighbour may wait for an answer while somebody else misbehaves. The machine is shared.
const REASONABLE: Duration = Duration::from_secs(3);
/// Most operations that one multi of a test has.
const MULTI: usize = 5000;

/// The server's process, as its lock tells.
pub fn process_of(server: &Server) -> u32 {
    let lock = fs::read_to_string(server.directory().join("data/zoorum/LOCK")).expect("read the lock");
    lock.trim().parse().expect("the lock has a process id")
}

/// Sends the server a signal, by its name.
pub fn signal(server: &Server, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process_of(server).to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
}

/// Memory of the server, in MiB.
pub fn memory(server: &Server) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", process_of(server))).expect("the server lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has memory");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
    kib >> 10
}

/// Checks that the server's memory has not grown by more than `limit` MiB since `before`.
pub fn expect_bounded(server: &Server, before: u64, limit: u64) {
    let now = memory(server);
    assert!(now <= before + limit, "memory grew from {before} to {now} MiB, {limit} more are reasonable");
}

/// Checks that a client who has nothing to do with it is served, reads and writes.
pub fn expect_served(neighbour: &mut Client) {
    let begun = Instant::now();
    let path = neighbour.create("/neighbour-", b"x", flag::EPHEMERAL_SEQUENTIAL).expect("a create");
    assert_eq!(neighbour.get_data(&path, false).map(|(data, _)| data), Ok(Some(b"x".to_vec())));
    assert_eq!(neighbour.delete(&path, -1), Ok(()));
    let took = begun.elapsed();
    assert!(took < REASONABLE, "the neighbour waited for {took:?}");
}

/// Creates a parent with so many children of these names, a few thousand at a time.
pub fn create_children(client: &mut Client, parent: &str, count: usize) {
    client.create(parent, b"", 0).expect("the parent");
    let names: Vec<String> = (0..count).map(|number| format!("{parent}/{number:07}")).collect();
    for names in names.chunks(MULTI) {
        let ops: Vec<SubOp> =
            names.iter().map(|name| (op::CREATE, create_record(name, b"", &Acl::open(), 0))).collect();
        assert!(client.multi(&ops).is_ok(), "creating children");
    }
}

/// Somebody who sends and never reads.
pub struct Deaf {
    stream: TcpStream,
}

impl Deaf {
    /// Connects and opens a session, whose answer is the last thing that is read.
    pub fn connect(address: SocketAddr) -> Deaf {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let mut wire = Wire::on(stream.try_clone().expect("the stream twice"));
        wire.handshake(&Connect::default()).expect("a session");
        stream.flush().expect("flush");
        Deaf { stream }
    }

    /// Sends as much as the server takes of it, and says how much that was: the server stops reading, or closes.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        sent
    }

    /// Reads after all, until the server closes or has nothing more to say for a while; how many bytes came.
    pub fn read_all(&mut self) -> u64 {
        self.stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        let (mut total, mut part) = (0, vec![0; 1 << 20]);
        loop {
            match self.stream.read(&mut part) {
                Ok(count) if count > 0 => total += count as u64,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return total,
            }
        }
    }
}

/// The same request many times, numbered from 1.
pub fn repeated(count: i32, kind: i32, record: &[u8]) -> Vec<u8> {
    (1..=count).flat_map(|xid| request(xid, kind, record)).collect()
}

/// Waits until `holds`, and gives up after a minute.
pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Numbers that look like chance and are the same in every run.
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}
