//! Conversations with a worker: what sockets receive, what the replica decides, what leaves.

mod admission;
mod leave;
mod times;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::connect::{ConnectRequest, ReadOnly};
use zoorum_proto::op::{PathAndWatch, RequestHeader};
use zoorum_proto::reply::ReplyHeader;
use zoorum_proto::{Decode, Encode, OpCode, Reader, SessionId, Xid, Zxid};
use zoorum_tree::{ChangeKind, Tree};

use super::Worker;
use crate::frame;
use crate::gate::Gate;
use crate::message::{ConnectionId, Outcome, Outcomes, Request, TreeChange, WorkerId};
use crate::settings::{AdmissionSettings, Settings, test_settings};
use crate::time::Monotonic;

const NOW: Monotonic = Monotonic(std::time::Duration::ZERO);
const SESSION: SessionId = SessionId(0x100_0000_0000_0001);

/// A worker with one client, who has a session.
struct Scene {
    tree: Tree,
    worker: Worker,
    client: ConnectionId,
}

impl Scene {
    fn start() -> Self {
        Self::before_handshake().connected()
    }

    fn connected(self) -> Self {
        let mut scene = self;
        scene.receive(&framed(|out| connect_request(SessionId::NONE).encode(out)));
        let requests = scene.worker.take_requests();
        assert!(matches!(requests.items[..], [Request::Connect { session: None, .. }]));
        scene.decide(vec![Outcome::Connected {
            connection: scene.client,
            session: Some(SESSION),
            timeout_ms: 4000,
            read_only: Some(ReadOnly(false)),
        }]);
        assert_eq!(scene.sent().len(), 4 + 37, "a connect response with its read-only flag");
        scene
    }

    fn before_handshake() -> Self {
        Self::before_handshake_with(AdmissionSettings::default())
    }

    fn with(admission: AdmissionSettings) -> Self {
        Self::before_handshake_with(admission).connected()
    }

    fn before_handshake_with(admission: AdmissionSettings) -> Self {
        Self::of(Settings { admission, ..test_settings() })
    }

    fn of(settings: Settings) -> Self {
        let gate = Gate::new(&settings.admission, NOW, 7);
        let mut worker = Worker::new(WorkerId(0), Arc::new(settings), Arc::new(gate), 7);
        let client = worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5000)));
        Self { tree: Tree::new(7), worker, client }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.worker.on_received(&self.tree, NOW, self.client, bytes);
    }

    fn decide(&mut self, items: Vec<Outcome>) {
        self.worker.on_outcomes(&self.tree, NOW, [&Outcomes { items, ..Outcomes::default() }]);
    }

    /// The replica answers the oldest request that it has.
    fn reply(&mut self, xid: i32) {
        let mut bytes = Vec::new();
        frame::reply(&mut bytes, Xid(xid), Zxid(9), |_| {});
        let frame = 0..bytes.len();
        let items = vec![Outcome::Reply { connection: self.client, frame, err: 0, close: false }];
        self.worker.on_outcomes(&self.tree, NOW, [&Outcomes { bytes, items, ..Outcomes::default() }]);
    }

    /// The xids of what the replica is asked.
    fn asked(&mut self) -> Vec<i32> {
        let xid = |request: &Request| match request {
            Request::Write { xid, .. } | Request::Read { xid, .. } => Some(xid.0),
            _ => None,
        };
        self.worker.take_requests().items.iter().filter_map(xid).collect()
    }

    fn root_changes(&self, zxid: i64) -> Outcome {
        let acl = self.tree.node("/").expect("there is a root").acl().clone();
        Outcome::Changed(TreeChange {
            kind: ChangeKind::DataSet,
            path: "/".into(),
            zxid: Zxid(zxid),
            acl: acl.clone(),
            parent_acl: acl,
        })
    }

    /// Everything that the client is owed, taken as sent.
    fn sent(&mut self) -> Vec<u8> {
        let bytes = self.worker.output(self.client).to_vec();
        self.worker.on_sent(self.client, bytes.len());
        bytes
    }

    /// The xids of the replies that the client is owed.
    fn replies(&mut self) -> Vec<i32> {
        let bytes = self.sent();
        let mut input = Reader::new(&bytes);
        let mut xids = Vec::new();
        while !input.rest().is_empty() {
            let packet = <&[u8]>::decode(&mut input).expect("the worker sends whole frames");
            xids.push(ReplyHeader::from_bytes(packet).expect("a reply has a header").xid.0);
        }
        xids
    }

    fn is_closing(&self) -> bool {
        self.worker.is_closing(self.client)
    }
}

