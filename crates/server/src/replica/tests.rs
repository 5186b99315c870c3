//! Conversations with a replica: requests, the log's word, and what is told to workers.

mod ensemble;
mod restored;
mod roles;
mod times;

use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::op::{PathAndWatch, RequestHeader};
use zoorum_proto::reply::ReplyHeader;
use zoorum_proto::snapshot::{OPEN_ACL, SnapshotNode};
use zoorum_proto::{
    Acl, Decode, Encode, ErrorCode, OpCode, Permissions, SessionId, Version, WallClock, Xid, Zxid,
};
use zoorum_tree::{Loader, Tree};

use super::{Now, Replica};
use crate::auth;
use crate::message::{ConnectionId, Outcome, Request, Requests, WorkerId};
use crate::settings::{Settings, test_settings};
use crate::time::Monotonic;

const WORKER: WorkerId = WorkerId(0);

struct Scene {
    tree: Tree,
    replica: Replica,
    now: Now,
}

impl Scene {
    fn start() -> Self {
        Self::with(test_settings(), Tree::new(7))
    }

    fn with(settings: Settings, tree: Tree) -> Self {
        let now = Now { monotonic: Monotonic::default(), wall: WallClock(1_000) };
        let replica = Replica::new(Arc::new(settings), &tree, 1, now, 7);
        Self { tree, replica, now }
    }

    fn ask(&mut self, request: Request, bytes: Vec<u8>) {
        let requests = Requests { bytes, items: vec![request], era: 0 };
        self.replica.on_requests(&self.tree, self.now, WORKER, &requests);
    }

    /// The log syncs whatever is proposed; what may be applied is.
    fn sync(&mut self) -> Vec<Outcome> {
        if let Some(proposals) = self.replica.take_proposals(&self.tree, self.now) {
            self.replica.on_synced(&self.tree, self.now, proposals.last().expect("proposals are not empty"));
        }
        self.apply()
    }

    fn apply(&mut self) -> Vec<Outcome> {
        self.apply_unsynced();
        self.replica.take_outcomes(WORKER).items
    }

    /// What may be applied is.
    fn apply_unsynced(&mut self) {
        self.replica.apply(&mut self.tree, &[true]);
    }

    fn connect(&mut self, slot: u32, session: Option<SessionId>) -> Option<SessionId> {
        let connection = client(slot);
        self.ask(Request::Connect { connection, session, timeout_ms: 4000, read_only: None }, Vec::new());
        let connected = |outcome: &Outcome| match outcome {
            Outcome::Connected { session, .. } => Some(*session),
            _ => None,
        };
        self.sync().iter().find_map(connected).expect("a connect request is answered")
    }

    fn write(&mut self, slot: u32, session: SessionId, xid: i32, op: OpCode, bytes: Vec<u8>) {
        self.ask(write(slot, session, xid, op, &bytes), bytes);
    }

    fn create(&mut self, session: SessionId, xid: i32, path: &str, flags: i32) {
        self.write(1, session, xid, OpCode::Create, create(path, flags));
    }

    fn read(&mut self, slot: u32, xid: i32, op: OpCode, path: &str) {
        let body = PathAndWatch { path: path.into(), watch: false }.to_vec();
        let identity = [auth::ip([127, 0, 0, 1].into())].into();
        let (connection, xid) = (client(slot), Xid(xid));
        self.ask(Request::Read { connection, xid, op, body: 0..body.len(), identity }, body);
    }

    /// What client 1 is told: of each reply its xid, zxid and error code.
    fn replies(&mut self) -> Vec<(i32, i64, i32)> {
        if let Some(proposals) = self.replica.take_proposals(&self.tree, self.now) {
            self.replica.on_synced(&self.tree, self.now, proposals.last().expect("proposals are not empty"));
        }
        self.apply_unsynced();
        self.taken_replies()
    }

