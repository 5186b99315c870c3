//! Sessions: who has one, when it was last heard from, and when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use zoorum_proto::{ErrorCode, SessionId};
use zoorum_tree::Tree;
use zoorum_zab::LinkId;

use super::Now;
use crate::message::Address;
use crate::time::Monotonic;

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A connection of this server.
    Here(Address),
    /// A learner, for one of its connections.
    Learner(LinkId),
}

impl Holder {
    /// Whether the two are connections of one server.
    fn is_beside(self, other: Self) -> bool {
        match (self, other) {
            (Self::Here(_), Self::Here(_)) => true,
            (Self::Learner(one), Self::Learner(two)) => one == two,
            _ => false,
        }
    }
}

/// A session that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) timeout: Duration,
    pub(super) expires_at: Monotonic,
    /// Who has it, or had it last. It stays theirs until its client comes to somebody else: what it asked of others
    /// before may still be on its way.
    holder: Option<Holder>,
    /// The connection that had it is gone.
    is_left: bool,
    /// Its end is proposed: nothing more may be done in it.
    pub(super) closing: bool,
    /// Nobody else knows it.
    pub(super) is_local: bool,
}

impl Session {
    /// Who has it, if anybody does.
    pub(super) fn present_holder(&self) -> Option<Holder> {
        self.holder.filter(|_| !self.is_left)
    }
}

/// All open sessions.
///
/// Expiry is rounded up to whole ticks, and sessions are looked at in the order of these. A sign of life only
/// moves `expires_at`; the session is put where it belongs when its old place comes up.
#[derive(Debug)]
pub(super) struct Sessions {
    tick: Duration,
    /// Whether it is this server that ends sessions.
    keeps_time: bool,
    next_id: SessionId,
    sessions: BTreeMap<SessionId, Session>,
    by_expiry: BTreeMap<Monotonic, Vec<SessionId>>,
}

impl Sessions {
    pub(super) fn new(tick: Duration, server_id: u8, now: Now) -> Self {
        Self {
            tick,
            keeps_time: true,
            next_id: first_id(server_id, now),
            sessions: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
        }
    }

    /// The sessions of the tree, and no others, each with a full timeout and nobody who has it. `keeps_time` says
    /// whether it is this server that ends them.
    pub(super) fn begin_anew(&mut self, now: Monotonic, keeps_time: bool, tree: &Tree) {
        self.keeps_time = keeps_time;
        self.sessions.clear();
        self.by_expiry.clear();
        for open in tree.sessions() {
            self.insert(now, open.session, open.timeout_ms, None);
        }
    }

    /// A session that was opened elsewhere, unless it is known.
    pub(super) fn open_elsewhere(&mut self, now: Monotonic, id: SessionId, holder: Holder, timeout_ms: i32) {
        if !self.sessions.contains_key(&id) {
            self.insert(now, id, timeout_ms, Some(holder));
        }
    }

    /// The opening of a session is applied. A server that keeps the time knows it since it was proposed.
    pub(super) fn note(&mut self, id: SessionId, timeout_ms: i32) {
        if !self.keeps_time && !self.sessions.contains_key(&id) {
            self.insert(Monotonic::default(), id, timeout_ms, None);
        }
    }

