//! A lock with one writer or many readers.

use super::line::Turn;
use super::lock::{Held, acquire};
use crate::client::Client;
use crate::error::Result;

/// Names of readers' znodes end in this and a number.
const READ: &str = "__READ__";
/// Names of writers' znodes end in this and a number.
const WRITE: &str = "__WRIT__";

/// A fair lock for one writer or many readers. Readers that come after a waiting writer wait behind it. It is not
/// reentrant, and a writer cannot become a reader.
#[derive(Clone, Debug)]
pub struct ReadWriteLock {
    client: Client,
    path: String,
}

impl ReadWriteLock {
    /// The lock of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// Waits until no writer is before us.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn read(&self) -> Result<Held> {
        acquire(&self.client, &self.path, READ, b"", Turn::BeforeWriters(WRITE)).await
    }

    /// Waits until nobody is before us.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn write(&self) -> Result<Held> {
        acquire(&self.client, &self.path, WRITE, b"", Turn::First).await
    }
}
