//! Conversations: what two clients send, in whatever pieces it comes, answered by a whole server.
//!
//! ```text
//! input    settings u8 · (control u8 · length u16 · bytes) …
//! control  bit 0: which client        bit 1: the bytes get the length of a frame in front
//!          bit 2: the server goes on  bit 3: time passes     bit 4: the client goes and comes again
//!          bit 5: the bytes are a handshake's end, or if there are none, a new session is asked for
//! ```
//!
//! What is proposed is written to a log, and in the end the log must make the same tree again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::connect::{ConnectRequest, ReadOnly};
use zoorum_proto::{Decode, Encode, Reader, SessionId, Txn, WallClock, Zxid};
use zoorum_server::message::{ConnectionId, WorkerId};
use zoorum_server::replica::Now;
use zoorum_server::settings::{
    AdmissionSettings, AuthSettings, ContainerSettings, EPOCH_CHANGES_MAX, MemberSettings, SnapshotSettings,
};
use zoorum_server::{Gate, Monotonic, Replica, Settings, Worker};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{LogOptions, RecoverOptions, Tail, TxnLog, recover};
use zoorum_tree::{AclRules, Rules, Tree};

use crate::snapshots::{check_copy, store};
use crate::{take_byte, take_chunk};

/// Lets the clients send what the input says.
pub fn run(mut input: &[u8]) {
    let mut server = Server::start(take_byte(&mut input));
    while !input.is_empty() {
        let control = take_byte(&mut input);
        let which = usize::from(control & 1);
        let bytes = take_chunk(&mut input);
        if control & 16 != 0 {
            server.reconnect(which);
        }
        if control & 32 != 0 {
            server.receive(which, &framed(&handshake(bytes)));
        } else if control & 2 != 0 {
            server.receive(which, &framed(bytes));
        } else {
            server.receive(which, bytes);
        }
        if control & 8 != 0 {
            server.pass_time();
        }
        if control & 4 != 0 {
            server.go_on();
        }
    }
    server.go_on();
    server.end();
}

/// The bytes with their length in front.
fn framed(bytes: &[u8]) -> Vec<u8> {
    Encode::to_vec(bytes) // a buffer in jute is just that
}

fn handshake(end: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 4_000,
        session: SessionId::NONE,
        password: Some(&[0; 16]),
        read_only: Some(ReadOnly(false)),
    }
    .encode(&mut out);
    if !end.is_empty() {
        // Behind the protocol version, everything is the fuzzer's.
        out.truncate(4);
        out.extend_from_slice(end);
    }
    out
}

/// One client, on a worker of its own.
struct Client {
    worker: Worker,
    connection: ConnectionId,
    /// Whether it has sent a four-letter word: the answer is no frame.
    asked_word: bool,
}

/// A server whose disk is memory.
struct Server {
    tree: Tree,
    replica: Replica,
    clients: [Client; 2],
    now: Duration,
    disk: MemoryDisk,
    log: TxnLog<MemoryDisk>,
}

impl Server {
    fn start(kind: u8) -> Self {
        let mut tree = Tree::new(1);
        let disk = MemoryDisk::new();
        store(&mut tree, &disk);
        let settings = Arc::new(settings(kind));
        let tail = Tail { last_zxid: Zxid::ZERO, empty_file: None, bytes_since_snapshot: 0 };
        let options = LogOptions { preallocate_bytes: 0, ..LogOptions::default() };
        let now = Duration::from_secs(1);
        let gate = Arc::new(Gate::new(&settings.admission, Monotonic(now), 1));
        let client = |id: u16| {
            let mut worker = Worker::new(WorkerId(id), Arc::clone(&settings), Arc::clone(&gate), 1);
            let connection = worker.on_accepted(Monotonic(now), peer(id));
            Client { worker, connection, asked_word: false }
        };
        let mut replica = Replica::new(Arc::clone(&settings), &tree, 2, clocks(now), 1);
        replica.start_auditing();
        Self {
            clients: [client(0), client(1)],
            replica,
            log: TxnLog::open(disk.clone(), tail, options),
            tree,
            now,
            disk,
        }
    }

    fn receive(&mut self, which: usize, bytes: &[u8]) {
        let client = &mut self.clients[which];
        client.worker.on_received(&self.tree, Monotonic(self.now), client.connection, bytes);
    }

    fn reconnect(&mut self, which: usize) {
        let client = &mut self.clients[which];
        client.worker.on_closed(client.connection);
        client.connection = client.worker.on_accepted(Monotonic(self.now), peer(which as u16));
        client.asked_word = false;
    }

    fn pass_time(&mut self) {
        self.now += Duration::from_millis(1_500);
        self.clients.iter_mut().for_each(|client| client.worker.on_tick(Monotonic(self.now)));
    }

    /// The loops of a host, until nothing is left to do.
    fn go_on(&mut self) {
        loop {
            let asked = self.ask_replica();
            self.publish();
            let logged = self.log_proposals();
            self.publish();
            let sent = (0..self.clients.len()).map(|which| self.serve(which)).max().unwrap_or_default();
            if !asked && !logged && sent == 0 {
                break;
            }
        }
        self.replica.check_invariants();
        self.replica.take_audit_records();
        self.replica.take_expired();
        if self.replica.take_snapshot_due() {
            self.log.roll();
            store(&mut self.tree, &self.disk);
        }
    }

