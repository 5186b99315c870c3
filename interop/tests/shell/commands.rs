//! One command at a time: exit codes, and what scripts read.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;

use zoorum_interop::server::{Kind, Server, free_port};

use super::{Shell, masked, setup};

/// Shells that run at the same time.
const AT_ONCE: usize = 2;

/// Each leaves the tree as it finds it, for both shells run it.
const COMMANDS: &[&[&str]] = &[
    &["get", "-s", "/one"],
    &["get", "/empty"],
    &["-r", "-timeout", "20000", "get", "/none"],
    &["create", "-z", "/x"],
    &["nosuchcommand", "x"],
    &[""],
    &["-waitforconnection", "getAllChildrenNumber", "/"],
    &["quit"],
    &["setquota", "-n", "5", "/"],
    &["listquota", "/"],
    &["delquota", "/"],
    &["version", "x"],
    &["redo", "-1"],
];

/// What one command says, and how it ends.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    code: Option<i32>,
    out: Vec<String>,
    err: Vec<String>,
}

fn run(shell: Shell, server: SocketAddr, arguments: &[&str]) -> Ending {
    let output = shell.command(&server.to_string()).args(arguments).output().expect("run the shell");
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).lines().map(|line| masked(line, server)).collect()
    };
    // Whether the connection is there before a command that needs none has ended, is a matter of luck.
    let mut out = without_session_event(lines(&output.stdout));
    let mut err = lines(&output.stderr);
    for lines in [&mut out, &mut err] {
        lines.retain(|line| !super::transcript::is_noise(line));
    }
    Ending { code: output.status.code(), out, err }
}

fn without_session_event(lines: Vec<String>) -> Vec<String> {
    let text = lines.join("\n") + "\n";
    let event =
        |state: &str| format!("\nWATCHER::\n\nWatchedEvent state:{state} type:None path:null zxid: -1\n");
    text.replace(&event("SyncConnected"), "")
        .replace(&event("Closed"), "")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn single_commands_end_the_same_way() {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    client.create("/one", b"data", 0).expect("created");
    client.create("/one/child", b"", 0).expect("created");
    client.create("/empty", b"", 0).expect("created");
    let (waiting, differ) = (Mutex::new(COMMANDS.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(arguments) = { waiting.lock().expect("nobody panics with it").next() } {
                    let [expected, found] =
                        [Shell::Original, Shell::Zoorum].map(|shell| run(shell, server.address(), arguments));
                    if expected != found {
                        let told = format!("{arguments:?}\n  original {expected:?}\n  zoorum   {found:?}");
                        differ.lock().expect("nobody panics with it").push(told);
                    }
                }
            });
        }
    });
    let differ = differ.into_inner().expect("nobody panicked with it");
    assert!(differ.is_empty(), "{} commands differ:\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn the_znode_of_a_chroot_is_deleted_the_same_way() {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    let below = |shell: Shell, arguments: &[&str]| {
        let output = shell.command(&format!("{}/app", server.address())).args(arguments).output();
        let output = output.expect("run the shell");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for shell in [Shell::Original, Shell::Zoorum] {
        client.create("/app", b"", 0).expect("created");
        client.create("/app/child", b"", 0).expect("created");
        let refused = (Some(1), "Arguments are not valid : /\n".to_owned());
        assert_eq!(below(shell, &["delete", "/"]), refused, "{shell:?}");
        assert_eq!(below(shell, &["deleteall", "/"]), (Some(0), String::new()), "{shell:?}");
        assert!(client.exists("/app", false).is_err(), "{shell:?}");
    }
}

#[test]
fn what_cannot_be_reached_is_said_with_the_exit_code_of_a_failure() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    for arguments in
        [&["-timeout", "1000", "ls", "/"][..], &["-timeout", "1000", "-waitforconnection", "version"]]
    {
        let ending = run(Shell::Zoorum, nobody, arguments);
        assert_eq!(ending.code, Some(1), "{ending:?}");
        let said = ending.err.join("\n");
        assert!(said.starts_with("KeeperErrorCode = ConnectionLoss"), "{said}");
        assert!(said.contains("No server "), "{said}");
    }
}