fn connect_request(session: SessionId) -> ConnectRequest<'static> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 4000,
        session,
        password: Some(&[0; 16]),
        read_only: Some(ReadOnly(false)),
    }
}

fn framed(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::frame(&mut bytes, write);
    bytes
}

fn request(xid: i32, op: OpCode, body: impl Encode) -> Vec<u8> {
    framed(|out| {
        RequestHeader { xid: Xid(xid), op: op as i32 }.encode(out);
        body.encode(out);
    })
}

fn exists(xid: i32) -> Vec<u8> {
    request(xid, OpCode::Exists, PathAndWatch { path: "/".into(), watch: false })
}

fn sync(xid: i32) -> Vec<u8> {
    request(xid, OpCode::Sync, "/")
}

#[test]
fn a_read_waits_for_the_writes_before_it_and_nothing_else() {
    let mut scene = Scene::start();
    scene.receive(&[exists(1), sync(2), exists(3), exists(4)].concat());
    assert_eq!(scene.replies(), [1]);
    scene.reply(2);
    assert_eq!(scene.replies(), [2, 3, 4]);
}

#[test]
fn reads_between_two_writes_go_to_the_replica_and_no_others_do() {
    let mut scene = Scene::start();
    scene.receive(&[sync(1), exists(2)].concat());
    assert_eq!(scene.asked(), [1]);
    scene.receive(&[request(3, OpCode::Ping, Xid(0)), sync(4), exists(5)].concat());
    assert_eq!(scene.asked(), [2, Xid::PING.0, 4], "each behind what came before it");
    scene.reply(1);
    assert_eq!(scene.replies(), [1], "the worker might answer the reads too late now");
    [2, -2, 4].into_iter().for_each(|xid| scene.reply(xid));
    assert_eq!(scene.replies(), [2, -2, 4, 5]);
}

#[test]
fn nothing_passes_what_only_the_worker_can_answer() {
    let mut scene = Scene::start();
    let set_watches = zoorum_proto::op::SetWatches {
        relative_zxid: Zxid::ZERO,
        data: vec!["/".into()],
        exist: Vec::new(),
        child: Vec::new(),
    };
    scene.receive(&[sync(1), request(2, OpCode::SetWatches, set_watches), sync(3), exists(4)].concat());
    assert_eq!(scene.asked(), [1]);
    assert!(!scene.worker.wants_input(scene.client) && !scene.worker.can_resume());
    scene.reply(1);
    assert!(scene.worker.can_resume());
    scene.worker.resume(&scene.tree, NOW);
    assert_eq!(scene.replies(), [1, 2]);
    assert_eq!(scene.asked(), [3]);
    assert!(scene.worker.wants_input(scene.client));
    scene.reply(3);
    assert_eq!(scene.replies(), [3, 4]);
}

#[test]
fn a_watch_asked_of_the_replica_is_for_the_changes_behind_its_reply() {
    let mut scene = Scene::start();
    let watch = PathAndWatch { path: "/".into(), watch: true };
    scene.receive(&[sync(1), request(2, OpCode::Exists, watch), sync(3)].concat());
    assert!(scene.worker.has_watches(), "it must hear of changes from now on");
    let mut bytes = Vec::new();
    let mut reply = |client, xid| {
        let start = bytes.len();
        frame::reply(&mut bytes, Xid(xid), Zxid(9), |_| {});
        Outcome::Reply { connection: client, frame: start..bytes.len(), err: 0, close: false }
    };
    let [first, second, third] = [1, 2, 3].map(|xid| reply(scene.client, xid));
    let items = vec![first, scene.root_changes(9), second, scene.root_changes(10), third];
    scene.worker.on_outcomes(&scene.tree, NOW, [&Outcomes { bytes, items, ..Outcomes::default() }]);
    assert_eq!(scene.replies(), [1, 2, -1, 3]);
    assert!(!scene.worker.has_watches());
}

#[test]
fn a_watch_asked_in_a_time_of_service_that_is_over_is_forgotten() {
    let mut scene = Scene::start();
    let watch = PathAndWatch { path: "/".into(), watch: true };
    scene.receive(&[sync(1), request(2, OpCode::Exists, watch), sync(3)].concat());
    scene.decide(vec![Outcome::Served { service: None }]);
    assert!(!scene.worker.has_watches());
}

