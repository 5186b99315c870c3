//! One rule each.

use std::time::Duration;

use zoorum_proto::op::{SetWatches, SetWatches2, WatchesRequest};
use zoorum_proto::reply::EventType;
use zoorum_proto::{Decode, ErrorCode, OpCode, SessionId, Xid, Zxid};

use super::super::{
    Cause, Failure, Host, RequestId, Session, SessionState, Settings, WatchKind, WatcherId, WatchingOp,
};
use super::stage::{SESSION, Stage, TIMEOUT};

const LOST: Failure = Failure::Unknown(Cause::Disconnected);

#[test]
fn a_session_is_begun_and_taken_up_again_with_what_was_seen() {
    let mut stage = Stage::new(3, Settings::default());
    assert_eq!(stage.reach(), (Zxid(0), SessionId::NONE, false));
    stage.greet(SESSION, TIMEOUT, false);
    assert_eq!((stage.session.state(), stage.session.id()), (SessionState::Connected, SESSION));
    stage.submit(1, OpCode::Create);
    stage.zxid = 0x10;
    stage.reply(Xid(1), 0, b"");
    stage.lose();
    assert_eq!(stage.reach(), (Zxid(0x11), SESSION, false));
    stage.greet(SESSION, TIMEOUT, false);
    assert_eq!(stage.states, [SessionState::Connected, SessionState::Disconnected, SessionState::Connected]);
}

#[test]
fn requests_leave_at_once_and_are_answered_in_order() {
    let mut stage = Stage::connected();
    (1..=3).for_each(|id| stage.submit(id, OpCode::SetData));
    let xids: Vec<i32> = stage.sent().iter().map(|packet| packet.xid.0).collect();
    assert_eq!(xids, [1, 2, 3]);
    stage.reply(Xid(1), 0, b"one");
    stage.reply(Xid(2), ErrorCode::NoNode.number(), b"");
    assert_eq!(stage.outcome(1).and_then(|outcome| outcome.clone().ok()).map(|a| a.body), Some("one".into()));
    assert_eq!(stage.outcome(2), Some(&Err(Failure::Refused(-101))));
    assert_eq!(stage.outcome(3), None);
    stage.lose();
    assert_eq!(stage.outcome(3), Some(&Err(LOST)));
}

#[test]
fn replies_may_come_in_any_pieces() {
    let mut stage = Stage::connected();
    stage.submit(1, OpCode::SetData);
    let reply = [0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
    for byte in reply {
        assert_eq!(stage.outcome(1), None);
        stage.receive_bytes(&[byte]);
    }
    assert!(stage.outcome(1).is_some_and(Result::is_ok));
}

#[test]
fn a_large_reply_may_take_its_time() {
    let mut stage = Stage::connected();
    stage.submit(1, OpCode::SetData);
    stage.receive_bytes(&[0, 0, 0, 16]);
    for byte in [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0] {
        stage.pass(TIMEOUT / 2);
        stage.receive_bytes(&[byte]);
    }
    assert!(stage.outcome(1).is_some_and(Result::is_ok));
}

#[test]
fn a_reply_to_nothing_breaks_the_connection() {
    let nonsense: [&[u8]; 4] = [
        &[0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0, 0, 0, 2, 0, 0],
    ];
    for bytes in nonsense {
        let mut stage = Stage::connected();
        stage.submit(1, OpCode::SetData);
        stage.receive_bytes(bytes);
        assert_eq!(stage.outcome(1), Some(&Err(LOST)), "{bytes:?}");
        assert_eq!(stage.session.state(), SessionState::Disconnected);
    }
}

#[test]
fn requests_wait_for_a_connection_as_long_as_the_session_timeout() {
    let mut stage = Stage::new(3, Settings::default());
    stage.submit(1, OpCode::SetData);
    stage.dial();
    stage.lose();
    assert_eq!(stage.outcome(1), None, "an attempt that failed is not the end");
    stage.connect();
    assert_eq!(stage.sent_ops(), [Some(OpCode::SetData)]);
    stage.lose();
    stage.submit(2, OpCode::SetData);
    stage.pass(TIMEOUT);
    assert_eq!(stage.outcome(2), Some(&Err(Failure::NotSent(Cause::Disconnected))));
}

#[test]
fn pings_keep_the_session_and_silence_ends_the_connection() {
    let mut stage = Stage::connected();
    stage.pass(TIMEOUT / 3 - Duration::from_secs(1));
    assert_eq!(stage.sent_ops(), [Some(OpCode::Ping)]);
    stage.reply(Xid::PING, 0, b"");
    stage.pass(TIMEOUT * 2 / 3 - Duration::from_millis(1));
    assert_eq!(stage.session.state(), SessionState::Connected);
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.session.state(), SessionState::Disconnected);
}

