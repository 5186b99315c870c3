//! Four-letter words: what an operator, a script or a health check learns from a bare connection.
//!
//! ```text
//! worker ▶ Question ▶ now       ruok isro envi gtmk stmk srst crst, and refusals: nobody is asked
//!                     ├▶ workers  srvr stat cons wchs wchc wchp
//!                     └▶ replica  mntr dump hash, and conf dirs, which look at the disk
//! ```
//!
//! Each of the three has a thread, so that a word answered from what a worker knows never waits behind one
//! that waits for a slow disk. Gathering ([`Gathered`]) is apart from rendering, which is pure.
//!
//! **Source.** Apache ZooKeeper 3.9.5, byte for byte but for the order of lists that it keeps in hash tables.

pub(crate) mod connections;
pub(crate) mod directories;
mod dump;
pub(crate) mod environment;
mod facts;
pub(crate) mod gathered;
pub(crate) mod gauges;
pub(crate) mod metrics;
pub(crate) mod mntr;
mod names;
pub(crate) mod numbers;
pub(crate) mod server;
mod summaries;
pub(crate) mod watches;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use zoorum_server::replica::Mode;

use crate::mail::ToWorker;
use crate::reporter::Reporter;
use crate::worker::Question;
pub(crate) use environment::user_name;
pub use facts::{Facts, MemberFacts};
use gathered::Gathered;

/// What is answered while there is nothing to tell.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";
/// The trace mask of a new server. Nothing is traced by it; it is kept for those who set and ask for it.
const TRACE_MASK: i64 = 306;

/// Whom those ask who tell of the server.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) reporter: Reporter,
    pub(crate) facts: Arc<Facts>,
    /// Set and asked for, and nothing more.
    pub(crate) trace_mask: Arc<AtomicI64>,
}

impl Sources {
    pub(crate) fn new(reporter: Reporter, facts: Facts) -> Self {
        Self { reporter, facts: Arc::new(facts), trace_mask: Arc::new(TRACE_MASK.into()) }
    }
}

/// Answers every question that workers have, until the process ends.
pub(crate) fn spawn(sources: Sources, questions: Receiver<Question>) -> io::Result<()> {
    let answerer = Answerer { sources };
    let of_workers = answerer.clone().spawn_lane("words-workers")?;
    let of_replica = answerer.clone().spawn_lane("words-replica")?;
    let sort = move || {
        for question in questions {
            // The lanes live as long as the process.
            match Lane::of(&question.command.word) {
                _ if !answerer.allows(&question) => answerer.answer(&question),
                Lane::Now => answerer.answer(&question),
                Lane::Workers => drop(of_workers.send(question)),
                Lane::Replica => drop(of_replica.send(question)),
            }
        }
    };
    thread::Builder::new().name("words".to_owned()).spawn(sort).map(drop)
}

/// Who must be asked for an answer.
enum Lane {
    Now,
    Workers,
    Replica,
}

impl Lane {
    fn of(word: &[u8; 4]) -> Self {
        match word {
            b"srvr" | b"stat" | b"cons" | b"wchs" | b"wchc" | b"wchp" => Self::Workers,
            b"mntr" | b"dump" | b"hash" | b"conf" | b"dirs" => Self::Replica,
            _ => Self::Now,
        }
    }
}

#[derive(Clone)]
struct Answerer {
    sources: Sources,
}

impl Answerer {
    fn spawn_lane(self, name: &str) -> io::Result<Sender<Question>> {
        let (sender, questions) = channel::<Question>();
        let run = move || questions.iter().for_each(|question| self.answer(&question));
        thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(sender)
    }

    fn allows(&self, question: &Question) -> bool {
        self.sources.facts.whitelist.allows(&text_of(&question.command.word))
    }

    fn answer(&self, question: &Question) {
        let word = &question.command.word;
        let text = if word.is_ascii() && !self.allows(question) {
            format!("{} is not executed because it is not in the whitelist.\n", text_of(word))
        } else {
            self.execute(word, question.command.argument)
        };
        let answer = ToWorker::Answer(question.command.connection, text.into_bytes());
        self.sources.reporter.shared().worker(question.worker).send(answer);
    }

    fn execute(&self, word: &[u8; 4], argument: i64) -> String {
        let facts = &self.sources.facts;
        // Looked at once: it may change while the answer is put together.
        let standing = *self.sources.reporter.shared().standing.lock();
        let serves = standing.mode != Mode::Waiting;
        match word {
            b"ruok" => "imok".to_owned(),
            b"isro" if standing.mode == Mode::ReadOnly => "ro".to_owned(),
            b"isro" if serves => "rw".to_owned(),
            b"isro" => "null".to_owned(),
            b"envi" => environment::envi(&facts.environment, &environment::Memory::now()),
            b"gtmk" => self.sources.trace_mask.load(Ordering::Relaxed).to_string(),
            b"stmk" => {
                self.sources.trace_mask.store(argument, Ordering::Relaxed);
                argument.to_string()
            }
            b"hash" if !serves => NOT_SERVING.trim_end().to_owned(),
            b"srst" | b"crst" | b"srvr" | b"stat" | b"cons" | b"wchs" | b"wchc" | b"wchp" | b"mntr"
            | b"dump" | b"conf" | b"dirs"
                if !serves =>
            {
                NOT_SERVING.to_owned()
            }
            b"srst" => {
                self.sources.reporter.reset_counters();
                "Server stats reset.\n".to_owned()
            }
            b"crst" => {
                self.sources.reporter.reset_connections();
                "Connection stats reset.\n".to_owned()
            }
            b"srvr" => {
                server::srvr(&facts.version, &Gathered::from_workers(&self.sources.reporter, standing))
            }
            b"stat" => {
                server::stat(&facts.version, &Gathered::from_workers(&self.sources.reporter, standing))
            }
            b"cons" => connections::cons(&Gathered::from_workers(&self.sources.reporter, standing)),
            b"wchs" => watches::wchs(&self.sources.reporter.watches()),
            b"wchc" => watches::wchc(&self.sources.reporter.watches()),
            b"wchp" => watches::wchp(&self.sources.reporter.watches()),
            b"mntr" => {
                let gathered = Gathered::from_all(&self.sources.reporter, standing);
                mntr::mntr(&facts.version, &gathered, &facts.metrics)
            }
            b"dump" => {
                let gathered = Gathered::with_ephemerals(&self.sources.reporter, standing);
                let local = self.sources.reporter.shared().settings.member.local_sessions.is_some();
                dump::dump(&gathered, facts.sessionless_timeout, local)
                    .unwrap_or_else(|| NOT_SERVING.to_owned())
            }
            b"hash" => match self.sources.reporter.replica() {
                Some(replica) => server::hash(&replica),
                None => NOT_SERVING.trim_end().to_owned(),
            },
            b"conf" => directories::conf(facts, directories::Sizes::measure(facts), standing.mode),
            b"dirs" => directories::dirs(directories::Sizes::measure(facts)),
            _ => String::new(), // the goodbye of telnet
        }
    }
}

fn text_of(word: &[u8; 4]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

#[cfg(test)]
mod tests;
