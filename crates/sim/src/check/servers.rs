//! What each server's files hold by its own account, and what the servers may say and do for that.

use std::collections::BTreeMap;

use zoorum_proto::{Epoch, SessionId, Zxid};
use zoorum_server::replica::Proposals;
use zoorum_tree::Tree;

use super::history::History;
use super::{Checked, ensure};
use crate::faults::Faults;

/// What one server has.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// The last change that it took to its log.
    taken: Zxid,
    /// The last change that its files keep.
    durable: Zxid,
    /// While files are changed by more than an appended log: the other change that they may end with.
    becoming: Option<Zxid>,
    accepted: Epoch,
    current: Epoch,
    /// The highest epoch whose leader's history it has, as far as it was asked to say so.
    entering: Epoch,
    /// The last epoch in which it promised to follow, and was to be counted for it.
    promised: Epoch,
    /// What it then said of itself: the epoch and the end of its history. Of a leader, what it was elected with.
    summary: (Epoch, Zxid),
    /// The epoch in which it leads, if it does.
    leads: Option<Epoch>,
}

/// All servers.
#[derive(Debug)]
pub(crate) struct Servers {
    kept: Vec<Kept>,
    leaders: BTreeMap<Epoch, usize>,
    /// Who votes, and with what weight.
    faults: Faults,
}

impl Servers {
    /// All of them with the history that they begin with.
    pub(crate) fn new(faults: &Faults) -> Self {
        let (zxid, epoch) = (faults.begins_at, faults.begins_at.epoch());
        let kept = Kept { taken: zxid, durable: zxid, accepted: epoch, current: epoch, ..Kept::default() };
        Self { kept: vec![kept; faults.servers()], leaders: BTreeMap::new(), faults: faults.clone() }
    }

    /// The last change that a server's files keep.
    pub(crate) fn durable(&self, at: usize) -> Zxid {
        self.kept[at].durable
    }

    /// How many terms of office there were.
    pub(crate) fn terms(&self) -> usize {
        self.leaders.len()
    }

    /// A server takes changes to its log, its own or its leader's. Tells which sessions it ends by itself.
    pub(crate) fn take(
        &mut self,
        history: &mut History,
        at: usize,
        decides: bool,
        proposals: &Proposals,
    ) -> Result<Vec<SessionId>, String> {
        let kept = &mut self.kept[at];
        let mut expired = Vec::new();
        for (zxid, bytes) in proposals.iter() {
            if decides {
                if zxid.counter() == 1 && zxid.epoch() > Epoch::ZERO {
                    let newest = history.model.last();
                    ensure(newest.epoch() >= zxid.epoch() || history.is_in(newest, kept.taken), || {
                        format!("I-9: {zxid} is proposed behind {}, which lacks {newest}", kept.taken)
                    })?;
                }
                expired.extend(history.propose(kept.taken, zxid, bytes)?);
            } else {
                history.check_received(kept.taken, zxid, bytes)?;
            }
            kept.taken = zxid;
        }
        Ok(expired)
    }

    /// The log keeps everything up to here.
    pub(crate) fn on_synced(&mut self, at: usize, through: Zxid) -> Checked {
        let kept = &mut self.kept[at];
        ensure(kept.taken == through, || {
            format!("{through} is synced, and {} is the last taken", kept.taken)
        })?;
        kept.durable = through;
        Ok(())
    }

    /// Files are about to change so that they end with `last`.
    pub(crate) fn begin_change(&mut self, history: &History, at: usize, last: Zxid) -> Checked {
        // What this server lacks of what is committed, its leader has, and sends behind what it keeps. Until then a
        // quorum must do without it.
        let newest = history.newest_committed(self.kept[at].durable);
        let is_held = history.is_in(newest, last) || self.is_held_by_quorum(history, newest, Some(at));
        ensure(is_held, || {
            format!("I-12: server {} gives up {newest}, which is committed, for {last}", at + 1)
        })?;
        self.kept[at].becoming = Some(last);
        Ok(())
    }

