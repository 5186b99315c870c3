//! Connections that are lost, sessions that end, and memory that does not suffice.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, zoorum_binary};

use super::{Shell, setup};

/// Large znodes, and how many of them.
const BYTES: usize = 1_000_000;
const ZNODES: usize = 150;
/// What the shell may have of address space, in KiB: less than the znodes have of data.
const ADDRESS_SPACE: usize = 120_000;

fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Takes one connection, answers that the session has this id and timeout, and closes it at the first request.
fn server_that_hangs_up(session: i64, timeout: i32) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        // From now on, nobody listens.
        drop(listener);
        frame(&mut stream)?;
        let mut answer = vec![0, 0, 0, 37, 0, 0, 0, 0];
        answer.extend(timeout.to_be_bytes());
        answer.extend(session.to_be_bytes());
        answer.extend([0, 0, 0, 16]);
        answer.extend([7; 16]);
        answer.push(0);
        stream.write_all(&answer)?;
        frame(&mut stream).map(drop)
    });
    address
}

/// Stands between a client and a server, and hangs up once: when the server has said so much.
fn proxy_that_hangs_up_once(server: SocketAddr, bytes: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let pass = move |client: TcpStream, bytes: u64| -> io::Result<()> {
        let upstream = TcpStream::connect(server)?;
        let (mut asks, mut asked) = (client.try_clone()?, upstream.try_clone()?);
        thread::spawn(move || io::copy(&mut asks, &mut asked));
        io::copy(&mut (&upstream).take(bytes), &mut &client)?;
        upstream.shutdown(Shutdown::Both).and(client.shutdown(Shutdown::Both))
    };
    thread::spawn(move || {
        for (number, client) in listener.incoming().map_while(io::Result::ok).enumerate() {
            let bytes = if number == 0 { bytes } else { u64::MAX };
            thread::spawn(move || pass(client, bytes));
        }
    });
    address
}

fn run(server: SocketAddr, arguments: &[&str]) -> (Output, String) {
    let output = Shell::Zoorum.command(&server.to_string()).args(arguments).output().expect("run the shell");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn a_connection_lost_in_the_middle_of_a_change_leaves_it_open_and_says_so() {
    let (output, said) = run(server_that_hangs_up(1, 4000), &["-timeout", "4000", "create", "/x", "y"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        said,
        "KeeperErrorCode = ConnectionLoss for /x\n\
         The answer never came: the change may have been made, or not. Look before asking again.\n"
    );
    // What changes nothing need not be looked for.
    let (output, said) = run(server_that_hangs_up(1, 4000), &["-timeout", "4000", "get", "/x"]);
    assert_eq!((output.status.code(), said.as_str()), (Some(1), "KeeperErrorCode = ConnectionLoss for /x\n"));
}

#[test]
fn a_connection_lost_once_ends_no_walk() {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    client.create("/wide", b"", 0).expect("created");
    for number in 0..200 {
        client.create(&format!("/wide/{number:03}"), &[b'x'; 500], 0).expect("created");
    }
    let directory = TempDir::new().expect("a directory");
    let [direct, again] = ["direct", "again"].map(|name| directory.path().join(name));
    let export = |server: SocketAddr, file: &Path| {
        let (output, said) = run(server, &["export", "/wide", file.to_str().expect("a name")]);
        assert!(output.status.success(), "{said}");
        fs::read_to_string(file).expect("it is there")
    };
    let whole = export(server.address(), &direct);
    assert_eq!(export(proxy_that_hangs_up_once(server.address(), 50_000), &again), whole);
    for arguments in [&["tree", "/wide"][..], &["find", "-d", "xx", "/wide"]] {
        let (output, said) = run(proxy_that_hangs_up_once(server.address(), 10_000), arguments);
        assert!(output.status.success(), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("199"), "{output:?}");
    }
}

#[test]
fn a_session_that_has_ended_is_said_to_have_ended() {
    let (output, said) = run(server_that_hangs_up(0, 0), &["ls", "/"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    // The end comes while the command waits, or before it begins.
    assert!(
        ["KeeperErrorCode = Session expired for /\n", "Not connected\n"].contains(&said.as_str()),
        "{said}"
    );
}

#[test]
fn an_export_larger_than_memory_succeeds_both_ways() {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    client.create("/big", b"", 0).expect("created");
    let data = vec![b'x'; BYTES];
    for number in 0..ZNODES {
        client.create(&format!("/big/{number:03}"), &data, 0).expect("created");
    }
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("big");
    let limited = |command: &str| {
        let line = format!(
            "ulimit -v {ADDRESS_SPACE}; MALLOC_ARENA_MAX=1 exec {} cli -server {} {command}",
            zoorum_binary().display(),
            server.address()
        );
        Command::new("bash").args(["-c", &line]).output().expect("run bash")
    };
    let exported = limited(&format!("export /big {}", file.display()));
    assert!(exported.status.success(), "{exported:?}");
    assert!(file.metadata().expect("it is there").len() > (BYTES * ZNODES) as u64);
    let imported = limited(&format!("import {} /again", file.display()));
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(client.get_all_children_number("/again"), Ok(ZNODES as i32));
}
