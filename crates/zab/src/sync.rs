//! Where the history of a learner and this server's meet, and what the learner is sent to get in step.
//!
//! ```text
//! DIFF | TRUNC | SNAP and tree    where the two histories meet
//! PROPOSAL COMMIT …               what is committed behind that: from the log's files, then from memory
//! ```
//!
//! What memory lacks is sought in the files first, by others, and only then is anything sent: whoever has begun to
//! send a history cannot take it back.

use zoorum_proto::quorum::PacketType;
use zoorum_proto::{ServerId, Zxid};

use crate::action::{Action, Seek, Sought};
use crate::ground::Ground;
use crate::history::History;
use crate::link::{LinkAction, LinkId};
use crate::packets::{encode_bare, encode_committed};
use crate::settings::SyncSettings;

/// What a learner is sent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Its history is a beginning of ours: it is sent what comes after this zxid.
    Diff(Zxid),
    /// It must cut off what comes after this zxid, and is sent what follows in ours.
    Trunc(Zxid),
    /// Its history is a beginning of ours, too: files have what follows, up to this zxid.
    Changes(Zxid),
    /// It is sent a snapshot's file of the first zxid; files have what follows up to the second.
    File(Zxid, Zxid),
    /// It is sent the whole tree as it is.
    Tree,
}

/// How to bring a learner into step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// At once, from memory.
    Start(Start),
    /// Something is to be sought first: see [`Seek`].
    Seek { after: Option<Zxid>, file_from: Option<Zxid> },
}

impl Plan {
    /// The plan for a learner whose history ends at `last`; ours is committed up to `through`.
    ///
    /// A cut never crosses the boundary of an epoch: a learner's snapshots may hold what is cut off there.
    pub(crate) fn of(history: &History, settings: SyncSettings, last: Zxid, through: Zxid) -> Self {
        if last == Zxid(-1) {
            return Self::Seek { after: None, file_from: None };
        }
        if settings.always_tree {
            return Self::Seek { after: None, file_from: Some(last) };
        }
        // The beginning of an epoch, without a change in it: everything before was that leader's, and is ours.
        let is_beginning = last.counter() == 0 && last >= history.floor();
        if last == through || is_beginning || (history.knows(last) && last <= through) {
            return Self::Start(Start::Diff(last));
        }
        let cut = if last > through { Some(through) } else { history.before(last) };
        match cut {
            Some(to) if to.epoch() == last.epoch() => Self::Start(Start::Trunc(to)),
            _ => {
                // Of a server that has nothing, all of the log would be read, and a tree is sooner sent.
                let is_older = settings.reads_log && last < history.floor() && last != Zxid::ZERO;
                Self::Seek { after: is_older.then_some(last), file_from: Some(last) }
            }
        }
    }
}

impl Start {
    /// What was found for a learner, if memory still has what comes behind `kept`.
    pub(crate) fn of(history: &History, sought: Sought, kept: Zxid) -> Option<Self> {
        match sought {
            Sought::Tree => Some(Self::Tree),
            _ if history.floor() > kept => None,
            Sought::Changes => Some(Self::Changes(kept)),
            Sought::File(zxid) => (zxid <= history.applied()).then_some(Self::File(zxid, kept)),
        }
    }

    /// Whether it is a whole tree that is sent.
    pub(crate) fn is_tree(self) -> bool {
        matches!(self, Self::File(..) | Self::Tree)
    }

    /// Sends the learner everything that is committed up to `through`. What is to follow at once is to be appended
    /// to the bytes that are given back, and sent with them.
    pub(crate) fn send(self, ground: &mut Ground<'_>, link: LinkId, through: Zxid) -> (Vec<u8>, u64) {
        let applied = ground.history.applied();
        let (kind, zxid, after) = match self {
            Self::Diff(after) => (PacketType::Diff, through, after),
            Self::Trunc(to) => (PacketType::Trunc, to, to),
            Self::Changes(after) => (PacketType::Diff, through, after),
            Self::File(zxid, behind) => (PacketType::Snap, zxid, zxid.max(behind)),
            Self::Tree => (PacketType::Snap, applied, applied),
        };
        let mut out = Vec::new();
        encode_bare(kind, zxid, &mut out);
        let stream = match self {
            Self::Diff(_) | Self::Trunc(_) => None,
            Self::Changes(_) | Self::File(..) => Some(LinkAction::WriteSought { link }),
            Self::Tree => Some(LinkAction::WriteSnapshot { link, zxid }),
        };
        if let Some(stream) = stream {
            ground.write(link, std::mem::take(&mut out).into());
            ground.actions.push(Action::Link(stream));
        }
        let mut packets = 1;
        for entry in ground.history.between(after, through) {
            encode_committed(entry.zxid, &entry.payload, &mut out);
            packets += 2; // the change, and that it is committed
        }
        (out, packets)
    }

    /// What an operator should know of it: the learner is brought from the end of its history to `through`.
    pub(crate) fn told_of(self, name: &str, last: Zxid, through: Zxid) -> String {
        match self {
            Self::Diff(after) if after == through => format!("{name} has everything, up to {last}"),
            Self::Diff(after) => format!("sending {name} what comes after {after}, up to {through}"),
            Self::Changes(behind) => format!(
                "sending {name} what comes after {last}, up to {through}; as far as {behind} from the files of the log"
            ),
            Self::Trunc(to) => format!(
                "{name} has what was never committed, up to {last}: it is to cut its history to {to}, and is sent what \
                 comes after that, up to {through}"
            ),
            Self::File(zxid, _) => format!(
                "sending {name} the snapshot of {zxid}, and what comes after that, up to {through}: its history goes to \
                 {last}"
            ),
            Self::Tree => format!(
                "sending {name} the whole tree: its history, up to {last}, is not to be mended with the changes that \
                 memory and log have"
            ),
        }
    }
}

