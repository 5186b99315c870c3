//! What learners lack, sought in the files and sent from there, so that the replica's thread waits for no disk.
//!
//! ```text
//! replica ─ Seek ─▶ a thread looks ─ Supply ─▶ replica ─ WriteSought ─▶ a thread reads ─ feed ─▶ the link
//!              └─ nothing there: wait until no snapshot is being made ─▶ replica ─ WriteSnapshot ─▶ the tree
//! ```
//!
//! A learner that needs a whole tree is sent the newest snapshot's file and the log behind it, unless that is long:
//! copying files is in nobody's way, where a pass over the tree shares it with all who read and write. Only one pass
//! can be made at a time; while one is, the log may be as long as it is, and a learner for whom there is no file
//! waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use parking_lot::Mutex;
use zoorum_proto::Zxid;
use zoorum_storage::{Disk, Joints, Supply, SupplyError};
use zoorum_zab::{LinkId, Seek, Sought, encode_committed};

use crate::bulk;
use crate::member::ServeError;
use crate::peers::{Bell, SnapshotFeed};
use crate::replica::ReplicaThread;

/// So many threads look at a time; what is sought beyond waits its turn.
const SEARCHES: usize = 8;
/// Bytes that are handed on at once.
const CHUNK: usize = 64 << 10;

/// See the module.
pub(crate) struct Supplies<D: Disk> {
    snapshots: D,
    logs: D,
    /// See [`Search::factor`].
    factor: f64,
    bell: Arc<Bell>,
    say: Sender<Answer<D>>,
    answers: Receiver<Answer<D>>,
    searching: usize,
    queued: VecDeque<Search>,
    /// Those for which the files have nothing.
    waiting: VecDeque<Search>,
    /// A snapshot whose file turned out unreadable while it was sent: only a later one will do.
    unreadable: Arc<Mutex<Option<Zxid>>>,
    /// What was found last, and for whom.
    found: Option<(LinkId, Supply<D>)>,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Changes,
    File,
    /// Only the tree helps.
    Tree,
}

#[derive(Clone, Copy)]
struct Search {
    seek: Seek,
    stage: Stage,
    /// Changes may have so many times the bytes of the newest snapshot; 0: any.
    factor: f64,
}

struct Answer<D: Disk> {
    search: Search,
    found: Result<Supply<D>, SupplyError>,
}

impl<D: Disk> Supplies<D> {
    pub(crate) fn new(snapshots: D, logs: D, factor: f64, bell: Arc<Bell>) -> Self {
        let (say, answers) = channel();
        let (queued, waiting) = (VecDeque::new(), VecDeque::new());
        let unreadable = Arc::default();
        Self {
            snapshots,
            logs,
            factor,
            bell,
            say,
            answers,
            searching: 0,
            queued,
            waiting,
            unreadable,
            found: None,
        }
    }

    /// Something is to be found. The answer comes later, in any case.
    pub(crate) fn seek(&mut self, seek: Seek, joints: &Joints) {
        match seek.after {
            Some(_) => self.search(Search { seek, stage: Stage::Changes, factor: self.factor }, joints),
            None => self.waiting.push_back(Search { seek, stage: Stage::File, factor: self.factor }),
        }
        self.bell.ring();
    }

    /// The next answer. `is_idle`: no snapshot is being made, so that the tree can be sent as it is.
    fn next_answer(&mut self, is_idle: bool, joints: &Joints) -> Option<(LinkId, Sought)> {
        while let Ok(Answer { search, found }) = self.answers.try_recv() {
            self.searching -= 1;
            if let Some(next) = self.queued.pop_front() {
                self.search(next, joints);
            }
            match found {
                Ok(supply) => {
                    let sought = supply.snapshot_zxid().map_or(Sought::Changes, Sought::File);
                    self.found = Some((search.seek.link, supply));
                    return Some((search.seek.link, sought));
                }
                Err(error) => {
                    tracing::info!("a learner is not to be helped from the files: {error}");
                    let stage = if search.stage == Stage::Changes { Stage::File } else { Stage::Tree };
                    self.waiting.push_back(Search { stage, ..search });
                }
            }
        }
        let mut answer = None;
        for search in std::mem::take(&mut self.waiting) {
            let needs_tree = search.stage == Stage::Tree || search.seek.file_from.is_none();
            if !needs_tree {
                let factor = if is_idle { self.factor } else { 0.0 };
                self.search(Search { factor, ..search }, joints);
            } else if is_idle && answer.is_none() {
                answer = Some((search.seek.link, Sought::Tree));
            } else {
                self.waiting.push_back(search);
            }
        }
        answer
    }

