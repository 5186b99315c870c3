//! Who watches what: the watches of one worker's connections.
//!
//! A watch is an entry of fixed size, found by path and watcher, and linked with the other watches of its
//! path and with those of its watcher. A path is kept once. A path without watches costs one look-up.

mod list;
mod trigger;

use hashbrown::{HashMap, HashSet, HashTable};

use crate::hash::Seeded;
use list::{Entry, Link, Paths, Watches};

/// Somebody who watches: a connection, numbered by its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(pub u32);

/// How a watch is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchMode {
    /// For the next change of the znode's data, its creation or deletion.
    Data,
    /// For the next change of the znode's set of children, or its deletion.
    Child,
    /// For every such change, of data and children.
    Persistent,
    /// For every creation, deletion and change of data at the path or below it.
    PersistentRecursive,
}

/// Which watches a request to check or remove means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchKind {
    /// [`WatchMode::Child`].
    Children = 1,
    /// [`WatchMode::Data`].
    Data = 2,
    /// All.
    Any = 3,
    /// [`WatchMode::Persistent`].
    Persistent = 4,
    /// [`WatchMode::PersistentRecursive`].
    PersistentRecursive = 5,
}

impl WatchKind {
    /// The kind of this number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Children,
            2 => Self::Data,
            3 => Self::Any,
            4 => Self::Persistent,
            5 => Self::PersistentRecursive,
            _ => return None,
        })
    }

    fn modes(self) -> Modes {
        match self {
            Self::Children => Modes::CHILD,
            Self::Data => Modes::DATA,
            Self::Any => Modes(Modes::CHILD.0 | Modes::IN_DATA_TABLE.0),
            Self::Persistent => Modes::PERSISTENT,
            Self::PersistentRecursive => Modes::RECURSIVE,
        }
    }
}

/// The modes in which one watcher watches one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Modes(u8);

impl Modes {
    const NONE: Self = Self(0);
    const DATA: Self = Self(1);
    const CHILD: Self = Self(2);
    const PERSISTENT: Self = Self(4);
    const RECURSIVE: Self = Self(8);
    /// Modes by which changes of the znode itself are seen.
    const IN_DATA_TABLE: Self = Self(1 | 4 | 8);
    /// Modes by which changes of its children are seen.
    const IN_CHILD_TABLE: Self = Self(2 | 4);

    fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl From<WatchMode> for Modes {
    fn from(mode: WatchMode) -> Self {
        match mode {
            WatchMode::Data => Self::DATA,
            WatchMode::Child => Self::CHILD,
            WatchMode::Persistent => Self::PERSISTENT,
            WatchMode::PersistentRecursive => Self::RECURSIVE,
        }
    }
}

/// How much is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// Watchers of the data table.
    pub data_watchers: usize,
    /// Paths of the data table.
    pub data_paths: usize,
    /// Pairs of path and watcher in the data table.
    pub data: usize,
    /// Pairs of path and watcher in the child table.
    pub child: usize,
}

/// The watches of one worker's connections.
#[derive(Debug)]
pub struct WatchTable {
    seed: Seeded,
    paths: Paths,
    watches: Watches,
    by_path: HashTable<Link>,
    /// By path and watcher.
    by_both: HashTable<Link>,
    by_watcher: HashMap<WatcherId, Watcher, Seeded>,
    data_count: usize,
    child_count: usize,
    recursive_count: usize,
    /// Watchers that the trigger at hand has told; kept for its memory.
    told: HashSet<WatcherId, Seeded>,
    bytes_limit: usize,
}

/// Somebody who watches something.
#[derive(Clone, Copy, Debug)]
struct Watcher {
    /// The newest watch.
    first: Link,
    /// What all of them take.
    bytes: usize,
}

impl WatchTable {
    /// What a watch counts besides its path, in bytes: about what it takes.
    pub const BYTES_BESIDES_PATH: usize = 64;

