//! Sequential znodes that one finds again when the reply to their creation was lost.
//!
//! The name has a random part: `_c_<uuid>-`. If nobody knows whether the znode was created, it is sought by that
//! part; and if whoever wanted it is gone meanwhile, it is sought and deleted.

use zoorum_proto::{CreateMode, ErrorCode, Zxid};

use super::{below, ensure, persist, recover, remove, unique_name};
use crate::client::Client;
use crate::error::Result;

/// A sequential ephemeral znode. Dropped, it is deleted, however often that must be tried.
#[derive(Debug)]
pub(super) struct Protected {
    client: Client,
    parent: String,
    prefix: String,
    created: Option<(String, Zxid)>,
    is_done: bool,
}

impl Protected {
    /// Creates it, and its parents as containers.
    pub(super) async fn create(client: &Client, parent: &str, name: &str, data: &[u8]) -> Result<Self> {
        let mut protected = Self {
            client: client.clone(),
            parent: parent.to_owned(),
            prefix: format!("_c_{}-", unique_name(client)),
            created: None,
            is_done: true,
        };
        let path = below(parent, &format!("{}{name}", protected.prefix));
        let mut may_exist = false;
        loop {
            if may_exist {
                protected.created = find(client, parent, &protected.prefix).await?;
                if protected.created.is_some() {
                    return Ok(protected);
                }
            }
            protected.is_done = false;
            match client.create(&path, data, CreateMode::EphemeralSequential).await {
                Ok(created) => {
                    let name = created.path.rsplit('/').next().unwrap_or_default().to_owned();
                    protected.created = Some((name, created.stat.czxid));
                    return Ok(protected);
                }
                Err(error) if error.is(ErrorCode::NoNode) => ensure(client, parent).await?,
                Err(error) if error.is_transient() => {
                    may_exist |= error.is_ambiguous();
                    recover(client, &error).await;
                }
                Err(error) => {
                    protected.is_done = true;
                    return Err(error);
                }
            }
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.created.as_ref().map_or("", |(name, _)| name)
    }

    /// The change that created it.
    pub(super) fn czxid(&self) -> Zxid {
        self.created.as_ref().map_or(Zxid::ZERO, |&(_, czxid)| czxid)
    }

    /// Its path.
    pub(super) fn path(&self) -> String {
        below(&self.parent, self.name())
    }

    /// Deletes it, and returns when it is gone.
    pub(super) async fn remove(mut self) -> Result<()> {
        remove(&self.client, &self.path()).await?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let (client, parent, prefix) = (self.client.clone(), self.parent.clone(), self.prefix.clone());
        let name = self.created.take().map(|(name, _)| name);
        // The session's end, which is the only error, deletes it as well.
        self.client.spawn(async move {
            let name = match name {
                Some(name) => Some(name),
                None => find(&client, &parent, &prefix).await?.map(|(name, _)| name),
            };
            match name {
                Some(name) => remove(&client, &below(&parent, &name)).await,
                None => Ok(()),
            }
        });
    }
}

/// The znode with this prefix, if it exists after all requests so far.
async fn find(client: &Client, parent: &str, prefix: &str) -> Result<Option<(String, Zxid)>> {
    // Another server may not have heard yet of what was asked through the one before.
    persist(client, || client.sync(parent)).await?;
    let children = match persist(client, || client.children(parent)).await {
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
        children => children?,
    };
    let Some(name) = children.names.into_iter().find(|name| name.starts_with(prefix)) else {
        return Ok(None);
    };
    let path = below(parent, &name);
    let stat = persist(client, || client.exists(&path)).await?;
    Ok(stat.map(|stat| (name, stat.czxid)))
}
