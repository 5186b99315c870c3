//! Sessions: none ends before its time, and none outlives it for long.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zoorum_proto::SessionId;

use super::{Checked, ensure};

/// Signs of life older than this do not matter any more.
const REMEMBERED: Duration = Duration::from_secs(20);

/// When each session was surely heard from.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    heard: BTreeMap<SessionId, Heard>,
}

#[derive(Clone, Debug)]
struct Heard {
    timeout: Duration,
    /// When the client learnt that it was heard, and when it had said so.
    signs: VecDeque<(Duration, Duration)>,
}

impl Sessions {
    /// The client has a connection response to what it sent at `sent_at`.
    pub(crate) fn connected(
        &mut self,
        now: Duration,
        session: SessionId,
        timeout_ms: i32,
        sent_at: Duration,
    ) {
        self.asked(session, timeout_ms);
        self.answered(now, session, sent_at);
    }

    /// The client asks for a timeout that comes to so much. An attempt of which nothing more is heard may still
    /// have been heard, so of all timeouts asked for the shortest counts.
    pub(crate) fn asked(&mut self, session: SessionId, timeout_ms: i32) {
        let timeout = Duration::from_millis(timeout_ms.max(0) as u64);
        let heard = self.heard.entry(session).or_insert(Heard { timeout, signs: VecDeque::new() });
        heard.timeout = heard.timeout.min(timeout);
    }

    /// The client has a reply to what it sent at `sent_at`.
    pub(crate) fn answered(&mut self, now: Duration, session: SessionId, sent_at: Duration) {
        if let Some(heard) = self.heard.get_mut(&session) {
            heard.signs.push_back((now, sent_at));
            while heard.signs.front().is_some_and(|(at, _)| *at + REMEMBERED < now) {
                heard.signs.pop_front();
            }
        }
    }

    /// A new process serves: every session has its whole timeout again, the one that it was opened with.
    pub(crate) fn restarted(&mut self, now: Duration, sessions: impl Iterator<Item = (SessionId, i32)>) {
        sessions.for_each(|(session, timeout_ms)| self.connected(now, session, timeout_ms, now));
    }

    /// The server ends the session by itself, as it decided at `decided_at`. `slack` is how long one of its
    /// threads may have stood still.
    pub(crate) fn check_expiry(
        &self,
        now: Duration,
        decided_at: Duration,
        session: SessionId,
        slack: Duration,
    ) -> Checked {
        let Some(heard) = self.heard.get(&session) else { return Ok(()) };
        let known = heard.signs.iter().filter(|(learnt_at, _)| *learnt_at <= decided_at);
        let Some(last) = known.map(|(_, sent_at)| *sent_at).max() else { return Ok(()) };
        let due = last + heard.timeout;
        ensure(now + slack >= due, || {
            format!("{session} was heard from after {last:?} and expires at {now:?}, before {due:?}")
        })
    }
}
