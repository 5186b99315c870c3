//! Who waits for which change, and what a server must be told of it after a reconnect.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use zoorum_proto::op::{SetWatches, SetWatches2};
use zoorum_proto::reply::EventType;
use zoorum_proto::{Encode, OpCode, Zxid};

/// How long the paths of one request to restore watches may be together, before the next one begins.
const BATCH_BYTES: usize = 128 * 1024;

/// One party that waits for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(pub u64);

/// What a watcher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    /// Data set, or the znode deleted; once.
    Data,
    /// The znode created; once.
    Exist,
    /// A child created or deleted, or the znode deleted; once.
    Child,
    /// All of these, each time.
    Persistent,
    /// Each creation, deletion and setting of data of the znode and of all below it.
    Recursive,
}

impl WatchKind {
    /// Whether it stays when it has fired.
    pub fn is_persistent(self) -> bool {
        matches!(self, Self::Persistent | Self::Recursive)
    }

    /// Its number in a request to remove watches. Servers keep one table for data and existence.
    pub fn removal_number(self) -> i32 {
        match self {
            Self::Child => 1,
            Self::Data | Self::Exist => 2,
            Self::Persistent => 4,
            Self::Recursive => 5,
        }
    }
}

/// All watchers of a session, by kind and path.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    watchers: BTreeMap<(WatchKind, String), BTreeSet<WatcherId>>,
    places: BTreeMap<WatcherId, (WatchKind, String)>,
}

impl Watches {
    /// `watcher` waits from now on.
    pub fn register(&mut self, kind: WatchKind, path: &str, watcher: WatcherId) {
        let place = (kind, path.to_owned());
        self.watchers.entry(place.clone()).or_default().insert(watcher);
        self.places.insert(watcher, place);
    }

    /// Whether anybody waits for this.
    pub fn any(&self, kind: WatchKind, path: &str) -> bool {
        self.watchers.contains_key(&(kind, path.to_owned()))
    }

    /// Whether this one waits for anything.
    pub fn has(&self, watcher: WatcherId) -> bool {
        self.places.contains_key(&watcher)
    }

    /// Forgets a watcher; tells where it was.
    pub fn remove(&mut self, watcher: WatcherId) -> Option<(WatchKind, String)> {
        let place = self.places.remove(&watcher)?;
        if let Some(watchers) = self.watchers.get_mut(&place) {
            watchers.remove(&watcher);
            if watchers.is_empty() {
                self.watchers.remove(&place);
            }
        }
        Some(place)
    }

    /// Forgets all watchers of a kind and path.
    pub fn remove_all(&mut self, kind: WatchKind, path: &str) -> Vec<WatcherId> {
        let gone = self.watchers.remove(&(kind, path.to_owned())).unwrap_or_default();
        gone.iter().for_each(|watcher| drop(self.places.remove(watcher)));
        gone.into_iter().collect()
    }

    /// Who hears of a change. Whoever waited for it once is forgotten.
    pub fn on_event(&mut self, event: EventType, path: &str) -> Vec<WatcherId> {
        let once: &[WatchKind] = match event {
            EventType::NodeCreated | EventType::NodeDataChanged => &[WatchKind::Data, WatchKind::Exist],
            EventType::NodeDeleted => &[WatchKind::Data, WatchKind::Exist, WatchKind::Child],
            EventType::NodeChildrenChanged => &[WatchKind::Child],
        };
        let mut told: Vec<WatcherId> = once.iter().flat_map(|&kind| self.remove_all(kind, path)).collect();
        self.tell(WatchKind::Persistent, path, &mut told);
        // A server may send a change of children below a recursive watch because of another watch.
        if event != EventType::NodeChildrenChanged {
            ancestors(path).for_each(|ancestor| self.tell(WatchKind::Recursive, ancestor, &mut told));
        }
        told
    }

    fn tell(&self, kind: WatchKind, path: &str, told: &mut Vec<WatcherId>) {
        told.extend(self.watchers.get(&(kind, path.to_owned())).into_iter().flatten());
    }

    /// Everybody whose watch stays when it fires.
    pub fn persistent(&self) -> Vec<WatcherId> {
        let from = (Bound::Included((WatchKind::Persistent, String::new())), Bound::Unbounded);
        self.watchers.range(from).flat_map(|(_, watchers)| watchers.iter().copied()).collect()
    }

