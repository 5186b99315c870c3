//! 16.10, first part: containers and TTL nodes go by themselves.

use std::time::Instant;

use zoorum_interop::wire::{Client, code, event, flag};

use crate::support::create_all;
use crate::table::{CONTAINER_CHECK_MS, Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(108, "a container goes after its last child, an unused one stays", containers),
    row(109, "a TTL node goes when nobody touched it", ttl),
    row(109, "a TTL node stays while it has children or is set", ttl_kept),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Extended, check }
}

const TTL_MS: i64 = 1_500;

fn containers(stage: &Stage) {
    let mut client = stage.client();
    let (used, unused) = (stage.name("used"), stage.name("unused"));
    for path in [&used, &unused] {
        assert!(client.create_container(path, flag::CONTAINER).is_ok());
    }
    let child = format!("{used}/c");
    create_all(&mut client, &[&child]);
    await_checks(&mut client, 3);
    assert!(client.exists(&used, true).is_ok());
    assert_eq!(client.delete(&child, -1), Ok(()));
    let event = client.next_event();
    assert_eq!((event.kind, &event.path), (event::DELETED, &used));
    await_checks(&mut client, 3);
    assert_eq!(client.exists(&used, false), Err(code::NO_NODE));
    assert!(client.exists(&unused, false).is_ok());
}

fn ttl(stage: &Stage) {
    let mut client = stage.client();
    let path = stage.name("alone");
    let begun = Instant::now();
    assert!(client.create_ttl(&path, b"", flag::TTL, TTL_MS).is_ok());
    assert!(client.exists(&path, true).is_ok());
    let event = client.next_event();
    assert_eq!((event.kind, event.path), (event::DELETED, path));
    let lived = begun.elapsed().as_millis() as i64;
    assert!((TTL_MS..TTL_MS + 2_000).contains(&lived), "it lived for {lived} ms");
}

fn ttl_kept(stage: &Stage) {
    let mut client = stage.client();
    let (parent, touched) = (stage.name("parent"), stage.name("touched"));
    for path in [&parent, &touched] {
        // Less than the four turns below take together, and far more than one of them.
        assert!(client.create_ttl(path, b"", flag::TTL, 3_000).is_ok());
    }
    create_all(&mut client, &[&format!("{parent}/c")]);
    // A third node, renewed by nobody, tells by its end how much time has passed.
    for _ in 0..4 {
        let timer = stage.name("timer");
        assert!(client.create_ttl(&timer, b"", flag::TTL, 800).is_ok());
        assert!(client.exists(&timer, true).is_ok());
        assert_eq!(client.next_event().path, timer);
        assert!(client.set_data(&touched, b"", -1).is_ok(), "the node should still be there");
    }
    assert!(client.exists(&parent, false).is_ok());
    assert!(client.exists(&touched, true).is_ok());
    assert_eq!(client.next_event().path, touched, "left alone at last, it goes");
}

/// Lets `count` looks at the containers pass: one removes a TTL node at the earliest when its time is over.
fn await_checks(client: &mut Client, count: u32) {
    let timer = client.create_ttl("/timer", b"", flag::SEQUENTIAL_TTL, i64::from(count * CONTAINER_CHECK_MS));
    let (timer, _) = timer.expect("created");
    assert!(client.exists(&timer, true).is_ok());
    assert_eq!(client.next_event().path, timer);
}
