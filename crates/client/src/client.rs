//! The client: a hold on a session.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::{mpsc, watch};
use zoorum_proto::SessionId;

use crate::builder::{ClientBuilder, ConnectError};
use crate::handle::{Command, Commands};
use crate::session::{ConnectString, ConnectStringError, SessionState};
use crate::world::World;

/// Changes of state that wait for somebody who does not take them; at the limit the stream ends.
const STATES_MAX: usize = 1024;

/// A session with an ensemble. Clones are holds on the same session, which is closed when the last of them is
/// dropped, or by [`Client::close`].
///
/// Every request is made when its method is called, and its reply is a future: whoever wants to have many
/// requests under way calls many methods, and awaits later. Requests take effect in the order of the calls.
#[derive(Clone)]
pub struct Client {
    pub(crate) commands: Commands,
    pub(crate) world: Arc<dyn World>,
    /// Paths that tasks of this session are about to delete, behind somebody who has dropped what stands for them.
    leaving: Arc<watch::Sender<BTreeMap<String, usize>>>,
}

impl Client {
    pub(crate) fn new(commands: Commands, world: Arc<dyn World>) -> Self {
        Self { commands, world, leaving: Arc::default() }
    }

    /// The same session without its chroot: for the server's own znodes, whose names are the same for everybody.
    pub fn without_chroot(&self) -> Self {
        let mut client = self.clone();
        client.commands.chroot = Arc::default();
        client
    }

    /// Runs something beside the caller, who may be anywhere, even outside of the runtime.
    pub(crate) fn spawn<T>(&self, work: impl Future<Output = T> + Send + 'static) {
        self.world.spawn(Box::pin(async move { drop(work.await) }));
    }

    /// Deletes something later, for somebody who cannot wait for it. Whoever wants to have the path again can wait
    /// until that is done.
    pub(crate) fn clean_up<T>(&self, path: &str, work: impl Future<Output = T> + Send + 'static) {
        self.leaving.send_modify(|leaving| *leaving.entry(path.to_owned()).or_default() += 1);
        let (leaving, path) = (Arc::clone(&self.leaving), path.to_owned());
        self.spawn(async move {
            drop(work.await);
            leaving.send_modify(|leaving| match leaving.get_mut(&path) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(leaving.remove(&path)),
            });
        });
    }

    /// Waits until nothing is about to delete this path.
    pub(crate) async fn cleaned_up(&self, path: &str) {
        let mut leaving = self.leaving.subscribe();
        // As long as this is there, so is the sender.
        leaving.wait_for(|leaving| !leaving.contains_key(path)).await.ok();
    }

    /// Connects with the default settings, and waits for the connection:
    /// `Client::connect("host1:2181,host2:2181/chroot")`.
    ///
    /// # Errors
    ///
    /// See [`ClientBuilder::connect`].
    pub async fn connect(connect_string: &str) -> Result<Self, ConnectError> {
        Self::builder(connect_string).connect().await
    }

    /// Describes a session to begin.
    pub fn builder(connect_string: &str) -> ClientBuilder {
        ClientBuilder::new(connect_string)
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        self.commands.standing.borrow().state
    }

    /// The session's id; none before the first connection.
    pub fn session(&self) -> SessionId {
        self.commands.standing.borrow().id
    }

    /// By which, with its id, the session can be taken up again: see [`ClientBuilder::resume`].
    pub fn password(&self) -> [u8; 16] {
        self.commands.standing.borrow().password
    }

    /// The session's timeout: negotiated once connected, the one asked for before.
    pub fn session_timeout(&self) -> Duration {
        self.commands.standing.borrow().timeout
    }

    /// The session's states, from the present one on. The stream ends after the final one.
    pub fn states(&self) -> States {
        let (sender, states) = mpsc::channel(STATES_MAX);
        self.commands.send(Command::Subscribe(sender));
        States { states }
    }

    /// Waits until a server serves the session, or it is over; tells which.
    pub fn connected(&self) -> impl Future<Output = SessionState> + Send + 'static {
        self.reached(|state| state.is_connected() || state.is_final())
    }

    /// Waits until the session is over; tells how it ended.
    pub fn ended(&self) -> impl Future<Output = SessionState> + Send + 'static {
        self.reached(SessionState::is_final)
    }

    fn reached(
        &self,
        is_there: impl Fn(SessionState) -> bool + Send + Sync + 'static,
    ) -> impl Future<Output = SessionState> + Send + 'static {
        let mut standing = self.commands.standing.clone();
        async move {
            let reached = standing.wait_for(|standing| is_there(standing.state)).await;
            // The session's task is gone with its runtime.
            reached.map_or(SessionState::Closed, |standing| standing.state)
        }
    }

    /// Proves who the application is, now and on every connection to come. If the server refuses, the session
    /// ends in [`SessionState::AuthFailed`].
    pub fn add_auth(&self, scheme: &str, auth: &[u8]) {
        self.commands.send(Command::AddAuth { scheme: scheme.to_owned(), auth: auth.to_vec() });
    }

    /// The servers are others now: `host:port,host:port`. Just so many clients move to another server that in
    /// the end each server has its share.
    ///
    /// # Errors
    ///
    /// When the text names no servers, or a chroot.
    pub fn update_server_list(&self, servers: &str) -> Result<(), ConnectStringError> {
        let ConnectString { hosts, chroot } = servers.parse()?;
        if !chroot.is_empty() {
            return Err(ConnectStringError::BadChroot(chroot));
        }
        self.commands.send(Command::Hosts(hosts));
        Ok(())
    }

    /// Ends the session, after all requests made before, and with it its ephemeral znodes. Returns once the
    /// server has confirmed it, or was out of reach for as long as the session timeout; or at once if the connection
    /// is lost after it was asked: if it did not come to that, the znodes go with the session timeout.
    pub async fn close(self) {
        self.commands.send(Command::Close);
        self.ended().await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = *self.commands.standing.borrow();
        write!(f, "Client({}, {:?})", standing.id, standing.state)
    }
}

/// A session's states, as they come.
#[derive(Debug)]
pub struct States {
    states: mpsc::Receiver<SessionState>,
}

impl States {
    /// The next state; none after the final one.
    pub async fn next(&mut self) -> Option<SessionState> {
        self.states.recv().await
    }
}

impl Stream for States {
    type Item = SessionState;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<SessionState>> {
        self.states.poll_recv(context)
    }
}
