//! The generator against a server of a few lines that knows znodes, sessions and data watches.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use clap::Parser;
use zoorum_bench::BenchArgs;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Default)]
struct Shared {
    paths: BTreeSet<String>,
    watchers: BTreeMap<String, Vec<TcpStream>>,
    sessions: usize,
    closed: usize,
    requests: usize,
}

struct Server {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { address, shared }
    }

    fn bench(&self, command: &str) -> anyhow::Result<()> {
        let server = self.address.to_string();
        let words =
            ["bench"].into_iter().chain(command.split(' ')).chain(["--json", "--quiet", "--server", &server]);
        zoorum_bench::run(Arguments::try_parse_from(words)?.bench)
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    read_frame(&mut stream)?;
    shared.lock().unwrap().sessions += 1;
    let session =
        [&[0; 4][..], &30_000_i32.to_be_bytes(), &7_i64.to_be_bytes(), &16_i32.to_be_bytes(), &[0; 17]];
    write_frame(&mut stream, &session.concat())?;
    loop {
        let request = read_frame(&mut stream)?;
        let opcode = i32::from_be_bytes(request[4..8].try_into().unwrap());
        let mut shared = shared.lock().unwrap();
        shared.requests += 1;
        let error = if opcode == -11 {
            shared.closed += 1;
            0
        } else {
            let length = usize::try_from(i32::from_be_bytes(request[8..12].try_into().unwrap())).unwrap();
            let path = String::from_utf8(request[12..12 + length].to_vec()).unwrap();
            let is_watch = opcode == 4 && request.last() == Some(&1);
            carry_out(&mut shared, opcode, path, is_watch.then_some(&stream))
        };
        write_frame(&mut stream, &reply(&request[..4], error))?;
    }
}

fn carry_out(shared: &mut Shared, opcode: i32, path: String, watcher: Option<&TcpStream>) -> i32 {
    let is_there = shared.paths.contains(&path);
    match opcode {
        1 if is_there => return -110,
        1 => _ = shared.paths.insert(path),
        _ if !is_there => return -101,
        2 => _ = shared.paths.remove(&path),
        5 => {
            for mut watcher in shared.watchers.remove(&path).unwrap_or_default() {
                let event =
                    [reply(&(-1_i32).to_be_bytes(), 0), vec![0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0]].concat();
                write_frame(&mut watcher, &event).unwrap();
            }
        }
        _ => {
            if let Some(watcher) = watcher {
                shared.watchers.entry(path).or_default().push(watcher.try_clone().unwrap());
            }
        }
    }
    0
}

fn reply(xid: &[u8], error: i32) -> Vec<u8> {
    [xid, &5_i64.to_be_bytes(), &error.to_be_bytes()].concat()
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn write_frame(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    // In two parts, so that the generator meets frames cut in the middle.
    let frame = [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let (front, back) = frame.split_at(7);
    stream.write_all(front)?;
    stream.write_all(back)
}

const SHORT: &str = "--connections 3 --in-flight 4 --keys 50 --per-parent 10 --duration 0.2 --warm-up 0";

#[test]
fn every_load_ends_without_errors_and_leaves_only_its_root() {
    let loads = [
        "get",
        "set",
        "create",
        "delete",
        "exists",
        "children",
        "mix create=2,delete=1,get=3",
        "get --rate 500",
    ];
    for load in loads {
        let server = Server::start();
        server.bench(&format!("{load} {SHORT} --threads 2 --series 0.1")).unwrap();
        let shared = server.shared.lock().unwrap();
        assert_eq!(shared.paths, BTreeSet::from(["/zoorum-bench".to_owned()]), "{load}");
        assert!(shared.requests > 20, "{load}: {} requests", shared.requests);
        assert_eq!(shared.sessions, shared.closed, "{load}: every session is closed");
    }
}

#[test]
fn an_error_that_was_not_provoked_fails_the_run() {
    let server = Server::start();
    let error = server.bench(&format!("get {SHORT} --prepared")).unwrap_err().to_string();
    assert!(error.contains("-101"), "{error}");
}

#[test]
fn a_fill_is_found_by_a_load_that_takes_it_as_prepared() {
    let server = Server::start();
    server.bench("fill --root /a/b --nodes 25 --per-parent 10").unwrap();
    let nodes = server.shared.lock().unwrap().paths.iter().filter(|path| path.contains("/n")).count();
    assert_eq!(nodes, 25);
    let options =
        "--root /a/b --keys 25 --per-parent 10 --connections 1 --duration 0.1 --warm-up 0 --prepared";
    server.bench(&format!("mix get=1,set=1,exists=1,children=1 {options}")).unwrap();
}

#[test]
fn each_session_of_a_storm_is_opened_and_closed() {
    let server = Server::start();
    server.bench("sessions --count 100").unwrap();
    let shared = server.shared.lock().unwrap();
    assert_eq!((shared.sessions, shared.closed), (100, 100));
}

#[test]
fn watchers_hear_of_each_change() {
    for spread in ["", " --connections 5"] {
        let server = Server::start();
        server.bench(&format!("watch --watchers 20 --changes 5 --warm-up 1{spread}")).unwrap();
        assert_eq!(server.shared.lock().unwrap().watchers.len(), 0, "every watch has fired");
    }
}