#[test]
fn a_server_that_does_not_answer_is_left_for_the_next() {
    let mut stage = Stage::new(3, Settings::default());
    let attempts = (0..3).map(|_| {
        stage.reach();
        let begun = stage.now;
        while matches!(stage.session.phase, super::super::Phase::Greeting { .. }) {
            stage.wake();
        }
        stage.now.since(begun)
    });
    assert!(attempts.collect::<Vec<_>>().iter().all(|&length| length == TIMEOUT / 3));
    let mut tried: Vec<u16> = stage.dialed.iter().map(|host| host.port).collect();
    tried.sort_unstable();
    assert_eq!(tried, [1, 2, 3]);
}

#[test]
fn an_expired_session_is_over() {
    let mut stage = Stage::connected();
    stage.submit_watching(9, WatchingOp::GetData, "/a");
    stage.reply(Xid(1), 0, b"");
    stage.lose();
    stage.submit(1, OpCode::SetData);
    stage.reach();
    stage.greet(SessionId::NONE, Duration::ZERO, false);
    assert_eq!(stage.states.last(), Some(&SessionState::Expired));
    assert_eq!(stage.outcome(1), Some(&Err(Failure::NotSent(Cause::Expired))));
    stage.submit(2, OpCode::SetData);
    assert_eq!(stage.outcome(2), Some(&Err(Failure::NotSent(Cause::Expired))));
    assert_eq!(stage.session.next_wakeup(), None, "nothing is tried any more");
}

#[test]
fn a_server_without_a_quorum_is_not_believed_about_the_end_of_a_session() {
    let mut stage = Stage::new(2, Settings { read_only: true, ..Settings::default() });
    stage.connect();
    stage.lose();
    stage.reach();
    stage.greet(SessionId::NONE, Duration::ZERO, true);
    assert_eq!(stage.session.state(), SessionState::Disconnected);
    stage.connect();
    assert_eq!(stage.session.state(), SessionState::Connected);
}

#[test]
fn a_session_that_no_server_can_have_kept_expires_by_itself() {
    let mut stage = Stage::connected();
    let heard = stage.now;
    stage.lose();
    while !stage.session.state().is_final() {
        stage.wake();
    }
    assert_eq!(stage.session.state(), SessionState::Expired);
    assert_eq!(stage.now.since(heard), TIMEOUT * 4 / 3);
    let mut new = Stage::new(1, Settings::default());
    new.pass(TIMEOUT * 100);
    assert_eq!(new.session.state(), SessionState::Connecting, "a new session has nothing to lose");
}

#[test]
fn credentials_and_watches_are_restored_before_requests() {
    let mut stage = Stage::connected();
    stage.act(|session, now, actions| session.add_auth(now, "digest".to_owned(), b"a:b".to_vec(), actions));
    stage.submit_watching(1, WatchingOp::Exists, "/none");
    stage.submit_watching(2, WatchingOp::GetData, "/data");
    stage.submit_watching(3, WatchingOp::AddRecursive, "/all");
    stage.reply(Xid(1), ErrorCode::NoNode.number(), b"");
    stage.reply(Xid(2), 0, b"");
    stage.reply(Xid(3), 0, b"");
    stage.lose();
    stage.submit(4, OpCode::SetData);
    stage.connect();
    let packets = stage.sent();
    let ops: Vec<_> = packets.iter().map(|packet| OpCode::from_number(packet.op)).collect();
    assert_eq!(ops, [Some(OpCode::Auth), Some(OpCode::SetWatches2), Some(OpCode::SetData)]);
    let request = SetWatches2::from_bytes(&packets[1].body).expect("our own encoding");
    let SetWatches { relative_zxid, data, exist, child } = request.standard;
    assert_eq!((relative_zxid, child.len()), (Zxid(3), 0));
    assert_eq!((&data[..], &exist[..]), (&["/data".into()][..], &["/none".into()][..]));
    assert_eq!(request.persistent_recursive, ["/all"]);
    assert_eq!(stage.missed, [WatcherId(3)], "what happened meanwhile was not told");
    stage.reply(packets[1].xid, ErrorCode::ThrottledOp.number(), b"");
    assert_eq!(stage.session.state(), SessionState::Disconnected, "a server that does not watch is left");
}