    /// A new session of this connection that nobody else knows: this server ends it in any case.
    pub(super) fn open_local(&mut self, now: Monotonic, owner: Address, timeout_ms: i32) -> SessionId {
        let id = self.open(now, owner, timeout_ms);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_local = true;
            self.by_expiry.entry(session.expires_at).or_default().push(id);
        }
        id
    }

    /// Whether nobody else knows the session.
    pub(super) fn is_local(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.is_local)
    }

    /// Everybody is to know the session from now on. Its timeout in ms, if it is here.
    pub(super) fn upgrade(&mut self, id: SessionId) -> Option<i32> {
        self.sessions.get_mut(&id).filter(|session| !session.closing)?.is_local = false;
        self.timeout_ms(id)
    }

    /// Whether its end is proposed.
    pub(super) fn is_closing(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.closing)
    }

    /// Whether this server knows the session.
    pub(super) fn knows(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// A new session of this connection.
    pub(super) fn open(&mut self, now: Monotonic, owner: Address, timeout_ms: i32) -> SessionId {
        while self.next_id == SessionId::NONE || self.sessions.contains_key(&self.next_id) {
            self.next_id.0 = self.next_id.0.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id.0 = self.next_id.0.wrapping_add(1);
        self.insert(now, id, timeout_ms, Some(Holder::Here(owner)));
        id
    }

    fn insert(&mut self, now: Monotonic, id: SessionId, timeout_ms: i32, holder: Option<Holder>) {
        let timeout = as_duration(timeout_ms);
        let expires_at = self.expiry(now, timeout);
        let session =
            Session { timeout, expires_at, holder, is_left: false, closing: false, is_local: false };
        self.sessions.insert(id, session);
        if self.keeps_time {
            self.by_expiry.entry(expires_at).or_default().push(id);
        }
    }

    /// Another connection takes the session up, with a timeout negotiated anew. Returns the connection that
    /// had it, or `None` if the session is gone.
    pub(super) fn take_up(
        &mut self,
        now: Monotonic,
        id: SessionId,
        holder: Holder,
        timeout_ms: i32,
    ) -> Option<Option<Holder>> {
        let is_elsewhere = matches!(holder, Holder::Learner(_));
        let session = self.sessions.get_mut(&id).filter(|session| !session.closing)?;
        if session.is_local && is_elsewhere {
            return None;
        }
        session.timeout = as_duration(timeout_ms);
        let earlier = session.present_holder();
        (session.holder, session.is_left) = (Some(holder), false);
        let timeout = session.timeout;
        let expires_at = self.expiry(now, timeout);
        if let Some(session) = self.sessions.get_mut(&id) {
            // A shorter timeout may bring the end nearer than the place it waits at: give it one more.
            session.expires_at = expires_at;
            if self.keeps_time || session.is_local {
                self.by_expiry.entry(expires_at).or_default().push(id);
            }
        }
        Some(earlier)
    }

    /// The session's connection is gone.
    pub(super) fn leave(&mut self, id: SessionId, owner: Address) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.holder == Some(Holder::Here(owner))
        {
            session.is_left = true;
        }
    }

    /// The session was heard from.
    pub(super) fn touch(&mut self, id: SessionId, at: Monotonic) {
        if let Some(session) = self.sessions.get(&id) {
            let expires_at = self.expiry(at, session.timeout).max(session.expires_at);
            self.sessions.entry(id).and_modify(|session| session.expires_at = expires_at);
        }
    }

    /// Its timeout; zero if it is gone.
    pub(super) fn timeout(&self, id: SessionId) -> Duration {
        self.sessions.get(&id).map_or(Duration::ZERO, |session| session.timeout)
    }

    /// Its timeout in ms.
    pub(super) fn timeout_ms(&self, id: SessionId) -> Option<i32> {
        self.sessions.get(&id).map(|session| i32::try_from(session.timeout.as_millis()).unwrap_or(i32::MAX))
    }

    /// Whether the session is known to have gone from `holder` to another server.
    pub(super) fn has_moved(&self, id: SessionId, holder: Holder) -> bool {
        let present = self.sessions.get(&id).and_then(|session| session.holder);
        present.is_some_and(|present| !present.is_beside(holder))
    }

    /// Why nothing may be done in the session by `holder`, if so. A session that nobody has had is taken.
    pub(super) fn bar(&mut self, id: SessionId, holder: Holder) -> Option<ErrorCode> {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.closing) else {
            return Some(ErrorCode::SessionExpired);
        };
        let present = *session.holder.get_or_insert(holder);
        (!present.is_beside(holder)).then_some(ErrorCode::SessionMoved)
    }

    /// Its end is proposed.
    pub(super) fn set_closing(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.closing = true;
        }
    }

    /// Its end is applied. Returns who had it.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Holder> {
        self.sessions.remove(&id).and_then(|session| session.present_holder())
    }

    /// Sessions whose time is up.
    pub(super) fn take_expired(&mut self, now: Monotonic) -> Vec<SessionId> {
        let mut expired = Vec::new();
        while let Some(entry) = self.by_expiry.first_entry().filter(|entry| *entry.key() <= now) {
            // A session that was taken up again stands in several places, which meet here sooner or later.
            let mut due = entry.remove();
            due.sort_unstable();
            due.dedup();
            for id in due {
                let is_timed = |session: &&Session| !session.closing && (self.keeps_time || session.is_local);
                let Some(session) = self.sessions.get(&id).filter(is_timed) else { continue };
                if session.expires_at <= now {
                    expired.push(id);
                } else {
                    self.by_expiry.entry(session.expires_at).or_default().push(id);
                }
            }
        }
        expired.sort_unstable();
        expired.dedup(); // a session that was taken up again stands in two places
        expired
    }

    /// When the next session may end, unless it is heard from.
    pub(super) fn next_expiry(&self) -> Option<Monotonic> {
        self.by_expiry.first_key_value().map(|(at, _)| *at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The end of a session heard from at `at`: the first whole tick after its timeout.
    fn expiry(&self, at: Monotonic, timeout: Duration) -> Monotonic {
        let tick = self.tick.as_nanos().max(1);
        let ticks = (at + timeout).0.as_nanos() / tick + 1;
        Monotonic(Duration::from_nanos(u64::try_from(ticks * tick).unwrap_or(u64::MAX)))
    }
}

fn as_duration(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}

/// Session ids begin with the server's number; the middle comes from the clock, so that two runs of a server
/// are unlikely to issue the same id, and 65,536 ids a millisecond are its own.
fn first_id(server_id: u8, now: Now) -> SessionId {
    let clock = ((now.wall.0 as u64) << 24) >> 8;
    SessionId((clock & 0x00ff_ffff_ffff_ffff | u64::from(server_id) << 56) as i64)
}

#[cfg(test)]
mod tests {
    use zoorum_proto::WallClock;

    use super::*;
    use crate::message::{ConnectionId, WorkerId};

    fn start(tick_ms: u64) -> Sessions {
        let now = Now { monotonic: Monotonic::default(), wall: WallClock(1_000) };
        Sessions::new(Duration::from_millis(tick_ms), 1, now)
    }

    fn owner() -> Address {
        Address { worker: WorkerId(0), connection: ConnectionId { slot: 0, generation: 0 } }
    }

    #[test]
    fn a_session_taken_up_very_often_is_looked_for_in_few_places() {
        let mut sessions = start(100);
        let at = |ms| Monotonic(Duration::from_millis(ms));
        let id = sessions.open(at(0), owner(), 1_000);
        for ms in 0..100_000 {
            assert!(sessions.take_up(at(ms), id, Holder::Here(owner()), 1_000).is_some());
            assert_eq!(sessions.take_expired(at(ms)), []);
        }
        let places: usize = sessions.by_expiry.values().map(Vec::len).sum();
        assert!(places <= 2_000, "{places} places");
        assert_eq!(sessions.take_expired(at(101_200)), [id]);
    }

    #[test]
    fn what_was_asked_of_another_server_before_comes_too_late_even_if_the_client_has_left() {
        let mut sessions = start(100);
        let now = Monotonic::default();
        let id = sessions.open(now, owner(), 1_000);
        let before = Holder::Learner(LinkId(1));
        assert_eq!(sessions.take_up(now, id, before, 1_000), Some(Some(Holder::Here(owner()))));
        assert_eq!(sessions.bar(id, before), None);
        sessions.take_up(now, id, Holder::Here(owner()), 1_000);
        sessions.leave(id, owner());
        assert_eq!(sessions.bar(id, before), Some(ErrorCode::SessionMoved));
        assert_eq!(sessions.take_up(now, id, before, 1_000), Some(None), "nobody is to be told");
        assert_eq!(sessions.bar(id, before), None);
    }

    #[test]
    fn a_server_that_runs_for_years_expires_nobody_early() {
        let sessions = start(1);
        let year = Duration::from_secs(365 * 24 * 3600);
        let timeout = Duration::from_secs(4);
        assert_eq!(
            sessions.expiry(Monotonic(10 * year), timeout),
            Monotonic(10 * year + timeout + Duration::from_millis(1))
        );
    }
}
