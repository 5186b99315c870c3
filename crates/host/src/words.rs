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

mod connections;
mod directories;
mod dump;
mod environment;
mod facts;
mod gathered;
mod metrics;
mod mntr;
mod names;
mod numbers;
mod server;
mod watches;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::mail::ToWorker;
use crate::reporter::Reporter;
use crate::worker::Question;
pub(crate) use environment::user_name;
pub use facts::Facts;
use gathered::Gathered;

/// What is answered while there is nothing to tell.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";
/// The trace mask of a new server. Nothing is traced by it; it is kept for those who set and ask for it.
const TRACE_MASK: i64 = 306;

/// Answers every question that workers have, until the process ends.
pub fn spawn(reporter: Reporter, questions: Receiver<Question>, facts: Facts) -> io::Result<()> {
    let answerer = Answerer { reporter, facts: Arc::new(facts), trace_mask: Arc::new(TRACE_MASK.into()) };
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
    reporter: Reporter,
    facts: Arc<Facts>,
    trace_mask: Arc<AtomicI64>,
}

impl Answerer {
    fn spawn_lane(self, name: &str) -> io::Result<Sender<Question>> {
        let (sender, questions) = channel::<Question>();
        let run = move || questions.iter().for_each(|question| self.answer(&question));
        thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(sender)
    }

    fn allows(&self, question: &Question) -> bool {
        self.facts.whitelist.allows(&text_of(&question.command.word))
    }

    fn answer(&self, question: &Question) {
        let word = &question.command.word;
        let text = if word.is_ascii() && !self.allows(question) {
            format!("{} is not executed because it is not in the whitelist.\n", text_of(word))
        } else {
            self.execute(word, question.command.argument)
        };
        let answer = ToWorker::Answer(question.command.connection, text.into_bytes());
        self.reporter.shared().worker(question.worker).send(answer);
    }

    fn execute(&self, word: &[u8; 4], argument: i64) -> String {
        let facts = &self.facts;
        match word {
            b"ruok" => "imok".to_owned(),
            b"isro" => "rw".to_owned(),
            b"envi" => environment::envi(&facts.environment, &environment::Memory::now()),
            b"gtmk" => self.trace_mask.load(Ordering::Relaxed).to_string(),
            b"stmk" => {
                self.trace_mask.store(argument, Ordering::Relaxed);
                argument.to_string()
            }
            b"srst" => {
                self.reporter.reset_counters();
                "Server stats reset.\n".to_owned()
            }
            b"crst" => {
                self.reporter.reset_connections();
                "Connection stats reset.\n".to_owned()
            }
            b"srvr" => server::srvr(&facts.version, &Gathered::from_workers(&self.reporter)),
            b"stat" => server::stat(&facts.version, &Gathered::from_workers(&self.reporter)),
            b"cons" => connections::cons(&Gathered::from_workers(&self.reporter)),
            b"wchs" => watches::wchs(&self.reporter.watches()),
            b"wchc" => watches::wchc(&self.reporter.watches()),
            b"wchp" => watches::wchp(&self.reporter.watches()),
            b"mntr" => {
                let gathered = Gathered::from_all(&self.reporter);
                mntr::mntr(&facts.version, facts.metrics.then(|| metrics::Metrics::of(&gathered)))
            }
            b"dump" => {
                let gathered = Gathered::with_ephemerals(&self.reporter);
                dump::dump(&gathered, facts.sessionless_timeout).unwrap_or_else(|| NOT_SERVING.to_owned())
            }
            b"hash" => match self.reporter.replica() {
                Some(replica) => server::hash(&replica),
                None => NOT_SERVING.trim_end().to_owned(),
            },
            b"conf" => directories::conf(facts, directories::Sizes::measure(facts)),
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
