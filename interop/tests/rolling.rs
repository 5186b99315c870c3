//! A rolling restart of an ensemble under load: what a client asks is answered, if need be at the second attempt.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use zoorum_interop::ensemble::workload::session::Reconnected;
use zoorum_interop::ensemble::workload::{Control, Session};
use zoorum_interop::ensemble::{Ensemble, Kind, Plan, ServerId};
use zoorum_interop::wire::client::set_data_record;
use zoorum_interop::wire::{flag, op};

const CLIENTS: usize = 6;
const SESSION: Duration = Duration::from_secs(10);

/// A client that asks for one change after the other, and once more if its connection breaks.
struct Client {
    path: String,
    session: Session,
    control: Control,
    answered: Arc<AtomicU64>,
}

impl Client {
    fn begin(number: usize, members: &[SocketAddr]) -> Client {
        let mut order = members.to_vec();
        order.rotate_left(number % members.len());
        let (control, path) = (Control::new(1), format!("/rolling{number}"));
        let mut session = Session::new(&order, SESSION);
        assert_eq!(session.connect(&control), Reconnected::Anew);
        session.create(&path, flag::PERSISTENT).expect("nothing happens yet");
        Client { path, session, control, answered: Arc::default() }
    }

    fn run(mut self, over: &AtomicBool) {
        let change = set_data_record(&self.path, b"changed", -1);
        while !over.load(Ordering::Relaxed) {
            let reply = self.session.call(op::SET_DATA, &change).or_else(|_| {
                assert_eq!(self.session.connect(&self.control), Reconnected::Resumed, "a session lives on");
                self.session.call(op::SET_DATA, &change)
            });
            let reply = reply.unwrap_or_else(|_| panic!("{} failed twice", self.path));
            assert_eq!(reply.err, 0, "{}", self.path);
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.session.close().expect("nothing happens any more");
    }
}

/// Ends the load, even if the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn await_progress(ensemble: &mut Ensemble, answered: &[Arc<AtomicU64>]) {
    let now = || answered.iter().map(|count| count.load(Ordering::Relaxed));
    let goals: Vec<u64> = now().map(|count| count + 20).collect();
    ensemble.await_that("every client gets on", |_| {
        now().zip(&goals).all(|(now, goal)| now >= *goal).then_some(())
    });
}

#[test]
fn a_rolling_restart_fails_no_request_that_is_tried_once_more() {
    let mut ensemble = Ensemble::start(&Plan::new(&[Kind::Zoorum; 3], &[]));
    let leader = ensemble.await_leader();
    let members = ensemble.addresses();
    let clients: Vec<Client> = (0..CLIENTS).map(|number| Client::begin(number, &members)).collect();
    let answered: Vec<_> = clients.iter().map(|client| Arc::clone(&client.answered)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = Ending(&over);
        let running: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| client.run(&over))).collect();
        // The leader last, as it should be done; and once more, so that the new leader has its turn.
        let mut order: Vec<ServerId> = ensemble.ids().into_iter().filter(|id| *id != leader).collect();
        order.push(leader);
        for id in order.into_iter().cycle().take(5) {
            await_progress(&mut ensemble, &answered);
            ensemble.stop(id);
            ensemble.launch(id);
            ensemble.await_serving(id);
        }
        await_progress(&mut ensemble, &answered);
        drop(ending);
        running.into_iter().for_each(|client| client.join().expect("every request is answered"));
    });
    ensemble.expect_sense();
}