    fn taken_replies(&mut self) -> Vec<(i32, i64, i32)> {
        let outcomes = self.replica.take_outcomes(WORKER);
        let reply = |outcome: &Outcome| match outcome {
            Outcome::Reply { frame, .. } if frame.is_empty() => Some((0, 0, 0)),
            Outcome::Reply { frame, .. } => {
                let frame = &outcomes.bytes[frame.clone()];
                let header = ReplyHeader::from_bytes(&frame[4..]).expect("a reply has a header");
                Some((header.xid.0, header.zxid.0, header.err))
            }
            _ => None,
        };
        outcomes.items.iter().filter_map(reply).collect()
    }

    fn pass(&mut self, length: Duration) {
        self.now.monotonic = self.now.monotonic + length;
        self.replica.on_tick(&self.tree, self.now);
    }
}

fn client(slot: u32) -> ConnectionId {
    ConnectionId { slot, generation: 0 }
}

fn write(slot: u32, session: SessionId, xid: i32, op: OpCode, bytes: &[u8]) -> Request {
    Request::Write {
        connection: client(slot),
        session,
        xid: Xid(xid),
        op,
        body: 0..bytes.len(),
        identity: [auth::ip([127, 0, 0, 1].into())].into(),
    }
}

fn create(path: &str, flags: i32) -> Vec<u8> {
    create_with(path, b"x", flags)
}

fn create_with(path: &str, data: &[u8], flags: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    path.encode(&mut bytes);
    data.encode(&mut bytes);
    vec![Acl::world(Permissions::ALL)].encode(&mut bytes);
    flags.encode(&mut bytes);
    bytes
}

#[test]
fn a_write_is_answered_only_once_the_log_has_it() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/a", 0);
    let proposals = scene.replica.take_proposals(&scene.tree, scene.now).expect("a create is proposed");
    assert!(scene.apply().is_empty());
    assert!(scene.tree.node("/a").is_none(), "nothing is visible before it is durable");
    scene.replica.on_synced(&scene.tree, scene.now, proposals.last().expect("one proposal"));
    let told = scene.apply();
    assert!(matches!(told[..], [Outcome::Changed(_), Outcome::Reply { err: 0, .. }]), "{told:?}");
    assert!(scene.tree.node("/a").is_some());
}

#[test]
fn a_sync_waits_for_the_writes_before_it_and_takes_no_zxid() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/a", 0);
    let mut path = Vec::new();
    "/".encode(&mut path);
    scene.write(1, session, 2, OpCode::Sync, path);
    assert!(scene.apply().is_empty());
    assert_eq!(scene.sync().len(), 3, "the event and both replies");
    assert_eq!(scene.tree.last_zxid(), Zxid(2));
}

#[test]
fn an_undecodable_write_is_refused_in_order_and_has_no_place_in_history() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    let before = scene.tree.last_zxid();
    scene.write(1, session, 1, OpCode::Create, Vec::new());
    assert!(scene.replica.take_proposals(&scene.tree, scene.now).is_none());
    assert!(matches!(scene.apply()[..], [Outcome::Reply { err: -5, .. }]));
    assert_eq!(scene.tree.last_zxid(), before);
}

#[test]
fn a_refused_write_takes_a_zxid_and_changes_nothing() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/missing/a", 0);
    assert!(matches!(scene.sync()[..], [Outcome::Reply { err: -101, .. }]));
    assert_eq!(scene.tree.last_zxid(), Zxid(2));
}

#[test]
fn taking_a_session_up_again_closes_its_earlier_connection() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.ask(
        Request::Connect { connection: client(2), session: Some(session), timeout_ms: 4000, read_only: None },
        Vec::new(),
    );
    let told = scene.replica.take_outcomes(WORKER).items;
    assert!(
        matches!(told[..], [Outcome::Close { connection: a }, Outcome::Connected { connection: b, .. }]
            if a == client(1) && b == client(2)),
        "{told:?}"
    );
}

