//! What operators and machines do to a server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::client::{create_record, request};
use zoorum_interop::wire::records::Packet;
use zoorum_interop::wire::{Acl, Client, Connect, Wire, op};

use crate::process::{End, free_address, start};
use crate::support::{await_that, expect_served};

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("zoorum-interop-").tempdir().expect("a directory")
}

fn data_dir(directory: &Path) -> String {
    format!("dataDir={}", directory.join("data").display())
}

fn refused(directory: &Path, lines: &str, before: &str) -> End {
    start(directory, free_address(), lines, before).end()
}

#[test]
fn one_directory_has_one_server() {
    let directory = directory();
    let first = start(directory.path(), free_address(), &data_dir(directory.path()), "");
    let mut client = first.client();
    let second = refused(directory.path(), &data_dir(directory.path()), "");
    assert_eq!(second.code, Some(3), "{}", second.output);
    assert!(second.output.contains("another server uses this directory"), "{}", second.output);
    expect_served(&mut client);
}

#[test]
fn a_directory_that_will_not_do_is_named() {
    let directory = directory();
    fs::write(directory.path().join("data"), b"a file").expect("write");
    let end = refused(directory.path(), &data_dir(directory.path()), "");
    assert_eq!(end.code, Some(3), "{}", end.output);
    assert!(end.output.contains(&directory.path().join("data").display().to_string()), "{}", end.output);
}

#[test]
fn a_port_in_use_is_named() {
    let directory = directory();
    let first = start(directory.path(), free_address(), &data_dir(directory.path()), "");
    first.client().close();
    let other = data_dir(&directory.path().join("other"));
    let second = start(directory.path(), first.address, &other, "").end();
    assert_eq!(second.code, Some(1), "{}", second.output);
    assert!(second.output.contains(&first.address.to_string()), "{}", second.output);
}

/// Creates `/<name><n>` for n = 0, 1, 2, ..., up to 64 at a time, until the connection ends; how many were
/// acknowledged.
fn create_until_closed(address: SocketAddr, name: &str) -> usize {
    let mut client = Client::connect(address);
    let (mut posted, mut acknowledged) = (0, 0);
    loop {
        while posted < acknowledged + 64 {
            let record = create_record(&format!("/{name}{posted}"), b"x", &Acl::open(), 0);
            client.wire.write(&request(posted as i32, op::CREATE, &record));
            posted += 1;
        }
        // A server that is killed may have sent half a reply.
        let Ok(Packet::Reply(reply)) = client.try_packet() else { return acknowledged };
        assert_eq!(reply.err, 0, "a create");
        acknowledged += 1;
    }
}

/// Runs writers until `stop` has ended the server; name and count of what each was promised.
fn under_load(address: SocketAddr, round: usize, stop: impl FnOnce()) -> Vec<(String, usize)> {
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let name = format!("r{round}w{writer}-");
                scope.spawn(move || (name.clone(), create_until_closed(address, &name)))
            })
            .collect();
        let mut watcher = Client::connect(address);
        await_that("every writer is at work", || {
            (0..3).all(|writer| watcher.exists(&format!("/r{round}w{writer}-200"), false).is_ok())
        });
        stop();
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    })
}

fn expect_kept(client: &mut Client, promised: &[(String, usize)]) {
    let kept: std::collections::BTreeSet<_> =
        client.get_children("/", false).expect("children").into_iter().collect();
    for (name, count) in promised {
        let lost = (0..*count).find(|number| !kept.contains(&format!("{name}{number}")));
        assert_eq!(lost, None, "acknowledged of {name} and lost");
    }
}

#[test]
fn killed_again_and_again_it_keeps_what_it_acknowledged() {
    let mut server = Server::start(Kind::Zoorum, Setup::new().config("snapCount", "500"));
    let mut promised = Vec::new();
    for round in 0..10 {
        let address = server.address();
        promised.extend(under_load(address, round, || server.kill()));
        server.restart();
    }
    expect_kept(&mut server.client(), &promised);
}

#[test]
fn told_to_stop_under_load_it_ends_in_time_and_keeps_what_it_acknowledged() {
    let mut server = Server::start(Kind::Zoorum, Setup::new());
    let address = server.address();
    let begun = Instant::now();
    let promised = under_load(address, 0, || assert_eq!(server.stop().code(), Some(143)));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    server.restart();
    expect_kept(&mut server.client(), &promised);
}

