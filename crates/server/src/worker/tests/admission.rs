//! What is let in, and what becomes of those who wait.

use std::time::Duration;

use zoorum_proto::ErrorCode;

use super::*;
use crate::settings::{LargeRequestSettings, RequestThrottle, TokenSettings};

fn after(ms: u64) -> Monotonic {
    Monotonic(Duration::from_millis(ms))
}

/// Two requests under way; whoever waits for ten seconds is refused.
fn throttle() -> RequestThrottle {
    RequestThrottle {
        limit: 2,
        stall_time: Duration::from_millis(100),
        drop_stale: true,
        stale_without_client: true,
        stale_by_age: false,
        wait_limit: Some(Duration::from_secs(10)),
    }
}

fn throttled(throttle: RequestThrottle) -> Scene {
    Scene::with(AdmissionSettings { requests: Some(throttle), ..AdmissionSettings::default() })
}

impl Scene {
    fn resume(&mut self, ms: u64) {
        assert!(self.worker.can_resume());
        self.worker.resume(&self.tree, after(ms));
    }

    /// Xids and error codes of the replies that the client is owed.
    fn answers(&mut self) -> Vec<(i32, i32)> {
        let bytes = self.sent();
        let mut input = Reader::new(&bytes);
        let mut answers = Vec::new();
        while !input.rest().is_empty() {
            let packet = <&[u8]>::decode(&mut input).expect("the worker sends whole frames");
            let header = ReplyHeader::from_bytes(packet).expect("a reply has a header");
            answers.push((header.xid.0, header.err));
        }
        answers
    }
}

fn close_session(xid: i32) -> Vec<u8> {
    framed(|out| RequestHeader { xid: Xid(xid), op: OpCode::CloseSession as i32 }.encode(out))
}

#[test]
fn so_many_requests_are_under_way_and_the_others_wait_their_turn() {
    let mut scene = throttled(throttle());
    scene.receive(&[sync(1), sync(2), exists(3), sync(4), sync(5)].concat());
    assert_eq!(scene.asked(), [1, 2]);
    assert!(!scene.worker.wants_input(scene.client) && !scene.worker.can_resume());
    scene.reply(1);
    scene.resume(5);
    assert_eq!(
        scene.asked(),
        [3, 4],
        "the read takes no place of another, and goes along with the write behind it"
    );
    (2..=3).for_each(|xid| scene.reply(xid));
    scene.resume(7);
    assert_eq!(scene.asked(), [5]);
    assert_eq!(scene.replies(), [1, 2, 3]);
    let counters = scene.worker.report().counters;
    assert_eq!((counters.throttle_waits, counters.throttle_queue.max()), (2, 7));
}

#[test]
fn a_session_asked_for_is_under_way_too() {
    let mut scene = throttled(RequestThrottle { limit: 1, ..throttle() });
    let first = scene.client;
    scene.client = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5001)));
    scene.receive(&framed(|out| connect_request(SessionId::NONE).encode(out)));
    scene.worker.on_received(&scene.tree, NOW, first, &exists(1));
    assert_eq!(scene.worker.output(first), b"");
    let connection = scene.client;
    scene.decide(vec![Outcome::Connected { connection, session: None, timeout_ms: 0, read_only: None }]);
    scene.resume(0);
    scene.client = first;
    assert_eq!(scene.replies(), [1]);
}

#[test]
fn those_who_wait_take_turns_however_much_one_of_them_has_sent() {
    let mut scene = throttled(RequestThrottle { limit: 1, ..throttle() });
    scene.receive(&[sync(1), sync(2), sync(3)].concat());
    let newcomer = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5001)));
    let connect = framed(|out| connect_request(SessionId::NONE).encode(out));
    scene.worker.on_received(&scene.tree, NOW, newcomer, &connect);
    assert_eq!(scene.asked(), [1]);
    scene.reply(1);
    scene.resume(0);
    assert_eq!(scene.asked(), [2], "it has waited longest");
    scene.reply(2);
    scene.resume(0);
    assert_eq!(scene.asked(), [0; 0], "the newcomer's session comes first");
    let refused = Outcome::Connected { connection: newcomer, session: None, timeout_ms: 0, read_only: None };
    scene.decide(vec![refused]);
    scene.resume(0);
    assert_eq!(scene.asked(), [3]);
}

