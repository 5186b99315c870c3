//! `zoorum dev`, told by lines what to do to its members.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Three voters and an observer.
const SERVERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

struct Dev {
    process: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_zoorum"))
            .arg("dev")
            .args(arguments)
            .args(["--port", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let (said, output) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { input: process.stdin.take(), process, output }
    }

    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it listens");
        writeln!(input, "{line}").expect("it listens");
    }

    /// What the first line that comes and has something to tell tells.
    fn hear<T>(&self, what: &str, tell: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line =
                self.output.recv_timeout(left).unwrap_or_else(|_| panic!("it was not heard that {what}"));
            if let Some(told) = tell(&line) {
                return told;
            }
        }
    }

    /// The number of the next server of which it is told that it leads.
    fn leader(&self) -> u8 {
        self.hear("somebody leads", |line| line.strip_prefix("server ")?.strip_suffix(" leads")?.parse().ok())
    }

    /// The number of the server that leads now, which is another than this one: leaders may change by themselves.
    fn leader_other_than(&mut self, gone: u8) -> u8 {
        let until = Instant::now() + PATIENCE;
        loop {
            let lines = self.status();
            let leads = |(number, line): &(u8, &String)| *number != gone && line.contains("leader");
            if let Some((leader, _)) = (1..).zip(&lines).find(leads) {
                return leader;
            }
            assert!(Instant::now() < until, "nobody leads but {gone}");
        }
    }

    /// The servers' lines of the status, in order: all of them, so that the next status is a new one.
    fn status(&mut self) -> Vec<String> {
        self.say("status");
        let line = |line: &str| {
            let number = line.strip_prefix("server ")?.split_once(" (")?.0.parse::<usize>().ok()?;
            Some((number, line.to_owned()))
        };
        let mut lines = Vec::new();
        while lines.len() < SERVERS {
            let (number, line) = self.hear("there is a status", line);
            assert_eq!(number, lines.len() + 1, "{line}");
            lines.push(line);
        }
        lines
    }

    /// Asks for the status until a server's line says this.
    fn await_status(&mut self, server: u8, says: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.status().swap_remove(usize::from(server) - 1);
            if line.contains(says) {
                return;
            }
            assert!(Instant::now() < until, "server {server} should be {says}: {line}");
        }
    }

    fn end(mut self) {
        drop(self.input.take());
        assert!(self.process.wait().expect("it ends").success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Its members end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn members_are_killed_paused_cut_off_and_revived_as_one_says() {
    let mut dev = Dev::start(&["--voters", "3", "--observers", "1"]);
    let addresses = dev.hear("clients can connect", |line| {
        line.starts_with("    127.0.0.1:").then(|| line.trim().split(',').count())
    });
    assert_eq!(addresses, 4);
    dev.leader();
    dev.await_status(4, "observer");
    let first = dev.leader_other_than(4);

    dev.say(&format!("kill {first}"));
    dev.leader_other_than(first);
    dev.await_status(first, "down");
    dev.say(&format!("revive {first}"));
    dev.await_status(first, "follower");

    let second = dev.leader_other_than(first);
    dev.say(&format!("cut {second}"));
    dev.leader_other_than(second);
    dev.await_status(second, "cut off; serves nobody");
    dev.say(&format!("revive {second}"));
    dev.await_status(second, "runs; follower");

    let third = dev.leader_other_than(second);
    dev.say(&format!("pause {third}"));
    dev.leader_other_than(third);
    dev.await_status(third, "paused");
    dev.say(&format!("revive {third}"));
    dev.await_status(third, "runs; follower");

    dev.say(&format!("stop {third}"));
    dev.hear("it has ended", |line| line.starts_with(&format!("server {third} has ended")).then_some(()));
    for (line, complaint) in [
        ("kill 9", "there is no server 9"),
        ("dance", "\"dance\" means nothing here. What does:"),
        (&format!("pause {third}"), &format!("server {third} does not run; first: revive {third}")),
    ] {
        dev.say(line);
        dev.hear(complaint, |line| (line == complaint).then_some(()));
    }
    dev.end();
}