#[test]
fn an_unknown_session_is_told_that_it_is_gone() {
    let mut scene = Scene::start();
    assert_eq!(scene.connect(1, Some(SessionId(77))), None);
}

#[test]
fn a_silent_session_ends_between_its_timeout_and_a_tick_later_and_takes_its_ephemerals() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/e", 1);
    scene.sync();
    scene.pass(Duration::from_millis(3_999));
    assert!(scene.sync().is_empty());
    scene.pass(Duration::from_millis(2_001));
    let told = scene.sync();
    assert!(matches!(told[..], [Outcome::Changed(_), Outcome::Close { .. }]), "{told:?}");
    assert!(scene.tree.node("/e").is_none());
    assert_eq!(scene.connect(2, Some(session)), None);
}

#[test]
fn a_session_that_is_heard_from_lives_on() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    for _ in 0..10 {
        let heard = vec![(session, scene.now.monotonic)];
        scene.ask(Request::Heard(heard), Vec::new());
        scene.pass(Duration::from_millis(3_000));
        assert!(scene.sync().is_empty());
    }
}

#[test]
fn nothing_is_done_in_a_session_that_is_being_closed() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.write(1, session, 1, OpCode::CloseSession, Vec::new());
    scene.create(session, 2, "/late", 0);
    let told = scene.sync();
    assert!(
        matches!(told[..], [Outcome::Reply { err: 0, close: true, .. }, Outcome::Reply { err: -112, .. }]),
        "{told:?}"
    );
    assert!(scene.tree.node("/late").is_none());
}

#[test]
fn recovered_sessions_get_a_full_timeout() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    let tree = std::mem::replace(&mut scene.tree, Tree::new(7));
    let mut restarted = Scene::with(test_settings(), tree);
    restarted.pass(Duration::from_millis(3_000));
    assert_eq!(restarted.connect(1, Some(session)), Some(session));
}

#[test]
fn ephemerals_of_sessions_that_are_gone_go_by_a_change_like_any_other() {
    let orphan = SnapshotNode {
        path: "/orphan".into(),
        data: None,
        acl: OPEN_ACL,
        czxid: Zxid(3),
        mzxid: Zxid(3),
        ctime: WallClock(0),
        mtime: WallClock(0),
        version: Version(0),
        creates: 0,
        aversion: Version(0),
        owner: 0x100_0000_0000_0077,
        pzxid: Zxid(3),
    };
    let root = SnapshotNode { path: "".into(), owner: 0, ..orphan.clone() };
    let mut loader = Loader::new(7);
    loader.node(&root).expect("the root comes first");
    loader.node(&orphan).expect("its parent is there");
    let mut scene = Scene::with(test_settings(), loader.finish(Zxid(9)).expect("a whole tree"));
    assert!(scene.tree.node("/orphan").is_some(), "nothing changes without a place in history");
    scene.sync();
    assert!(scene.tree.node("/orphan").is_none());
    assert_eq!(scene.tree.last_zxid(), Zxid(10));
}

#[test]
fn session_ids_are_never_issued_twice_across_a_restart() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    let tree = std::mem::replace(&mut scene.tree, Tree::new(7));
    // The clock has not moved, or was set back: the next id would be the same.
    let mut restarted = Scene::with(test_settings(), tree);
    assert_ne!(restarted.connect(1, None), Some(session));
}

#[test]
fn replies_are_frames_with_the_zxid_of_their_change() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 5, "/a", 0);
    if let Some(proposals) = scene.replica.take_proposals(&scene.tree, scene.now) {
        scene.replica.on_synced(&scene.tree, scene.now, proposals.last().expect("one proposal"));
    }
    scene.replica.apply(&mut scene.tree, &[false]);
    let outcomes = scene.replica.take_outcomes(WORKER);
    let [Outcome::Reply { frame, .. }] = &outcomes.items[..] else { panic!("{outcomes:?}") };
    let frame = &outcomes.bytes[frame.clone()];
    let header = ReplyHeader::from_bytes(&frame[4..]).expect("a reply has a header");
    assert_eq!(header, ReplyHeader { xid: Xid(5), zxid: Zxid(2), err: 0 });
    assert_eq!(RequestHeader { xid: Xid(5), op: 1 }.to_vec().len(), 8, "ids are four bytes each");
}

