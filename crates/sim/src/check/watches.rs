//! Watches of one connection: every event that is due comes, once, in order, before any reply that shows its
//! change; and no other comes.

use std::collections::{BTreeMap, VecDeque};

use zoorum_proto::reply::EventType;
use zoorum_proto::{Acl, AuthId, Permissions, Zxid};
use zoorum_tree::ChangeKind;

use super::{Checked, ensure};
use crate::client::ask::Restored;
use crate::model::node::{allows, split};
use crate::model::{Changed, Model};

const DATA: u8 = 1;
const CHILD: u8 = 2;
const PERSISTENT: u8 = 4;
const RECURSIVE: u8 = 8;

/// An event as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) zxid: Zxid,
    pub(crate) kind: i32,
    pub(crate) path: String,
}

/// What one connection watches, and what it should have been told.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    modes: BTreeMap<String, u8>,
    ids: Vec<AuthId>,
    /// Changes up to here have been looked at.
    seen: Zxid,
    due: VecDeque<Event>,
    /// Events that tell what was missed, whose reply is yet to come.
    missed: Vec<Event>,
}

impl Watches {
    pub(crate) fn new(ids: Vec<AuthId>) -> Self {
        Self { ids, ..Self::default() }
    }

    /// An event has come.
    pub(crate) fn on_event(&mut self, model: &Model, event: Event) -> Checked {
        if event.zxid == Zxid(-1) {
            self.missed.push(event);
            return Ok(());
        }
        self.look_at(model, event.zxid)?;
        let due = self.due.pop_front();
        ensure(due.as_ref() == Some(&event), || format!("{event:?} has come, and due is {due:?}"))
    }

    /// A reply has come that shows the tree at `zxid`.
    pub(crate) fn on_reply(&mut self, model: &Model, zxid: Zxid) -> Checked {
        let seen = self.seen;
        ensure(zxid >= seen, || format!("a reply of {zxid} after something of {seen}"))?;
        self.look_at(model, zxid)?;
        ensure(self.due.is_empty(), || format!("a reply of {zxid} comes before {:?}", self.due))?;
        Ok(())
    }

    fn look_at(&mut self, model: &Model, zxid: Zxid) -> Checked {
        let last = model.last();
        ensure(zxid <= last, || format!("something of {zxid} comes, and {last} is the last change"))?;
        if self.modes.is_empty() {
            self.seen = self.seen.max(zxid);
        }
        for (zxid, commit) in model.commits(self.seen, zxid) {
            commit.changes.iter().for_each(|change| self.on_change(zxid, change));
        }
        self.seen = self.seen.max(zxid);
        Ok(())
    }

    fn on_change(&mut self, zxid: Zxid, change: &Changed) {
        let path = change.path.as_str();
        let event = match change.kind {
            ChangeKind::Created => EventType::NodeCreated,
            ChangeKind::Deleted => EventType::NodeDeleted,
            ChangeKind::DataSet => EventType::NodeDataChanged,
        };
        let told = self.spend(path, DATA | PERSISTENT | RECURSIVE, DATA) || self.watches_above(path);
        if told {
            self.fire(zxid, event, path, &change.acl);
        }
        if change.kind == ChangeKind::Deleted && self.spend(path, CHILD | PERSISTENT, CHILD) && !told {
            self.fire(zxid, event, path, &change.acl);
        }
        if change.kind != ChangeKind::DataSet {
            let parent = split(path).0;
            if self.spend(parent, CHILD | PERSISTENT, CHILD) {
                self.fire(zxid, EventType::NodeChildrenChanged, parent, &change.parent_acl);
            }
        }
    }

    /// Whether the path is watched in one of these modes; the last one ends by it.
    fn spend(&mut self, path: &str, modes: u8, ends: u8) -> bool {
        let Some(held) = self.modes.get_mut(path) else { return false };
        let watched = *held & modes != 0;
        *held &= !ends;
        if *held == 0 {
            self.modes.remove(path);
        }
        watched
    }

    fn watches_above(&self, path: &str) -> bool {
        let mut at = path;
        while at != "/" {
            at = split(at).0;
            if self.modes.get(at).is_some_and(|modes| modes & RECURSIVE != 0) {
                return true;
            }
        }
        false
    }

    fn fire(&mut self, zxid: Zxid, kind: EventType, path: &str, acl: &[Acl<'_>]) {
        if allows(acl, Permissions::READ, &self.ids) {
            self.due.push_back(Event { zxid, kind: kind as i32, path: path.to_owned() });
        }
    }

    fn add(&mut self, path: &str, mode: u8) {
        *self.modes.entry(path.to_owned()).or_default() |= mode;
    }

    pub(crate) fn add_data(&mut self, path: &str) {
        self.add(path, DATA);
    }

    pub(crate) fn add_child(&mut self, path: &str) {
        self.add(path, CHILD);
    }

    pub(crate) fn add_persistent(&mut self, path: &str, recursive: bool) {
        self.add(path, if recursive { RECURSIVE } else { PERSISTENT });
    }

    /// Whether there is such a watch, by the protocol's number.
    pub(crate) fn contains(&self, path: &str, kind: i32) -> bool {
        self.modes.get(path).is_some_and(|modes| modes & modes_of(kind) != 0)
    }

    /// Removes such a watch; whether there was one.
    pub(crate) fn remove(&mut self, path: &str, kind: i32) -> bool {
        let modes = modes_of(kind);
        self.spend(path, modes, modes)
    }

    /// The reply to setWatches has come: what was missed was told before it, and the rest is watched.
    pub(crate) fn on_restored(&mut self, model: &Model, zxid: Zxid, restored: &Restored) -> Checked {
        let mut expected = Vec::new();
        let Restored { since, data, exist, child, persistent, recursive } = restored;
        let readable = |path: &str, ids: &[AuthId]| {
            model.at(path, zxid).is_none_or(|node| node.allows(Permissions::READ, ids))
        };
        let lists = [(data, DATA, 0), (exist, DATA, 1), (child, CHILD, 2)];
        for (paths, mode, list) in lists {
            for path in paths {
                let node = model.at(path, zxid);
                let missed = match (list, node) {
                    (1, None) => None,
                    (1, Some(_)) => Some(EventType::NodeCreated),
                    (_, None) => Some(EventType::NodeDeleted),
                    (0, Some(node)) => (node.mzxid > *since).then_some(EventType::NodeDataChanged),
                    (_, Some(node)) => (node.pzxid > *since).then_some(EventType::NodeChildrenChanged),
                };
                match missed {
                    None => self.add(path, mode),
                    Some(kind) if readable(path, &self.ids) => {
                        expected.push(Event { zxid: Zxid(-1), kind: kind as i32, path: path.clone() });
                    }
                    Some(_) => {}
                }
            }
        }
        persistent.iter().for_each(|path| self.add(path, PERSISTENT));
        recursive.iter().for_each(|path| self.add(path, RECURSIVE));
        let missed = std::mem::take(&mut self.missed);
        ensure(missed == expected, || format!("told to be missed: {missed:?}, and should be {expected:?}"))
    }
}

fn modes_of(kind: i32) -> u8 {
    match kind {
        1 => CHILD,
        2 => DATA,
        3 => DATA | CHILD | PERSISTENT | RECURSIVE,
        4 => PERSISTENT,
        5 => RECURSIVE,
        _ => 0,
    }
}
