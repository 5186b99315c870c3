//! A session, and the ways to whoever waits for it.
//!
//! Whatever happens is handed to the session, one input at a time, and its actions are carried out in order, so that
//! an event reaches its watcher before the reply behind it reaches its asker. What is to be done on the network is
//! left to whoever has the sockets, as [`Errand`]s: for applications that is `task`, on tokio's; a simulator has
//! its own, with time and chance in its hands, and drives the same code.

mod link;
mod probe;
pub(crate) mod task;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use zoorum_proto::Monotonic;

use crate::chroot::Chroot;
use crate::client::Client;
use crate::handle::{Command, Commands, Standing};
use crate::reply::Outcome;
use crate::session::{
    Action, ConnectString, ConnectionId, Host, RequestId, Session, SessionState, Settings, WatchedEvent,
    WatcherId, Why,
};
use crate::watch::{Change, Sink};
use crate::world::World;

/// Commands that are taken at once, before what they say is sent.
const COMMANDS_AT_ONCE: usize = 256;

/// What is to be done on the network, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Connect, then say [`Driver::on_connected`], or [`Driver::on_disconnected`] if it fails.
    Connect {
        /// The new connection's id.
        connection: ConnectionId,
        /// Where to.
        host: Host,
        /// By which one of the host's addresses is to be chosen.
        salt: u64,
    },
    /// Send bytes on the connection.
    Send(Vec<u8>),
    /// Send what is to be sent as far as it goes without waiting, and close the connection.
    Disconnect(ConnectionId),
    /// Ask a server whether it is read-write (`isro`), then say [`Driver::on_probed`]. A later question takes the
    /// place of one that is not answered.
    Probe {
        /// Which.
        host: Host,
        /// By which one of the host's addresses is to be chosen.
        salt: u64,
    },
}

/// A session with those who wait for it. It does no I/O and reads no clock: see [`Errand`].
pub struct Driver {
    session: Session,
    actions: Vec<Action>,
    errands: Vec<Errand>,
    commands: mpsc::UnboundedReceiver<Command>,
    batch: Vec<Command>,
    is_held: bool,
    server: Option<Host>,
    chroot: Arc<Chroot>,
    replies: HashMap<RequestId, oneshot::Sender<Outcome>>,
    sinks: HashMap<WatcherId, Sink>,
    subscribers: Vec<mpsc::Sender<SessionState>>,
    standing: watch::Sender<Standing>,
}

impl Driver {
    /// A session that begins to connect with the first [`Self::on_tick`], and a hold on it.
    pub fn new(
        now: Monotonic,
        servers: ConnectString,
        settings: Settings,
        seed: u64,
        world: Arc<dyn World>,
    ) -> (Client, Self) {
        let ConnectString { hosts, chroot } = servers;
        let chroot = Arc::new(Chroot(chroot));
        let session = Session::new(now, hosts, settings, seed);
        let (standing, watched) = watch::channel(Standing::of(&session));
        let (held, commands) = Commands::new(Arc::clone(&chroot), watched);
        let driver = Self {
            session,
            actions: Vec::new(),
            errands: Vec::new(),
            commands,
            batch: Vec::with_capacity(COMMANDS_AT_ONCE),
            is_held: true,
            server: None,
            chroot,
            replies: HashMap::new(),
            sinks: HashMap::new(),
            subscribers: Vec::new(),
            standing,
        };
        (Client::new(held, world), driver)
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether nobody holds the session any more, and it is closed.
    pub fn is_over(&self) -> bool {
        !self.is_held && self.session.state().is_final()
    }

    /// When [`Self::on_tick`] is due if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        self.session.next_wakeup()
    }

    /// A connection has been made.
    pub fn on_connected(&mut self, now: Monotonic, connection: ConnectionId) {
        self.session.on_connected(now, connection, &mut self.actions);
        self.perform();
    }

    /// A connection could not be made, or broke.
    pub fn on_disconnected(&mut self, now: Monotonic, connection: ConnectionId) {
        self.session.on_disconnected(now, connection, &mut self.actions);
        self.perform();
    }

    /// Bytes have arrived, in any pieces.
    pub fn on_received(&mut self, now: Monotonic, connection: ConnectionId, bytes: &[u8]) {
        self.session.on_received(now, connection, bytes, &mut self.actions);
        self.perform();
    }

    /// A server has answered a probe, or failed to.
    pub fn on_probed(&mut self, now: Monotonic, host: &Host, is_read_write: bool) {
        self.session.on_probed(now, host, is_read_write, &mut self.actions);
        self.perform();
    }

