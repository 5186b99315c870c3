//! Data of unusual shapes, which must live through snapshots, restarts and hand-overs.

use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::tree::dump;
use zoorum_interop::wire::client::{create_record, request};
use zoorum_interop::wire::{Acl, Client, Connect, SubOp, flag, op};

use crate::support::{await_that, create_children, expect_served};

/// Levels of the deep tree that the original can write, too: it recurses.
const DEPTH: usize = 1000;

fn create_deep(client: &mut Client, depth: usize) -> Vec<String> {
    let paths: Vec<String> = (1..=depth).map(|level| "/d".repeat(level)).collect();
    // Pipelined, and read as the server answers.
    for paths in paths.chunks(200) {
        for path in paths {
            client.wire.write(&request(7, op::CREATE, &create_record(path, b"", &Acl::open(), 0)));
        }
        for _ in paths {
            assert_eq!(client.reply().err, 0);
        }
    }
    paths
}

#[test]
fn the_original_carries_on_with_every_shape_that_it_allows() {
    let mut server = Server::start(Kind::Zoorum, Setup::new().config("snapCount", "50"));
    let mut client = server.client();
    create_deep(&mut client, DEPTH);
    client.create(&format!("/{}", "n".repeat(500_000)), b"", 0).expect("one long component");
    client.create("/big", &vec![7; 1_000_000], 0).expect("a large value");
    client.create("/\u{10000}\u{ffef}\u{e9}", b"", 0).unwrap_or_default();
    client.create("/\u{d7ff}\u{a0}", b"", 0).expect("the ends of what is allowed");
    let digests =
        vec![Acl::new(31, "digest", "u:h"), Acl::new(31, "digest", "u:h"), Acl::new(1, "world", "anyone")];
    client.create_with("/acl", b"", &digests, 0).expect("duplicates in an ACL");
    create_children(&mut client, "/wide", 10_000);
    let before = dump(&mut client);
    client.close();
    server.restart();
    assert!(dump(&mut server.client()) == before, "the same tree after a crash");
    server.hand_over(Kind::Original);
    assert!(dump(&mut server.client()) == before, "the same tree for the original");
    server.hand_over(Kind::Zoorum);
    assert!(dump(&mut server.client()) == before, "the same tree when it comes back");
}

#[test]
fn a_deep_tree_is_walked_watched_snapshotted_and_deleted() {
    let mut server = Server::start(Kind::Zoorum, Setup::new().config("snapCount", "1000"));
    let mut client = server.client();
    let mut neighbour = server.client();
    neighbour.add_watch("/", 1).expect("a recursive watch");
    let paths = create_deep(&mut client, 4000);
    expect_served(&mut neighbour);
    assert_eq!(client.get_all_children_number("/d"), Ok(3999));
    client.close();
    drop(neighbour);
    server.restart();
    let mut client = server.client();
    assert_eq!(client.get_all_children_number("/d"), Ok(3999));
    for paths in paths.rchunks(200) {
        for path in paths.iter().rev() {
            client.wire.write(&request(7, op::DELETE, &zoorum_interop::wire::client::path_int(path, -1)));
        }
        for _ in paths {
            assert_eq!(client.reply().err, 0);
        }
    }
    assert!(client.exists("/d", false).is_err(), "all of it is gone");
}

#[test]
fn two_hundred_thousand_children_are_listed_and_live_through_a_restart() {
    let mut server = Server::start(Kind::Zoorum, Setup::new());
    let mut client = server.client();
    create_children(&mut client, "/wide", 200_000);
    assert_eq!(client.get_children("/wide", false).map(|names| names.len()), Ok(200_000));
    client.close();
    server.restart();
    assert_eq!(server.client().get_all_children_number("/wide"), Ok(200_000));
}

#[test]
fn a_session_with_megabytes_of_ephemeral_paths_ends_and_the_log_can_be_read() {
    let mut server = Server::start(Kind::Zoorum, Setup::new());
    let mut owner = server.client();
    let name = "e".repeat(900);
    for part in 0..20 {
        let ops: Vec<SubOp> = (0..900)
            .map(|number| {
                let path = format!("/{name}{part:03}{number:05}");
                (op::CREATE, create_record(&path, b"", &Acl::open(), flag::EPHEMERAL))
            })
            .collect();
        assert!(owner.multi(&ops).is_ok());
    }
    owner.close();
    server.restart();
    let mut client = server.client();
    assert_eq!(client.get_children("/", false), Ok(vec!["zookeeper".to_owned()]));
    expect_served(&mut client);
}

#[test]
fn a_session_taken_up_again_and_again_lives() {
    let setup = Setup::new()
        .config("tickTime", "100")
        .config("minSessionTimeout", "200")
        .config("4lw.commands.whitelist", "mntr");
    let server = Server::start(Kind::Zoorum, setup);
    let mut session =
        Client::connect_with(server.address(), &Connect { timeout: 1000, ..Connect::default() }).hang_up();
    for _ in 0..300 {
        session = Client::connect_with(server.address(), &Connect::resume(&session)).hang_up();
    }
    await_that("it ends when nobody comes", || {
        zoorum_interop::wire::four_letter_word(server.address(), "mntr").contains("zk_global_sessions\t0\n")
    });
}