    /// Whether a quorum of voters keeps a change, though one server should not.
    fn is_held_by_quorum(&self, history: &History, zxid: Zxid, without: Option<usize>) -> bool {
        self.faults.is_quorum(|at| without != Some(at) && history.is_in(zxid, self.kept[at].durable))
    }

    /// Whether an operator may empty a server whose files are of no use: whatever it may have been counted for, a
    /// quorum of others has and has promised, and nothing else can come of what is under way.
    pub(crate) fn may_be_emptied(&self, history: &History, at: usize) -> bool {
        let others = || self.kept.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, kept)| kept);
        let newest = others().map(|kept| kept.taken).max().unwrap_or_default();
        let accepted = others().map(|kept| kept.accepted).max().unwrap_or_default();
        let is_one_history = others().all(|kept| history.is_in(kept.taken, newest))
            && history.is_in(history.model.last(), newest);
        let has =
            |kept: &Kept| kept.durable == newest && kept.becoming.is_none() && kept.accepted == accepted;
        is_one_history && self.faults.is_quorum(|other| other != at && has(&self.kept[other]))
    }

    /// A server's files are gone.
    pub(crate) fn emptied(&mut self, at: usize) {
        self.kept[at] = Kept::default();
    }

    /// They have changed, and the tree with them.
    pub(crate) fn end_change(
        &mut self,
        history: &mut History,
        at: usize,
        last: Zxid,
        tree: &Tree,
    ) -> Checked {
        let kept = &mut self.kept[at];
        (kept.taken, kept.durable, kept.becoming) = (last, last, None);
        history
            .check_tree(tree)
            .map_err(|error| format!("server {} after a change of files: {error}", at + 1))
    }

    /// Nothing was changed after all.
    pub(crate) fn give_up_change(&mut self, at: usize) {
        self.kept[at].becoming = None;
    }

    /// A new process has recovered this tree.
    pub(crate) fn recovered(&mut self, history: &mut History, at: usize, tree: &Tree) -> Checked {
        let (zxid, kept) = (tree.last_zxid(), &mut self.kept[at]);
        let has = history.is_in(kept.durable, zxid)
            || kept.becoming.is_some_and(|becoming| history.is_in(becoming, zxid));
        ensure(has, || {
            format!("server {} recovered up to {zxid}, though {} was durable", at + 1, kept.durable)
        })?;
        (kept.taken, kept.durable, kept.becoming) = (zxid, zxid, None);
        history.check_tree(tree).map_err(|error| format!("after recovery: {error}"))
    }

    /// A new process has read its epochs.
    pub(crate) fn on_epochs(&mut self, at: usize, accepted: Epoch, current: Epoch) -> Checked {
        let kept = &mut self.kept[at];
        let falls = accepted < kept.accepted || current < kept.current || current > accepted;
        ensure(!falls, || {
            format!(
                "I-2: server {} had epochs {:?} and finds {accepted} {current}",
                at + 1,
                (kept.accepted, kept.current)
            )
        })?;
        let (last, is_behind) = (kept.durable, current < kept.durable.epoch());
        ensure(!is_behind, || format!("I-2: epoch {current} is current, and the last change is {last}"))?;
        let is_claimed = current > kept.entering && current > last.epoch();
        ensure(!is_claimed, || format!("I-2: server {} says that it has the history of {current}", at + 1))?;
        (kept.accepted, kept.current) = (accepted, current);
        Ok(())
    }

    /// A server leads in `epoch`.
    pub(crate) fn on_leading(&mut self, at: usize, epoch: Epoch) -> Checked {
        if self.kept[at].leads != Some(epoch) {
            self.kept[at].leads = Some(epoch);
            let summary = self.kept[at].summary;
            let is_behind =
                |other: usize| self.kept[other].promised >= epoch && self.kept[other].summary <= summary;
            ensure(self.faults.is_quorum(|other| other == at || is_behind(other)), || {
                format!(
                    "I-23: server {} leads with {summary:?}, and no quorum is behind: {:?}",
                    at + 1,
                    self.kept
                )
            })?;
        }
        let leader = *self.leaders.entry(epoch).or_insert(at);
        ensure(leader == at, || format!("I-1: servers {} and {} lead in epoch {epoch}", leader + 1, at + 1))
    }

    /// A server does not lead, or not any more.
    pub(crate) fn on_not_leading(&mut self, at: usize) {
        self.kept[at].leads = None;
    }

    /// Whether nobody leads who could be outdated without knowing.
    pub(crate) fn nobody_is_outdated(&self) -> bool {
        let newest = self.leaders.last_key_value().map(|(epoch, _)| *epoch);
        self.kept.iter().all(|kept| kept.leads.is_none() || kept.leads == newest)
    }

    /// The server that leads says that everything up to `through` is committed.
    pub(crate) fn on_committed(&mut self, history: &mut History, at: usize, through: Zxid) -> Checked {
        if through <= history.model.last() {
            return ensure(history.model.has(through), || {
                format!("I-11: server {} commits {through}, which is not committed", at + 1)
            });
        }
        ensure(self.is_held_by_quorum(history, through, None), || {
            format!("I-10: {through} is committed, and no quorum keeps it: {:?}", self.kept)
        })?;
        history.commit(through)
    }

    /// A server is about to say that it has the history of the leader of this epoch.
    pub(crate) fn begin_entering(&mut self, at: usize, epoch: Epoch) {
        self.kept[at].entering = epoch;
        if self.kept[at].promised < epoch {
            self.kept[at].summary = (self.kept[at].current, self.kept[at].durable);
        }
    }

    /// What is said of epochs is durable.
    pub(crate) fn on_accepted(&mut self, at: usize, epoch: Epoch) -> Checked {
        self.on_epochs(at, epoch, self.kept[at].current)
    }

    /// The same of the current one.
    pub(crate) fn on_entered(&mut self, at: usize, epoch: Epoch) -> Checked {
        self.on_epochs(at, self.kept[at].accepted, epoch)
    }

    /// A server says that it has this durably.
    pub(crate) fn check_ack(&self, history: &History, at: usize, zxid: Zxid) -> Checked {
        let durable = self.kept[at].durable;
        ensure(history.is_in(zxid, durable), || {
            format!("I-17: server {} acknowledges {zxid}, and {durable} is the last that is durable", at + 1)
        })
    }

    /// A server says that it is in step with the leader of this epoch.
    pub(crate) fn check_beginning(&self, at: usize, epoch: Epoch) -> Checked {
        let Kept { current, taken, durable, .. } = self.kept[at];
        ensure(taken == durable, || {
            format!(
                "I-17: server {} is in step up to {taken}, and {durable} is the last that is durable",
                at + 1
            )
        })?;
        ensure(current == epoch, || {
            format!("I-17: server {} is in step with epoch {epoch}, and {current} is current", at + 1)
        })
    }

    /// A server answers a leader that tells its epoch: by which promise, and where its history ends.
    pub(crate) fn check_promise(&mut self, at: usize, epoch: Epoch, counts: bool, last: Zxid) -> Checked {
        let kept = &mut self.kept[at];
        ensure(kept.accepted >= epoch, || {
            format!("I-2: server {} promises itself to {epoch}, and {} is accepted", at + 1, kept.accepted)
        })?;
        ensure(last == kept.durable || last == Zxid(-1), || {
            format!(
                "I-16: server {} says that its history ends with {last}, and not {}",
                at + 1,
                kept.durable
            )
        })?;
        if counts {
            ensure(kept.promised < epoch, || format!("I-3: server {} promises twice in {epoch}", at + 1))?;
            kept.promised = epoch;
            kept.summary = (kept.current, kept.durable);
        }
        Ok(())
    }
}
