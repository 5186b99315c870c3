//! Clients that ask for more than their share: of memory, and of the server's time.

use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::client::{auth_record, path_int, path_watch, request, set_data_record};
use zoorum_interop::wire::{Acl, Connect, Wire, Writer, code, four_letter_word, framed, op};

use crate::support::{Deaf, await_that, create_children, expect_bounded, expect_served, memory, repeated};

/// One client may make the server hold so much: 64 MiB of output, and as much again while it grows.
const ONE_CLIENT: u64 = 300;

fn with_big_node() -> Server {
    let server = Server::start(Kind::Zoorum, Setup::new());
    server.client().create("/big", &[7; 1_000_000], 0).expect("a node of a megabyte");
    server
}

#[test]
fn replies_that_nobody_reads_do_not_pile_up() {
    let server = with_big_node();
    let mut neighbour = server.client();
    let before = memory(&server);
    let gets = repeated(3000, op::GET_DATA, &path_watch("/big", false));
    let sync = request(1, op::SYNC, &Writer::new().string("/").done());
    let mut deaf: Vec<Deaf> = (0..4).map(|_| Deaf::connect(server.address())).collect();
    deaf[0].send(&gets);
    deaf[1].send(&[&sync[..], &gets].concat());
    deaf[2].send(&[&sync[..], &gets, &sync].concat());
    deaf[3].send(&[&sync[..], &gets[..gets.len() / 2], &sync, &gets].concat());
    expect_served(&mut neighbour);
    expect_bounded(&server, before, 2 * ONE_CLIENT);
    let (read_0, read_1) = (deaf[0].read_all(), deaf[1].read_all());
    assert!(read_0 > 3_000_000_000 && read_1 > 3_000_000_000, "who reads gets all: {read_0}, {read_1}");
    expect_served(&mut neighbour);
}

#[test]
fn a_multi_read_of_one_large_node_many_times_is_refused() {
    let server = with_big_node();
    let mut neighbour = server.client();
    let mut client = server.client();
    let before = memory(&server);
    let ops: Vec<_> = (0..40_000).map(|_| (op::GET_DATA, path_watch("/big", false))).collect();
    assert_eq!(client.multi_read(&ops), Err(code::MARSHALLING_ERROR));
    client.expect_usable();
    expect_served(&mut neighbour);
    expect_bounded(&server, before, ONE_CLIENT);
}

#[test]
fn a_watcher_that_never_reads_its_events_is_cut_off() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let path = format!("/{}", "n".repeat(500_000));
    let mut writer = server.client();
    writer.create(&path, b"", 0).expect("a path of one component");
    let before = memory(&server);
    let mut deaf = Deaf::connect(server.address());
    deaf.send(&request(1, op::ADD_WATCH, &path_int("/", 1)));
    for _ in 0..250 {
        writer.set_data(&path, b"x", -1).expect("setData");
    }
    expect_served(&mut writer);
    expect_bounded(&server, before, ONE_CLIENT);
    let read = deaf.read_all();
    assert!(read < 100_000_000, "events of 125 MB, of which it got {read} bytes before it was cut off");
}

#[test]
fn auth_packets_do_not_pile_up() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    let before = memory(&server);
    let mut client = server.client();
    let mut gained = 0;
    // One answer for each, and a refusal in the end.
    loop {
        let credentials = format!("{gained}{}:p", "u".repeat(1000));
        client.wire.write(&request(-4, op::AUTH, &auth_record("digest", Some(credentials.as_bytes()))));
        match client.reply() {
            reply if reply.err == 0 => gained += 1,
            reply => break assert_eq!(reply.err, code::AUTH_FAILED),
        }
        assert!(gained < 1000, "an id of a kilobyte for each");
    }
    client.expect_closed();
    assert!(gained >= 50, "{gained} ids are few");
    expect_served(&mut neighbour);
    expect_bounded(&server, before, 50);
}

#[test]
fn long_work_takes_turns_with_others() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    create_children(&mut neighbour, "/wide", 100_000);
    let before = memory(&server);
    let count = repeated(4000, op::GET_ALL_CHILDREN_NUMBER, &Writer::new().string("/wide").done());
    let list = repeated(500, op::GET_CHILDREN, &path_watch("/wide", false));
    let mut deaf: Vec<Deaf> = (0..4).map(|_| Deaf::connect(server.address())).collect();
    deaf.iter_mut().for_each(|deaf| {
        deaf.send(&count);
    });
    for _ in 0..20 {
        expect_served(&mut neighbour);
    }
    deaf.iter_mut().for_each(|deaf| {
        deaf.send(&list);
    });
    expect_served(&mut neighbour);
    expect_bounded(&server, before, ONE_CLIENT);
}

