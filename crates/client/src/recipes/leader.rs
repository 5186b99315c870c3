//! Elections: one leads, the others wait until it does no more.

use std::future::Future;

use zoorum_proto::{ErrorCode, Zxid};

use super::line::{self, Place, Turn};
use super::lock::{Held, LOCK, acquire};
use super::{below, persist};
use crate::client::Client;
use crate::error::Result;

/// Names of candidates' znodes end in this and a number.
const LATCH: &str = "latch-";

/// An election whose winner leads until it resigns or its session ends.
#[derive(Clone, Debug)]
pub struct LeaderLatch {
    client: Client,
    path: String,
}

impl LeaderLatch {
    /// The election of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// Stands for election, under a name that the others see.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn stand(&self, name: &str) -> Result<Candidate> {
        let place = Place::join(&self.client, &self.path, LATCH, name.as_bytes()).await?;
        Ok(Candidate { place, latch: self.clone(), name: name.to_owned() })
    }

    /// The names of all candidates, the leader's first.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn candidates(&self) -> Result<Vec<String>> {
        names(&self.client, &self.path).await
    }
}

/// One who stands for election. Dropped, it withdraws.
#[derive(Debug)]
#[must_use = "the candidate withdraws when this is dropped"]
pub struct Candidate {
    place: Place,
    latch: LeaderLatch,
    name: String,
}

impl Candidate {
    /// Waits until it leads. A candidate whose znode somebody deletes stands again.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn elected(mut self) -> Result<Leadership> {
        loop {
            match self.place.turn(Turn::First).await {
                Ok(()) => return Ok(Leadership { held: Held { place: self.place } }),
                Err(error) if error.is(ErrorCode::NoNode) => self = self.latch.stand(&self.name).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Withdraws.
    ///
    /// # Errors
    ///
    /// When the session has ended, whereby it withdraws as well.
    pub async fn withdraw(self) -> Result<()> {
        self.place.leave().await
    }
}

/// The lead. Dropped, it passes to the next candidate as soon as there is a connection.
#[derive(Debug)]
#[must_use = "the lead passes to the next when this is dropped"]
pub struct Leadership {
    held: Held,
}

impl Leadership {
    /// A number that is larger than that of every leader before: see [`Held::fencing_token`].
    pub fn fencing_token(&self) -> Zxid {
        self.held.fencing_token()
    }

    /// Waits until the lead is lost: see [`Held::lost`].
    pub async fn lost(&self) {
        self.held.lost().await;
    }

    /// Waits until it is in doubt who leads, because the connection is lost: see [`Held::doubtful`].
    pub async fn doubtful(&self) {
        self.held.doubtful().await;
    }

    /// Leaves the lead to the next candidate.
    ///
    /// # Errors
    ///
    /// When the session has ended, whereby the lead passes as well.
    pub async fn resign(self) -> Result<()> {
        self.held.release().await
    }
}

/// Elections one after the other: whoever is elected does its work, and then the next is.
#[derive(Clone, Debug)]
pub struct LeaderSelector {
    client: Client,
    path: String,
    name: String,
}

impl LeaderSelector {
    /// The elections of this path, and a name that the others see. Nothing happens yet.
    pub fn new(client: &Client, path: &str, name: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned(), name: name.to_owned() }
    }

    /// Waits to be elected, works, and lets the next lead. The work is given up when the lead is lost: then there
    /// is no result. To lead again, call this again.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn lead<T, Work>(&self, work: impl FnOnce(Zxid) -> Work) -> Result<Option<T>>
    where
        Work: Future<Output = T>,
    {
        let held = acquire(&self.client, &self.path, LOCK, self.name.as_bytes(), Turn::First).await?;
        let done = tokio::select! {
            biased;
            done = work(held.fencing_token()) => Some(done),
            () = held.lost() => None,
        };
        if done.is_some() {
            // If that fails, the session has ended, and the lead with it. What was done is done.
            held.release().await.ok();
        }
        Ok(done)
    }

    /// The names of all candidates, the leader's first.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn candidates(&self) -> Result<Vec<String>> {
        names(&self.client, &self.path).await
    }
}

/// What the znodes in line say, in order.
async fn names(client: &Client, path: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in line::read(client, path).await? {
        let path = below(path, &name);
        match persist(client, || client.get(&path)).await {
            Ok(node) => names.push(String::from_utf8_lossy(&node.data).into_owned()),
            Err(error) if error.is(ErrorCode::NoNode) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}