    fn ask_replica(&mut self) -> bool {
        let mut asked = false;
        let now = clocks(self.now);
        for client in &mut self.clients {
            if client.worker.has_requests() {
                let requests = client.worker.take_requests();
                self.replica.on_requests(&self.tree, now, client.worker.id(), &requests);
                asked = true;
            }
        }
        if now.monotonic >= self.replica.next_wakeup() {
            self.replica.on_tick(&self.tree, now);
        }
        asked
    }

    fn log_proposals(&mut self) -> bool {
        let now = clocks(self.now);
        let Some(proposals) = self.replica.take_proposals(&self.tree, now) else { return false };
        for (zxid, txn) in proposals.iter() {
            let decoded = Txn::from_bytes(txn).expect("what is proposed can be decoded");
            assert_eq!(decoded.to_vec(), txn, "what is proposed is encoded as every server does");
            self.log.append(zxid, txn);
        }
        let synced = self.log.sync().expect("memory takes it");
        self.replica.on_synced(&self.tree, now, synced.through);
        true
    }

    /// Applies what is committed, and tells the workers before they see the tree.
    fn publish(&mut self) {
        let watching = [0, 1].map(|which: usize| self.clients[which].worker.has_watches());
        while self.replica.can_apply() {
            self.replica.apply(&mut self.tree, &watching);
        }
        for client in &mut self.clients {
            let outcomes = self.replica.take_outcomes(client.worker.id());
            client.worker.on_outcomes(&self.tree, Monotonic(self.now), [&outcomes]);
        }
    }

    /// Sends what a client is owed. How many bytes that were.
    fn serve(&mut self, which: usize) -> usize {
        let client = &mut self.clients[which];
        for command in client.worker.take_commands() {
            client.asked_word |= command.connection == client.connection;
            client.worker.on_answer(command.connection, b"an answer");
        }
        client.worker.take_dirty(&mut Vec::new());
        let output = client.worker.output(client.connection).to_vec();
        client.worker.on_sent(client.connection, output.len());
        if !client.asked_word {
            let mut input = Reader::new(&output);
            while !input.rest().is_empty() {
                <&[u8]>::decode(&mut input).expect("a server sends whole frames");
            }
        }
        if client.worker.can_resume() {
            client.worker.resume(&self.tree, Monotonic(self.now));
            return 1;
        }
        if client.worker.is_closing(client.connection) {
            self.reconnect(which);
        }
        output.len()
    }

    /// A restart finds the same tree.
    fn end(mut self) {
        self.disk.crash_hard();
        let recovered = recover(&self.disk, &self.disk, &RecoverOptions::default())
            .expect("what a server leaves can be recovered");
        assert_eq!(recovered.tree.last_zxid(), self.tree.last_zxid(), "every change was logged");
        assert_eq!(recovered.tree.digest(), self.tree.digest(), "the log makes the same tree again");
        assert_eq!(recovered.tree.session_count(), self.tree.session_count());
        assert_eq!(recovered.tree.ephemeral_count(), self.tree.ephemeral_count());
        check_copy(&mut self.tree);
    }
}

fn peer(id: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5_000 + id))
}

fn clocks(now: Duration) -> Now {
    Now { monotonic: Monotonic(now), wall: WallClock(1_700_000_000_000 + now.as_millis() as i64) }
}

/// Small limits, so that they are reached.
fn settings(kind: u8) -> Settings {
    let is = |bit: u8| kind & (1 << bit) != 0;
    let acl = AclRules {
        skip: is(0),
        x509: is(1),
        sasl: is(1),
        ensemble: is(2),
        key: is(1),
        ..AclRules::default()
    };
    Settings {
        server_id: 1,
        tick: Duration::from_secs(2),
        session_timeout_min_ms: 4_000,
        session_timeout_max_ms: 40_000,
        frame_limit: 0xf_ffff,
        sessionless_timeout: Duration::from_secs(10),
        slow_operation: (kind & 1 == 1).then_some(Duration::from_secs(1)),
        rules: Rules {
            acl,
            enforce_quota: is(3),
            extended_types: !is(4),
            digest: true,
            close_session_paths: !is(5),
            reconfig_enabled: is(6),
        },
        auth: AuthSettings {
            digest: true,
            super_digest: Some("super:xQJmxLMiHGwaqBvst5y6rkB6HQs=".to_owned()),
            ensemble: is(2).then(|| vec!["zoo".to_owned()]),
            enforced_schemes: if is(7) { vec!["digest".to_owned()] } else { Vec::new() },
            ..AuthSettings::default()
        },
        containers: ContainerSettings {
            interval: Duration::from_secs(2),
            max_per_minute: 10_000,
            max_never_used: Some(Duration::from_secs(1)),
        },
        snapshots: SnapshotSettings { transactions: 6, log_bytes: None },
        outstanding_limit: 3,
        admission: AdmissionSettings::default(),
        epoch_changes: EPOCH_CHANGES_MAX,
        member: MemberSettings::default(),
    }
}
