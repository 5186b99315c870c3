//! Clients that use all members while something happens to them, and know what must be left in the end.
//!
//! | who | does | knows |
//! |---|---|---|
//! | [`writer`] | create, set, delete, setACL, multi, sequential and ephemeral nodes | every node of its own, exactly |
//! | [`visitor`] | sessions that come and go, closed or abandoned | which ephemeral nodes must have gone |
//! | [`watcher`] | reads what it is told changed, and nothing else | that it was told of every last change |
//!
//! **A lost reply is settled.** A request whose connection broke may have been carried out or not. Its session
//! (or, if that is over, the next) first gets a write acknowledged: what came before in its order is decided
//! by then, and what did not come cannot come any more. Then reading tells.
//!
//! **On the way** each session checks that the zxids it sees never go back, each writer that its requests find
//! what its earlier ones left, and all of them that no number of a sequential node is given twice, or out of
//! order with those that were acknowledged before.

pub mod control;
pub mod ledger;
pub mod session;
pub mod visitor;
pub mod watcher;
pub mod writer;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use control::Control;
pub use ledger::Ledger;
pub use session::{Lost, Session};

use crate::wire::{Client, flag};
use ledger::Numbers;

/// How long the writers' sessions may be silent; no fault of a scenario lasts so long.
const SESSION: Duration = Duration::from_secs(40);
/// Where sequential nodes of all writers lie.
const SEQUENCE: &str = "/sequence";
/// Where the visitors' nodes lie.
const VISITS: &str = "/visits";

/// What is written to in order to have what came before decided.
pub(super) const FENCE: &str = "/fence";

/// Where a writer's nodes lie.
fn writer_root(writer: usize) -> String {
    format!("/writer{writer}")
}

/// A load on all members. Dropping it ends it unchecked.
#[derive(Debug)]
pub struct Workload {
    control: Arc<Control>,
    ledgers: Vec<Arc<Mutex<Ledger>>>,
    actors: Vec<(String, JoinHandle<()>)>,
}

impl Workload {
    /// Begins with one writer and one watcher for each member, who prefers it, and one visitor.
    pub fn begin(members: &[SocketAddr]) -> Workload {
        prepare(members);
        let control = Arc::new(Control::new(2 * members.len() + 1));
        let numbers = Arc::new(Mutex::new(Numbers::default()));
        let mut workload = Workload { control, ledgers: Vec::new(), actors: Vec::new() };
        for index in 0..members.len() {
            let mut order = members.to_vec();
            order.rotate_left(index);
            let ledger = Arc::new(Mutex::new(Ledger::default()));
            let writer = writer::Writer::new(index, &order, &ledger, &numbers);
            workload.act(&format!("writer {index}"), |control| writer.run(control));
            let watcher = watcher::Watcher::new(&order, (0..members.len()).map(writer_root));
            workload.act(&format!("watcher {index}"), |control| watcher.run(control));
            workload.ledgers.push(ledger);
        }
        let visitor = visitor::Visitor::new(members);
        workload.act("visitor", |control| visitor.run(control));
        workload
    }

    fn act(&mut self, name: &str, act: impl FnOnce(&Control) + Send + 'static) {
        let control = Arc::clone(&self.control);
        let actor = thread::Builder::new().name(name.to_owned());
        let actor = actor.spawn(move || act(&control)).expect("start a thread");
        self.actors.push((name.to_owned(), actor));
    }

    /// Waits until all have brought to an end what they were doing: sessions stay and are kept alive, but
    /// nothing changes any more, and nobody's session is left to expire.
    pub fn quiet(&mut self) {
        self.control.quiet();
        self.await_calm();
    }

    /// Lets everybody go on.
    pub fn busy(&self) {
        self.control.busy();
    }

    /// Waits until `count` more operations have been acknowledged.
    pub fn await_progress(&mut self, count: u64) {
        let goal = self.control.acknowledged() + count;
        super::until(&format!("{count} operations are acknowledged"), || {
            self.expect_well();
            (self.control.acknowledged() >= goal).then_some(())
        });
    }

    /// How many operations were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.control.acknowledged()
    }

    /// What must be there, writer by writer; they are quiet.
    pub fn ledgers(&self) -> Vec<Ledger> {
        self.ledgers.iter().map(|ledger| ledger.lock().expect("no writer failed").clone()).collect()
    }

    /// # Panics
    ///
    /// With what an actor found wrong.
    pub fn expect_well(&mut self) {
        while let Some(index) = self.actors.iter().position(|(_, actor)| actor.is_finished()) {
            let (name, actor) = self.actors.remove(index);
            actor.join().unwrap_or_else(|_| panic!("the {name} failed, see above"));
        }
    }

    /// Ends the load; every session is closed.
    pub fn end(mut self) {
        self.control.end();
        for (name, actor) in self.actors.drain(..) {
            actor.join().unwrap_or_else(|_| panic!("the {name} failed, see above"));
        }
    }

    fn await_calm(&mut self) {
        super::until("all clients are quiet", || {
            self.expect_well();
            self.control.calm().then_some(())
        });
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.control.abandon();
        for (_, actor) in self.actors.drain(..) {
            // In a failing test nothing can be added to what is printed already.
            actor.join().unwrap_or_default();
        }
    }
}

/// Makes the nodes that everybody's nodes lie below.
fn prepare(members: &[SocketAddr]) {
    let mut client = Client::connect(members[0]);
    let roots = (0..members.len()).map(writer_root);
    for path in roots.chain([SEQUENCE, VISITS, FENCE].map(str::to_owned)) {
        client.create(&path, b"", flag::PERSISTENT).unwrap_or_else(|code| panic!("create {path}: {code}"));
    }
    client.close();
}