#[test]
fn a_watch_asked_by_a_connection_that_is_gone_is_forgotten() {
    let mut scene = Scene::start();
    let watch = PathAndWatch { path: "/".into(), watch: true };
    scene.receive(&[sync(1), request(2, OpCode::Exists, watch), sync(3)].concat());
    scene.worker.on_closed(scene.client);
    assert!(!scene.worker.has_watches());
    [1, 2, 3].into_iter().for_each(|xid| scene.reply(xid));
    assert!(!scene.worker.has_watches());
}

#[test]
fn a_waiting_read_is_answered_behind_every_change_that_has_come() {
    let mut scene = Scene::start();
    let watch = PathAndWatch { path: "/".into(), watch: true };
    scene.receive(&[request(1, OpCode::Exists, watch), sync(2), exists(3)].concat());
    assert_eq!(scene.replies(), [1]);
    let mut bytes = Vec::new();
    frame::reply(&mut bytes, Xid(2), Zxid(9), |_| {});
    let reply = Outcome::Reply { connection: scene.client, frame: 0..bytes.len(), err: 0, close: false };
    let answered = Outcomes { bytes, items: vec![reply], ..Outcomes::default() };
    let changed = Outcomes { items: vec![scene.root_changes(10)], ..Outcomes::default() };
    scene.worker.on_outcomes(&scene.tree, NOW, [&answered, &changed]);
    assert_eq!(scene.replies(), [2, -1, 3], "the tree that the read sees has the change");
}

#[test]
fn requests_behind_the_handshake_wait_for_the_session() {
    let mut scene = Scene::before_handshake();
    let connect = framed(|out| connect_request(SessionId::NONE).encode(out));
    scene.receive(&[connect, exists(1)].concat());
    assert_eq!(scene.sent(), b"", "nothing is answered before the session is open");
    scene.decide(vec![Outcome::Connected {
        connection: scene.client,
        session: Some(SESSION),
        timeout_ms: 4000,
        read_only: None,
    }]);
    let sent = scene.sent();
    assert_eq!(sent[..4], 36_u32.to_be_bytes(), "no read-only flag for a client that sent none");
    assert_eq!(ReplyHeader::from_bytes(&sent[44..]).map(|header| header.xid), Ok(Xid(1)));
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let mut scene = Scene::start();
    for byte in [exists(1), exists(2)].concat() {
        scene.receive(&[byte]);
    }
    assert_eq!(scene.replies(), [1, 2]);
}

#[test]
fn an_oversized_a_negative_and_a_short_frame_close_the_connection() {
    let limit = test_settings().frame_limit as i32;
    for bytes in [(limit + 1).to_be_bytes().to_vec(), (-5_i32).to_be_bytes().to_vec(), framed(|_| {})] {
        let mut scene = Scene::start();
        scene.receive(&bytes);
        assert!(scene.is_closing(), "{bytes:?}");
        assert_eq!(scene.sent(), b"");
    }
}

#[test]
fn a_wrong_password_is_answered_as_expired_and_the_replica_never_hears_of_it() {
    let mut scene = Scene::before_handshake();
    scene.receive(&framed(|out| connect_request(SESSION).encode(out)));
    assert!(!scene.worker.has_requests());
    assert!(scene.is_closing());
    assert_eq!(scene.sent()[8..20], [0; 12], "timeout 0, session 0");
}

#[test]
fn a_client_from_the_future_is_closed_without_a_byte() {
    let mut scene = Scene::before_handshake();
    let request = ConnectRequest { last_zxid_seen: Zxid(1), ..connect_request(SessionId::NONE) };
    scene.receive(&framed(|out| request.encode(out)));
    assert!(scene.is_closing());
    assert_eq!(scene.sent(), b"");
}

#[test]
fn an_unknown_operation_is_refused_in_its_turn_and_closes() {
    let mut scene = Scene::start();
    let unknown = framed(|out| RequestHeader { xid: Xid(2), op: 99 }.encode(out));
    scene.receive(&[sync(1), unknown, exists(3)].concat());
    assert_eq!(scene.replies(), [0; 0]);
    scene.reply(1);
    assert_eq!(scene.replies(), [1, 2]);
    assert!(scene.is_closing());
}

