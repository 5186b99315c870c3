//! A double barrier: so many begin together and end together.

use zoorum_proto::{CreateMode, ErrorCode, Version};

use super::{below, ensure, persist, remove, unique_name};
use crate::client::Client;
use crate::error::Result;

/// Stands as soon as all are there.
const READY: &str = "ready";

/// One member of a double barrier.
#[derive(Debug)]
pub struct DoubleBarrier {
    client: Client,
    path: String,
    members: usize,
    name: String,
}

impl DoubleBarrier {
    /// A member of the barrier of this name, which all enter together once there are so many. Nothing happens yet.
    pub fn new(client: &Client, path: &str, members: usize) -> Self {
        Self { client: client.clone(), path: path.to_owned(), members, name: unique_name() }
    }

    /// Waits until all are there.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn enter(&self) -> Result<()> {
        let (mine, ready) = (below(&self.path, &self.name), below(&self.path, READY));
        // The name is unique: if it exists, a lost request has created it.
        self.create(&mine).await?;
        loop {
            let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&ready)).await?;
            if stat.is_some() {
                return Ok(());
            }
            if self.present().await?.len() >= self.members {
                return self.create(&ready).await;
            }
            // When the session ends, the next request says so.
            watch.await.ok();
        }
    }

    /// Waits until all want to leave.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn leave(&self) -> Result<()> {
        let (mine, ready) = (below(&self.path, &self.name), below(&self.path, READY));
        loop {
            let present = self.present().await?;
            let (Some(first), Some(last)) = (present.first(), present.last()) else { break };
            if first == last && *first == self.name {
                remove(&self.client, &mine).await?;
                break;
            }
            // The first waits for the last, everybody else leaves and waits for the first.
            let awaited = if *first == self.name { last } else { first };
            if *first != self.name {
                remove(&self.client, &mine).await?;
            }
            let awaited = below(&self.path, awaited);
            let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&awaited)).await?;
            if stat.is_some() {
                watch.await.ok();
            }
        }
        match persist(&self.client, || self.client.delete(&ready, Version::ANY)).await {
            Err(error) if !error.is(ErrorCode::NoNode) => Err(error),
            _ => Ok(()),
        }
    }

    /// The members that are there, in the order of their names.
    async fn present(&self) -> Result<Vec<String>> {
        match persist(&self.client, || self.client.children(&self.path)).await {
            Err(error) if error.is(ErrorCode::NoNode) => Ok(Vec::new()),
            children => {
                let mut names = children?.names;
                names.retain(|name| name != READY);
                names.sort();
                Ok(names)
            }
        }
    }

    async fn create(&self, path: &str) -> Result<()> {
        loop {
            match persist(&self.client, || self.client.create(path, b"", CreateMode::Ephemeral)).await {
                Err(error) if error.is(ErrorCode::NoNode) => ensure(&self.client, &self.path).await?,
                Err(error) if !error.is(ErrorCode::NodeExists) => return Err(error),
                _ => return Ok(()),
            }
        }
    }
}