#[test]
fn an_event_comes_once_and_before_the_reply_that_shows_it() {
    let mut stage = Stage::connected();
    stage.submit_watching(1, WatchingOp::GetData, "/a");
    stage.reply(Xid(1), 0, b"");
    stage.submit(2, OpCode::SetData);
    stage.notify(EventType::NodeDataChanged, "/a");
    assert_eq!((stage.fired.len(), stage.outcome(2)), (1, None));
    stage.reply(Xid(2), 0, b"");
    stage.notify(EventType::NodeDataChanged, "/a");
    assert_eq!(stage.fired.len(), 1);
}

#[test]
fn a_watch_that_nobody_wants_is_taken_back() {
    let mut stage = Stage::connected();
    stage.submit_watching(1, WatchingOp::GetData, "/a");
    stage.submit_watching(2, WatchingOp::Exists, "/a");
    stage.reply(Xid(1), 0, b"");
    stage.sent();
    let forget = |stage: &mut Stage, id| {
        stage.act(|session, now, actions| session.forget(now, WatcherId(id), actions));
    };
    forget(&mut stage, 1);
    assert_eq!(stage.sent(), [], "the second, which is coming, watches the same");
    forget(&mut stage, 2);
    stage.reply(Xid(2), 0, b"");
    let packets = stage.sent();
    assert_eq!(packets.len(), 1);
    let request = WatchesRequest::from_bytes(&packets[0].body).expect("our own encoding");
    assert_eq!((request.path.as_ref(), request.kind), ("/a", 2));
    stage.reply(packets[0].xid, ErrorCode::NoWatcher.number(), b"");
    stage.notify(EventType::NodeDataChanged, "/a");
    assert_eq!(stage.fired, []);
}

#[test]
fn whoever_lets_go_of_a_watch_leaves_the_persistent_one_on_the_same_path() {
    let mut stage = Stage::connected();
    stage.submit_watching(1, WatchingOp::AddPersistent, "/a");
    stage.submit_watching(2, WatchingOp::GetData, "/a");
    [1, 2].into_iter().for_each(|xid| stage.reply(Xid(xid), 0, b""));
    stage.sent();
    stage.act(|session, now, actions| session.forget(now, WatcherId(2), actions));
    assert_eq!(stage.sent(), [], "servers before 3.9 would remove both");
    stage.notify(EventType::NodeDataChanged, "/a");
    assert_eq!(stage.fired.len(), 1);
}

#[test]
fn removing_watches_ends_them_at_once() {
    let mut stage = Stage::connected();
    stage.submit_watching(1, WatchingOp::AddPersistent, "/a");
    stage.reply(Xid(1), 0, b"");
    stage.act(|session, now, actions| {
        session.remove_watches(now, RequestId(2), WatchKind::Persistent, "/a", actions);
    });
    assert_eq!(stage.forgotten, [WatcherId(1)]);
    stage.reply(Xid(2), 0, b"");
    assert!(stage.outcome(2).is_some_and(Result::is_ok));
}

#[test]
fn removing_watches_ends_those_that_are_on_their_way_as_well() {
    let mut stage = Stage::connected();
    stage.submit_watching(1, WatchingOp::GetData, "/a");
    stage.act(|session, now, actions| {
        session.remove_watches(now, RequestId(2), WatchKind::Data, "/a", actions);
    });
    stage.reply(Xid(1), 0, b"");
    stage.reply(Xid(2), 0, b"");
    assert_eq!(stage.forgotten.first(), Some(&WatcherId(1)), "whoever awaits it is told that it ends");
    stage.notify(EventType::NodeDataChanged, "/a");
    assert_eq!(stage.fired, []);
}

#[test]
fn refused_credentials_end_the_session() {
    let mut stage = Stage::connected();
    stage.submit(1, OpCode::SetData);
    stage.reply(Xid::AUTH, ErrorCode::AuthFailed.number(), b"");
    assert_eq!(stage.session.state(), SessionState::AuthFailed);
    assert_eq!(stage.outcome(1), Some(&Err(Failure::Unknown(Cause::AuthFailed))));
}

#[test]
fn closing_waits_for_what_was_asked_before() {
    let mut stage = Stage::new(3, Settings::default());
    stage.submit(1, OpCode::SetData);
    stage.act(Session::close);
    stage.submit(2, OpCode::SetData);
    assert_eq!(stage.outcome(2), Some(&Err(Failure::NotSent(Cause::Closed))));
    stage.connect();
    assert_eq!(stage.sent_ops(), [Some(OpCode::SetData), Some(OpCode::CloseSession)]);
    stage.reply(Xid(1), 0, b"");
    stage.reply(Xid(2), 0, b"");
    assert_eq!(stage.session.state(), SessionState::Closed);
    assert!(stage.outcome(1).is_some_and(Result::is_ok));
}

