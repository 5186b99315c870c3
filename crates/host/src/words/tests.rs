//! Words of a server whose replica is stuck: it never looks into its letter box.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mio::{Events, Poll, Token};
use parking_lot::{Mutex, RwLock};
use zoorum_config::{ServerConfig, Whitelist};
use zoorum_server::Gate;
use zoorum_server::message::{ConnectionId, WorkerId};
use zoorum_server::worker::Command;
use zoorum_tree::Tree;

use super::*;
use crate::admission::Admission;
use crate::clock::Clock;
use crate::mail::{ReplicaBox, worker_box};
use crate::shared::Shared;
use crate::timings::Timings;

const WORKER: WorkerId = WorkerId(0);

struct Stuck {
    shared: Arc<Shared>,
    poll: Poll,
    questions: Sender<Question>,
}

impl Stuck {
    fn with(whitelist: Whitelist) -> Self {
        let mut config = ServerConfig::built_in("/data");
        config.four_letter_words.whitelist = whitelist;
        let (poll, worker) = worker_box(Token(0)).expect("a poll");
        let (clock, settings) = (Clock::start(), crate::settings::from_config(&config, 1));
        let shared = Arc::new(Shared {
            tree: RwLock::new(Tree::new(0)),
            replica: ReplicaBox::default(),
            workers: vec![worker],
            watching: vec![AtomicBool::new(false)],
            gate: Arc::new(Gate::new(&settings.admission, clock.monotonic(), 7)),
            spare_core: Mutex::new(()),
            admission: Admission::new(0, 0),
            standing: Mutex::default(),
            clock,
            timings: Timings::default(),
            settings: Arc::new(settings),
        });
        let (questions, received) = channel();
        let sources = Sources::new(Reporter::new(Arc::clone(&shared)), Facts::of(&config));
        spawn(sources, received).expect("threads");
        Self { shared, poll, questions }
    }

    fn ask(&self, word: &[u8; 4]) {
        let connection = ConnectionId { slot: 0, generation: 0 };
        let command = Command { connection, word: *word, argument: 0 };
        self.questions.send(Question { worker: WORKER, command }).expect("somebody listens");
    }

    /// The next answer, which must not take long.
    fn answer(&mut self) -> String {
        let (worker, mut mail) = (self.shared.worker(WORKER), Vec::new());
        let mut events = Events::with_capacity(1);
        while worker.may_sleep() {
            self.poll.poll(&mut events, Some(Duration::from_secs(60))).expect("polled");
            assert!(!events.is_empty(), "no answer came");
        }
        worker.take(&mut mail);
        match mail.remove(0) {
            ToWorker::Answer(_, text) => String::from_utf8(text).expect("a text"),
            other => panic!("not an answer: {other:?}"),
        }
    }
}

#[test]
fn who_asks_whether_the_server_lives_does_not_wait_for_those_who_ask_the_replica() {
    let mut server = Stuck::with(Whitelist::All);
    server.ask(b"dump");
    server.ask(b"mntr");
    for (word, expected) in [(b"ruok", "imok"), (b"isro", "rw"), (b"gtmk", "306")] {
        server.ask(word);
        assert_eq!(server.answer(), expected);
    }
    server.ask(b"envi");
    assert!(server.answer().starts_with("Environment:\n"));
}

#[test]
fn who_waits_for_a_leader_says_so_without_asking_anybody() {
    let mut server = Stuck::with(Whitelist::All);
    server.shared.standing.lock().mode = Mode::Waiting;
    let sentence = "This ZooKeeper instance is not currently serving requests";
    for word in [b"srvr", b"stat", b"mntr", b"conf", b"cons", b"dump", b"dirs", b"wchs", b"srst", b"crst"] {
        server.ask(word);
        assert_eq!(server.answer(), format!("{sentence}\n"));
    }
    for (word, expected) in [(b"hash", sentence), (b"isro", "null"), (b"ruok", "imok"), (b"gtmk", "306")] {
        server.ask(word);
        assert_eq!(server.answer(), expected);
    }
}

#[test]
fn a_word_that_is_not_listed_is_refused_without_asking_anybody() {
    let mut server = Stuck::with(Whitelist::Only(["ruok".to_owned()].into()));
    server.ask(b"mntr");
    assert_eq!(server.answer(), "mntr is not executed because it is not in the whitelist.\n");
}