/// Asks for what a learner lacks to be found. What follows it must stay in memory: gives back from where on.
pub(crate) fn seek(
    ground: &mut Ground<'_>,
    link: LinkId,
    after: Option<Zxid>,
    file_from: Option<Zxid>,
) -> Zxid {
    let through = ground.history.floor();
    ground.actions.push(Action::Seek(Seek { link, after, file_from, through }));
    through
}

/// How many learners are being brought into step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) trees: usize,
    pub(crate) diffs: usize,
}

impl Load {
    /// Why one more cannot be served now, if so. Whoever votes always is.
    pub(crate) fn refuses(
        self,
        settings: SyncSettings,
        start: Start,
        id: ServerId,
        votes: bool,
    ) -> Option<String> {
        let (count, max, what) = match start.is_tree() {
            true => (self.trees, settings.trees_max, "a whole tree"),
            false => (self.diffs, settings.diffs_max, "what they lack"),
        };
        (!votes && count >= max).then(|| {
            format!(
                "{count} learners are being sent {what}, and that many may be: server {id} is to come again"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::history::{Entry, HistoryLimits};

    fn zxid(epoch: i64, counter: i64) -> Zxid {
        Zxid(epoch << 32 | counter)
    }

    fn history() -> History {
        let mut history = History::recovered(zxid(1, 5), HistoryLimits::default());
        let entries = [zxid(1, 6), zxid(1, 7), zxid(3, 1), zxid(3, 2), zxid(3, 3)];
        history.append(&entries.map(|zxid| Entry { zxid, payload: Bytes::new() }));
        history
    }

    #[test]
    fn the_plan_follows_from_where_the_histories_part() {
        let (history, through) = (history(), zxid(3, 2));
        let diff = |after| Plan::Start(Start::Diff(after));
        let trunc = |to| Plan::Start(Start::Trunc(to));
        let from_log = |last| Plan::Seek { after: Some(last), file_from: Some(last) };
        let tree = |last| Plan::Seek { after: None, file_from: Some(last) };
        let rows = [
            (zxid(3, 2), diff(zxid(3, 2)), "in step"),
            (zxid(1, 6), diff(zxid(1, 6)), "behind, within memory"),
            (zxid(1, 5), diff(zxid(1, 5)), "behind, where memory begins"),
            (zxid(1, 4), from_log(zxid(1, 4)), "before memory"),
            (zxid(0, 0), tree(zxid(0, 0)), "empty"),
            (Zxid(-1), Plan::Seek { after: None, file_from: None }, "asks for everything"),
            (zxid(2, 0), diff(zxid(2, 0)), "an established leader without a change"),
            (zxid(3, 0), diff(zxid(3, 0)), "a leader without a change, now with changes behind it"),
            (zxid(4, 0), diff(zxid(4, 0)), "the newest leader, without a change"),
            (zxid(1, 9), trunc(zxid(1, 7)), "an uncommitted end of an older epoch"),
            (zxid(2, 4), tree(zxid(2, 4)), "an uncommitted epoch"),
            (zxid(3, 3), trunc(zxid(3, 2)), "ahead, by what is proposed"),
            (zxid(3, 9), trunc(zxid(3, 2)), "ahead"),
            (zxid(4, 1), tree(zxid(4, 1)), "ahead, in another epoch"),
        ];
        for (last, plan, name) in rows {
            assert_eq!(Plan::of(&history, SyncSettings::default(), last, through), plan, "{name}");
        }
        let without_log = SyncSettings { reads_log: false, ..SyncSettings::default() };
        assert_eq!(Plan::of(&history, without_log, zxid(1, 4), through), tree(zxid(1, 4)));
        let always_tree = SyncSettings { always_tree: true, ..SyncSettings::default() };
        assert_eq!(Plan::of(&history, always_tree, through, through), tree(through));
    }

    #[test]
    fn what_was_found_is_of_use_while_memory_has_what_follows() {
        let history = history();
        assert_eq!(Start::of(&history, Sought::Changes, zxid(1, 5)), Some(Start::Changes(zxid(1, 5))));
        assert_eq!(Start::of(&history, Sought::Changes, zxid(1, 4)), None, "it was forgotten meanwhile");
        assert_eq!(Start::of(&history, Sought::Tree, zxid(1, 4)), Some(Start::Tree));
        let file = Start::of(&history, Sought::File(zxid(1, 2)), zxid(1, 5));
        assert_eq!(file, Some(Start::File(zxid(1, 2), zxid(1, 5))));
        assert_eq!(Start::of(&history, Sought::File(zxid(1, 6)), zxid(1, 5)), None, "not yet in the tree");
    }

    #[test]
    fn whoever_votes_is_never_made_to_wait() {
        let settings = SyncSettings { trees_max: 1, diffs_max: 2, ..SyncSettings::default() };
        let load = Load { trees: 1, diffs: 1 };
        let refuses = |start, votes| load.refuses(settings, start, ServerId(4), votes).is_some();
        assert!(refuses(Start::Tree, false) && !refuses(Start::Tree, true));
        assert!(!refuses(Start::Diff(zxid(1, 5)), false));
    }
}