#[test]
fn whoever_waited_too_long_is_refused_in_the_order_of_requests() {
    let mut scene = throttled(throttle());
    let unknown = framed(|out| RequestHeader { xid: Xid(7), op: 99 }.encode(out));
    let ping = request(-2, OpCode::Ping, Zxid(0)); // whatever follows a header is ignored
    scene.receive(&[sync(1), sync(2), sync(3), exists(4), ping, sync(5), exists(6), unknown].concat());
    assert_eq!(scene.asked(), [1, 2]);
    scene.reply(1);
    scene.resume(10_001);
    assert_eq!(scene.asked(), [0; 0]);
    assert_eq!(scene.answers(), [(1, 0)], "the refusals are not yet due");
    scene.reply(2);
    let late = ErrorCode::ThrottledOp.number();
    assert_eq!(scene.answers(), [(2, 0), (3, late)]);
    scene.resume(10_002);
    let expected = [(4, late), (-2, 0), (5, late), (6, late), (7, ErrorCode::Unimplemented.number())];
    assert_eq!(scene.answers(), expected);
    assert_eq!(scene.worker.report().counters.throttled_ops, 4);
}

#[test]
fn the_end_of_a_session_does_not_pass_the_refusal_before_it() {
    let mut scene = throttled(throttle());
    scene.receive(&[sync(1), sync(2), sync(3), close_session(4)].concat());
    scene.reply(1);
    scene.resume(10_001);
    assert_eq!(scene.asked(), [1, 2], "its reply could come in one letter with that to the second");
    scene.reply(2);
    assert_eq!(scene.answers(), [(1, 0), (2, 0), (3, ErrorCode::ThrottledOp.number())]);
    scene.resume(10_001);
    assert_eq!(scene.asked(), [4]);
}

#[test]
fn the_next_request_of_a_connection_that_waited_is_fresh() {
    let mut scene = throttled(throttle());
    scene.receive(&[sync(1), sync(2), exists(3)].concat());
    scene.reply(1);
    scene.resume(10_001);
    scene.reply(2);
    scene.worker.on_received(&scene.tree, after(10_002), scene.client, &exists(4));
    assert_eq!(scene.answers(), [(1, 0), (2, 0), (3, ErrorCode::ThrottledOp.number()), (4, 0)]);
}

#[test]
fn what_a_client_left_behind_is_dropped_but_for_the_end_of_its_session() {
    let two = [sync(1), sync(2)].concat();
    let rows = [
        (throttle(), sync(3), true),
        (throttle(), close_session(3), false),
        (RequestThrottle { drop_stale: false, ..throttle() }, sync(3), false),
        (RequestThrottle { stale_without_client: false, ..throttle() }, sync(3), false),
    ];
    for (settings, last, is_dropped) in rows {
        let mut scene = throttled(settings);
        scene.receive(&two);
        assert!(!scene.worker.on_hang_up(scene.client), "nothing waits: it is read to its end");
        scene.receive(&last);
        assert_eq!(scene.worker.on_hang_up(scene.client), is_dropped, "{last:?}");
        assert_eq!(scene.worker.report().counters.stale_dropped, u64::from(is_dropped));
    }
}

#[test]
fn stale_requests_that_are_executed_all_the_same_are_counted() {
    let mut scene = throttled(RequestThrottle { drop_stale: false, ..throttle() });
    scene.receive(&[sync(1), sync(2), sync(3), exists(4)].concat());
    assert!(!scene.worker.on_hang_up(scene.client));
    scene.reply(1);
    scene.resume(1);
    assert_eq!(scene.asked(), [1, 2, 3]);
    assert_eq!(scene.worker.report().counters.stale_requests, 1, "the last one waits for room again");
}