    fn search(&mut self, search: Search, joints: &Joints) {
        if self.searching >= SEARCHES {
            return self.queued.push_back(search);
        }
        self.searching += 1;
        let (disks, joints) = ((self.snapshots.clone(), self.logs.clone()), joints.clone());
        let (say, bell, unreadable) = (self.say.clone(), Arc::clone(&self.bell), *self.unreadable.lock());
        let started = bulk::spawn("history", move || {
            let found = find((&disks.0, &disks.1), &joints, search, unreadable);
            // Whoever asked may be gone with the server.
            let _ = say.send(Answer { search, found });
            bell.ring();
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start a thread that looks for what a learner lacks");
            self.searching -= 1;
            self.waiting.push_back(Search { stage: Stage::Tree, ..search });
        }
    }

    /// What was found is to be sent.
    pub(crate) fn send(&mut self, link: LinkId, feed: SnapshotFeed) {
        let Some((_, supply)) = self.found.take().filter(|(of, _)| *of == link) else { return };
        let unreadable = Arc::clone(&self.unreadable);
        let pass_on = move || {
            let snapshot = supply.snapshot_zxid();
            match pass_on(supply, |chunk| feed.send(chunk).is_ok()) {
                Ok(true) => feed.finish(),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "what a learner lacks cannot be read to its end: it must come again");
                    if snapshot.is_some() {
                        *unreadable.lock() = snapshot;
                    }
                }
            }
        };
        if let Err(error) = bulk::spawn("learner", pass_on) {
            // The feed is gone with the thread, and takes the link with it: the learner comes again.
            tracing::warn!(%error, "cannot start a thread that sends a learner what it lacks");
        }
    }
}

fn find<D: Disk>(
    disks: (&D, &D),
    joints: &Joints,
    Search { seek, stage, factor }: Search,
    unreadable: Option<Zxid>,
) -> Result<Supply<D>, SupplyError> {
    match (stage, seek.after, seek.file_from) {
        (Stage::Changes, Some(after), _) => Supply::changes(disks, joints, after, seek.through, factor),
        (_, _, from) => {
            let from = from.unwrap_or(seek.through).max(unreadable.map_or(Zxid::ZERO, Zxid::next));
            Supply::snapshot(disks, joints, from, seek.through, factor)
        }
    }
}

/// Sends it as long as `send` takes it; says whether that was all. Whoever is sent only a part comes again.
fn pass_on<D: Disk>(mut supply: Supply<D>, send: impl Fn(Bytes) -> bool) -> Result<bool, SupplyError> {
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    loop {
        let is_last = supply.step(encode_committed, &mut chunk)?;
        let is_taken = send(std::mem::take(&mut chunk).into());
        if is_last || !is_taken {
            return Ok(is_taken);
        }
    }
}

impl<D: Disk> ReplicaThread<D> {
    /// Hears what there is for learners, and lets it be sent.
    pub(crate) fn supply_learners(&mut self) -> Result<(), ServeError> {
        loop {
            let is_idle = self.snapshots.is_idle();
            let Some(member) = &mut self.member else { return Ok(()) };
            let Some((link, sought)) = member.supplies.next_answer(is_idle, &member.joints) else {
                return Ok(());
            };
            self.replica.on_sought(&self.shared.tree.read(), self.shared.clock.now(), link, sought);
            self.perform()?;
            if let Some(member) = &mut self.member {
                member.supplies.found = None; // nobody has asked for it
            }
        }
    }
}

#[cfg(test)]
mod tests;
