//! What members of an ensemble do for clients besides the usual.

use std::time::Duration;

use zoorum_proto::{Encode, ErrorCode, OpCode, SessionId, Zxid};
use zoorum_tree::Outcome;

use super::ensemble::{Ensemble, Told};
use crate::message::Service;
use crate::replica::Mode;
use crate::replica::local::explained;
use crate::settings::{LocalSessions, MemberSettings};

const GRACE: Duration = Duration::from_secs(2);

fn reading() -> MemberSettings {
    MemberSettings { read_only_after: Some(GRACE), ..MemberSettings::default() }
}

#[test]
fn a_member_without_a_leader_serves_readers_after_a_while() {
    let mut ensemble = Ensemble::apart(&[reading(), reading()]);
    ensemble.pass(GRACE - Duration::from_millis(50));
    assert_eq!((ensemble.mode(0), ensemble.service(0)), (Mode::Waiting, None));
    ensemble.pass(Duration::from_millis(50));
    assert_eq!(ensemble.mode(0), Mode::ReadOnly);
    assert_eq!(ensemble.service(0), Some(Service { era: 1, read_only: true }));
}

#[test]
fn a_member_that_may_not_serve_readers_waits() {
    let mut ensemble = Ensemble::apart(&[MemberSettings::default(), MemberSettings::default()]);
    ensemble.pass(10 * GRACE);
    assert_eq!((ensemble.mode(0), ensemble.service(0)), (Mode::Waiting, None));
}

#[test]
fn readers_get_sessions_of_this_server_alone_and_no_writes() {
    let mut ensemble = Ensemble::apart(&[reading(), reading()]);
    ensemble.pass(GRACE);
    let session = ensemble.connect(0, 1, None).expect("a reader gets a session");
    let refused = |xid| Told::Reply(xid, Zxid::ZERO, ErrorCode::NotReadOnly.number());
    assert_eq!(ensemble.create(0, session, 1, 0), [refused(1)]);
    assert_eq!(ensemble.write(0, session, 2, OpCode::Sync, "/".to_vec()), [refused(2)]);
    assert_eq!(ensemble.write(0, session, 3, OpCode::Multi, vec![1]), [refused(3)]);
    assert_eq!(ensemble.close(0, SessionId(77), 4), [refused(4)], "it is not this server's to close");
    assert_eq!(ensemble.close(0, session, 5), [Told::Reply(5, Zxid::ZERO, 0), Told::Closed]);
    assert_eq!(ensemble.connect(0, 1, Some(session)), None, "it is gone");
    assert_eq!(ensemble.connect(0, 1, Some(SessionId(77))), None, "it was never known here");
}

#[test]
fn a_reader_may_come_back_and_expires_if_it_does_not() {
    let mut ensemble = Ensemble::apart(&[reading(), reading()]);
    ensemble.pass(GRACE);
    let session = ensemble.connect(0, 1, None).expect("a reader gets a session");
    ensemble.pass(Duration::from_secs(3));
    assert_eq!(ensemble.connect(0, 2, Some(session)), Some(session));
    ensemble.pass(Duration::from_secs(3));
    assert_eq!(ensemble.local_sessions(0), 1);
    ensemble.pass(Duration::from_secs(3));
    assert_eq!(ensemble.local_sessions(0), 0);
}

#[test]
fn readers_are_served_no_longer_once_there_is_a_leader() {
    let mut ensemble = Ensemble::apart(&[reading(), reading()]);
    ensemble.pass(GRACE);
    let session = ensemble.connect(0, 1, None).expect("a reader gets a session");
    ensemble.start_member(1);
    ensemble.pass(Duration::from_secs(2));
    let service = ensemble.service(0).expect("there is a leader");
    assert_eq!((service.era, service.read_only), (2, false));
    assert_eq!(ensemble.connect(0, 1, Some(session)), None, "it ended with the time of service");
    assert_eq!(ensemble.local_sessions(0), 0);
}

#[test]
fn a_member_that_loses_its_leader_serves_readers_and_its_sessions_are_known() {
    let mut ensemble = Ensemble::start(&[reading(), reading()]);
    let (leader, follower) = (ensemble.leader(), ensemble.follower());
    let session = ensemble.connect(follower, 1, None).expect("a session");
    assert!(ensemble.is_global(session));
    ensemble.stop(leader);
    assert_eq!(ensemble.service(follower), None);
    ensemble.pass(GRACE);
    assert_eq!(ensemble.mode(follower), Mode::ReadOnly);
    ensemble.pass(Duration::from_secs(60));
    assert!(ensemble.is_global(session), "only a leader ends it");
    ensemble.start_member(leader);
    ensemble.pass(Duration::from_secs(3));
    assert_ne!(ensemble.mode(follower), Mode::ReadOnly);
    assert_eq!(ensemble.connect(follower, 1, Some(session)), Some(session));
}