#[test]
fn a_request_older_than_its_session_may_be_silent_is_dropped_with_its_connection() {
    let by_age = RequestThrottle { stale_by_age: true, wait_limit: None, ..throttle() };
    let mut scene = throttled(by_age);
    scene.receive(&[sync(1), sync(2), sync(3)].concat());
    assert_eq!(scene.worker.next_stall(), Some(after(100)));
    scene.worker.on_stall(after(4_000));
    assert_eq!(scene.worker.next_stall(), Some(after(4_100)));
    assert!(!scene.is_closing());
    scene.worker.on_stall(after(4_100));
    assert!(scene.is_closing(), "its timeout is 4,000 ms");
    scene.worker.on_stall(after(4_200));
    assert_eq!(scene.worker.report().counters.stale_dropped, 1);

    let mut scene = throttled(by_age);
    scene.receive(&[sync(1), sync(2), close_session(3)].concat());
    scene.worker.on_stall(after(5_000));
    assert!(!scene.is_closing(), "a session may always end");
    scene.reply(1);
    scene.resume(5_000);
    assert_eq!(scene.asked(), [1, 2, 3]);
}

#[test]
fn without_a_limit_nobody_waits() {
    let mut scene = Scene::start();
    scene.receive(&(1..=100).flat_map(sync).collect::<Vec<_>>());
    assert_eq!(scene.asked().len(), 100);
    assert!(!scene.worker.on_hang_up(scene.client));
    assert_eq!(scene.worker.next_stall(), None);
}

#[test]
fn a_session_without_a_token_is_not_asked_for_whatever_its_password() {
    let tokens = TokenSettings {
        size: 1,
        fill_time: Duration::from_secs(3600),
        fill_count: 1,
        new_session_cost: 1,
        renewed_session_cost: 1,
        dropper: None,
    };
    let mut scene = Scene::with(AdmissionSettings { tokens: Some(tokens), ..AdmissionSettings::default() });
    for session in [SessionId::NONE, SESSION] {
        scene.client = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5001)));
        scene.receive(&framed(|out| connect_request(session).encode(out)));
        assert!(scene.is_closing());
        assert_eq!(scene.sent(), b"", "closed without a word");
        assert!(!scene.worker.has_requests());
    }
    let counters = scene.worker.report().counters;
    assert_eq!((counters.connect_requests, counters.sessions_refused), (1, 2));
    assert_eq!((counters.token_deficit.count(), counters.token_deficit.sum()), (1, 1));
}

#[test]
fn large_requests_beyond_the_limit_close_their_connection() {
    let large_requests = Some(LargeRequestSettings { threshold: 1_000, bytes_limit: 3_000 });
    let admission = AdmissionSettings { large_requests, ..AdmissionSettings::default() };
    let set = |bytes: usize| request(1, OpCode::SetData, Some(&vec![0; bytes][..]));
    let mut scene = Scene::with(admission.clone());
    scene.receive(&set(2_000));
    scene.reply(1);
    scene.receive(&set(3_000 - 12));
    assert!(!scene.is_closing(), "a frame of 3,000 bytes, alone");
    scene.receive(&set(900));
    assert!(!scene.is_closing(), "that is not large");
    scene.receive(&set(1_001));
    assert!(scene.is_closing(), "two large ones");

    let mut scene = Scene::with(admission);
    scene.receive(&set(3_000)[..4]);
    assert!(scene.is_closing(), "its length is enough");
    assert_eq!(scene.worker.report().counters.large_rejected, 1);
}

#[test]
fn a_large_request_counts_until_the_replica_is_done_with_it() {
    let large_requests = Some(LargeRequestSettings { threshold: 1_000, bytes_limit: 3_000 });
    let mut scene = Scene::with(AdmissionSettings { large_requests, ..AdmissionSettings::default() });
    let set = request(1, OpCode::SetData, Some(&[0; 2_000][..]));
    scene.receive(&set);
    let gone = scene.client;
    scene.worker.on_closed(gone);
    for is_done in [false, true] {
        scene.client = scene.worker.on_accepted(NOW, SocketAddr::from(([127, 0, 0, 1], 5001)));
        scene.worker.take_requests();
        scene = scene.connected();
        scene.receive(&set);
        assert_eq!(scene.is_closing(), !is_done);
        scene.decide(vec![Outcome::Reply { connection: gone, frame: 0..0, err: 0, close: false }]);
    }
}
