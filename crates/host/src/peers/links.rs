//! All standing connections, and the turns that they are given.

use std::collections::{BTreeSet, HashMap};

use bytes::{Bytes, BytesMut};
use mio::event::Event;
use zoorum_zab::{Door, LinkEvent, LinkId};

use super::feed::FeedEnd;
use super::link::{Caller, Link, ReadOutcome};
use super::tokens::Tokens;

/// Bytes waiting on a link to a learner, or to a leader, above which it is closed: its other end is too slow for
/// what it wants, and may come back when it is faster.
const QUORUM_OUTPUT: usize = 256 << 20;
/// The same on a link for votes, of which the newest say all.
const ELECTION_OUTPUT: usize = 1 << 20;

/// Strangers at a door who have not said a word yet, besides one for each member: the oldest go first.
const STRANGERS: usize = 64;

#[derive(Default)]
pub(super) struct Links {
    by_id: HashMap<LinkId, Link>,
    /// Those that may have something to read.
    to_read: Vec<LinkId>,
    /// Those that are to be written to at the end of the turn.
    to_write: Vec<LinkId>,
    /// Those on which snapshots are being sent.
    fed: Vec<LinkId>,
    /// Those that came in and have not said a word yet.
    silent: BTreeSet<(Door, LinkId)>,
    /// Reused: those whose turn it is.
    turn: Vec<LinkId>,
    block: BytesMut,
}

/// More waits on a link than may.
pub(super) struct Overfull {
    pub(super) limit: usize,
}

impl Links {
    /// A connection stands.
    pub(super) fn insert(&mut self, id: LinkId, link: Link) {
        if link.caller == Caller::Peer {
            self.silent.insert((link.door, id));
        }
        self.by_id.insert(id, link);
    }

    /// Who must make room at `door`, because more are silent there than may be, with so many `members`.
    pub(super) fn crowding(&self, door: Door, members: usize) -> Option<LinkId> {
        let silent = self.silent.range((door, LinkId(0))..=(door, LinkId(u64::MAX)));
        let (_, oldest) = silent.clone().next()?;
        (silent.count() >= STRANGERS + members).then_some(*oldest)
    }

    /// How many connections came in by `door`.
    pub(super) fn accepted(&self, door: Door) -> usize {
        self.by_id.values().filter(|link| link.door == door && link.caller == Caller::Peer).count()
    }

    /// Closes a connection, with a last chance for what is to be sent. Whether there was one.
    pub(super) fn close(&mut self, id: LinkId, tokens: &mut Tokens) -> bool {
        let Some(mut link) = self.by_id.remove(&id) else { return false };
        // It is about to be closed in any case.
        let _ = link.write();
        self.silent.remove(&(link.door, id));
        tokens.forget(link.token);
        true
    }

    /// The system reports readiness.
    pub(super) fn on_event(&mut self, id: LinkId, event: &Event) {
        if let Some(link) = self.by_id.get_mut(&id) {
            link.on_event(event);
            self.give_turns(id);
        }
    }

    /// The link may have bytes of which the system will not report.
    pub(super) fn assume_readable(&mut self, id: LinkId) {
        if let Some(link) = self.by_id.get_mut(&id) {
            link.assume_readable();
            self.give_turns(id);
        }
    }

    /// Some of the snapshots have grown.
    pub(super) fn on_fed(&mut self) {
        let mut fed = std::mem::take(&mut self.fed);
        fed.retain(|id| self.by_id.get(id).is_some_and(|link| link.output.has_snapshot()));
        for id in &fed {
            if let Some(link) = self.by_id.get_mut(id) {
                link.on_fed();
                self.give_turns(*id);
            }
        }
        self.fed = fed;
    }

    /// Puts bytes behind what waits already.
    pub(super) fn write(&mut self, id: LinkId, bytes: Bytes) -> Result<(), Overfull> {
        let Some(link) = self.by_id.get_mut(&id).filter(|link| !link.is_broken()) else { return Ok(()) };
        link.output.push(bytes);
        let limit = match link.door {
            Door::Election => ELECTION_OUTPUT,
            Door::Quorum | Door::ObserverMaster => QUORUM_OUTPUT,
        };
        if link.output.queued() > limit {
            return Err(Overfull { limit });
        }
        self.give_turns(id);
        Ok(())
    }

    /// Puts a snapshot behind what waits already. Whether the link stands.
    pub(super) fn write_snapshot(&mut self, id: LinkId, feed: FeedEnd) -> bool {
        let Some(link) = self.by_id.get_mut(&id).filter(|link| !link.is_broken()) else { return false };
        link.output.push_snapshot(feed);
        self.fed.push(id);
        self.give_turns(id);
        true
    }

    /// Pieces that wait on a link, and their bytes.
    pub(super) fn queued(&self, id: LinkId) -> (usize, usize) {
        self.by_id.get(&id).map_or((0, 0), |link| (link.output.pieces(), link.output.queued()))
    }

    /// Whether any link can be read from or written to without the system's saying so.
    pub(super) fn has_turns(&self) -> bool {
        !self.to_read.is_empty() || !self.to_write.is_empty()
    }

    /// Reads each ready link once.
    pub(super) fn read(&mut self, tokens: &mut Tokens, events: &mut Vec<LinkEvent>) {
        let mut turn = std::mem::take(&mut self.turn);
        turn.append(&mut self.to_read);
        for id in turn.drain(..) {
            let Some(link) = self.by_id.get_mut(&id) else { continue };
            link.to_read = false;
            match link.read(&mut self.block) {
                ReadOutcome::Bytes(bytes, more) => {
                    if !bytes.is_empty() {
                        self.silent.remove(&(link.door, id));
                        events.push(LinkEvent::Received { link: id, bytes });
                    }
                    if more {
                        self.give_turns(id);
                    }
                }
                ReadOutcome::Nothing => {}
                ReadOutcome::Closed(reason) => {
                    self.close(id, tokens);
                    events.push(LinkEvent::Closed { link: id, reason });
                }
            }
        }
        self.turn = turn;
    }

    /// Writes to each link that has something to send and whose socket takes it.
    pub(super) fn flush(&mut self, tokens: &mut Tokens, events: &mut Vec<LinkEvent>) {
        let mut turn = std::mem::take(&mut self.turn);
        turn.append(&mut self.to_write);
        for id in turn.drain(..) {
            let Some(link) = self.by_id.get_mut(&id) else { continue };
            link.to_write = false;
            let streams = link.output.has_snapshot();
            match link.write() {
                Ok(sent) => {
                    if streams && sent > 0 {
                        events.push(LinkEvent::Taken { link: id });
                    }
                    self.give_turns(id);
                }
                Err(error) => {
                    self.close(id, tokens);
                    events.push(LinkEvent::Closed { link: id, reason: error.to_string() });
                }
            }
        }
        self.turn = turn;
    }

    /// Puts the link among those to be read from and to be written to, as far as it is ready.
    fn give_turns(&mut self, id: LinkId) {
        let Some(link) = self.by_id.get_mut(&id) else { return };
        if link.is_readable() && !std::mem::replace(&mut link.to_read, true) {
            self.to_read.push(id);
        }
        if link.can_write() && !std::mem::replace(&mut link.to_write, true) {
            self.to_write.push(id);
        }
    }
}
