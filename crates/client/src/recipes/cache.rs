//! Copies of znodes that follow the original.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use zoorum_proto::reply::EventType;
use zoorum_proto::{ErrorCode, Zxid};

use super::{below, persist};
use crate::client::Client;
use crate::error::Result;
use crate::reads::Node;
use crate::session::WatchedEvent;
use crate::watch::{Change, Watch};

/// A copy of a znode, which follows it as long as the session lives. It shows each state, or a later one; between
/// two looks there may have been more.
#[derive(Debug)]
pub struct CachedNode {
    tree: CachedTree,
    path: String,
}

impl CachedNode {
    /// Copies the znode, whether it exists or not.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn new(client: &Client, path: &str) -> Result<Self> {
        let watch = persist(client, || client.watch(path)).await?;
        let tree = CachedTree::fill(client, path, watch, Depth::Node).await?;
        Ok(Self { tree, path: path.to_owned() })
    }

    /// The znode, if it exists.
    pub fn get(&self) -> Option<Node> {
        self.tree.get(&self.path)
    }

    /// Waits for the next change; false once the session is over.
    pub async fn changed(&mut self) -> bool {
        self.tree.changed().await
    }
}

/// A copy of a znode and everything below it, which follows it as long as the session lives.
///
/// Each znode is shown in the order of its states, and some states may be left out. Those that may not be read
/// are left out.
#[derive(Debug)]
pub struct CachedTree {
    nodes: Arc<RwLock<BTreeMap<String, Node>>>,
    changes: watch::Receiver<u64>,
    /// As long as this is there, the copy is followed.
    _following: oneshot::Sender<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Node,
    Tree,
}

impl CachedTree {
    /// Copies the tree below `path`, whether it exists or not.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn new(client: &Client, path: &str) -> Result<Self> {
        let watch = persist(client, || client.watch_recursive(path)).await?;
        Self::fill(client, path, watch, Depth::Tree).await
    }

    async fn fill(client: &Client, path: &str, watch: Watch, depth: Depth) -> Result<Self> {
        let nodes = Arc::default();
        let (changed, changes) = watch::channel(0);
        let mut copy =
            Copy { client: client.clone(), root: path.to_owned(), depth, nodes: Arc::clone(&nodes), changed };
        copy.copy_all().await?;
        let (following, dropped) = oneshot::channel();
        client.spawn(async move {
            tokio::select! {
                biased;
                _ = dropped => {}
                // The session's end, which is the only error, is the end of the copy's changes.
                _ = copy.follow(watch) => {}
            }
        });
        Ok(Self { nodes, changes, _following: following })
    }

    /// The znode of this path, if it exists in the copy.
    pub fn get(&self, path: &str) -> Option<Node> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// The paths of all znodes in the copy, in order.
    pub fn paths(&self) -> Vec<String> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Waits until something has changed since this was last called; false once the session is over, and the
    /// copy is one of the past.
    pub async fn changed(&mut self) -> bool {
        self.changes.changed().await.is_ok()
    }
}

/// The task that keeps a copy up to date.
struct Copy {
    client: Client,
    root: String,
    depth: Depth,
    nodes: Arc<RwLock<BTreeMap<String, Node>>>,
    changed: watch::Sender<u64>,
}

impl Copy {
    async fn follow(&mut self, mut watch: Watch) -> Result<()> {
        while let Some(change) = watch.next().await {
            match change {
                Change::Missed => self.copy_all().await?,
                Change::Event(event) => match event.kind {
                    EventType::NodeCreated | EventType::NodeDataChanged => self.copy(&event.path).await?,
                    EventType::NodeDeleted if event.zxid > Zxid::ZERO => self.on_deleted(&event),
                    EventType::NodeDeleted => self.copy(&event.path).await?,
                    EventType::NodeChildrenChanged => {}
                },
            }
        }
        Ok(())
    }

    /// A znode was deleted. It may be known already that it was created again.
    fn on_deleted(&self, event: &WatchedEvent) {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let is_past = nodes.get(&event.path).is_some_and(|node| node.stat.czxid > event.zxid);
        drop(nodes);
        if !is_past {
            self.put(&event.path, None);
        }
    }

    /// Copies one znode. A later state than that of the event is none the worse: its own event follows.
    async fn copy(&self, path: &str) -> Result<()> {
        match persist(&self.client, || self.client.get(path)).await {
            Ok(node) => self.put(path, Some(alone(node))),
            Err(error) if matches!(error.code(), Some(ErrorCode::NoNode | ErrorCode::NoAuth)) => {
                self.put(path, None);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Copies everything anew: what is not found any more is gone.
    async fn copy_all(&mut self) -> Result<()> {
        let mut found = BTreeMap::new();
        let mut to_read = vec![self.root.clone()];
        while let Some(path) = to_read.pop() {
            let node = match persist(&self.client, || self.client.get(&path)).await {
                Ok(node) => node,
                Err(error) if matches!(error.code(), Some(ErrorCode::NoNode | ErrorCode::NoAuth)) => continue,
                Err(error) => return Err(error),
            };
            let has_children = self.depth == Depth::Tree && node.stat.num_children > 0;
            found.insert(path.clone(), alone(node));
            if has_children {
                match persist(&self.client, || self.client.children(&path)).await {
                    Ok(children) => to_read.extend(children.names.iter().map(|name| below(&path, name))),
                    Err(error) if matches!(error.code(), Some(ErrorCode::NoNode | ErrorCode::NoAuth)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        *self.nodes.write().unwrap_or_else(PoisonError::into_inner) = found;
        self.changed.send_modify(|changes| *changes += 1);
        Ok(())
    }

    fn put(&self, path: &str, node: Option<Node>) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        match node {
            Some(node) => drop(nodes.insert(path.to_owned(), node)),
            None => drop(nodes.remove(path)),
        }
        drop(nodes);
        self.changed.send_modify(|changes| *changes += 1);
    }
}

/// The same node in memory of its own: replies share theirs with many others, all of which would be kept.
fn alone(node: Node) -> Node {
    Node { data: Bytes::copy_from_slice(&node.data), is_null: node.is_null, stat: node.stat }
}
