//! The watches that a client remembers, to set them again on a new connection.

use std::collections::BTreeSet;

use zoorum_proto::Zxid;

use super::ask::Restored;

/// Watches as a client library keeps them.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Held {
    pub(super) fn add_data(&mut self, path: &str, exists: bool) {
        let list = if exists { &mut self.data } else { &mut self.exist };
        list.insert(path.to_owned());
    }

    pub(super) fn add_child(&mut self, path: &str) {
        self.child.insert(path.to_owned());
    }

    pub(super) fn add_persistent(&mut self, path: &str, recursive: bool) {
        let list = if recursive { &mut self.recursive } else { &mut self.persistent };
        list.insert(path.to_owned());
    }

    /// An event uses up what fires once.
    pub(super) fn on_event(&mut self, kind: i32, path: &str) {
        match kind {
            4 => drop(self.child.remove(path)),
            2 => [&mut self.data, &mut self.exist, &mut self.child].into_iter().for_each(|list| {
                list.remove(path);
            }),
            _ => [&mut self.data, &mut self.exist].into_iter().for_each(|list| {
                list.remove(path);
            }),
        }
    }

    pub(super) fn remove(&mut self, path: &str, kind: i32) {
        let lists: &mut [&mut BTreeSet<String>] = match kind {
            1 => &mut [&mut self.child],
            2 => &mut [&mut self.data, &mut self.exist],
            4 => &mut [&mut self.persistent],
            5 => &mut [&mut self.recursive],
            _ => &mut [
                &mut self.data,
                &mut self.exist,
                &mut self.child,
                &mut self.persistent,
                &mut self.recursive,
            ],
        };
        lists.iter_mut().for_each(|list| {
            list.remove(path);
        });
    }

    pub(super) fn restored(&self, since: Zxid) -> Restored {
        let list = |paths: &BTreeSet<String>| paths.iter().cloned().collect();
        Restored {
            since,
            data: list(&self.data),
            exist: list(&self.exist),
            child: list(&self.child),
            persistent: list(&self.persistent),
            recursive: list(&self.recursive),
        }
    }
}
