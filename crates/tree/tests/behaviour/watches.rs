//! Watch tables against the protocol's definition: two tables of sets of modes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use zoorum_proto::reply::EventType;
use zoorum_tree::{ChangeKind, WatchCounts, WatchKind, WatchMode, WatchTable, WatcherId};

const PATHS: [&str; 8] = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "garbage//", ""];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Standard,
    Persistent,
    Recursive,
}

type Table = BTreeMap<(&'static str, WatcherId), BTreeSet<Mode>>;

#[derive(Default)]
struct Model {
    data: Table,
    child: Table,
}

fn take(table: &mut Table, path: &'static str, watcher: WatcherId, modes: &[Mode]) -> bool {
    let Some(set) = table.get_mut(&(path, watcher)) else { return false };
    let before = set.len();
    set.retain(|mode| !modes.contains(mode));
    let has_changed = set.len() < before;
    if set.is_empty() {
        table.remove(&(path, watcher));
    }
    has_changed
}

const EVERY: [Mode; 3] = [Mode::Standard, Mode::Persistent, Mode::Recursive];

impl Model {
    fn add(&mut self, path: &'static str, watcher: WatcherId, mode: WatchMode) {
        let mut insert = |table: fn(&mut Self) -> &mut Table, mode| {
            table(self).entry((path, watcher)).or_default().insert(mode);
        };
        match mode {
            WatchMode::Data => insert(|model| &mut model.data, Mode::Standard),
            WatchMode::Child => insert(|model| &mut model.child, Mode::Standard),
            WatchMode::Persistent => {
                insert(|model| &mut model.data, Mode::Persistent);
                insert(|model| &mut model.child, Mode::Persistent);
            }
            WatchMode::PersistentRecursive => insert(|model| &mut model.data, Mode::Recursive),
        }
    }

    fn contains(&self, path: &'static str, watcher: WatcherId, kind: WatchKind) -> bool {
        let has = |table: &Table, mode| table.get(&(path, watcher)).is_some_and(|set| set.contains(&mode));
        match kind {
            WatchKind::Children => has(&self.child, Mode::Standard),
            WatchKind::Data => has(&self.data, Mode::Standard),
            WatchKind::Any => EVERY.iter().any(|&mode| has(&self.data, mode) || has(&self.child, mode)),
            WatchKind::Persistent => has(&self.data, Mode::Persistent),
            WatchKind::PersistentRecursive => has(&self.data, Mode::Recursive),
        }
    }

    fn remove(&mut self, path: &'static str, watcher: WatcherId, kind: WatchKind) -> bool {
        let (data, child) = (&mut self.data, &mut self.child);
        match kind {
            WatchKind::Children => take(child, path, watcher, &[Mode::Standard]),
            WatchKind::Data => take(data, path, watcher, &[Mode::Standard]),
            WatchKind::Any => take(data, path, watcher, &EVERY) | take(child, path, watcher, &EVERY),
            WatchKind::Persistent => {
                take(data, path, watcher, &[Mode::Persistent])
                    | take(child, path, watcher, &[Mode::Persistent])
            }
            WatchKind::PersistentRecursive => take(data, path, watcher, &[Mode::Recursive]),
        }
    }

    /// Who sees a trigger of this table, by its look-up rule; one-shot watches are used up.
    fn look_up(table: &mut Table, is_data: bool, path: &'static str) -> BTreeSet<WatcherId> {
        let exact: BTreeSet<_> = table.keys().filter(|key| key.0 == path).map(|key| key.1).collect();
        let is_above = |above: &str| match above {
            "" => false,
            "/" => path != "/",
            _ => path.starts_with(&format!("{above}/")),
        };
        let recursive = table.iter().filter(|((above, _), set)| {
            is_data && path.starts_with('/') && is_above(above) && set.contains(&Mode::Recursive)
        });
        let told = exact.iter().copied().chain(recursive.map(|(key, _)| key.1)).collect();
        for watcher in exact {
            take(table, path, watcher, &[Mode::Standard]);
        }
        told
    }

    fn trigger(&mut self, kind: ChangeKind, path: &'static str) -> Vec<(WatcherId, EventType, String)> {
        let event = match kind {
            ChangeKind::Created => EventType::NodeCreated,
            ChangeKind::Deleted => EventType::NodeDeleted,
            ChangeKind::DataSet => EventType::NodeDataChanged,
        };
        let mut told = Self::look_up(&mut self.data, true, path);
        if kind == ChangeKind::Deleted {
            told.extend(Self::look_up(&mut self.child, false, path));
        }
        let mut events: Vec<_> = told.into_iter().map(|watcher| (watcher, event, path.to_owned())).collect();
        if kind != ChangeKind::DataSet {
            let parent =
                path.rsplit_once('/').map(|(parent, _)| if parent.is_empty() { "/" } else { parent });
            if let Some(parent) = PATHS.into_iter().find(|known| Some(*known) == parent) {
                let told = Self::look_up(&mut self.child, false, parent);
                let changed = EventType::NodeChildrenChanged;
                events.extend(told.into_iter().map(|watcher| (watcher, changed, parent.to_owned())));
            }
        }
        events
    }

    fn bytes_of(&self, watcher: WatcherId) -> usize {
        let watched = self.data.keys().chain(self.child.keys()).filter(|key| key.1 == watcher);
        let paths: BTreeSet<_> = watched.map(|key| key.0).collect();
        paths.into_iter().map(|path| path.len() + WatchTable::BYTES_BESIDES_PATH).sum()
    }

    fn counts(&self) -> WatchCounts {
        WatchCounts {
            data_watchers: self.data.keys().map(|key| key.1).collect::<BTreeSet<_>>().len(),
            data_paths: self.data.keys().map(|key| key.0).collect::<BTreeSet<_>>().len(),
            data: self.data.len(),
            child: self.child.len(),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, WatcherId, WatchMode),
    Remove(usize, WatcherId, WatchKind),
    RemoveWatcher(WatcherId),
    Trigger(ChangeKind, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || 0..PATHS.len();
    let watcher = || (0_u32..5).prop_map(WatcherId);
    let mode = proptest::sample::select(vec![
        WatchMode::Data,
        WatchMode::Child,
        WatchMode::Persistent,
        WatchMode::PersistentRecursive,
    ]);
    let kind = (1..=5).prop_map(|number| WatchKind::from_number(number).expect("there are five"));
    let change =
        proptest::sample::select(vec![ChangeKind::Created, ChangeKind::Deleted, ChangeKind::DataSet]);
    prop_oneof![
        6 => (path(), watcher(), mode).prop_map(|(path, watcher, mode)| Step::Add(path, watcher, mode)),
        2 => (path(), watcher(), kind).prop_map(|(path, watcher, kind)| Step::Remove(path, watcher, kind)),
        1 => watcher().prop_map(Step::RemoveWatcher),
        // The last two are no paths: nothing happens there.
        5 => (change, 0..PATHS.len() - 2).prop_map(|(change, path)| Step::Trigger(change, path)),
    ]
}

fn fired(table: &mut WatchTable, kind: ChangeKind, path: &str) -> Vec<(WatcherId, EventType, String)> {
    let mut events = Vec::new();
    table.trigger(kind, path, &mut |watcher, event, path| events.push((watcher, event, path.to_owned())));
    events
}

/// Within a trigger the order means nothing; the deletion's two are told apart by nobody.
fn sorted(mut events: Vec<(WatcherId, EventType, String)>) -> Vec<(WatcherId, EventType, String)> {
    events.sort_by_key(|(watcher, event, _)| (*event == EventType::NodeChildrenChanged, *watcher));
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn watches_fire_as_the_protocol_says(steps in proptest::collection::vec(step(), 0..80)) {
        let mut table = WatchTable::new(3, usize::MAX);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Add(path, watcher, mode) => {
                    prop_assert!(table.add(PATHS[path], watcher, mode));
                    model.add(PATHS[path], watcher, mode);
                }
                Step::Remove(path, watcher, kind) => {
                    let is_there = model.contains(PATHS[path], watcher, kind);
                    prop_assert_eq!(table.contains(PATHS[path], watcher, kind), is_there);
                    prop_assert_eq!(table.remove(PATHS[path], watcher, kind), is_there);
                    model.remove(PATHS[path], watcher, kind);
                }
                Step::RemoveWatcher(watcher) => {
                    table.remove_watcher(watcher);
                    model.data.retain(|key, _| key.1 != watcher);
                    model.child.retain(|key, _| key.1 != watcher);
                }
                Step::Trigger(kind, path) => {
                    let events = fired(&mut table, kind, PATHS[path]);
                    let children = events.iter().map(|(_, event, _)| *event == EventType::NodeChildrenChanged);
                    prop_assert!(children.is_sorted(), "the parent's watchers come last");
                    prop_assert_eq!(sorted(events), sorted(model.trigger(kind, PATHS[path])));
                }
            }
            prop_assert_eq!(table.counts(), model.counts());
            prop_assert_eq!(table.len(), model.data.len() + model.child.len());
            prop_assert_eq!(table.is_empty(), model.data.is_empty() && model.child.is_empty());
            let data: BTreeSet<_> = table.data_watches().collect();
            let expected: BTreeSet<_> = model.data.keys().copied().collect();
            prop_assert_eq!(data, expected);
            for watcher in (0..5).map(WatcherId) {
                prop_assert_eq!(table.bytes_of(watcher), model.bytes_of(watcher));
            }
        }
    }
}

const ME: WatcherId = WatcherId(1);

#[test]
fn a_deleted_znode_is_reported_once_and_to_its_parents_watchers_last() {
    let mut table = WatchTable::new(1, usize::MAX);
    assert!(table.add("/p/c", ME, WatchMode::Data));
    assert!(table.add("/p/c", ME, WatchMode::Child));
    assert!(table.add("/p/c", WatcherId(2), WatchMode::Child));
    assert!(table.add("/p", ME, WatchMode::Child));
    let expected = [
        (ME, EventType::NodeDeleted, "/p/c".to_owned()),
        (WatcherId(2), EventType::NodeDeleted, "/p/c".to_owned()),
        (ME, EventType::NodeChildrenChanged, "/p".to_owned()),
    ];
    assert_eq!(fired(&mut table, ChangeKind::Deleted, "/p/c"), expected);
    assert!(table.is_empty());
}

#[test]
fn a_recursive_watch_sees_every_level_and_never_children() {
    let mut table = WatchTable::new(1, usize::MAX);
    assert!(table.add("/", ME, WatchMode::PersistentRecursive));
    assert!(table.add("/a", ME, WatchMode::PersistentRecursive));
    for path in ["/", "/a", "/a/b/c"] {
        let expected = [(ME, EventType::NodeDataChanged, path.to_owned())];
        assert_eq!(fired(&mut table, ChangeKind::DataSet, path), expected);
    }
    let expected = [(ME, EventType::NodeCreated, "/a/b".to_owned())];
    assert_eq!(fired(&mut table, ChangeKind::Created, "/a/b"), expected);
    assert!(table.contains("/a", ME, WatchKind::PersistentRecursive));
    assert!(!table.contains("/a", ME, WatchKind::Data));
}

#[test]
fn a_watcher_has_so_many_watches_and_no_more() {
    let room_for_two = 2 * (WatchTable::BYTES_BESIDES_PATH + "/a".len());
    let mut table = WatchTable::new(1, room_for_two);
    assert!(table.add("/a", ME, WatchMode::Data));
    assert!(table.add("/b", ME, WatchMode::Data));
    assert!(table.add("/b", ME, WatchMode::Child), "it is the same path");
    assert!(!table.add("/c", ME, WatchMode::Data));
    assert!(!table.contains("/c", ME, WatchKind::Any));
    assert!(table.add("/c", WatcherId(2), WatchMode::Data), "others are not concerned");
    assert_eq!(fired(&mut table, ChangeKind::DataSet, "/a").len(), 1);
    assert!(table.add("/c", ME, WatchMode::Data), "a watch that is spent makes room");
}

/// Were every path above hashed from its first byte, this would take minutes.
#[test]
fn a_recursive_watch_above_a_very_deep_znode_costs_no_more_than_its_path() {
    let deep = "/n".repeat(30_000);
    let mut table = WatchTable::new(1, usize::MAX);
    assert!(table.add("/n", ME, WatchMode::PersistentRecursive));
    for _ in 0..50 {
        assert_eq!(fired(&mut table, ChangeKind::DataSet, &deep).len(), 1);
    }
}
