//! How a session is to be, before it begins.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use zoorum_proto::{Monotonic, SessionId};

use crate::client::Client;
use crate::driver::{Driver, task};
use crate::session::{ConnectStringError, SessionState, Settings};
use crate::world::{Tokio, World};

/// What the protocol has room for.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Why no session could be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The connect string is none.
    #[error(transparent)]
    ConnectString(#[from] ConnectStringError),
    /// No server took the session in time.
    #[error(
        "none of the servers {servers} gave a session within {patience:?}: do they run, and do they have a quorum?"
    )]
    NoServer {
        /// Which were asked.
        servers: String,
        /// For how long.
        patience: Duration,
    },
    /// The session that was to be resumed has expired, or the credentials were refused.
    #[error("the servers refused the session: {0:?}")]
    Refused(SessionState),
}

/// Describes a session, and begins it.
#[derive(Clone)]
pub struct ClientBuilder {
    connect_string: String,
    settings: Settings,
    credentials: Vec<(String, Vec<u8>)>,
    patience: Option<Duration>,
}

impl ClientBuilder {
    pub(crate) fn new(connect_string: &str) -> Self {
        Self {
            connect_string: connect_string.to_owned(),
            settings: Settings::default(),
            credentials: Vec::new(),
            patience: None,
        }
    }

    /// How long the session outlives its connection, 30 s unless told otherwise. The server may choose another
    /// length within its limits: 2 to 20 of its ticks by default. The protocol has room for 1 to 2³¹ − 1 ms.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout.clamp(TIMEOUT_MIN, TIMEOUT_MAX);
        self
    }

    /// How long [`Self::connect`] waits for the first connection; the session timeout unless told otherwise.
    pub fn connect_timeout(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Accepts a server without a quorum, for reading, until one with a quorum is found. The state is then
    /// [`SessionState::ConnectedReadOnly`].
    pub fn read_only(mut self, accept: bool) -> Self {
        self.settings.read_only = accept;
        self
    }

    /// Proves who the application is, on every connection: `auth("digest", b"user:password")`.
    pub fn auth(mut self, scheme: &str, auth: &[u8]) -> Self {
        self.credentials.push((scheme.to_owned(), auth.to_vec()));
        self
    }

    /// Takes up a session of another process, or an earlier one of this, instead of beginning a new one.
    pub fn resume(mut self, session: SessionId, password: [u8; 16]) -> Self {
        self.settings.resume = Some((session, password));
        self
    }

    /// The largest request that is sent, 1 MiB unless told otherwise: the servers' `jute.maxbuffer`, for they
    /// close the connection on anything larger.
    pub fn request_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.request_bytes_max = bytes;
        self
    }

    /// The largest reply that is accepted, 64 MiB unless told otherwise; a larger one breaks the connection.
    pub fn reply_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.reply_bytes_max = bytes;
        self
    }

    /// Begins the session without waiting for a connection: requests wait until there is one, as long as the
    /// session timeout.
    ///
    /// # Errors
    ///
    /// When the connect string is none.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(self) -> Result<Client, ConnectError> {
        let servers = self.connect_string.parse()?;
        let runtime = Handle::current();
        let world = Tokio(runtime.clone());
        let seed = world.number();
        let (client, driver) =
            Driver::new(Monotonic::default(), servers, self.settings, seed, Arc::new(world));
        for (scheme, auth) in self.credentials {
            client.add_auth(&scheme, &auth);
        }
        runtime.spawn(task::run(Instant::now(), driver));
        Ok(client)
    }

    /// Begins the session and waits until a server serves it.
    ///
    /// # Errors
    ///
    /// When the connect string is none, when no server is reached in time, or when the servers refuse.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let patience = self.patience.unwrap_or(self.settings.timeout);
        let servers = self.connect_string.clone();
        let client = self.start()?;
        match tokio::time::timeout(patience, client.connected()).await {
            Ok(state) if state.is_connected() => Ok(client),
            Ok(state) => Err(ConnectError::Refused(state)),
            Err(_) => Err(ConnectError::NoServer { servers, patience }),
        }
    }
}