#[test]
fn a_leader_that_serves_no_clients_serves_its_learners() {
    let busy = MemberSettings { leader_serves: false, ..MemberSettings::default() };
    let mut ensemble = Ensemble::start(&[busy.clone(), busy.clone(), busy]);
    let (leader, follower) = (ensemble.leader(), ensemble.follower());
    assert_eq!((ensemble.mode(leader), ensemble.service(leader)), (Mode::Waiting, None));
    let session = ensemble.connect(follower, 1, None).expect("a session");
    assert!(matches!(ensemble.create(follower, session, 1, 0)[..], [Told::Reply(1, _, 0)]));
    assert!(ensemble.has(leader, "/1"));
}

fn local(upgrading: bool) -> Vec<MemberSettings> {
    let settings = MemberSettings {
        local_sessions: Some(LocalSessions { upgrading }),
        read_only_after: Some(GRACE),
        ..MemberSettings::default()
    };
    vec![settings; 2]
}

/// The places of a leader and of a follower.
fn places(ensemble: &Ensemble) -> [usize; 2] {
    [ensemble.leader(), ensemble.follower()]
}

#[test]
fn a_local_session_leaves_no_trace_and_changes_what_needs_no_owner() {
    let mut ensemble = Ensemble::start(&local(true));
    for place in places(&ensemble) {
        let before = ensemble.zxid(place);
        let session = ensemble.connect(place, 1, None).expect("a session");
        assert_eq!((ensemble.local_sessions(place), ensemble.is_global(session)), (1, false));
        assert_eq!(ensemble.zxid(place), before);
        let (xid, zxid) = (place as i32, before.next().max(Zxid(1 << 32 | 1)));
        assert_eq!(ensemble.create(place, session, xid, 0), [Told::Reply(xid, zxid, 0)]);
        assert_eq!(ensemble.connect(place, 1, Some(session)), Some(session), "it may come back here");
        assert_eq!(ensemble.close(place, session, 9), [Told::Reply(9, zxid, 0), Told::Closed]);
        assert_eq!((ensemble.local_sessions(place), ensemble.zxid(place)), (0, zxid));
        let expired = ErrorCode::SessionExpired.number();
        assert_eq!(ensemble.create(place, session, 10, 0), [Told::Reply(10, zxid, expired)], "too late");
        assert_eq!(ensemble.connect(place, 1, Some(session)), None);
    }
}

#[test]
fn a_local_session_is_unknown_to_other_members() {
    let mut ensemble = Ensemble::start(&local(true));
    let [leader, follower] = places(&ensemble);
    for (here, there) in [(leader, follower), (follower, leader)] {
        let session = ensemble.connect(here, 1, None).expect("a session");
        assert_eq!(ensemble.connect(there, 1, Some(session)), None);
        assert_eq!(ensemble.connect(here, 1, Some(session)), Some(session), "nothing happened to it");
    }
}

#[test]
fn a_local_session_that_wants_an_ephemeral_znode_becomes_known_first() {
    let mut ensemble = Ensemble::start(&local(true));
    let [leader, follower] = places(&ensemble);
    for (here, there, xid) in [(leader, follower, 1), (follower, leader, 2)] {
        let session = ensemble.connect(here, 1, None).expect("a session");
        let zxid = Zxid(ensemble.zxid(here).0.max(1 << 32) + 2);
        assert_eq!(ensemble.create(here, session, xid, 1), [Told::Reply(xid, zxid, 0)]);
        assert_eq!((ensemble.local_sessions(here), ensemble.is_global(session)), (0, true));
        ensemble.pass(Duration::from_secs(2));
        assert_eq!(ensemble.connect(there, 1, Some(session)), Some(session), "it may go elsewhere");
        assert!(ensemble.has(here, &format!("/{xid}")) && ensemble.has(there, &format!("/{xid}")));
        assert_eq!(ensemble.close(there, session, 9).last(), Some(&Told::Closed));
        assert!(!ensemble.has(here, &format!("/{xid}")) && !ensemble.has(there, &format!("/{xid}")));
    }
}

#[test]
fn a_local_session_that_may_not_become_known_is_denied_ephemeral_znodes() {
    let mut ensemble = Ensemble::start(&local(false));
    let denied = ErrorCode::EphemeralOnLocalSession.number();
    for place in places(&ensemble) {
        let session = ensemble.connect(place, 1, None).expect("a session");
        let told = ensemble.create(place, session, 1, 1);
        assert!(matches!(told[..], [Told::Reply(1, _, err)] if err == denied), "{told:?}");
        let told = ensemble.create(place, session, 10 + place as i32, 0);
        assert!(matches!(told[..], [Told::Reply(_, _, 0)]), "{told:?}");
        assert!(!ensemble.is_global(session) && !ensemble.has(place, "/1"));
    }
}