#[test]
fn a_client_that_does_not_read_is_no_longer_read_from_and_nothing_is_lost() {
    let mut scene = Scene::start();
    let requests: Vec<u8> = (1..=40_000).flat_map(exists).collect();
    scene.receive(&requests);
    assert!(!scene.worker.wants_input(scene.client), "too much output waits");
    let mut answered = 0;
    while answered < 40_000 {
        let replies = scene.replies();
        assert!(!replies.is_empty(), "stuck after {answered}");
        answered += replies.len();
        scene.worker.resume(&scene.tree, NOW);
    }
    assert!(scene.worker.wants_input(scene.client));
}

#[test]
fn a_four_letter_word_is_passed_on_with_its_argument() {
    let mut scene = Scene::before_handshake();
    scene.receive(b"stm");
    scene.receive(b"k\0\0\0\0\0\0");
    assert!(scene.worker.take_commands().is_empty());
    scene.receive(b"\x01\x32");
    let commands = scene.worker.take_commands();
    assert_eq!((commands[0].word, commands[0].argument), (*b"stmk", 0x132));
    scene.worker.on_answer(scene.client, b"306");
    assert_eq!(scene.sent(), b"306");
    assert!(scene.is_closing());
}

#[test]
fn late_outcomes_find_nobody_on_a_slot_used_again() {
    let mut scene = Scene::start();
    scene.receive(&sync(1));
    let gone = scene.client;
    scene.worker.on_closed(gone);
    scene.client = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5001)));
    assert_eq!(scene.client.slot, gone.slot);
    let reply = Outcome::Reply { connection: gone, frame: 0..0, err: 0, close: true };
    scene.decide(vec![reply, Outcome::Close { connection: gone }]);
    assert!(!scene.is_closing());
}

#[test]
fn nothing_is_answered_behind_the_end_of_the_session() {
    let mut scene = Scene::start();
    scene.receive(&[request(1, OpCode::CloseSession, Xid(0)), exists(2), sync(3)].concat());
    let mut bytes = Vec::new();
    frame::reply(&mut bytes, Xid(1), Zxid(9), |_| {});
    let reply = Outcome::Reply { connection: scene.client, frame: 0..bytes.len(), err: 0, close: true };
    scene.worker.on_outcomes(
        &scene.tree,
        NOW,
        [&Outcomes { bytes, items: vec![reply], ..Outcomes::default() }],
    );
    scene.reply(2);
    scene.reply(3);
    assert_eq!(scene.replies(), [1]);
    assert!(scene.is_closing());
}

#[test]
fn a_sign_of_life_after_long_silence_and_the_last_one_travel_at_once() {
    let mut scene = Scene::start();
    let after = |ms| Monotonic(std::time::Duration::from_millis(ms));
    scene.worker.on_tick(after(100));
    scene.worker.take_requests();
    let mut heard_after = |ms| {
        scene.worker.on_received(&scene.tree, after(ms), scene.client, &exists(1));
        let items = scene.worker.take_requests().items;
        items.iter().any(|item| matches!(item, Request::Heard(heard) if heard[..] == [(SESSION, after(ms))]))
    };
    assert!(!heard_after(1_500), "the tick is soon enough");
    assert!(heard_after(3_600), "of a timeout of 4,000 ms, more than half has passed in silence");
    scene.worker.on_closed(scene.client);
    let items = scene.worker.take_requests().items;
    assert!(matches!(&items[..], [Request::Heard(_), Request::Gone { .. }]), "{items:?}");
}

/// A scene whose tree has one znode with a megabyte of data, `/big`.
fn with_big_znode() -> Scene {
    let mut scene = Scene::start();
    let create = zoorum_proto::txn::CreateTxn {
        kind: zoorum_proto::txn::CreateKind::Create { ephemeral: false },
        path: "/big".into(),
        data: Some(&[7; 1_000_000]),
        acl: vec![zoorum_proto::Acl::world(zoorum_proto::Permissions::ALL)],
        parent_creates: 1,
    };
    let header = zoorum_proto::TxnHeader {
        session: SESSION,
        cxid: Xid(1),
        zxid: Zxid(1),
        time: zoorum_proto::WallClock(1),
        kind: OpCode::Create as i32,
    };
    let txn = zoorum_proto::Txn { header, body: zoorum_proto::TxnBody::Create(create), digest: None };
    scene.tree.apply(&txn, &mut |_| {});
    scene
}

fn get_big(xid: i32) -> Vec<u8> {
    request(xid, OpCode::GetData, PathAndWatch { path: "/big".into(), watch: false })
}

