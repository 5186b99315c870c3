//! 16.9: the end of sessions.

use std::time::{Duration, Instant};

use zoorum_interop::wire::{Client, Connect, Connected, code, event, flag};

use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(100, "a silent session expires within a tick of its timeout", silent),
    row(101, "ephemerals outlive their connection until the session expires", hung_up),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Slow, check }
}

/// The shortest timeout at the default tick, and what a session may live longer than that.
const TIMEOUT: Duration = Duration::from_millis(4_000);
const TICK: Duration = Duration::from_millis(2_000);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_500);

fn short_lived(stage: &Stage) -> Client {
    let client = Client::connect_with(stage.address(), &Connect { timeout: 4_000, ..Connect::default() });
    assert_eq!(client.session.timeout, 4_000);
    client
}

fn expect_expired(stage: &Stage, session: &Connected) {
    // Who is told of a session's end can ask for it while the original is still closing whatever connection
    // bears its id; asking again finds it gone. Zoorum answers at once.
    let attempts = stage.kind.pick(10, 1);
    let (mut wire, answer) = (0..attempts)
        .map(|_| {
            let mut wire = stage.wire();
            let answer = wire.handshake(&Connect::resume(session));
            (wire, answer)
        })
        .find(|(_, answer)| answer.is_some())
        .expect("an answer, not just the end of the connection");
    assert_eq!(answer, Some(Connected::refusal()));
    wire.expect_closed();
}

fn silent(stage: &Stage) {
    let mut client = short_lived(stage);
    let path = stage.name("e");
    let last_sent = Instant::now();
    assert!(client.create(&path, b"", flag::EPHEMERAL).is_ok());
    client.expect_closed();
    let lived = last_sent.elapsed();
    assert!(lived >= TIMEOUT && lived < TIMEOUT + TICK + SLACK, "the session lived for {lived:?}");
    assert_eq!(stage.client().exists(&path, false), Err(code::NO_NODE));
    expect_expired(stage, &client.session);
}

fn hung_up(stage: &Stage) {
    let mut client = short_lived(stage);
    let path = stage.name("e");
    assert!(client.create(&path, b"", flag::EPHEMERAL).is_ok());
    let mut watcher = stage.client();
    let begun = Instant::now();
    let session = client.hang_up();
    assert!(watcher.exists(&path, true).is_ok());
    let event = watcher.next_event();
    let lived = begun.elapsed();
    assert_eq!((event.kind, event.path), (event::DELETED, path));
    assert!(lived >= TIMEOUT - SLACK && lived < TIMEOUT + TICK + SLACK, "the node lived for {lived:?}");
    expect_expired(stage, &session);
}
