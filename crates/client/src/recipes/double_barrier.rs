//! A double barrier: so many begin together and end together.

use std::collections::BTreeMap;

use zoorum_proto::{CreateMode, ErrorCode, Zxid};

use super::{below, ensure, persist, remove, unique_name};
use crate::client::Client;
use crate::error::Result;

/// Stands as soon as all are there.
const READY: &str = "ready";

/// One member of a double barrier, which may be entered and left again and again. That all are there is told by a znode
/// that goes with the session of whoever came last: if that one ends at once, whoever did not see it waits for others.
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
        Self { client: client.clone(), path: path.to_owned(), members, name: unique_name(client) }
    }

    /// Waits until all are there. To drop the future is not to come.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn enter(&self) -> Result<()> {
        let (mine, ready) = (below(&self.path, &self.name), below(&self.path, READY));
        // What a dropped future takes away must be gone, or it would take this member with it.
        self.client.cleaned_up(&mine).await;
        // The name is unique: if it exists, a lost request has created it.
        let mut stay = self.stay();
        self.create(&mine).await?;
        loop {
            let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&ready)).await?;
            if stat.is_none() && present(&self.client, &self.path).await?.len() < self.members {
                // When the session ends, the next request says so.
                watch.await.ok();
                continue;
            }
            if stat.is_none() {
                self.create(&ready).await?;
            }
            stay.is_left = false;
            return Ok(());
        }
    }

    /// Waits until all want to leave. To drop the future is to leave at once.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn leave(&self) -> Result<()> {
        let mine = below(&self.path, &self.name);
        self.client.cleaned_up(&mine).await;
        let mut stay = self.stay();
        let mut round = self.round().await?;
        loop {
            let present = present(&self.client, &self.path).await?;
            round.retain(|name, _| present.contains(name));
            let (Some(first), Some(last)) = (round.keys().next(), round.keys().next_back()) else { break };
            if first == last && *first == self.name {
                remove(&self.client, &mine).await?;
                break;
            }
            // The first waits for the last, everybody else leaves and waits for the first.
            let awaited = if *first == self.name { last.clone() } else { first.clone() };
            if *first != self.name {
                remove(&self.client, &mine).await?;
            }
            let path = below(&self.path, &awaited);
            let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&path)).await?;
            match stat {
                Some(stat) if round.get(&awaited) == Some(&stat.czxid) => drop(watch.await),
                _ => drop(round.remove(&awaited)),
            }
        }
        stay.is_left = false;
        forget_ready(&self.client, &self.path).await
    }

    /// Who is to leave together, each with the change that it came by. As long as this member is there nobody who has left
    /// can be back, so that whoever comes later under one of these names comes for the next time.
    async fn round(&self) -> Result<BTreeMap<String, Zxid>> {
        let mut round = BTreeMap::new();
        for name in present(&self.client, &self.path).await? {
            let path = below(&self.path, &name);
            if let Some(stat) = persist(&self.client, || self.client.exists(&path)).await? {
                round.insert(name, stat.czxid);
            }
        }
        Ok(round)
    }

    fn stay(&self) -> Stay {
        let (client, path) = (self.client.clone(), self.path.clone());
        Stay { client, path, name: self.name.clone(), is_left: true }
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

/// The members that are there, in the order of their names.
async fn present(client: &Client, path: &str) -> Result<Vec<String>> {
    match persist(client, || client.children(path)).await {
        Err(error) if error.is(ErrorCode::NoNode) => Ok(Vec::new()),
        children => {
            let mut names = children?.names;
            names.retain(|name| name != READY);
            names.sort();
            Ok(names)
        }
    }
}

/// From now on nobody takes those who come for all there.
async fn forget_ready(client: &Client, path: &str) -> Result<()> {
    remove(client, &below(path, READY)).await
}

/// A member's stay, which ends if whoever comes or leaves gives up.
struct Stay {
    client: Client,
    path: String,
    name: String,
    is_left: bool,
}

impl Drop for Stay {
    fn drop(&mut self) {
        if self.is_left {
            let (client, path) = (self.client.clone(), self.path.clone());
            let mine = below(&self.path, &self.name);
            // The session's end, which is the only error, deletes it as well.
            self.client.clean_up(&mine.clone(), async move {
                remove(&client, &mine).await?;
                // It may be this member, giving up in the middle, who has said that all are there.
                match present(&client, &path).await?.is_empty() {
                    true => forget_ready(&client, &path).await,
                    false => Ok(()),
                }
            });
        }
    }
}