#[test]
fn a_local_session_ends_if_nothing_is_heard_of_it_and_one_that_became_known_does_so_at_the_leader() {
    let mut ensemble = Ensemble::start(&local(true));
    for place in places(&ensemble) {
        let session = ensemble.connect(place, 1, None).expect("a session");
        ensemble.pass(Duration::from_secs(7));
        assert_eq!(ensemble.local_sessions(place), 0);
        assert_eq!(ensemble.connect(place, 1, Some(session)), None);
        let session = ensemble.connect(place, 1, None).expect("a session");
        ensemble.create(place, session, 1, 1);
        assert!(ensemble.has(place, "/1"));
        ensemble.pass(Duration::from_secs(7));
        assert!(!ensemble.has(place, "/1"), "the leader ended it");
    }
}

#[test]
fn local_sessions_end_with_the_leader() {
    let mut ensemble = Ensemble::start(&local(true));
    let [leader, follower] = places(&ensemble);
    let session = ensemble.connect(follower, 1, None).expect("a session");
    ensemble.stop(leader);
    ensemble.pass(GRACE);
    assert_eq!(ensemble.mode(follower), Mode::ReadOnly);
    assert_eq!(ensemble.connect(follower, 1, Some(session)), None);
}

#[test]
fn what_the_leader_says_of_a_session_that_it_does_not_know_is_explained() {
    let [unknown, denied] = [ErrorCode::SessionExpired, ErrorCode::EphemeralOnLocalSession]
        .map(|code| Outcome::Error(code.number()));
    let other = Outcome::Error(ErrorCode::NoNode.number());
    for (decided, told) in [(&unknown, &denied), (&other, &other)] {
        assert_eq!(*explained(decided, true), *told);
        let multi = |outcome: &Outcome| Outcome::Multi(vec![other.clone(), outcome.clone()]);
        assert_eq!(*explained(&multi(decided), true), multi(told));
        assert_eq!(*explained(decided, false), *decided);
    }
}

#[test]
fn a_sync_is_answered_before_there_is_any_change_in_an_epoch() {
    let three = || MemberSettings::default();
    let mut ensemble = Ensemble::start(&[three(), three(), three()]);
    let dead = ensemble.leader();
    let session = ensemble.connect(dead, 1, None).expect("a session");
    ensemble.pass(Duration::from_secs(1));
    ensemble.stop(dead);
    ensemble.pass(Duration::from_secs(2));
    let follower = ensemble.follower();
    let last = ensemble.zxid(follower);
    assert_eq!(ensemble.connect(follower, 1, Some(session)), Some(session));
    let answer = ensemble.write(follower, session, 1, OpCode::Sync, "/".to_vec());
    assert_eq!(answer, [Told::Reply(1, last, 0)], "nobody has to write first");
}

#[test]
fn what_was_asked_of_an_observer_does_not_come_behind_what_is_asked_of_its_master_since() {
    let [one, two, three] = [(); 3].map(|()| MemberSettings::default());
    let mut ensemble = Ensemble::observed(&[one, two, three]);
    let (leader, follower, observer) = (ensemble.leader(), ensemble.follower(), 2);
    assert_eq!(ensemble.mode(observer), Mode::Observer);
    let session = ensemble.connect(observer, 1, None).expect("a session");
    assert_eq!(ensemble.create(observer, session, 1, 0).len(), 1);
    assert_eq!(ensemble.connect(follower, 1, Some(session)), Some(session));
    assert_eq!(ensemble.create(follower, session, 2, 0).len(), 1);
    ensemble.create(observer, session, 3, 0); // which has not noticed that the client is gone
    ensemble.pass(Duration::from_secs(3));
    let is_there = |ensemble: &Ensemble| ["/1", "/2", "/3"].map(|path| ensemble.has(leader, path));
    assert_eq!(is_there(&ensemble), [true, true, false]);
    assert_eq!(ensemble.mode(observer), Mode::Observer, "it was let go, and is back");
    // And the other way round.
    assert_eq!(ensemble.connect(observer, 1, Some(session)), Some(session));
    assert_eq!(ensemble.create(observer, session, 4, 0).len(), 1);
    ensemble.create(follower, session, 5, 0);
    assert_eq!(["/4", "/5"].map(|path| ensemble.has(leader, path)), [true, false]);
}