#[test]
fn watches_by_the_hundred_thousand_go_with_their_client() {
    let server = Server::start(Kind::Zoorum, Setup::new().config("4lw.commands.whitelist", "mntr"));
    let mut neighbour = server.client();
    let names: Vec<String> = (0..40_000).map(|number| format!("/absent/{number:08}")).collect();
    let mut clients: Vec<_> = (0..5).map(|_| server.client()).collect();
    for (part, client) in clients.iter_mut().enumerate() {
        let names: Vec<String> = names.iter().map(|name| format!("{name}-{part}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(client.set_watches(0, [&[], &names, &[]]), Ok(()));
    }
    expect_served(&mut neighbour);
    assert!(four_letter_word(server.address(), "mntr").contains("zk_watch_count\t200000\n"));
    drop(clients);
    await_that("the watches go", || {
        four_letter_word(server.address(), "mntr").contains("zk_watch_count\t0\n")
    });
}

#[test]
fn a_storm_of_sessions_that_are_never_closed_passes() {
    let setup = Setup::new()
        .config("tickTime", "200")
        .config("minSessionTimeout", "400")
        .config("4lw.commands.whitelist", "mntr");
    let server = Server::start(Kind::Zoorum, setup);
    let mut neighbour = server.client();
    let before = memory(&server);
    let hello = framed(&Connect { timeout: 400, ..Connect::default() }.encode());
    for _ in 0..20 {
        let mut wires: Vec<Wire> = (0..200).map(|_| server.wire()).collect();
        wires.iter_mut().for_each(|wire| wire.write(&hello));
        assert!(wires.iter_mut().all(|wire| wire.frame().is_some()));
    }
    expect_served(&mut neighbour);
    await_that("all sessions but one expire", || {
        neighbour.ping();
        four_letter_word(server.address(), "mntr").contains("zk_global_sessions\t1\n")
    });
    expect_bounded(&server, before, 100);
}

#[test]
fn writes_of_clients_that_hang_up_at_once_do_not_pile_up() {
    let server = with_big_node();
    let mut neighbour = server.client();
    let before = memory(&server);
    let write = request(1, op::SET_DATA, &set_data_record("/big", &[1; 1_000_000], -1));
    let mut deaf: Vec<Deaf> = (0..40).map(|_| Deaf::connect(server.address())).collect();
    deaf.iter_mut().for_each(|deaf| {
        for _ in 0..5 {
            deaf.send(&write);
        }
    });
    drop(deaf);
    neighbour.expect_usable();
    expect_bounded(&server, before, 2 * ONE_CLIENT);
}

#[test]
fn an_acl_of_thousands_of_entries_and_a_multi_of_as_many_operations_are_nothing_special() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    let mut client = server.client();
    let acl: Vec<Acl> = (0..20_000).map(|n| Acl::new(31, "digest", &format!("user{n}:hash"))).collect();
    let open = [Acl::open(), acl.clone(), acl[..100].to_vec()].concat();
    client.create_with("/acl", b"", &open, 0).expect("duplicates are dropped");
    assert_eq!(client.get_acl("/acl").map(|(acl, _)| acl.len()), Ok(20_001));
    let auth: Vec<Acl> = (0..20_000).map(|n| Acl::new(n, "auth", "")).collect();
    for user in 0..100 {
        let credentials = format!("user{user}:p");
        client.auth("digest", Some(credentials.as_bytes()));
    }
    assert_eq!(client.set_acl("/acl", &auth, -1), Err(code::INVALID_ACL));
    let checks: Vec<_> = (0..50_000).map(|_| (op::CHECK, path_int("/", -1))).collect();
    assert_eq!(client.multi(&checks).map(|results| results.len()), Ok(50_000));
    expect_served(&mut neighbour);
}

#[test]
fn reads_between_writes_do_not_hold_up_the_neighbours() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let mut neighbour = server.client();
    neighbour.create("/a", b"", 0).expect("a node");
    let pairs: Vec<u8> = (0..2000)
        .flat_map(|xid| {
            let write = request(2 * xid, op::SET_DATA, &set_data_record("/a", b"x", -1));
            let read = request(2 * xid + 1, op::EXISTS, &path_watch("/a", false));
            [write, read].concat()
        })
        .collect();
    let mut deaf: Vec<Deaf> = (0..3).map(|_| Deaf::connect(server.address())).collect();
    deaf.iter_mut().for_each(|deaf| {
        deaf.send(&pairs);
    });
    expect_served(&mut neighbour);
}

#[test]
fn a_crowd_of_watchers_that_never_read_is_bounded_together() {
    let server = Server::start(Kind::Zoorum, Setup::new());
    let path = format!("/{}", "n".repeat(500_000));
    let mut writer = server.client();
    writer.create(&path, b"", 0).expect("a path of one component");
    let before = memory(&server);
    let mut crowd: Vec<Deaf> = (0..60).map(|_| Deaf::connect(server.address())).collect();
    for deaf in &mut crowd {
        deaf.send(&request(1, op::ADD_WATCH, &path_int("/", 1)));
    }
    for _ in 0..100 {
        writer.set_data(&path, b"x", -1).expect("setData");
    }
    expect_served(&mut writer);
    // Each of them may be owed 64 MiB; all of a worker's, 512 MiB.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    expect_bounded(&server, before, workers * 1024);
}
