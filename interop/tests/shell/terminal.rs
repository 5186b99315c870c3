//! Zoorum's shell on a terminal: editing, completion, a history that stays, events above the line, and Ctrl-C.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, zoorum_binary};

use super::beyond::export_of;
use super::setup;

/// How long whatever must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shell on a terminal that `script` makes.
struct Terminal {
    process: Child,
    keys: ChildStdin,
    shown: Receiver<Vec<u8>>,
    /// Shown, and not looked at yet.
    ahead: String,
}

impl Terminal {
    fn open(server: SocketAddr, home: &Path) -> Self {
        let line = format!("{} cli -server {server}", zoorum_binary().display());
        let mut process = Command::new("script")
            .args(["-q", "-f", "-e", "-c", &line, "/dev/null"])
            .env("HOME", home)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run script");
        let (sender, shown) = mpsc::channel();
        let mut screen = process.stdout.take().expect("piped");
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = process.stdin.take().expect("piped");
        Self { process, keys, shown, ahead: String::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("it reads");
    }

    /// Waits until this is shown; returns what was shown before.
    fn see(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.ahead.find(text) {
                let rest = self.ahead.split_off(at + text.len());
                return std::mem::replace(&mut self.ahead, rest);
            }
            let bytes = self
                .shown
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{text:?} is not shown, but {:?}", self.ahead));
            self.ahead.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Waits until the shell has ended; returns its exit code.
    fn ends(&mut self) -> Option<i32> {
        // Its end closes the screen.
        loop {
            match self.shown.recv_timeout(PATIENCE) {
                Ok(bytes) => self.ahead.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end, but shows {:?}", self.ahead),
            }
        }
        self.process.wait().expect("it has ended").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // After a failure; `script` hangs up on its shell. One that has ended is past both.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn lines_are_edited_completed_and_remembered() {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    client.create("/shelf", b"", 0).expect("created");
    client.create("/shelf/book", b"a story", 0).expect("created");
    let home = TempDir::new().expect("a directory");

    let mut terminal = Terminal::open(server.address(), home.path());
    terminal.see("type:None path:null zxid: -1");
    terminal.press("ge\tx\x7f\x15get -w /sh\t");
    terminal.see("/shelf");
    terminal.press("/bo\t");
    terminal.see("/shelf/book");
    terminal.press("\r");
    terminal.see("a story");
    terminal.see("(CONNECTED) 1] ");
    terminal.press("half");
    terminal.see("half");
    client.set_data("/shelf/book", b"another", -1).expect("set");
    terminal.see("type:NodeDataChanged path:/shelf/book");
    terminal.see("half");
    terminal.press("\x15addauth digest ann:secret\r");
    terminal.see("(CONNECTED) 2] ");
    terminal.press("quit\r");
    assert_eq!(terminal.ends(), Some(0));

    let mut terminal = Terminal::open(server.address(), home.path());
    terminal.see("(CONNECT");
    terminal.press("\x1b[A\x1b[A\r");
    terminal.see("another");
    // Between two prompts the terminal would take the key as a mark of its own.
    terminal.see("(CONNECTED) 1] ");
    // The end of what is typed.
    terminal.press("\x04");
    assert_eq!(terminal.ends(), Some(0));
    let kept = std::fs::read_to_string(home.path().join(".zoorum_history")).expect("it is kept");
    assert!(kept.contains("get -w /shelf/book") && !kept.contains("secret"), "{kept}");
}

#[test]
fn ctrl_c_ends_what_can_be_ended_and_otherwise_the_shell() {
    let server = Server::start(Kind::Zoorum, setup());
    let mut client = server.client();
    let home = TempDir::new().expect("a directory");
    let file = home.path().join("export");
    std::fs::write(&file, export_of(20_000)).expect("written");

    let mut terminal = Terminal::open(server.address(), home.path());
    terminal.see("type:None path:null zxid: -1");
    terminal.press("watch /\r");
    terminal.see("Ctrl-C ends it");
    terminal.press("\x03");
    terminal.see("(CONNECTED) 1] ");
    terminal.press(&format!("import {} /many\r", file.display()));
    while client.exists("/many", false).is_err() {}
    terminal.press("\x03");
    let before = terminal.see("What had been created is deleted again.");
    assert!(before.contains("interrupted"), "{before}");
    terminal.see("(CONNECTED) 2] ");
    assert!(client.exists("/many", false).is_err(), "nothing is left");
    terminal.press("\x03");
    assert_eq!(terminal.ends(), Some(130));
}
