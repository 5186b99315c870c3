//! The task around a driver: its socket and its clock.

use std::future::pending;

use tokio::time::{Instant, sleep_until};
use zoorum_proto::Monotonic;

use super::link::{Link, LinkEvent};
use super::probe::Probe;
use super::{Driver, Errand};

/// Drives a session that began at `begun`, until nobody holds it any more and it is closed.
pub(crate) async fn run(begun: Instant, driver: Driver) {
    let mut task = Task { begun, driver, link: Link::new(), probe: None };
    task.driver.on_tick(task.now());
    task.perform();
    while !task.driver.is_over() {
        task.turn().await;
    }
}

struct Task {
    begun: Instant,
    driver: Driver,
    link: Link,
    probe: Option<Probe>,
}

impl Task {
    /// Waits for something to happen, and does what follows from it.
    async fn turn(&mut self) {
        let wakeup = self.driver.next_wakeup().map(|at| self.begun + at.0);
        tokio::select! {
            event = self.link.event() => self.on_link(event),
            () = self.driver.commanded() => {}
            is_read_write = probed(&mut self.probe) => self.on_probed(is_read_write),
            () = wake(wakeup) => {}
        }
        self.driver.on_tick(self.now());
        self.perform();
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.begun.elapsed())
    }

    fn on_link(&mut self, event: LinkEvent) {
        let (now, id) = (self.now(), self.link.id);
        match event {
            LinkEvent::Connected => self.driver.on_connected(now, id),
            LinkEvent::Received => self.driver.on_received(now, id, self.link.received()),
            LinkEvent::Broken(error) => {
                let (session, server) = (self.driver.session.id(), self.driver.server());
                tracing::info!(%session, %server, "connection: {error}");
                self.driver.on_disconnected(now, id);
            }
        }
    }

    fn on_probed(&mut self, is_read_write: bool) {
        if let Some(probe) = self.probe.take() {
            self.driver.on_probed(self.now(), &probe.host, is_read_write);
        }
    }

    fn perform(&mut self) {
        for errand in self.driver.take_errands() {
            match errand {
                Errand::Connect { connection, host, salt } => self.link.dial(connection, host, salt),
                Errand::Send(bytes) => self.link.send(&bytes),
                Errand::Disconnect(_) => self.link.close(),
                Errand::Probe { host, salt } => self.probe = Some(Probe::start(host, salt)),
            }
        }
        if self.driver.session.state().is_final() {
            self.probe = None;
        }
        self.link.flush();
    }
}

async fn probed(probe: &mut Option<Probe>) -> bool {
    match probe {
        Some(probe) => probe.answer().await,
        None => pending().await,
    }
}

async fn wake(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
