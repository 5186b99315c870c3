//! A lock: one holder at a time, in the order of asking.

use zoorum_proto::{ErrorCode, Zxid};

use super::line::{Place, Turn};
use crate::client::Client;
use crate::error::Result;

/// Names of the lock's znodes end in this and a number, as Curator's `InterProcessMutex` has it.
pub(super) const LOCK: &str = "lock-";

/// A fair lock, which is not reentrant.
///
/// ```no_run
/// # async fn example(client: zoorum_client::Client) -> zoorum_client::Result<()> {
/// use zoorum_client::recipes::Lock;
///
/// let held = Lock::new(&client, "/locks/printer").acquire().await?;
/// // Give `held.fencing_token()` to whatever the lock protects.
/// held.release().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Lock {
    client: Client,
    path: String,
    data: Vec<u8>,
}

impl Lock {
    /// The lock of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned(), data: Vec::new() }
    }

    /// What the holder's znode says, for people: who it is.
    pub fn identity(mut self, identity: &str) -> Self {
        self.data = identity.into();
        self
    }

    /// Waits for the lock. To drop the future gives the place in line up.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn acquire(&self) -> Result<Held> {
        acquire(&self.client, &self.path, LOCK, &self.data, Turn::First).await
    }

    /// The paths of the holder's znode, first, and of those in line behind it.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn contenders(&self) -> Result<Vec<String>> {
        let line = super::line::read(&self.client, &self.path).await?;
        Ok(line.iter().map(|name| super::below(&self.path, name)).collect())
    }
}

pub(super) async fn acquire(
    client: &Client,
    path: &str,
    name: &str,
    data: &[u8],
    turn: Turn,
) -> Result<Held> {
    loop {
        let place = Place::join(client, path, name, data).await?;
        match place.turn(turn).await {
            Ok(()) => return Ok(Held { place }),
            // Somebody has deleted our place: back to the end of the line.
            Err(error) if error.is(ErrorCode::NoNode) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A lock that is held. Dropped, it is released as soon as there is a connection.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Held {
    pub(super) place: Place,
}

impl Held {
    /// A number that is larger than that of every holder before. Whatever the lock protects should refuse whoever
    /// comes with a smaller one than it has seen: that is the only protection from a holder that has lost the
    /// lock and does not know yet. Of readers, who hold their part together and come in any order, only those are to be
    /// refused whose number is smaller than a writer's that was seen.
    pub fn fencing_token(&self) -> Zxid {
        self.place.czxid()
    }

    /// The path of the holder's znode.
    pub fn path(&self) -> String {
        self.place.path()
    }

    /// Waits until the lock is lost: the session is over, or somebody has deleted the znode. Without a connection
    /// that may be known much later than others get the lock: see [`Self::doubtful`].
    pub async fn lost(&self) {
        self.place.lost().await;
    }

    /// Waits until it is in doubt whether the lock is still held, because the connection is lost. A careful holder
    /// pauses its work.
    pub async fn doubtful(&self) {
        let mut states = self.place.client().states();
        while states.next().await.is_some_and(|state| state.is_connected()) {}
    }

    /// Releases the lock, and returns once the next in line has it.
    ///
    /// # Errors
    ///
    /// When the session has ended, whereby the lock is released as well.
    pub async fn release(self) -> Result<()> {
        self.place.leave().await
    }
}
