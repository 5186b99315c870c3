//! Random conversations: connections break at every point, servers forget sessions, time passes.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use zoorum_proto::reply::EventType;
use zoorum_proto::{ErrorCode, OpCode, SessionId, Xid};

use super::super::{Failure, RequestId, Settings, WatchingOp};
use super::stage::{SESSION, Stage, TIMEOUT};

#[derive(Clone, Debug)]
enum Step {
    Submit,
    SubmitWatching(u8, u8),
    Forget(usize),
    /// The server reads so many requests, and carries them out.
    Serve(usize),
    /// So many replies reach the client.
    Deliver(usize),
    Notify(u8, u8),
    Lose,
    Connect,
    Expire,
    Pass(u64),
    Nonsense(Vec<u8>),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Submit),
        4 => (0..3_u8, 0..5_u8).prop_map(|(path, by)| Step::SubmitWatching(path, by)),
        1 => any::<usize>().prop_map(Step::Forget),
        8 => (1..4_usize).prop_map(Step::Serve),
        8 => (1..4_usize).prop_map(Step::Deliver),
        4 => (0..3_u8, 1..5_u8).prop_map(|(path, kind)| Step::Notify(path, kind)),
        3 => Just(Step::Lose),
        6 => Just(Step::Connect),
        1 => Just(Step::Expire),
        3 => (0..5000_u64).prop_map(Step::Pass),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Nonsense),
        1 => Just(Step::Close),
    ]
}

/// What the server has read, carried out, and answered.
#[derive(Default)]
struct Server {
    unread: Vec<(Xid, i32, u64)>,
    answered: Vec<(Xid, i32)>,
    carried_out: BTreeSet<u64>,
    /// Watchers that are to be told once.
    once: BTreeSet<u64>,
}

fn path(number: u8) -> String {
    format!("/{number}")
}

fn play(stage: &mut Stage, server: &mut Server, submitted: &mut u64, step: Step) {
    match step {
        Step::Submit => {
            *submitted += 1;
            stage.submit(*submitted, OpCode::SetData);
        }
        Step::SubmitWatching(node, by) => {
            *submitted += 1;
            let by = [
                WatchingOp::GetData,
                WatchingOp::Exists,
                WatchingOp::GetChildren,
                WatchingOp::AddPersistent,
                WatchingOp::AddRecursive,
            ][usize::from(by)];
            if !matches!(by, WatchingOp::AddPersistent | WatchingOp::AddRecursive) {
                server.once.insert(*submitted);
            }
            stage.submit_watching(*submitted, by, &path(node));
        }
        Step::Forget(number) => {
            let watcher = super::super::WatcherId(number as u64 % (*submitted + 1));
            stage.act(|session, now, actions| session.forget(now, watcher, actions));
        }
        Step::Serve(count) => {
            for (xid, op, id) in server.unread.drain(..count.min(server.unread.len())) {
                server.carried_out.insert(id);
                server.answered.push((xid, op));
            }
        }
        Step::Deliver(count) => {
            for (xid, _) in server.answered.drain(..count.min(server.answered.len())).collect::<Vec<_>>() {
                let err = if xid.0 % 5 == 4 { ErrorCode::NoNode.number() } else { 0 };
                stage.reply(xid, if xid.0 > 0 { err } else { 0 }, b"");
            }
        }
        Step::Notify(node, kind) if stage.session.state().is_connected() => {
            stage.notify(EventType::from_number(kind.into()).expect("1 to 4"), &path(node));
        }
        Step::Lose => stage.lose(),
        Step::Connect if !stage.session.state().is_connected() && !stage.session.state().is_final() => {
            stage.pass(Duration::from_millis(2200));
            if !stage.session.state().is_final() {
                stage.reach_again();
            }
        }
        Step::Expire => {
            if stage.is_greeting() {
                stage.greet(SessionId::NONE, Duration::ZERO, false);
            }
        }
        Step::Pass(length) => stage.pass(Duration::from_millis(length)),
        Step::Nonsense(bytes) => stage.receive_bytes(&bytes),
        Step::Close => stage.act(super::super::Session::close),
        Step::Notify(..) | Step::Connect => {}
    }
}

/// What the session has sent reaches the server, unless the connection is gone.
fn carry(stage: &mut Stage, server: &mut Server) {
    if !stage.session.state().is_connected() {
        server.unread.clear();
        server.answered.clear();
        return;
    }
    for packet in stage.sent() {
        let is_ours = packet.op == OpCode::SetData as i32;
        let id = packet
            .body
            .get(..8)
            .filter(|_| is_ours)
            .and_then(|id| id.try_into().ok())
            .map_or(0, u64::from_be_bytes);
        server.unread.push((packet.xid, packet.op, id));
    }
}

proptest! {
    #[test]
    fn every_request_has_one_outcome_and_it_is_true(steps in prop::collection::vec(step(), 1..120)) {
        let mut stage = Stage::new(3, Settings::default());
        let mut server = Server::default();
        let mut submitted = 0;
        for step in steps {
            play(&mut stage, &mut server, &mut submitted, step);
            carry(&mut stage, &mut server);
        }
        // In the end everybody gives up.
        stage.lose();
        stage.pass(TIMEOUT * 2);
        let mut told = BTreeSet::new();
        for (id, outcome) in &stage.outcomes {
            prop_assert!(told.insert(*id), "{:?} has two outcomes", id);
            let carried_out = server.carried_out.contains(&id.0);
            match outcome {
                Ok(_) | Err(Failure::Refused(_)) | Err(Failure::Unknown(_)) => {}
                Err(Failure::NotSent(cause)) => prop_assert!(!carried_out, "{:?} {:?}", id, cause),
            }
        }
        let all: BTreeSet<RequestId> = (1..=submitted).map(RequestId).collect();
        prop_assert_eq!(told, all);
        let mut fired = BTreeSet::new();
        for (watcher, event) in &stage.fired {
            prop_assert!(fired.insert(*watcher) || !server.once.contains(&watcher.0), "{:?} again: {:?}", watcher, event);
        }
    }

    #[test]
    fn a_session_whose_server_returns_recovers(
        breaks in prop::collection::vec(0..3_u8, 0..6),
    ) {
        let mut stage = Stage::connected();
        stage.submit_watching(1, WatchingOp::GetData, "/0");
        stage.reply(Xid(1), 0, b"");
        stage.sent_discarded();
        for how in breaks {
            match how {
                0 => stage.lose(),
                1 => stage.receive_bytes(&[0xff; 4]),
                _ => { stage.lose(); stage.dial(); stage.lose(); }
            }
            stage.sent_discarded();
            stage.reach();
            stage.greet(SESSION, TIMEOUT, false);
            let restored = stage.sent_ops();
            prop_assert_eq!(restored, [Some(OpCode::SetWatches)]);
        }
        stage.submit(2, OpCode::SetData);
        prop_assert_eq!(stage.sent_ops().pop(), Some(Some(OpCode::SetData)));
    }
}
