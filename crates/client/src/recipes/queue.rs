//! A queue: first in, first out.

use bytes::Bytes;
use zoorum_proto::{CreateMode, ErrorCode, Version};

use super::line::in_order;
use super::{attempt, below, ensure, persist};
use crate::client::Client;
use crate::error::Result;
use crate::watch::OneWatch;

/// Names of elements' znodes begin so.
const ELEMENT: &str = "qn-";

/// A queue of pieces of data, for a few thousand at most: ZooKeeper is no message broker.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    path: String,
}

impl Queue {
    /// The queue of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// Puts an element at the end.
    ///
    /// # Errors
    ///
    /// An ambiguous one ([`crate::Error::is_ambiguous`]) if the connection is lost before the answer: then the
    /// element may be in the queue or not.
    pub async fn offer(&self, element: impl AsRef<[u8]>) -> Result<()> {
        let path = below(&self.path, ELEMENT);
        offer(&self.client, &self.path, &path, element.as_ref()).await
    }

    /// Takes the first element, once there is one.
    ///
    /// # Errors
    ///
    /// An ambiguous one if the connection is lost before the answer: then an element may be lost.
    pub async fn take(&self) -> Result<Bytes> {
        take(&self.client, &self.path, in_queue).await
    }

    /// Takes the first element, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub async fn poll(&self) -> Result<Option<Bytes>> {
        Ok(poll(&self.client, &self.path, in_queue).await?.ok())
    }

    /// The first element, if there is one, which stays.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn peek(&self) -> Result<Option<Bytes>> {
        for name in in_queue(list(&self.client, &self.path).await?.0) {
            let path = below(&self.path, &name);
            match persist(&self.client, || self.client.get(&path)).await {
                Ok(node) => return Ok(Some(node.data)),
                Err(error) if error.is(ErrorCode::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn in_queue(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| name.starts_with(ELEMENT));
    in_order(names)
}

/// Creates an element, and the queue if there is none.
pub(super) async fn offer(client: &Client, queue: &str, path: &str, data: &[u8]) -> Result<()> {
    loop {
        match attempt(client, || client.create(path, data, CreateMode::PersistentSequential)).await {
            Err(error) if error.is(ErrorCode::NoNode) => ensure(client, queue).await?,
            outcome => return outcome.map(drop),
        }
    }
}

/// Takes the first element in order, once there is one.
pub(super) async fn take(
    client: &Client,
    queue: &str,
    order: fn(Vec<String>) -> Vec<String>,
) -> Result<Bytes> {
    loop {
        match poll(client, queue, order).await? {
            Ok(data) => return Ok(data),
            // When the session ends, the next request says so.
            Err(watch) => drop(watch.await),
        }
    }
}

/// Takes the first element in order; if there is none, a watch tells when there may be one.
pub(super) async fn poll(
    client: &Client,
    queue: &str,
    order: fn(Vec<String>) -> Vec<String>,
) -> Result<std::result::Result<Bytes, OneWatch>> {
    let (names, watch) = list(client, queue).await?;
    for name in order(names) {
        let path = below(queue, &name);
        let node = match persist(client, || client.get(&path)).await {
            Err(error) if error.is(ErrorCode::NoNode) => continue,
            node => node?,
        };
        match attempt(client, || client.delete(&path, Version::ANY)).await {
            Ok(()) => return Ok(Ok(node.data)),
            // Somebody else has it.
            Err(error) if error.is(ErrorCode::NoNode) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Err(watch))
}

/// The names in a queue, which is made if there is none, and a watch on them.
async fn list(client: &Client, queue: &str) -> Result<(Vec<String>, OneWatch)> {
    loop {
        match persist(client, || client.children_and_watch(queue)).await {
            Err(error) if error.is(ErrorCode::NoNode) => ensure(client, queue).await?,
            listed => return listed.map(|(children, watch)| (children.names, watch)),
        }
    }
}
