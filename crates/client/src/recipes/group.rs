//! A group: who is there.

use std::collections::BTreeMap;

use bytes::Bytes;
use zoorum_proto::{CreateMode, ErrorCode};

use super::{below, ensure, persist, remove};
use crate::client::Client;
use crate::error::Result;
use crate::watch::Watch;

/// A group of processes, each with a name of its own and some data.
#[derive(Clone, Debug)]
pub struct Group {
    client: Client,
    path: String,
}

impl Group {
    /// The group of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// Joins the group. If another session has the name, as that of this very process before it crashed, this
    /// waits until that one has left.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn join(&self, name: &str, data: impl AsRef<[u8]>) -> Result<Membership> {
        let path = below(&self.path, name);
        // One of our own that was dropped must be gone, or it would take this one with it.
        self.client.cleaned_up(&path).await;
        let membership = Membership { client: self.client.clone(), path: path.clone(), is_in: true };
        loop {
            match persist(&self.client, || self.client.create(&path, data.as_ref(), CreateMode::Ephemeral))
                .await
            {
                Ok(_) => return Ok(membership),
                Err(error) if error.is(ErrorCode::NoNode) => ensure(&self.client, &self.path).await?,
                Err(error) if error.is(ErrorCode::NodeExists) => {
                    let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&path)).await?;
                    match stat {
                        Some(stat) if stat.ephemeral_owner == self.client.session() => return Ok(membership),
                        // When the session ends, the next request says so.
                        Some(_) => drop(watch.await),
                        None => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// All members and their data.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn members(&self) -> Result<BTreeMap<String, Bytes>> {
        let names = match persist(&self.client, || self.client.children(&self.path)).await {
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(BTreeMap::new()),
            children => children?.names,
        };
        let mut members = BTreeMap::new();
        for name in names {
            let path = below(&self.path, &name);
            match persist(&self.client, || self.client.get(&path)).await {
                Ok(node) => drop(members.insert(name, node.data)),
                Err(error) if error.is(ErrorCode::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(members)
    }

    /// Tells whenever somebody joins or leaves, or changes its data.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn watch(&self) -> Result<Watch> {
        persist(&self.client, || self.client.watch_recursive(&self.path)).await
    }
}

/// A place in a group. Dropped, it is left as soon as there is a connection.
#[derive(Debug)]
#[must_use = "the group is left when this is dropped"]
pub struct Membership {
    client: Client,
    path: String,
    is_in: bool,
}

impl Membership {
    /// Leaves the group.
    ///
    /// # Errors
    ///
    /// When the session has ended, whereby the group is left as well.
    pub async fn leave(mut self) -> Result<()> {
        remove(&self.client, &self.path).await?;
        self.is_in = false;
        Ok(())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if self.is_in {
            let (client, path) = (self.client.clone(), self.path.clone());
            self.client.clean_up(&self.path, async move {
                // Whoever has the name in another session keeps it.
                match persist(&client, || client.exists(&path)).await? {
                    Some(stat) if stat.ephemeral_owner == client.session() => remove(&client, &path).await,
                    _ => Ok(()),
                }
            });
        }
    }
}