#[test]
fn reads_that_waited_are_answered_as_the_client_reads() {
    let mut scene = with_big_znode();
    let reads: Vec<u8> = (2..=1000).flat_map(get_big).collect();
    scene.receive(&[sync(1), reads, exists(1001)].concat());
    scene.reply(1);
    let mut answered = Vec::new();
    while answered.len() < 1001 {
        assert!(scene.worker.output(scene.client).len() < 4 << 20, "after {}", answered.len());
        let replies = scene.replies();
        assert!(!replies.is_empty(), "stuck after {}", answered.len());
        answered.extend(replies);
        assert!(scene.worker.can_resume() || answered.len() == 1001);
        scene.worker.resume(&scene.tree, NOW);
    }
    assert!(answered.into_iter().eq(1..=1001), "in order");
    assert!(scene.worker.wants_input(scene.client));
}

#[test]
fn whoever_is_owed_too_much_before_a_write_is_cut_off() {
    let mut scene = Scene::start();
    let reads: Vec<u8> = (2..=1000).flat_map(exists).collect();
    scene.receive(&[sync(1), reads, sync(1001)].concat());
    scene.reply(1);
    let bytes = framed(|out| out.resize(1 << 20, 0));
    let reply = Outcome::Reply { connection: scene.client, frame: 0..bytes.len(), err: 0, close: false };
    scene.worker.on_outcomes(
        &scene.tree,
        NOW,
        [&Outcomes { bytes, items: vec![reply; 999], ..Outcomes::default() }],
    );
    assert!(scene.is_closing());
    assert_eq!(scene.worker.output(scene.client), b"", "what it did not read is not kept");
    scene.reply(1001);
}

#[test]
fn a_multi_read_of_gigabytes_is_refused() {
    use zoorum_proto::reply::MultiHeader;
    let mut scene = with_big_znode();
    let body = framed(|out| {
        RequestHeader { xid: Xid(1), op: OpCode::MultiRead as i32 }.encode(out);
        for _ in 0..10_000 {
            MultiHeader { op: OpCode::GetData as i32, done: false, err: -1 }.encode(out);
            PathAndWatch { path: "/big".into(), watch: false }.encode(out);
        }
        MultiHeader::END.encode(out);
    });
    scene.receive(&body);
    let sent = scene.sent();
    let header = ReplyHeader::from_bytes(&sent[4..]).expect("a reply");
    assert_eq!((sent.len(), header.err), (20, zoorum_proto::ErrorCode::MarshallingError.number()));
}

#[test]
fn nothing_more_is_read_while_the_first_packet_waits_for_its_answer() {
    let mut scene = Scene::before_handshake();
    scene.receive(&framed(|out| connect_request(SessionId::NONE).encode(out)));
    assert!(!scene.worker.wants_input(scene.client));
    let mut scene = Scene::before_handshake();
    scene.receive(b"mntr");
    assert!(!scene.worker.wants_input(scene.client));
}

#[test]
fn a_client_that_does_not_take_its_last_bytes_is_let_go() {
    let mut scene = Scene::before_handshake();
    scene.receive(b"mntr");
    scene.worker.on_answer(scene.client, b"a long answer");
    let after = |seconds| Monotonic(std::time::Duration::from_secs(seconds));
    scene.worker.on_tick(after(1));
    scene.worker.on_tick(after(10));
    scene.worker.on_sent(scene.client, 2);
    scene.worker.on_tick(after(12));
    scene.worker.on_tick(after(21));
    assert_eq!(scene.worker.output(scene.client), b"long answer", "it took something in between");
    scene.worker.on_tick(after(22));
    assert_eq!(scene.worker.output(scene.client), b"");
    let mut dirty = Vec::new();
    scene.worker.take_dirty(&mut dirty);
    assert!(scene.is_closing() && dirty.contains(&scene.client), "the host closes it");
}

#[test]
fn a_client_that_reads_slowly_hears_in_time_that_nobody_serves_it_here_any_more() {
    let mut scene = Scene::start();
    scene.receive(&[exists(1), exists(2)].concat());
    scene.decide(vec![Outcome::Served { service: None }]);
    let after = |ms| Monotonic(NOW.0 + Duration::from_millis(ms));
    for ms in [500, 1_000] {
        scene.worker.on_tick(after(ms));
        scene.worker.on_sent(scene.client, 1);
    }
    assert!(!scene.worker.output(scene.client).is_empty(), "it takes what it is owed");
    scene.worker.on_tick(after(1_500));
    assert_eq!(scene.worker.output(scene.client), b"", "a third of its timeout is over");
}

