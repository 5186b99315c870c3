//! Sessions: who has one, when it was last heard from, and when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use zoorum_proto::SessionId;

use super::Now;
use crate::message::Address;
use crate::time::Monotonic;

/// A session that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) timeout: Duration,
    pub(super) expires_at: Monotonic,
    /// The connection that has it, if any.
    pub(super) owner: Option<Address>,
    /// Its end is proposed: nothing more may be done in it.
    pub(super) closing: bool,
}

/// All open sessions.
///
/// Expiry is rounded up to whole ticks, and sessions are looked at in the order of these. A sign of life only
/// moves `expires_at`; the session is put where it belongs when its old place comes up.
#[derive(Debug)]
pub(super) struct Sessions {
    tick: Duration,
    next_id: SessionId,
    sessions: BTreeMap<SessionId, Session>,
    by_expiry: BTreeMap<Monotonic, Vec<SessionId>>,
}

impl Sessions {
    pub(super) fn new(tick: Duration, server_id: u8, now: Now) -> Self {
        Self {
            tick,
            next_id: first_id(server_id, now),
            sessions: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
        }
    }

    /// A session that recovery found.
    pub(super) fn restore(&mut self, now: Monotonic, id: SessionId, timeout_ms: i32) {
        self.insert(now, id, timeout_ms, None);
    }

    /// A new session of this connection.
    pub(super) fn open(&mut self, now: Monotonic, owner: Address, timeout_ms: i32) -> SessionId {
        while self.next_id == SessionId::NONE || self.sessions.contains_key(&self.next_id) {
            self.next_id.0 = self.next_id.0.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id.0 = self.next_id.0.wrapping_add(1);
        self.insert(now, id, timeout_ms, Some(owner));
        id
    }

    fn insert(&mut self, now: Monotonic, id: SessionId, timeout_ms: i32, owner: Option<Address>) {
        let timeout = as_duration(timeout_ms);
        let expires_at = self.expiry(now, timeout);
        self.sessions.insert(id, Session { timeout, expires_at, owner, closing: false });
        self.by_expiry.entry(expires_at).or_default().push(id);
    }

    /// Another connection takes the session up, with a timeout negotiated anew. Returns the connection that
    /// had it, or `None` if the session is gone.
    pub(super) fn take_up(
        &mut self,
        now: Monotonic,
        id: SessionId,
        owner: Address,
        timeout_ms: i32,
    ) -> Option<Option<Address>> {
        let session = self.sessions.get_mut(&id).filter(|session| !session.closing)?;
        session.timeout = as_duration(timeout_ms);
        let earlier = session.owner.replace(owner);
        let timeout = session.timeout;
        let expires_at = self.expiry(now, timeout);
        if let Some(session) = self.sessions.get_mut(&id) {
            // A shorter timeout may bring the end nearer than the place it waits at: give it one more.
            session.expires_at = expires_at;
            self.by_expiry.entry(expires_at).or_default().push(id);
        }
        Some(earlier)
    }

    /// The session's connection is gone.
    pub(super) fn leave(&mut self, id: SessionId, owner: Address) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.owner == Some(owner)
        {
            session.owner = None;
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

    /// Whether the session is open and not about to end.
    pub(super) fn is_live(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| !session.closing)
    }

    /// Its end is proposed.
    pub(super) fn set_closing(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.closing = true;
        }
    }

    /// Its end is applied. Returns the connection that had it.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Address> {
        self.sessions.remove(&id).and_then(|session| session.owner)
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
                let Some(session) = self.sessions.get(&id).filter(|session| !session.closing) else {
                    continue;
                };
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
            assert!(sessions.take_up(at(ms), id, owner(), 1_000).is_some());
            assert_eq!(sessions.take_expired(at(ms)), []);
        }
        let places: usize = sessions.by_expiry.values().map(Vec::len).sum();
        assert!(places <= 2_000, "{places} places");
        assert_eq!(sessions.take_expired(at(101_200)), [id]);
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
