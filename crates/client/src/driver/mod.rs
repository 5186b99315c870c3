//! The task around a session: its socket, its clock, and the ways to whoever waits.
//!
//! One task has all of it. It hands whatever happens to the session, one input at a time, and carries out the
//! actions in order, so that an event reaches its watcher before the reply behind it reaches its asker.

mod link;
mod probe;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use zoorum_proto::Monotonic;

use crate::chroot::Chroot;
use crate::handle::{Command, Standing};
use crate::reply::Outcome;
use crate::session::{Action, RequestId, Session, SessionState, WatchedEvent, WatcherId};
use crate::watch::{Change, Sink};

use link::{Link, LinkEvent};
use probe::Probe;

/// Commands that are taken at once, before what they say is sent.
const COMMANDS_AT_ONCE: usize = 256;

/// A session with its socket.
pub(crate) struct Driver {
    begun: Instant,
    session: Session,
    actions: Vec<Action>,
    link: Link,
    probe: Option<Probe>,
    chroot: Arc<Chroot>,
    replies: HashMap<RequestId, oneshot::Sender<Outcome>>,
    sinks: HashMap<WatcherId, Sink>,
    subscribers: Vec<mpsc::Sender<SessionState>>,
    standing: watch::Sender<Standing>,
}

impl Driver {
    /// `session` was made at `begun`.
    pub(crate) fn new(
        begun: Instant,
        session: Session,
        chroot: Arc<Chroot>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        Self {
            begun,
            session,
            actions: Vec::new(),
            link: Link::new(),
            probe: None,
            chroot,
            replies: HashMap::new(),
            sinks: HashMap::new(),
            subscribers: Vec::new(),
            standing,
        }
    }

    /// Runs until nobody holds the session any more and it is closed.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut batch = Vec::with_capacity(COMMANDS_AT_ONCE);
        let mut is_held = true;
        self.session.on_tick(self.now(), &mut self.actions);
        self.perform();
        while is_held || !self.session.state().is_final() {
            let wakeup = self.session.next_wakeup().map(|at| self.begun + at.0);
            tokio::select! {
                event = self.link.event() => self.on_link(event),
                taken = commands.recv_many(&mut batch, COMMANDS_AT_ONCE), if is_held => {
                    batch.drain(..).for_each(|command| self.on_command(command));
                    if taken == 0 {
                        is_held = false;
                        self.session.close(self.now(), &mut self.actions);
                    }
                }
                is_read_write = probed(&mut self.probe) => self.on_probed(is_read_write),
                () = wake(wakeup) => {}
            }
            self.session.on_tick(self.now(), &mut self.actions);
            self.perform();
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.begun.elapsed())
    }

    fn on_link(&mut self, event: LinkEvent) {
        let (now, id) = (self.now(), self.link.id);
        match event {
            LinkEvent::Connected => self.session.on_connected(now, id, &mut self.actions),
            LinkEvent::Received => {
                let bytes = self.link.received();
                self.session.on_received(now, id, bytes, &mut self.actions);
            }
            LinkEvent::Broken(error) => {
                tracing::info!(session = %self.session.id(), server = %self.link.host(), "connection: {error}");
                self.session.on_disconnected(now, id, &mut self.actions);
            }
        }
    }

    fn on_probed(&mut self, is_read_write: bool) {
        if let Some(probe) = self.probe.take() {
            self.session.on_probed(self.now(), &probe.host, is_read_write, &mut self.actions);
        }
    }

    fn on_command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Submit { request, reply, sink } => {
                self.replies.insert(request.id, reply);
                if let (Some(watch), Some(sink)) = (&request.watch, sink) {
                    self.sinks.insert(watch.watcher, sink);
                }
                self.session.submit(now, request, &mut self.actions);
            }
            Command::RemoveWatches { id, kind, path, reply } => {
                self.replies.insert(id, reply);
                self.session.remove_watches(now, id, kind, &path, &mut self.actions);
            }
            Command::Forget(watcher) => {
                self.sinks.remove(&watcher);
                self.session.forget(now, watcher, &mut self.actions);
            }
            Command::AddAuth { scheme, auth } => self.session.add_auth(now, scheme, auth, &mut self.actions),
            Command::Hosts(hosts) => self.session.on_hosts_changed(now, hosts, &mut self.actions),
            Command::Subscribe(states) => {
                if states.try_send(self.session.state()).is_ok() {
                    self.subscribers.push(states);
                }
            }
            Command::Close => self.session.close(now, &mut self.actions),
        }
    }

    /// Carries out what the session wants, in order.
    fn perform(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Connect { connection, host, salt } => self.link.dial(connection, host, salt),
                Action::Send(bytes) => self.link.send(&bytes),
                Action::Disconnect { why, .. } => {
                    tracing::info!(session = %self.session.id(), server = %self.link.host(), "disconnecting: {why}");
                    self.link.close();
                }
                Action::Probe { host, salt } => self.probe = Some(Probe::start(host, salt)),
                Action::Complete(id, outcome) => {
                    if let Some(reply) = self.replies.remove(&id) {
                        // Whoever does not await a reply drops it.
                        reply.send(outcome).ok();
                    }
                }
                Action::State(state) => self.on_state(state),
                Action::Fire { watcher, event } => self.fire(watcher, event),
                Action::Missed(watcher) => self.tell(watcher, Change::Missed),
                Action::Forget(watcher) => drop(self.sinks.remove(&watcher)),
            }
        }
        self.actions = actions;
        self.link.flush();
    }

    fn fire(&mut self, watcher: WatcherId, mut event: WatchedEvent) {
        event.path = self.chroot.relative(&event.path).to_owned();
        match self.sinks.remove(&watcher) {
            Some(Sink::Once(sink)) => drop(sink.send(event)),
            Some(sink) => {
                self.sinks.insert(watcher, sink);
                self.tell(watcher, Change::Event(event));
            }
            None => {}
        }
    }

    fn tell(&mut self, watcher: WatcherId, change: Change) {
        if let Some(sink) = self.sinks.get(&watcher) {
            sink.tell(change);
        }
    }

    fn on_state(&mut self, state: SessionState) {
        tracing::info!(session = %self.session.id(), server = %self.link.host(), "session {state:?}");
        self.standing.send_replace(Standing {
            state,
            id: self.session.id(),
            password: self.session.password(),
            timeout: self.session.timeout(),
        });
        // Whoever lets a thousand changes wait is not interested.
        self.subscribers.retain(|subscriber| subscriber.try_send(state).is_ok());
        if state.is_final() {
            self.sinks.clear();
            self.subscribers.clear();
            self.probe = None;
        }
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