#[test]
fn ids_are_gained_up_to_a_limit() {
    let mut scene = Scene::start();
    let auth = |number: u32| {
        let secret = format!("user{number}:{}", "x".repeat(100));
        let packet =
            zoorum_proto::op::AuthPacket { kind: 0, scheme: "digest".into(), auth: Some(secret.as_bytes()) };
        request(-4, OpCode::Auth, packet)
    };
    for number in 0..100 {
        scene.receive(&auth(number));
    }
    assert_eq!(scene.replies().len(), 100);
    for number in 0..10_000 {
        scene.receive(&auth(number));
    }
    assert!(scene.is_closing());
}

#[test]
fn writes_of_connections_that_are_gone_still_count() {
    let mut scene = Scene::start();
    let large = vec![0_u8; 1_000_000];
    let mut gone = Vec::new();
    // Each connection brings one large write and hangs up.
    while scene.worker.wants_input(scene.client) && gone.len() < 1000 {
        scene.receive(&request(1, OpCode::SetData, Some(large.as_slice())));
        let closed = scene.client;
        scene.worker.on_closed(closed);
        gone.push(closed);
        scene.worker.take_requests();
        scene.client = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5000)));
        scene.receive(&framed(|out| connect_request(SessionId::NONE).encode(out)));
        if !scene.worker.has_requests() {
            break; // not even a session is asked for
        }
        let session = Some(SESSION);
        let connection = scene.client;
        scene.decide(vec![Outcome::Connected { connection, session, timeout_ms: 4000, read_only: None }]);
    }
    assert!(gone.len() < 150, "{} megabytes wait", gone.len());
    let reply = |connection| Outcome::Reply { connection, frame: 0..0, err: 0, close: false };
    scene.decide(gone.into_iter().map(reply).collect());
    assert!(scene.worker.can_resume() || scene.worker.wants_input(scene.client));
}

#[test]
fn who_is_owed_most_goes_first_when_all_are_owed_too_much() {
    let mut scene = Scene::start();
    let greedy = scene.client;
    scene.receive(&[exists(1), exists(2), exists(3)].concat());
    scene.client = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5000)));
    scene.receive(b"stat");
    scene.worker.on_answer(scene.client, b"answer");
    scene.worker.bound_output(1_000);
    assert!(!scene.worker.output(greedy).is_empty(), "all is well");
    scene.worker.bound_output(100);
    assert_eq!(scene.worker.output(greedy), b"");
    assert!(scene.worker.is_closing(greedy));
    assert_eq!(scene.worker.output(scene.client), b"answer");
}

#[test]
fn watches_are_set_up_to_a_limit_and_none_is_lost_in_silence() {
    use zoorum_proto::op::{SetWatches, SetWatches2};
    use zoorum_proto::reply::ReplyHeader;
    let mut scene = Scene::start();
    let path = |number: u32| format!("/{number}{}", "x".repeat(900_000));
    let watch = |number| PathAndWatch { path: path(number).into(), watch: true };
    let codes = |bytes: &[u8]| ReplyHeader::from_bytes(&bytes[4..]).map(|header| header.err);
    let mut watched = 0;
    while {
        scene.receive(&request(1, OpCode::Exists, watch(watched)));
        codes(&scene.sent()) == Ok(zoorum_proto::ErrorCode::NoNode.number())
    } {
        watched += 1;
    }
    assert_eq!(watched, 149, "of 900,000 bytes each");
    scene.receive(&request(1, OpCode::Exists, watch(watched)));
    assert_eq!(codes(&scene.sent()), Ok(zoorum_proto::ErrorCode::QuotaExceeded.number()));
    scene.receive(&request(1, OpCode::Exists, watch(0)));
    assert_eq!(codes(&scene.sent()), Ok(zoorum_proto::ErrorCode::NoNode.number()), "that one is set already");
    assert!(!scene.is_closing());

    let standard =
        SetWatches { relative_zxid: Zxid(9), data: vec![], exist: vec![path(watched).into()], child: vec![] };
    let again = SetWatches2 { standard, persistent: vec![], persistent_recursive: vec![] };
    scene.receive(&request(-8, OpCode::SetWatches2, again));
    assert_eq!(codes(&scene.sent()), Ok(zoorum_proto::ErrorCode::QuotaExceeded.number()));
    assert!(scene.is_closing());
}