/// A small file system, gone with this value. Only root can make one.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Option<SmallDisk> {
        fs::create_dir_all(&path).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(SmallDisk { path })
    }

    fn grow(&self, size: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={size}")]).arg(&self.path);
        assert!(mount.status().is_ok_and(|status| status.success()), "remount");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nobody is left to complain to.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_stops_it_with_a_message_and_room_brings_everything_back() {
    let directory = directory();
    for (name, separate) in [("together", false), ("apart", true)] {
        let Some(disk) = SmallDisk::mount(directory.path().join(name), "4m") else {
            eprintln!("skipped: only root can mount a small disk");
            return;
        };
        let mut lines = format!("snapCount=1000\ndataDir={}", disk.path.join("data").display());
        if separate {
            let logs = disk.path.display();
            lines = format!("snapCount=1000\n{}\ndataLogDir={logs}", data_dir(directory.path()));
        }
        let server = start(directory.path(), free_address(), &lines, "");
        server.client().close();
        let promised = vec![("r0w0-".to_owned(), create_until_closed(server.address, "r0w0-"))];
        assert!(promised[0].1 > 100, "some were acknowledged before the disk was full");
        let end = server.end();
        assert_eq!(end.code, Some(1), "{}", end.output);
        assert!(end.output.contains("No space left on device"), "{}", end.output);
        disk.grow("64m");
        let server = start(directory.path(), free_address(), &lines, "");
        let mut client = server.client();
        expect_kept(&mut client, &promised);
        expect_served(&mut client);
    }
}

#[test]
fn a_process_that_stood_still_does_not_expire_who_kept_pinging() {
    let directory = directory();
    let lines = format!("{}\ntickTime=500\nminSessionTimeout=1000", data_dir(directory.path()));
    let server = start(directory.path(), free_address(), &lines, "");
    server.client().close();
    for _ in 0..3 {
        let request = Connect { timeout: 1000, ..Connect::default() };
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..20 {
            clients.push(Client::connect_with(server.address, &request));
            // While the others connect, which may take as long as a session lasts.
            clients.iter_mut().for_each(ping);
        }
        server.signal("STOP");
        let begun = Instant::now();
        // Time itself is what the test needs: longer than any session lasts.
        while begun.elapsed() < Duration::from_millis(2500) {
            clients.iter_mut().for_each(ping);
            thread::sleep(Duration::from_millis(100));
        }
        server.signal("CONT");
        clients.iter_mut().for_each(|client| client.wire.write(&request_exists(99)));
        let served = |client: &mut Client| loop {
            match client.reply_or_close() {
                Some(reply) if reply.xid == 99 => return true,
                Some(_) => {}
                None => return false,
            }
        };
        let unserved: Vec<usize> =
            (0..clients.len()).filter(|&number| !served(&mut clients[number])).collect();
        if !unserved.is_empty() {
            server.signal("TERM");
            panic!("clients {unserved:?} are not served: {}", server.end().output);
        }
    }
}

/// A sign of life, whose answer nobody waits for.
fn ping(client: &mut Client) {
    client.send(-2, op::PING, b"");
}

fn request_exists(xid: i32) -> Vec<u8> {
    request(xid, op::EXISTS, &zoorum_interop::wire::client::path_watch("/", false))
}

#[test]
fn without_descriptors_those_who_are_there_are_served_and_others_later() {
    let directory = directory();
    let lines = format!("{}\nsnapCount=20", data_dir(directory.path()));
    let server = start(directory.path(), free_address(), &lines, "ulimit -n 100");
    let mut client = server.client();
    let crowd: Vec<Wire> = (0..200).map(|_| Wire::open(server.address)).collect();
    let logs = || {
        let files = fs::read_dir(directory.path().join("data/version-2")).expect("the data directory");
        files
            .filter(|file| file.as_ref().is_ok_and(|f| f.file_name().to_string_lossy().starts_with("log.")))
            .count()
    };
    let before = logs();
    await_that("new logs and snapshots", || {
        expect_served(&mut client);
        logs() > before + 2
    });
    drop(crowd);
    let mut newcomer = server.client();
    expect_served(&mut newcomer);
}
