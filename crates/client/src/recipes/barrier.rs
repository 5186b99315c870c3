//! A barrier: as long as it stands, nobody passes.

use zoorum_proto::{CreateMode, ErrorCode};

use super::{ensure, parent, persist, remove_own};
use crate::client::Client;
use crate::error::Result;

/// A barrier: a znode that whoever wants to pass waits to be gone.
#[derive(Clone, Debug)]
pub struct Barrier {
    client: Client,
    path: String,
}

impl Barrier {
    /// The barrier of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// Sets the barrier up, if it does not stand already.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn set(&self) -> Result<()> {
        loop {
            match persist(&self.client, || self.client.create(&self.path, b"", CreateMode::Persistent)).await
            {
                Err(error) if error.is(ErrorCode::NoNode) => ensure(&self.client, parent(&self.path)).await?,
                Err(error) if !error.is(ErrorCode::NodeExists) => return Err(error),
                _ => return Ok(()),
            }
        }
    }

    /// Takes the barrier down, as it stands now: everybody passes. One that is set up meanwhile stays.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn remove(&self) -> Result<()> {
        match persist(&self.client, || self.client.exists(&self.path)).await? {
            Some(stat) => remove_own(&self.client, &self.path, stat.czxid).await,
            None => Ok(()),
        }
    }

    /// Waits until the barrier does not stand.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn pass(&self) -> Result<()> {
        loop {
            let asked = persist(&self.client, || self.client.exists_and_watch(&self.path)).await?;
            let (Some(_), watch) = asked else { return Ok(()) };
            // When the session ends, the next request says so.
            watch.await.ok();
        }
    }
}