#[test]
fn what_is_taken_back_while_closing_has_no_outcome() {
    let mut stage = Stage::connected();
    stage.submit_watching(1, WatchingOp::GetData, "/a");
    stage.act(Session::close);
    stage.act(|session, now, actions| session.forget(now, WatcherId(1), actions));
    stage.reply(Xid(1), 0, b"");
    let ids: Vec<u64> = stage.outcomes.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [1]);
}

#[test]
fn closing_does_not_wait_for_ever() {
    let mut stage = Stage::connected();
    stage.lose();
    stage.act(Session::close);
    stage.pass(TIMEOUT);
    assert_eq!(stage.session.state(), SessionState::Closed);
    let mut unborn = Stage::new(3, Settings::default());
    unborn.act(Session::close);
    assert_eq!(unborn.session.state(), SessionState::Closed, "no server knows of it");
}

#[test]
fn a_read_only_server_serves_until_a_better_one_is_found() {
    let mut stage = Stage::new(2, Settings { read_only: true, ..Settings::default() });
    assert_eq!(stage.reach(), (Zxid(0), SessionId::NONE, true));
    stage.greet(SessionId(5), TIMEOUT, true);
    assert_eq!(stage.session.state(), SessionState::ConnectedReadOnly);
    let other = Host { name: "h".to_owned(), port: 3 - stage.dialed[0].port };
    assert_eq!(stage.probed.as_slice(), std::slice::from_ref(&other));
    let probed = |stage: &mut Stage, answer| {
        let host = stage.probed.last().expect("it asks").clone();
        stage.act(|session, now, actions| session.on_probed(now, &host, answer, actions));
    };
    probed(&mut stage, false);
    stage.pass(Duration::from_millis(200));
    probed(&mut stage, false);
    assert_eq!(stage.probed.len(), 2);
    stage.pass(Duration::from_millis(399));
    assert_eq!(stage.probed.len(), 2, "the pause doubles");
    stage.pass(Duration::from_millis(1));
    probed(&mut stage, true);
    let now = stage.now;
    assert_eq!(stage.reach().1, SessionId::NONE, "nobody else knows a read-only server's session");
    assert_eq!((stage.dialed.last(), stage.now), (Some(&other), now), "at once, and there");
    stage.greet(SESSION, TIMEOUT, false);
    assert_eq!(stage.session.state(), SessionState::Connected);
}

#[test]
fn limits_are_kept() {
    let limits = Settings { requests_max: 2, request_bytes_max: 15, ..Settings::default() };
    let mut stage = Stage::new(1, limits.clone());
    stage.submit(1, OpCode::SetData);
    assert_eq!(stage.outcome(1), Some(&Err(Failure::NotSent(Cause::TooLarge))));
    let mut stage = Stage::new(1, Settings { request_bytes_max: 16, ..limits });
    (1..=3).for_each(|id| stage.submit(id, OpCode::SetData));
    assert_eq!(stage.outcome(3), Some(&Err(Failure::NotSent(Cause::Overloaded))));
    assert_eq!(stage.outcome(2), None);
    let mut stage = Stage::new(1, Settings { waiting_bytes_max: 16, ..Settings::default() });
    (1..=3).for_each(|id| stage.submit(id, OpCode::SetData));
    assert_eq!(stage.outcome(3), Some(&Err(Failure::NotSent(Cause::Overloaded))), "each has 8 bytes");
    stage.connect();
    stage.reply(Xid(1), 0, b"");
    stage.submit(4, OpCode::SetData);
    assert_eq!(stage.outcome(4), None, "there is room again");
}

#[test]
fn a_new_list_of_servers_moves_who_must_move() {
    let mut stage = Stage::connected();
    let hosts = vec![Host { name: "new".to_owned(), port: 1 }];
    stage.act(|session, now, actions| session.on_hosts_changed(now, hosts, actions));
    assert_eq!(stage.session.state(), SessionState::Disconnected);
    assert_eq!(stage.reach().1, SESSION);
    assert_eq!(stage.dialed.last().map(|host| host.name.as_str()), Some("new"));
}

#[test]
fn new_servers_are_asked_at_once_whether_they_are_read_write() {
    let mut stage = Stage::new(2, Settings { read_only: true, ..Settings::default() });
    stage.reach();
    stage.greet(SessionId(5), TIMEOUT, true);
    assert_eq!(stage.probed.len(), 1);
    let new = Host { name: "new".to_owned(), port: 9 };
    let hosts = vec![stage.dialed[0].clone(), new.clone()];
    stage.act(|session, now, actions| session.on_hosts_changed(now, hosts, actions));
    assert_eq!(stage.session.state(), SessionState::ConnectedReadOnly);
    assert_eq!(stage.probed.last(), Some(&new));
}
