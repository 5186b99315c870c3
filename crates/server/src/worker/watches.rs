//! Watch events on their way to connections.

use zoorum_proto::Permissions;
use zoorum_proto::reply::EventType;
use zoorum_tree::WatcherId;

use super::{ALL_OUTPUT_LIMIT, COUNT_AFTER, OUTPUT_HARD_LIMIT, Worker};
use crate::frame::event;
use crate::message::{ConnectionId, TreeChange};

/// The name under which a connection watches: its slot, for a slot is used again only after the watches of
/// its last connection are removed.
pub(super) fn watcher(id: ConnectionId) -> WatcherId {
    WatcherId(id.slot)
}

impl Worker {
    /// Tells watchers of one change. Whoever may not read the znode is not told, though the watch is spent.
    pub(super) fn on_changed(&mut self, change: &TreeChange) {
        let Self { connections, watches, dirty, settings, counters, .. } = self;
        let acl_rules = &settings.rules.acl;
        let mut cut_off = Vec::new();
        let mut cached = CachedFrame::default();
        let mut appended = 0;
        let mut watchers = [0; 4];
        watches.trigger(change.kind, &change.path, &mut |watcher, kind, path| {
            let Some((id, connection)) = connections.at_slot(watcher.0) else { return };
            watchers[kind as usize - 1] += 1;
            let acl = if kind == EventType::NodeChildrenChanged { &change.parent_acl } else { &change.acl };
            if connection.closing || !acl_rules.allows(acl, Permissions::READ, &connection.identity) {
                return;
            }
            if connection.output.unsent().len() > OUTPUT_HARD_LIMIT {
                cut_off.push(id);
                return;
            }
            let frame = cached.get(change, kind, path);
            connection.output.bytes().extend_from_slice(frame);
            appended += frame.len();
            connection.stats.sent += 1;
            counters.event_sent(frame.len());
            if !std::mem::replace(&mut connection.dirty, true) {
                dirty.push(id);
            }
        });
        for (all, watchers) in counters.watchers.iter_mut().zip(watchers) {
            all.observe_times(watchers, u64::from(watchers > 0));
        }
        cut_off.into_iter().for_each(|id| self.cut_off(id));
        self.events_uncounted += appended;
        if self.events_uncounted > COUNT_AFTER {
            self.events_uncounted = 0;
            self.bound_output(ALL_OUTPUT_LIMIT);
        }
    }

    /// Cuts off those who are owed most, until what waits for all others is below the limit.
    pub(super) fn bound_output(&mut self, limit: usize) {
        let owed = self.connections.iter().map(|(id, connection)| (connection.output.unsent().len(), id));
        let mut owed: Vec<_> = owed.filter(|(bytes, _)| *bytes > 0).collect();
        owed.sort_unstable();
        let mut total: usize = owed.iter().map(|(bytes, _)| bytes).sum();
        while total > limit
            && let Some((bytes, id)) = owed.pop()
        {
            total -= bytes;
            self.cut_off(id);
        }
    }
}

/// The frame that many watchers of one change get.
#[derive(Default)]
struct CachedFrame {
    kind: Option<EventType>,
    bytes: Vec<u8>,
}

impl CachedFrame {
    /// Each kind of event on a change has one path only, so the kind tells frames apart.
    fn get(&mut self, change: &TreeChange, kind: EventType, path: &str) -> &[u8] {
        if self.kind != Some(kind) {
            self.bytes.clear();
            event(&mut self.bytes, change.zxid, kind, path);
            self.kind = Some(kind);
        }
        &self.bytes
    }
}
