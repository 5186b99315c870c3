//! One data directory, several servers in turn: the original, Zoorum, the original, Zoorum.
//!
//! Whatever one left behind, the next must serve unchanged: every node with its data, `Stat` and ACL, every session
//! with its password and its ephemeral nodes, every write that was acknowledged before a `kill -9`. With
//! `ZOORUM_INTEROP_AGAINST=original` the original takes both parts, which shows that the test itself is right.

mod load;
mod state;

use std::fs;
use std::path::Path;

use load::Load;
use state::{Dump, Held};
use zoorum_interop::ensemble::until;
use zoorum_interop::server::{Kind, Server, Setup};

/// What the original logs when a transaction did not make of the tree what the log says it should.
const MISMATCH: &str = "Digests are not matching";

#[test]
fn nodes_and_sessions_survive_a_handover_by_log() {
    hand_over(Setup::new(), None);
}

#[test]
fn nodes_and_sessions_survive_a_handover_by_snapshot() {
    hand_over(snapshots_often(), Some(""));
}

#[test]
fn gzipped_snapshots_are_read_by_the_other() {
    hand_over(snapshots_often().config("snapshot.compression.method", "gz"), Some(".gz"));
}

#[test]
fn snappy_snapshots_are_read_by_the_other() {
    hand_over(snapshots_often().config("snapshot.compression.method", "snappy"), Some(".snappy"));
}

#[test]
fn a_log_directory_of_its_own_is_handed_over_too() {
    let logs = tempfile::tempdir().expect("a directory");
    hand_over(snapshots_often().config("dataLogDir", &logs.path().display().to_string()), Some(""));
    assert!(files(logs.path(), |name| name.starts_with("log.")) > 0, "the logs lie there");
}

#[test]
fn acknowledged_writes_survive_a_kill_under_load() {
    kill_under_load(Setup::new());
}

#[test]
fn acknowledged_writes_survive_a_kill_while_snapshots_are_taken() {
    kill_under_load(snapshots_often());
}

fn turns() -> [Kind; 4] {
    let other = match std::env::var("ZOORUM_INTEROP_AGAINST").as_deref() {
        Ok("original") => Kind::Original,
        _ => Kind::Zoorum,
    };
    [Kind::Original, other, Kind::Original, other]
}

fn snapshots_often() -> Setup {
    Setup::new().config("snapCount", "100")
}

/// What every server here needs: TTL nodes, which a server without them deletes, and a super user who sees all.
fn complete(setup: Setup) -> Setup {
    setup
        .config("extendedTypesEnabled", "true")
        .config("DigestAuthenticationProvider.superDigest", state::SUPER_DIGEST)
}

/// Each server in turn checks what it got, adds to it, and stops when asked. With `snapshots` each must leave
/// snapshots of its own, whose names end so.
fn hand_over(setup: Setup, snapshots: Option<&str>) {
    let mut last: Option<Server> = None;
    let mut left: Option<(Dump, Vec<Held>)> = None;
    for (turn, kind) in turns().into_iter().enumerate() {
        let mut server = take_turn(last, kind, &setup);
        let mut sessions = Vec::new();
        if let Some((before, held)) = left {
            before.expect_same(&Dump::of(&server), &format!("turn {turn}, {kind:?}"));
            sessions = held.into_iter().map(|session| session.check(&server)).collect();
        }
        let inherited = snapshots.map_or(0, |suffix| snapshots_in(&server, suffix));
        state::populate(&server, turn);
        sessions.push(Held::begin(&server, &format!("/held{turn}")));
        if turn >= 2 {
            sessions.remove(0).end(&server);
        }
        left = Some((Dump::of(&server), sessions));
        if let Some(suffix) = snapshots {
            let what = format!("turn {turn}: {kind:?} has a snapshot*{suffix} of its own");
            until(&what, || (snapshots_in(&server, suffix) > inherited).then_some(()));
        }
        server.stop();
        last = Some(server);
    }
    expect_undoubted(last.expect("there were turns"));
}

/// As [`hand_over`], but each server is killed in the midst of writes.
fn kill_under_load(setup: Setup) {
    let mut last: Option<Server> = None;
    let mut left: Option<(Dump, Held, Load)> = None;
    for (turn, kind) in turns().into_iter().enumerate() {
        let mut server = take_turn(last, kind, &setup);
        let session = match left {
            None => Held::begin(&server, "/held"),
            Some((before, held, load)) => {
                load.expect_kept(&server);
                let now = Dump::of(&server).without(load.root());
                before.without(load.root()).expect_same(&now, &format!("turn {turn}, {kind:?}"));
                held.check(&server)
            }
        };
        state::populate(&server, turn);
        let load = Load::prepare(&server, &format!("/load{turn}"));
        let before = Dump::of(&server);
        left = Some((before, session, load.run_until_killed(&mut server)));
        last = Some(server);
    }
    let server = take_turn(last, Kind::Original, &setup);
    left.expect("there were turns").2.expect_kept(&server);
    expect_undoubted(server);
}

/// Starts a server on the files of the one before, which has ended.
fn take_turn(last: Option<Server>, kind: Kind, setup: &Setup) -> Server {
    let directory = tempfile::Builder::new().prefix("zoorum-handover-").tempdir().expect("a directory");
    if let Some(last) = last.map(expect_undoubted) {
        fs::rename(last.directory().join("data"), directory.path().join("data")).expect("move the data");
    }
    Server::start_in(directory, kind, complete(setup.clone()))
}

/// A server's log must not tell of a tree that is not what its history says.
fn expect_undoubted(server: Server) -> Server {
    let log = server.log();
    let doubts: Vec<&str> = log.lines().filter(|line| line.contains(MISMATCH)).collect();
    assert!(doubts.is_empty(), "the original doubts the tree: {doubts:#?}");
    server
}

fn snapshots_in(server: &Server, suffix: &str) -> usize {
    files(&server.directory().join("data"), |name| name.starts_with("snapshot.") && name.ends_with(suffix))
}

fn files(directory: &Path, wanted: impl Fn(&str) -> bool) -> usize {
    let entries = fs::read_dir(directory.join("version-2")).expect("a data directory");
    entries
        .filter(|entry| entry.as_ref().expect("an entry").file_name().to_str().is_some_and(&wanted))
        .count()
}
