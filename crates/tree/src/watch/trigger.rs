//! What a change of the tree means for those who watch.

use zoorum_proto::path;
use zoorum_proto::reply::EventType;

use super::list::Link;
use super::{Modes, WatchTable, WatcherId};
use crate::tree::ChangeKind;

type Fire<'f> = &'f mut dyn FnMut(WatcherId, EventType, &str);

impl WatchTable {
    /// Tells every watcher of one change, in the order of the protocol, and removes the watches that are for
    /// one change only.
    ///
    /// ```text
    /// created    data(path): created      child(parent): children changed
    /// deleted    data(path): deleted      child(path): deleted, unless told already
    ///                                     child(parent): children changed
    /// data set   data(path): data changed
    /// ```
    ///
    /// A watcher is told at most once by each of these triggers, however many of its watches match.
    pub fn trigger(
        &mut self,
        kind: ChangeKind,
        path: &str,
        fire: &mut dyn FnMut(WatcherId, EventType, &str),
    ) {
        if self.is_empty() {
            return;
        }
        let event = match kind {
            ChangeKind::Created => EventType::NodeCreated,
            ChangeKind::Deleted => EventType::NodeDeleted,
            ChangeKind::DataSet => EventType::NodeDataChanged,
        };
        self.trigger_data(event, path, fire);
        if kind == ChangeKind::Deleted {
            self.trigger_children(event, path, true, fire);
        }
        if kind != ChangeKind::DataSet
            && let Some((parent, _)) = path::split(path)
        {
            let parent = if parent.is_empty() { path::ROOT } else { parent };
            self.trigger_children(EventType::NodeChildrenChanged, parent, false, fire);
        }
    }

    /// Watches on the znode itself, and recursive ones above it. Leaves in `told` who was told, where that
    /// can matter.
    fn trigger_data(&mut self, event: EventType, path: &str, fire: Fire<'_>) {
        self.told.clear();
        let keeps_told = self.recursive_count > 0 || event == EventType::NodeDeleted;
        self.each_of_path(path, |table, watch| {
            let entry = table.watches[watch];
            if entry.modes.intersects(Modes::IN_DATA_TABLE) {
                if keeps_told {
                    table.told.insert(entry.watcher);
                }
                fire(entry.watcher, event, path);
                table.set_modes(watch, entry.modes.without(Modes::DATA));
            }
        });
        if self.recursive_count == 0 || path == path::ROOT {
            return;
        }
        // From the root down, so that each path's hash goes on from the one above it: paths may be long.
        for (above, hash) in self.seed.paths_above(path) {
            let above = if above.is_empty() { self.path(path::ROOT) } else { self.hashed_path(hash, above) };
            self.each_at(above, |table, watch| {
                let entry = table.watches[watch];
                if entry.modes.intersects(Modes::RECURSIVE) && table.told.insert(entry.watcher) {
                    fire(entry.watcher, event, path);
                }
            });
        }
    }

    /// Watches for changes of the znode's children; with `spares_told` those watchers are not told again,
    /// though their watches are used up.
    fn trigger_children(&mut self, event: EventType, path: &str, spares_told: bool, fire: Fire<'_>) {
        self.each_of_path(path, |table, watch| {
            let entry = table.watches[watch];
            if entry.modes.intersects(Modes::IN_CHILD_TABLE) {
                if !(spares_told && table.told.contains(&entry.watcher)) {
                    fire(entry.watcher, event, path);
                }
                table.set_modes(watch, entry.modes.without(Modes::CHILD));
            }
        });
    }

    /// Calls `visit` with each watch on the path, which it may remove.
    fn each_of_path(&mut self, path: &str, visit: impl FnMut(&mut Self, Link)) {
        self.each_at(self.path(path), visit);
    }

    fn each_at(&mut self, path: Option<Link>, mut visit: impl FnMut(&mut Self, Link)) {
        let Some(path) = path else { return };
        let mut next = self.watches.of_path(self.paths[path].first).next();
        while let Some(watch) = next {
            next = self.watches.next_of_path(watch);
            visit(self, watch);
        }
    }
}
