//! Who of a session's watchers is to be told of what, worked out a second time.

use std::collections::{BTreeMap, BTreeSet};

use zoorum_client::session::{NewWatch, WatchKind, WatchedEvent, WatcherId, WatchingOp};
use zoorum_proto::reply::EventType;
use zoorum_proto::{ErrorCode, Zxid};

use crate::check::{Checked, ensure};

/// A session's watchers, and what they are owed.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    held: BTreeMap<WatcherId, (WatchKind, String)>,
    owed: Vec<(WatcherId, WatchedEvent)>,
    /// Those that nobody tells anything, though their requests may yet be answered.
    gone: BTreeSet<WatcherId>,
}

impl Watchers {
    /// A request that would leave a watch is answered.
    pub(super) fn on_reply(&mut self, watch: &NewWatch, err: i32) {
        if self.gone.remove(&watch.watcher) {
            return;
        }
        let is_missing = err == ErrorCode::NoNode.number();
        let kind = match (watch.by, err) {
            (WatchingOp::Exists, _) if is_missing => WatchKind::Exist,
            (WatchingOp::GetData | WatchingOp::Exists, 0) => WatchKind::Data,
            (WatchingOp::GetChildren, 0) => WatchKind::Child,
            (WatchingOp::AddPersistent, 0) => WatchKind::Persistent,
            (WatchingOp::AddRecursive, 0) => WatchKind::Recursive,
            _ => return,
        };
        self.held.insert(watch.watcher, (kind, watch.path.clone()));
    }

    /// The server tells of a change.
    pub(super) fn on_event(&mut self, zxid: Zxid, kind: i32, path: &str) -> Checked {
        let kind = EventType::from_number(kind).ok_or_else(|| format!("there is no event {kind}"))?;
        let hears = |(of, at): &(WatchKind, String)| hears(*of, at, kind, path);
        let told: Vec<WatcherId> =
            self.held.iter().filter(|(_, held)| hears(held)).map(|(watcher, _)| *watcher).collect();
        for watcher in told {
            self.owed.push((watcher, WatchedEvent { kind, path: path.to_owned(), zxid }));
            if self.held.get(&watcher).is_some_and(|(kind, _)| !kind.is_persistent()) {
                self.held.remove(&watcher);
            }
        }
        Ok(())
    }

    /// Nobody tells it anything any more.
    pub(super) fn forget(&mut self, watcher: WatcherId) {
        if self.held.remove(&watcher).is_none() {
            self.gone.insert(watcher);
        }
    }

    /// Somebody who waits for a change.
    pub(super) fn any(&self) -> Option<WatcherId> {
        self.held.keys().next().copied()
    }

    /// A watcher is told of a change.
    pub(super) fn on_told(&mut self, watcher: WatcherId, event: &WatchedEvent) -> Checked {
        let at = self.owed.iter().position(|(to, owed)| *to == watcher && owed == event);
        let at = at.ok_or_else(|| format!("{watcher:?} is told {event:?}, and was owed {:?}", self.owed))?;
        self.owed.remove(at);
        Ok(())
    }

    /// All that has come is dealt with.
    pub(super) fn check_settled(&self) -> Checked {
        ensure(self.owed.is_empty(), || format!("watchers were never told of {:?}", self.owed))
    }
}

fn hears(kind: WatchKind, at: &str, event: EventType, path: &str) -> bool {
    let is_below =
        || at == "/" || path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match kind {
        WatchKind::Data | WatchKind::Exist => at == path && event != EventType::NodeChildrenChanged,
        WatchKind::Child => {
            at == path && matches!(event, EventType::NodeChildrenChanged | EventType::NodeDeleted)
        }
        WatchKind::Persistent => at == path,
        WatchKind::Recursive => event != EventType::NodeChildrenChanged && is_below(),
    }
}
