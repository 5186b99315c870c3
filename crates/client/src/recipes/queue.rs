//! A queue: first in, first out.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use zoorum_proto::{CreateMode, ErrorCode, OpCode, Version};

use super::line::in_order;
use super::{attempt, below, ensure, persist};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::watch::OneWatch;

/// Names of elements' znodes begin so.
const ELEMENT: &str = "qn-";
/// And end with so many digits.
const NUMBER_LENGTH: usize = 10;

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

    /// Takes the first element, once there is one. If the future is dropped while one is being taken, that goes back to
    /// the queue, behind the others.
    ///
    /// # Errors
    ///
    /// An ambiguous one if the connection is lost before the answer: then an element may be lost.
    pub async fn take(&self) -> Result<Bytes> {
        take(&self.client, &self.path, in_queue, as_it_is).await
    }

    /// Takes the first element, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub async fn poll(&self) -> Result<Option<Bytes>> {
        Ok(poll(&self.client, &self.path, in_queue, as_it_is).await?.ok())
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

fn as_it_is(data: &Bytes) -> Option<Bytes> {
    Some(data.clone())
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

/// Takes the first element in order, once there is one; `read` makes of its data what was put in.
pub(super) async fn take(
    client: &Client,
    queue: &str,
    order: fn(Vec<String>) -> Vec<String>,
    read: fn(&Bytes) -> Option<Bytes>,
) -> Result<Bytes> {
    loop {
        match poll(client, queue, order, read).await? {
            Ok(data) => return Ok(data),
            // When the session ends, the next request says so.
            Err(watch) => drop(watch.await),
        }
    }
}

/// Takes the first element in order; if there is none, a watch tells when there may be one. What cannot be read stays.
pub(super) async fn poll(
    client: &Client,
    queue: &str,
    order: fn(Vec<String>) -> Vec<String>,
    read: fn(&Bytes) -> Option<Bytes>,
) -> Result<std::result::Result<Bytes, OneWatch>> {
    let (names, watch) = list(client, queue).await?;
    for name in order(names) {
        let path = below(queue, &name);
        let node = match persist(client, || client.get(&path)).await {
            Err(error) if error.is(ErrorCode::NoNode) => continue,
            node => node?,
        };
        let element = read(&node.data).ok_or_else(|| {
            Error::invalid(OpCode::GetData, &path, "this is no element of such a queue; it stays where it is")
        })?;
        match Taking::begin(client, queue, &path, node.data).finish().await {
            Ok(()) => return Ok(Ok(element)),
            // Somebody else has it.
            Err(error) if error.is(ErrorCode::NoNode) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Err(watch))
}

/// An element that is being taken. If whoever takes it gives up, it goes back, behind the others.
struct Taking {
    client: Client,
    queue: String,
    path: String,
    data: Bytes,
    deletion: Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>,
}

impl Taking {
    fn begin(client: &Client, queue: &str, path: &str, data: Bytes) -> Self {
        let (ours, element) = (client.clone(), path.to_owned());
        let deletion = async move { attempt(&ours, || ours.delete(&element, Version::ANY)).await };
        let (client, queue, path) = (client.clone(), queue.to_owned(), path.to_owned());
        Self { client, queue, path, data, deletion: Some(Box::pin(deletion)) }
    }

    async fn finish(mut self) -> Result<()> {
        let outcome = match &mut self.deletion {
            Some(deletion) => deletion.await,
            None => Ok(()),
        };
        self.deletion = None;
        outcome
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let Some(deletion) = self.deletion.take() else { return };
        let (client, queue, data) = (self.client.clone(), self.queue.clone(), self.data.clone());
        let kind = self.path[..self.path.len() - NUMBER_LENGTH].to_owned();
        self.client.spawn(async move {
            // If somebody else has it, or nobody knows who, it is not ours to give back.
            deletion.await?;
            offer(&client, &queue, &kind, &data).await
        });
    }
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