#[test]
fn a_read_between_two_writes_sees_the_first_and_not_the_second() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/a", 0);
    scene.read(1, 2, OpCode::Exists, "/a");
    scene.read(1, 3, OpCode::Exists, "/b");
    scene.create(session, 4, "/b", 0);
    let no_node = ErrorCode::NoNode.number();
    assert_eq!(scene.replies(), [(1, 2, 0), (2, 2, 0), (3, 2, no_node), (4, 3, 0)]);
}

#[test]
fn a_read_whose_writes_are_answered_waits_for_nobody() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/a", 0);
    assert_eq!(scene.replies(), [(1, 2, 0)]);
    scene.read(1, 2, OpCode::Exists, "/a");
    scene.create(session, 3, "/b", 0);
    assert!(scene.replica.can_apply(), "though nothing is synced");
    scene.apply_unsynced();
    assert_eq!(scene.taken_replies(), [(2, 2, 0)]);
    assert_eq!(scene.replies(), [(3, 3, 0)]);
}

#[test]
fn a_sync_and_what_cannot_be_decoded_keep_their_place_among_reads() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/a", 0);
    scene.read(1, 2, OpCode::Exists, "/b");
    scene.write(1, session, 3, OpCode::Sync, "/".to_vec());
    scene.read(1, 4, OpCode::Exists, "/b");
    scene.write(1, session, 5, OpCode::Create, vec![1]);
    scene.read(1, 6, OpCode::Exists, "/b");
    scene.create(session, 7, "/b", 0);
    let (no_node, undecodable) = (ErrorCode::NoNode.number(), ErrorCode::MarshallingError.number());
    let told = scene.replies();
    let expected = [
        (1, 2, 0),
        (2, 2, no_node),
        (3, 2, 0),
        (4, 2, no_node),
        (5, 2, undecodable),
        (6, 2, no_node),
        (7, 3, 0),
    ];
    assert_eq!(told, expected);
}

#[test]
fn reads_of_a_connection_that_is_gone_are_answered_by_nothing_and_its_writes_are_done() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.create(session, 1, "/a", 0);
    scene.read(1, 2, OpCode::Exists, "/a");
    scene.create(session, 3, "/b", 0);
    scene.ask(Request::Gone { connection: client(1), session }, Vec::new());
    assert_eq!(scene.replies(), [(1, 2, 0), (0, 0, 0), (3, 3, 0)]);
    assert!(scene.tree.node("/b").is_some());
}

#[test]
fn many_large_reads_leave_the_tree_to_others_in_between() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.write(1, session, 1, OpCode::Create, create_with("/a", &[7; 600_000], 0));
    (2..=6).for_each(|xid| scene.read(1, xid, OpCode::GetData, "/a"));
    scene.create(session, 7, "/b", 0);
    let mut told = scene.replies();
    assert_eq!(told.len(), 2);
    while scene.replica.can_apply() {
        scene.apply_unsynced();
        told.extend(scene.taken_replies());
    }
    assert!(told.iter().map(|(xid, ..)| *xid).eq(1..=7), "{told:?}");
}

#[test]
fn many_changes_leave_the_tree_to_others_in_between() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    (1..=5_000).for_each(|xid| scene.create(session, xid, &format!("/{xid}"), 0));
    let mut told = scene.replies();
    assert!((1_000..5_000).contains(&told.len()), "{}", told.len());
    while scene.replica.can_apply() {
        scene.apply_unsynced();
        told.extend(scene.taken_replies());
    }
    assert!(told.iter().map(|(xid, ..)| *xid).eq(1..=5_000));
}