    /// Time has passed, or somebody who holds the session has asked for something.
    pub fn on_tick(&mut self, now: Monotonic) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.batch.push(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.is_held = false;
                    break;
                }
            }
            if self.batch.len() >= COMMANDS_AT_ONCE {
                break;
            }
        }
        for command in std::mem::take(&mut self.batch) {
            self.on_command(now, command);
        }
        if !self.is_held {
            self.session.close(now, &mut self.actions);
        }
        self.session.on_tick(now, &mut self.actions);
        self.perform();
    }

    /// Whether somebody has asked for something that [`Self::on_tick`] has yet to deal with.
    pub fn has_commands(&self) -> bool {
        !self.commands.is_empty() || !self.batch.is_empty()
    }

    /// What is to be done on the network since this was last asked.
    pub fn take_errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.errands)
    }

    /// Waits until somebody asks for something. To stop waiting loses nothing.
    pub(crate) async fn commanded(&mut self) {
        if !self.is_held {
            return pending().await;
        }
        self.commands.recv_many(&mut self.batch, COMMANDS_AT_ONCE).await;
    }

    fn on_command(&mut self, now: Monotonic, command: Command) {
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
            Command::Subscribe(states) => self.subscribe(states),
            Command::Close => self.session.close(now, &mut self.actions),
        }
    }

    /// Carries out what the session wants, in order, but for the network's part.
    fn perform(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Connect { connection, host, salt } => {
                    self.server = Some(host.clone());
                    self.errands.push(Errand::Connect { connection, host, salt });
                }
                Action::Send(bytes) => self.errands.push(Errand::Send(bytes)),
                Action::Disconnect { connection, why } => self.disconnect(connection, &why),
                Action::Probe { host, salt } => self.errands.push(Errand::Probe { host, salt }),
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
    }

    fn disconnect(&mut self, connection: ConnectionId, why: &Why) {
        tracing::info!(session = %self.session.id(), server = %self.server(), "disconnecting: {why}");
        self.errands.push(Errand::Disconnect(connection));
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

    /// Somebody wants to hear of states, from the present one on. Whoever does not any more is forgotten: a connection
    /// may last for weeks, and tell of none.
    fn subscribe(&mut self, states: mpsc::Sender<SessionState>) {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        let state = self.session.state();
        if states.try_send(state).is_ok() && !state.is_final() {
            self.subscribers.push(states);
        }
    }

    fn on_state(&mut self, state: SessionState) {
        tracing::info!(session = %self.session.id(), server = %self.server(), "session {state:?}");
        self.standing.send_replace(Standing::of(&self.session));
        // Whoever lets a thousand changes wait is not interested.
        self.subscribers.retain(|subscriber| subscriber.try_send(state).is_ok());
        if state.is_final() {
            self.sinks.clear();
            self.subscribers.clear();
        }
    }

    /// The server that the newest connection is to, for people.
    fn server(&self) -> String {
        self.server.as_ref().map_or_else(|| "-".to_owned(), Host::to_string)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::world::Task;

    /// A world in which nothing happens.
    struct Nothing;

    impl World for Nothing {
        fn spawn(&self, task: Task) {
            drop(task);
        }

        fn sleep(&self, _: Duration) -> Task {
            Box::pin(pending())
        }

        fn number(&self) -> u64 {
            0
        }
    }

    fn begun() -> (Client, Driver) {
        let servers = "h:1".parse().expect("a connect string");
        Driver::new(Monotonic::default(), servers, Settings::default(), 1, Arc::new(Nothing))
    }

    #[tokio::test]
    async fn whoever_follows_the_states_no_more_is_forgotten() {
        let (client, mut driver) = begun();
        for _ in 0..100 {
            drop(client.states());
            driver.on_tick(Monotonic::default());
        }
        let mut states = client.states();
        driver.on_tick(Monotonic::default());
        assert_eq!(states.next().await, Some(SessionState::Connecting));
        assert_eq!(driver.subscribers.len(), 1);
    }

    #[tokio::test]
    async fn states_end_with_the_final_one_whenever_they_are_asked_for() {
        let (client, mut driver) = begun();
        let mut before = client.states();
        driver.on_tick(Monotonic::default());
        client.commands.send(Command::Close);
        driver.on_tick(Monotonic::default());
        let mut after = client.states();
        driver.on_tick(Monotonic::default());
        assert_eq!(before.next().await, Some(SessionState::Connecting));
        for states in [&mut before, &mut after] {
            assert_eq!(states.next().await, Some(SessionState::Closed));
            assert_eq!(states.next().await, None);
        }
    }
}