    /// What restores all watches on a new connection: requests, each with its operation.
    pub fn restoring(&self, last_zxid: Zxid) -> Vec<(OpCode, Vec<u8>)> {
        let mut requests = Vec::new();
        let mut batch = empty_batch(last_zxid);
        let mut bytes = 0;
        for (kind, path) in self.watchers.keys() {
            match kind {
                WatchKind::Data => &mut batch.standard.data,
                WatchKind::Exist => &mut batch.standard.exist,
                WatchKind::Child => &mut batch.standard.child,
                WatchKind::Persistent => &mut batch.persistent,
                WatchKind::Recursive => &mut batch.persistent_recursive,
            }
            .push(path.as_str().into());
            bytes += path.len();
            if bytes >= BATCH_BYTES {
                requests.push(encode(&std::mem::replace(&mut batch, empty_batch(last_zxid))));
                bytes = 0;
            }
        }
        if bytes > 0 {
            requests.push(encode(&batch));
        }
        requests
    }
}

fn empty_batch(relative_zxid: Zxid) -> SetWatches2<'static> {
    let standard = SetWatches { relative_zxid, data: Vec::new(), exist: Vec::new(), child: Vec::new() };
    SetWatches2 { standard, persistent: Vec::new(), persistent_recursive: Vec::new() }
}

/// Servers before 3.6 know the old request alone, so it is used as long as it can say everything.
fn encode(batch: &SetWatches2<'_>) -> (OpCode, Vec<u8>) {
    match batch.persistent.is_empty() && batch.persistent_recursive.is_empty() {
        true => (OpCode::SetWatches, batch.standard.to_vec()),
        false => (OpCode::SetWatches2, batch.to_vec()),
    }
}

/// The path, its parent, and so on up to the root.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rfind('/') {
        Some(0) if path.len() > 1 => Some("/"),
        Some(at) if at > 0 => Some(&path[..at]),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use zoorum_proto::Decode;

    use super::*;

    const A: WatcherId = WatcherId(1);

    fn heard(kind: WatchKind, on: &str, event: EventType, path: &str) -> bool {
        let mut watches = Watches::default();
        watches.register(kind, on, A);
        let heard = watches.on_event(event, path) == [A];
        assert_eq!(watches.any(kind, on), kind.is_persistent() || !heard, "once, or always");
        heard
    }

    #[test]
    fn each_kind_hears_its_events() {
        use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
        let events = [NodeCreated, NodeDeleted, NodeDataChanged, NodeChildrenChanged];
        let rows = [
            (WatchKind::Data, [true, true, true, false]),
            (WatchKind::Exist, [true, true, true, false]),
            (WatchKind::Child, [false, true, false, true]),
            (WatchKind::Persistent, [true, true, true, true]),
            (WatchKind::Recursive, [true, true, true, false]),
        ];
        for (kind, hears) in rows {
            assert_eq!(events.map(|event| heard(kind, "/a", event, "/a")), hears, "{kind:?}");
            let below = kind == WatchKind::Recursive;
            assert_eq!(heard(kind, "/a", NodeCreated, "/a/b/c"), below, "{kind:?} below");
            assert_eq!(heard(kind, "/", NodeCreated, "/a"), below, "{kind:?} at the root");
            assert!(!heard(kind, "/a", NodeCreated, "/ab"), "{kind:?} beside");
        }
        assert!(!heard(WatchKind::Recursive, "/a", NodeChildrenChanged, "/a/b"));
    }

    #[test]
    fn watches_are_restored_in_requests_of_128_kb() {
        let mut watches = Watches::default();
        for number in 0..3000 {
            watches.register(WatchKind::Data, &format!("/{number:099}"), WatcherId(number));
        }
        let requests = watches.restoring(Zxid(7));
        assert_eq!(requests.len(), 3);
        let mut paths = 0;
        for (op, body) in &requests {
            assert_eq!(*op, OpCode::SetWatches);
            let request = SetWatches::from_bytes(body).expect("our own encoding");
            assert_eq!(request.relative_zxid, Zxid(7));
            paths += request.data.len();
        }
        assert_eq!(paths, 3000);
        watches.register(WatchKind::Recursive, "/r", WatcherId(3000));
        assert_eq!(watches.restoring(Zxid(7)).last().map(|(op, _)| *op), Some(OpCode::SetWatches2));
        assert_eq!(Watches::default().restoring(Zxid(7)), []);
    }

    #[test]
    fn whoever_leaves_is_forgotten() {
        let mut watches = Watches::default();
        watches.register(WatchKind::Persistent, "/a", A);
        watches.register(WatchKind::Recursive, "/a", WatcherId(2));
        watches.register(WatchKind::Child, "/a", WatcherId(3));
        assert_eq!(watches.persistent(), [A, WatcherId(2)]);
        assert_eq!(watches.remove(A), Some((WatchKind::Persistent, "/a".to_owned())));
        assert_eq!(watches.remove(A), None);
        assert_eq!(watches.on_event(EventType::NodeDeleted, "/a"), [WatcherId(3), WatcherId(2)]);
        assert_eq!(watches.remove_all(WatchKind::Recursive, "/a"), [WatcherId(2)]);
        assert!(watches.watchers.is_empty() && watches.places.is_empty());
    }
}