    /// Nobody watches. The watches of one watcher may take so many bytes.
    pub fn new(seed: u64, bytes_limit: usize) -> Self {
        let seed = Seeded::new(seed);
        Self {
            paths: Paths::default(),
            watches: Watches::default(),
            by_path: HashTable::new(),
            by_both: HashTable::new(),
            by_watcher: HashMap::with_hasher(seed.clone()),
            data_count: 0,
            child_count: 0,
            recursive_count: 0,
            told: HashSet::with_hasher(seed.clone()),
            bytes_limit,
            seed,
        }
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Sets a watch. One that is set already stays. False, and nothing is done, where the watcher would have more
    /// watches than one may have.
    #[must_use]
    pub fn add(&mut self, path: &str, watcher: WatcherId, mode: WatchMode) -> bool {
        let watch = match self.path(path).and_then(|path| self.find(path, watcher)) {
            Some(watch) => watch,
            None if self.bytes_of(watcher) + bytes_for(path) > self.bytes_limit => return false,
            None => {
                let path = self.intern(path);
                self.insert(path, watcher)
            }
        };
        let modes = self.watches[watch].modes;
        self.set_modes(watch, modes.with(mode.into()));
        true
    }

    /// What the watcher's watches take, in bytes: their paths, and [`Self::BYTES_BESIDES_PATH`] each.
    pub fn bytes_of(&self, watcher: WatcherId) -> usize {
        self.by_watcher.get(&watcher).map_or(0, |watcher| watcher.bytes)
    }

    /// Whether the watcher has such a watch on exactly this path.
    pub fn contains(&self, path: &str, watcher: WatcherId, kind: WatchKind) -> bool {
        let watch = self.path(path).and_then(|path| self.find(path, watcher));
        watch.is_some_and(|watch| self.watches[watch].modes.intersects(kind.modes()))
    }

    /// Removes the watcher's watches of this kind on exactly this path; false if there were none.
    pub fn remove(&mut self, path: &str, watcher: WatcherId, kind: WatchKind) -> bool {
        let Some(watch) = self.path(path).and_then(|path| self.find(path, watcher)) else { return false };
        let modes = self.watches[watch].modes;
        self.set_modes(watch, modes.without(kind.modes()));
        modes.intersects(kind.modes())
    }

    /// Removes all watches of a watcher.
    pub fn remove_watcher(&mut self, watcher: WatcherId) {
        while let Some(known) = self.by_watcher.get(&watcher) {
            self.set_modes(known.first, Modes::NONE);
        }
    }

    /// Pairs of path and watcher in the data and the child table, which is what servers report as their
    /// number of watches.
    pub fn len(&self) -> usize {
        self.data_count + self.child_count
    }

    /// How much is watched. Walks all watches.
    pub fn counts(&self) -> WatchCounts {
        let mut counts =
            WatchCounts { data: self.data_count, child: self.child_count, ..WatchCounts::default() };
        for &path in &self.by_path {
            counts.data_paths += usize::from(self.data_watchers_of(path).next().is_some());
        }
        for watcher in self.by_watcher.values() {
            let modes = self.watches.of_watcher(watcher.first).map(|watch| self.watches[watch].modes);
            let mut in_data = modes.filter(|modes| modes.intersects(Modes::IN_DATA_TABLE));
            counts.data_watchers += usize::from(in_data.next().is_some());
        }
        counts
    }

    /// The data table: pairs of path and watcher, those of one path together.
    pub fn data_watches(&self) -> impl Iterator<Item = (&str, WatcherId)> {
        let of_path = |&path| {
            let text = self.paths[path].text();
            self.data_watchers_of(path).map(move |watcher| (text, watcher))
        };
        self.by_path.iter().flat_map(of_path)
    }

    fn data_watchers_of(&self, path: Link) -> impl Iterator<Item = WatcherId> {
        let watches = self.watches.of_path(self.paths[path].first).map(|watch| &self.watches[watch]);
        let in_data = watches.filter(|watch| watch.modes.intersects(Modes::IN_DATA_TABLE));
        in_data.map(|watch| watch.watcher)
    }

    #[inline]
    fn path(&self, path: &str) -> Option<Link> {
        if self.by_path.is_empty() {
            return None;
        }
        self.hashed_path(self.seed.path(path), path)
    }

    fn hashed_path(&self, hash: u64, path: &str) -> Option<Link> {
        self.by_path.find(hash, |&link| self.paths[link].text() == path).copied()
    }

    fn intern(&mut self, path: &str) -> Link {
        if let Some(known) = self.path(path) {
            return known;
        }
        let link = self.paths.insert(path);
        let (seed, paths) = (&self.seed, &self.paths);
        self.by_path.insert_unique(seed.path(path), link, |&link| seed.path(paths[link].text()));
        link
    }

    fn find(&self, path: Link, watcher: WatcherId) -> Option<Link> {
        let is_it = |&link: &Link| {
            let watch = &self.watches[link];
            watch.path == path && watch.watcher == watcher
        };
        self.by_both.find(hash_both(&self.seed, path, watcher), is_it).copied()
    }

    /// A watch in no mode yet, linked on both sides.
    fn insert(&mut self, path: Link, watcher: WatcherId) -> Link {
        let first_of_path = self.paths[path].first;
        let known = self.by_watcher.entry(watcher).or_insert(Watcher { first: Link::NONE, bytes: 0 });
        let watch = self.watches.insert(path, watcher, first_of_path, known.first);
        known.first = watch;
        known.bytes += bytes_for(self.paths[path].text());
        self.paths[path].first = watch;
        let (seed, watches) = (&self.seed, &self.watches);
        let rehash = |&link: &Link| hash_both(seed, watches[link].path, watches[link].watcher);
        self.by_both.insert_unique(hash_both(seed, path, watcher), watch, rehash);
        watch
    }

    /// Changes a watch's modes; without any left it goes, and its path if it was the last there.
    fn set_modes(&mut self, watch: Link, modes: Modes) {
        let Entry { path, watcher, modes: old, .. } = self.watches[watch];
        let change = |count: &mut usize, table: Modes| {
            *count = *count + usize::from(modes.intersects(table)) - usize::from(old.intersects(table));
        };
        change(&mut self.data_count, Modes::IN_DATA_TABLE);
        change(&mut self.child_count, Modes::IN_CHILD_TABLE);
        change(&mut self.recursive_count, Modes::RECURSIVE);
        self.watches[watch].modes = modes;
        if modes != Modes::NONE {
            return;
        }
        if let Ok(found) =
            self.by_both.find_entry(hash_both(&self.seed, path, watcher), |&other| other == watch)
        {
            found.remove();
        }
        let (first_of_path, first_of_watcher) = self.watches.remove(watch);
        if first_of_watcher == Some(Link::NONE) {
            self.by_watcher.remove(&watcher);
        } else if let Some(known) = self.by_watcher.get_mut(&watcher) {
            known.first = first_of_watcher.unwrap_or(known.first);
            known.bytes -= bytes_for(self.paths[path].text());
        }
        match first_of_path {
            Some(Link::NONE) => self.forget_path(path),
            Some(first) => self.paths[path].first = first,
            None => {}
        }
    }

    fn forget_path(&mut self, path: Link) {
        let hash = self.seed.path(self.paths[path].text());
        if let Ok(found) = self.by_path.find_entry(hash, |&other| other == path) {
            found.remove();
        }
        self.paths.remove(path);
    }
}

fn bytes_for(path: &str) -> usize {
    path.len() + WatchTable::BYTES_BESIDES_PATH
}

fn hash_both(seed: &Seeded, path: Link, watcher: WatcherId) -> u64 {
    seed.bytes(u64::from(path.0) << 32 | u64::from(watcher.0), &[])
}
