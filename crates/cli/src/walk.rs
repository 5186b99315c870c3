//! Visits a subtree: a znode, its children in order of their names, each with what is below it.
//!
//! The children of the next few znodes are asked for ahead, so that a long way to the server is not gone once for each
//! znode. What is kept is the names that are still to be visited, and no more replies than [`AHEAD`].

use std::sync::Arc;

use zoorum_client::{Children, Client, Error, ErrorCode, OneWatch, Reply, SessionId, Stat};

use crate::paths;
use crate::reads::answered;

/// Znodes whose children are asked for ahead.
const AHEAD: usize = 32;

/// A znode that is visited.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) path: String,
    /// 0 for the root of the walk.
    pub(crate) depth: usize,
    /// Whether no sibling follows.
    pub(crate) is_last: bool,
    /// Nothing, if it may not be read.
    pub(crate) stat: Option<Stat>,
    /// In order of their names; none, if it may not be read.
    pub(crate) children: Vec<String>,
    /// If the walk leaves watches.
    pub(crate) watch: Option<OneWatch>,
}

impl Visit {
    /// Whether it may be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.stat.is_some()
    }

    /// The session that it belongs to, if it does and that may be read.
    pub(crate) fn ephemeral_owner(&self) -> Option<SessionId> {
        self.stat.map(|stat| stat.ephemeral_owner).filter(|&owner| owner != SessionId::NONE)
    }
}

type Asked = Reply<(Children, Option<OneWatch>)>;

struct Waiting {
    parent: Arc<str>,
    name: String,
    depth: usize,
    is_last: bool,
    asked: Option<Asked>,
}

impl Waiting {
    fn path(&self) -> String {
        match self.depth {
            0 => self.name.clone(),
            _ => paths::join(&self.parent, &self.name),
        }
    }
}

/// A walk under way.
pub(crate) struct Walk {
    client: Client,
    watches: bool,
    passes_unreadable: bool,
    depth_max: usize,
    stack: Vec<Waiting>,
}

impl Walk {
    /// All of a subtree.
    pub(crate) fn new(client: &Client, root: &str) -> Self {
        let first =
            Waiting { parent: "".into(), name: root.to_owned(), depth: 0, is_last: true, asked: None };
        Self {
            client: client.clone(),
            watches: false,
            passes_unreadable: false,
            depth_max: usize::MAX,
            stack: vec![first],
        }
    }

    /// Leaves a watch on the children of each znode.
    pub(crate) fn watching(mut self, watches: bool) -> Self {
        self.watches = watches;
        self
    }

    /// Goes past what may not be read, but for the first znode.
    pub(crate) fn past_unreadable(mut self) -> Self {
        self.passes_unreadable = true;
        self
    }

    /// Goes no deeper.
    pub(crate) fn down_to(mut self, depth_max: usize) -> Self {
        self.depth_max = depth_max;
        self
    }

    /// The next znode; none at the end. One that is deleted meanwhile is passed over, but for the first.
    pub(crate) async fn next(&mut self) -> Option<Result<Visit, Error>> {
        loop {
            self.ask_ahead();
            let waiting = self.stack.pop()?;
            let path = waiting.path();
            let (depth, is_last) = (waiting.depth, waiting.is_last);
            let asked = waiting.asked.unwrap_or_else(|| self.ask(&path));
            let (stat, mut names, watch) = match answered(asked, || self.ask(&path)).await {
                Ok((Children { names, stat }, watch)) => (Some(stat), names, watch),
                Err(error) if depth > 0 && error.is(ErrorCode::NoNode) => continue,
                Err(error) if depth > 0 && error.is(ErrorCode::NoAuth) && self.passes_unreadable => {
                    (None, Vec::new(), None)
                }
                Err(error) => return Some(Err(error)),
            };
            names.sort_unstable();
            if depth < self.depth_max {
                self.push(&path, depth + 1, &names);
            }
            return Some(Ok(Visit { path, depth, is_last, stat, children: names, watch }));
        }
    }

    fn push(&mut self, path: &str, depth: usize, names: &[String]) {
        let parent: Arc<str> = path.into();
        let child = |(at, name): (usize, &String)| Waiting {
            parent: Arc::clone(&parent),
            name: name.clone(),
            depth,
            is_last: at + 1 == names.len(),
            asked: None,
        };
        self.stack.extend(names.iter().enumerate().rev().map(child));
    }

    fn ask_ahead(&mut self) {
        let from = self.stack.len().saturating_sub(AHEAD);
        for at in (from..self.stack.len()).rev() {
            if self.stack[at].asked.is_none() {
                let asked = self.ask(&self.stack[at].path());
                self.stack[at].asked = Some(asked);
            }
        }
    }

    fn ask(&self, path: &str) -> Asked {
        match self.watches {
            true => self.client.children_and_watch(path).map(|(children, watch)| (children, Some(watch))),
            false => self.client.children(path).map(|children| (children, None)),
        }
    }
}
