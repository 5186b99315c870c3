//! Contenders that stand in line: each with a znode, in the order of their numbers.

use zoorum_proto::{ErrorCode, Zxid};

use super::protected::Protected;
use super::{below, number, persist};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// The first in line.
    First,
    /// All before the first writer, who has this in its name.
    BeforeWriters(&'static str),
}

/// A place in line, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    client: Client,
    parent: String,
    node: Protected,
}

impl Place {
    /// Joins the line below `parent`, at its end.
    pub(super) async fn join(client: &Client, parent: &str, name: &str, data: &[u8]) -> Result<Self> {
        let node = Protected::create(client, parent, name, data).await?;
        Ok(Self { client: client.clone(), parent: parent.to_owned(), node })
    }

    /// Waits for its turn. The error [`ErrorCode::NoNode`] says that somebody has deleted the place.
    pub(super) async fn turn(&self, turn: Turn) -> Result<()> {
        loop {
            let children = persist(&self.client, || self.client.children(&self.parent)).await?;
            let line = in_order(children.names);
            let mine = line.iter().position(|name| name == self.node.name());
            let mine = mine.ok_or_else(|| self.gone())?;
            let before = &line[..mine];
            let waits_for = match turn {
                Turn::First => before.last(),
                Turn::BeforeWriters(writer) => before.iter().rfind(|name| name.contains(writer)),
            };
            let Some(name) = waits_for else { return Ok(()) };
            let path = below(&self.parent, name);
            // Each waits for one other, so that one change wakes one.
            let (stat, watch) = persist(&self.client, || self.client.exists_and_watch(&path)).await?;
            if stat.is_some() {
                // When the session ends, the next request says so.
                watch.await.ok();
            }
        }
    }

    /// Waits until the znode is gone or the session over.
    pub(super) async fn lost(&self) {
        let path = self.node.path();
        while let Ok((Some(_), watch)) = persist(&self.client, || self.client.exists_and_watch(&path)).await {
            watch.await.ok();
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn czxid(&self) -> Zxid {
        self.node.czxid()
    }

    pub(super) fn path(&self) -> String {
        self.node.path()
    }

    /// Leaves the line, and returns once that is known to all.
    pub(super) async fn leave(self) -> Result<()> {
        self.node.remove().await
    }

    fn gone(&self) -> Error {
        Error::new(zoorum_proto::OpCode::GetChildren, &self.path(), ErrorKind::Refused(ErrorCode::NoNode))
    }
}

/// Those with a number, in the order of their numbers: one parent counts them all, whatever their names are.
pub(super) fn in_order(names: Vec<String>) -> Vec<String> {
    let mut line: Vec<(i32, String)> =
        names.into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
    line.sort();
    line.into_iter().map(|(_, name)| name).collect()
}

/// The line below `parent`; empty if there is none.
pub(super) async fn read(client: &Client, parent: &str) -> Result<Vec<String>> {
    match persist(client, || client.children(parent)).await {
        Err(error) if error.is(ErrorCode::NoNode) => Ok(Vec::new()),
        children => Ok(in_order(children?.names)),
    }
}
