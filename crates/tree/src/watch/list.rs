//! Watched paths and watches, in two slabs whose entries link to each other.

use std::ops::{Index, IndexMut};

use super::{Modes, WatcherId};

/// Place of a path or of a watch in its slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(pub u32);

impl Link {
    /// Nothing more.
    pub const NONE: Self = Self(u32::MAX);

    fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    fn of(place: usize) -> Self {
        let place = u32::try_from(place).ok().map(Self).and_then(Self::some);
        place.expect("a worker has fewer than four billion watches")
    }
}

/// A path that is watched.
#[derive(Debug)]
pub(super) struct WatchedPath {
    text: Box<str>,
    /// The newest watch on it; the next free entry if it is free.
    pub first: Link,
}

impl WatchedPath {
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// All watched paths.
#[derive(Debug)]
pub(super) struct Paths {
    entries: Vec<WatchedPath>,
    free: Link,
}

impl Default for Paths {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Link::NONE }
    }
}

impl Paths {
    pub fn insert(&mut self, path: &str) -> Link {
        let entry = WatchedPath { text: path.into(), first: Link::NONE };
        if let Some(link) = self.free.some() {
            self.free = self[link].first;
            self[link] = entry;
            return link;
        }
        self.entries.push(entry);
        Link::of(self.entries.len() - 1)
    }

    pub fn remove(&mut self, link: Link) {
        self[link] = WatchedPath { text: Box::default(), first: self.free };
        self.free = link;
    }
}

/// One watcher's watch on one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub path: Link,
    pub watcher: WatcherId,
    next_of_path: Link,
    previous_of_path: Link,
    next_of_watcher: Link,
    previous_of_watcher: Link,
    pub modes: Modes,
}

/// All watches.
#[derive(Debug)]
pub(super) struct Watches {
    entries: Vec<Entry>,
    /// First of the free entries, which are linked as if of one path.
    free: Link,
}

impl Default for Watches {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Link::NONE }
    }
}

impl Watches {
    /// Adds a watch in front of the others of its path and of its watcher.
    pub fn insert(
        &mut self,
        path: Link,
        watcher: WatcherId,
        first_of_path: Link,
        first_of_watcher: Link,
    ) -> Link {
        let entry = Entry {
            path,
            watcher,
            next_of_path: first_of_path,
            previous_of_path: Link::NONE,
            next_of_watcher: first_of_watcher,
            previous_of_watcher: Link::NONE,
            modes: Modes::NONE,
        };
        let link = if let Some(link) = self.free.some() {
            self.free = self[link].next_of_path;
            self[link] = entry;
            link
        } else {
            self.entries.push(entry);
            Link::of(self.entries.len() - 1)
        };
        if let Some(next) = first_of_path.some() {
            self[next].previous_of_path = link;
        }
        if let Some(next) = first_of_watcher.some() {
            self[next].previous_of_watcher = link;
        }
        link
    }

    /// Removes a watch. Where it was the first of its path or of its watcher, tells which is first now.
    pub fn remove(&mut self, link: Link) -> (Option<Link>, Option<Link>) {
        let entry = self[link];
        if let Some(next) = entry.next_of_path.some() {
            self[next].previous_of_path = entry.previous_of_path;
        }
        if let Some(next) = entry.next_of_watcher.some() {
            self[next].previous_of_watcher = entry.previous_of_watcher;
        }
        let first_of_path = match entry.previous_of_path.some() {
            Some(previous) => {
                self[previous].next_of_path = entry.next_of_path;
                None
            }
            None => Some(entry.next_of_path),
        };
        let first_of_watcher = match entry.previous_of_watcher.some() {
            Some(previous) => {
                self[previous].next_of_watcher = entry.next_of_watcher;
                None
            }
            None => Some(entry.next_of_watcher),
        };
        self[link].next_of_path = self.free;
        self.free = link;
        (first_of_path, first_of_watcher)
    }

    /// The watches of a path, from this one on.
    pub fn of_path(&self, first: Link) -> impl Iterator<Item = Link> {
        std::iter::successors(first.some(), |&link| self.next_of_path(link))
    }

    pub fn next_of_path(&self, link: Link) -> Option<Link> {
        self[link].next_of_path.some()
    }

    /// The watches of a watcher, from this one on.
    pub fn of_watcher(&self, first: Link) -> impl Iterator<Item = Link> {
        std::iter::successors(first.some(), |&link| self[link].next_of_watcher.some())
    }
}

impl Index<Link> for Paths {
    type Output = WatchedPath;

    fn index(&self, link: Link) -> &WatchedPath {
        &self.entries[link.0 as usize]
    }
}

impl IndexMut<Link> for Paths {
    fn index_mut(&mut self, link: Link) -> &mut WatchedPath {
        &mut self.entries[link.0 as usize]
    }
}

impl Index<Link> for Watches {
    type Output = Entry;

    fn index(&self, link: Link) -> &Entry {
        &self.entries[link.0 as usize]
    }
}

impl IndexMut<Link> for Watches {
    fn index_mut(&mut self, link: Link) -> &mut Entry {
        &mut self.entries[link.0 as usize]
    }
}
