//! A conversation with a shell that reads commands from a pipe.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use zoorum_interop::server::{Kind, Server};

use super::{Shell, masked, setup};

/// How long whatever must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);
const SCRIPT: &str = include_str!("commands.txt");
/// What is asked behind each line of the script, and how the answer on each stream begins.
const MARKS: [(&str, Stream, &str); 2] = [
    ("version", Stream::Out, "ZooKeeper CLI version: "),
    ("redo 99999", Stream::Err, "Command index out of range"),
];
/// Commands that the original does not have stand among the usages, too.
const BEYOND: [&str; 6] = ["export", "find", "help", "import", "tree", "watch"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// What a line of the script led to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    out: Vec<String>,
    err: Vec<String>,
    events: Vec<String>,
}

struct Conversation {
    shell: Shell,
    process: Child,
    stdin: ChildStdin,
    lines: Receiver<(Stream, String)>,
    /// Read, and not looked at yet.
    ahead: VecDeque<(Stream, String)>,
    server: SocketAddr,
}

impl Conversation {
    fn begin(shell: Shell, server: SocketAddr) -> Self {
        let mut process = shell.command(&server.to_string()).spawn().expect("run the shell");
        let (sender, lines) = mpsc::channel();
        read(Stream::Out, process.stdout.take().expect("piped"), sender.clone());
        read(Stream::Err, process.stderr.take().expect("piped"), sender);
        let stdin = process.stdin.take().expect("piped");
        let mut conversation = Self { shell, process, stdin, lines, ahead: VecDeque::new(), server };
        // The original would tell of its connection in the middle of what the first command prints.
        let tells = |(_, line): &(Stream, String)| without_prompts(line).starts_with("WatchedEvent ");
        while !conversation.ahead.back().is_some_and(tells) {
            let line = conversation.lines.recv_timeout(PATIENCE);
            conversation
                .ahead
                .push_back(line.unwrap_or_else(|_| panic!("the {shell:?} shell is not connected")));
        }
        conversation
    }

    fn run(&mut self, line: &str, events: usize) -> Answer {
        let marks = MARKS.iter().map(|(ask, ..)| *ask);
        for command in line.split(" ;; ").chain(marks) {
            writeln!(self.stdin, "{}", command.replace("$SERVER", &self.server.to_string()))
                .expect("it reads");
        }
        let shell = self.shell;
        let mut answer = Answer::default();
        let mut marked = 0;
        while marked < MARKS.len() || answer.events.len() < events {
            let read = self.ahead.pop_front().map_or_else(|| self.lines.recv_timeout(PATIENCE), Ok);
            let (stream, text) = read.unwrap_or_else(|_| {
                panic!("the {shell:?} shell does not come to an end with {line:?} and {events} events: {answer:?}")
            });
            let text = without_prompts(&text);
            let text = text.as_str();
            let mark = MARKS.iter().find(|(_, on, mark)| *on == stream && text.contains(mark));
            marked += usize::from(mark.is_some());
            // The original leaves some lines open.
            let text = mark.and_then(|(_, _, mark)| text.split(mark).next()).unwrap_or(text);
            if text.starts_with("WatchedEvent ") {
                answer.events.push(masked(text, self.server));
            } else if !text.is_empty() && text != "WATCHER::" && !is_noise(text) {
                let lines = if stream == Stream::Out { &mut answer.out } else { &mut answer.err };
                lines.push(masked(text, self.server));
            }
        }
        if matches!(line.split(' ').next(), Some("whoami" | "getEphemerals")) {
            answer.out = answer.out.iter().map(|line| in_order(line)).collect();
            answer.out.sort();
        }
        if line.starts_with("removewatches") {
            // The original keeps the kinds of watches that it has removed in an order that differs from run to run.
            answer.events.sort();
        }
        answer
    }

    fn end(mut self) -> ExitStatus {
        writeln!(self.stdin, "quit").expect("it reads");
        drop(self.stdin);
        self.process.wait().expect("it ends")
    }
}

fn read(stream: Stream, from: impl Read + Send + 'static, to: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

/// Prompts end with no line, and stand before and behind what is printed.
fn without_prompts(line: &str) -> String {
    let mut pieces = line.split("[zk: ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once("] ").map_or(piece, |(_, rest)| rest))
}

/// A list comes in no promised order.
fn in_order(line: &str) -> String {
    let Some(inside) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return line.to_owned();
    };
    let mut names: Vec<&str> = inside.split(", ").collect();
    names.sort_unstable();
    format!("[{}]", names.join(", "))
}

/// What is no part of the comparison: commands that the original does not have, and its jars.
pub(crate) fn is_noise(line: &str) -> bool {
    // Whether there is a JLine depends on the jars.
    if line.starts_with("JLine support is ") {
        return true;
    }
    let name = line.strip_prefix('\t').and_then(|usage| usage.split(' ').next());
    name.is_some_and(|name| BEYOND.contains(&name))
}

/// The whole script, and the exit code.
fn transcript(shell: Shell, server: SocketAddr) -> Vec<(String, Answer)> {
    let mut conversation = Conversation::begin(shell, server);
    let mut told = Vec::new();
    for line in SCRIPT.lines().filter(|line| !line.starts_with('#')) {
        let (events, line) = match line.split_once(": ") {
            Some((events, line)) if events.bytes().all(|byte| byte.is_ascii_digit()) => {
                (events.parse().expect("a number"), line)
            }
            _ => (0, line),
        };
        told.push((line.to_owned(), conversation.run(line, events)));
    }
    let code = conversation.end().code();
    told.push(("quit".to_owned(), Answer { out: vec![format!("{code:?}")], ..Answer::default() }));
    told
}

fn compare(kind: Kind) {
    let server = Server::start(kind, setup());
    let original = transcript(Shell::Original, server.address());
    let zoorum = transcript(Shell::Zoorum, server.address());
    let differ = original.into_iter().zip(zoorum).filter(|(expected, found)| expected != found);
    let told: Vec<String> = differ
        .map(|((line, expected), (_, found))| {
            format!("{line}\n  original {expected:?}\n  zoorum   {found:?}")
        })
        .collect();
    assert!(told.is_empty(), "{} answers differ with the {kind:?} server:\n{}", told.len(), told.join("\n"));
}

#[test]
fn the_shells_say_the_same_of_zoorum() {
    compare(Kind::Zoorum);
}

#[test]
fn the_shells_say_the_same_of_the_original() {
    compare(Kind::Original);
}
