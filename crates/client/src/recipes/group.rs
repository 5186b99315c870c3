//! A group: who is there.

use std::collections::BTreeMap;

use bytes::Bytes;
use zoorum_proto::{CreateMode, ErrorCode, OpCode, Zxid};

use super::{below, ensure, persist, recover, remove_own};
use crate::client::Client;
use crate::error::{Error, Result};
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

    /// Joins the group. If somebody has the name, as this very process before it crashed, or another membership of this
    /// session, this waits until that one has left.
    ///
    /// # Errors
    ///
    /// When the session ends, the server refuses, or the name has a slash.
    pub async fn join(&self, name: &str, data: impl AsRef<[u8]>) -> Result<Membership> {
        let path = below(&self.path, name);
        if name.is_empty() || name.contains('/') {
            return Err(Error::invalid(OpCode::Create2, &path, "a member's name is one part of a path"));
        }
        // One of our own that was dropped must be gone, or it would take this one with it.
        self.client.cleaned_up(&path).await;
        let mut place = Membership { client: self.client.clone(), path: path.clone(), stay: Stay::None };
        loop {
            // A lost request may have created it.
            let may_be_in = place.stay == Stay::Perhaps;
            place.stay = Stay::Perhaps;
            match self.client.create(&path, data.as_ref(), CreateMode::Ephemeral).await {
                Ok(created) => return Ok(place.since(created.stat.czxid)),
                Err(error) if error.is_transient() => {
                    place.may_stay(may_be_in || error.is_ambiguous());
                    recover(&self.client, &error).await;
                }
                Err(error) if error.is(ErrorCode::NoNode) => {
                    place.may_stay(false);
                    ensure(&self.client, &self.path).await?;
                }
                Err(error) if error.is(ErrorCode::NodeExists) => {
                    place.may_stay(may_be_in);
                    let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&path)).await?;
                    match stat {
                        Some(stat) if may_be_in && stat.ephemeral_owner == self.client.session() => {
                            return Ok(place.since(stat.czxid));
                        }
                        // When the session ends, the next request says so.
                        Some(_) => drop(watch.await),
                        None => {}
                    }
                }
                Err(error) => {
                    place.may_stay(may_be_in);
                    return Err(error);
                }
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
    stay: Stay,
}

/// What is known of a member's znode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// It was not created, or is gone.
    None,
    /// It may have been created.
    Perhaps,
    /// This change created it.
    Since(Zxid),
}

impl Membership {
    fn since(mut self, czxid: Zxid) -> Self {
        self.stay = Stay::Since(czxid);
        self
    }

    fn may_stay(&mut self, may: bool) {
        self.stay = if may { Stay::Perhaps } else { Stay::None };
    }

    /// Leaves the group.
    ///
    /// # Errors
    ///
    /// When the session has ended, whereby the group is left as well.
    pub async fn leave(mut self) -> Result<()> {
        if let Stay::Since(czxid) = self.stay {
            remove_own(&self.client, &self.path, czxid).await?;
        }
        self.stay = Stay::None;
        Ok(())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let (client, path, stay) = (self.client.clone(), self.path.clone(), self.stay);
        if stay == Stay::None {
            return;
        }
        self.client.clean_up(&self.path, async move {
            let czxid = match stay {
                Stay::Since(czxid) => Some(czxid),
                // Whoever has the name in another session keeps it.
                _ => {
                    let stat = persist(&client, || client.exists(&path)).await?;
                    stat.filter(|stat| stat.ephemeral_owner == client.session()).map(|stat| stat.czxid)
                }
            };
            match czxid {
                Some(czxid) => remove_own(&client, &path, czxid).await,
                None => Ok(()),
            }
        });
    }
}
