//! Sessions that this server alone knows: no change opens or ends them, and nobody else hears of them.
//!
//! They are for clients that can do without ephemeral znodes. Readers of a server without a leader have no others;
//! with a leader, `localSessionsEnabled` makes every new session one. Such a session becomes known to all when it
//! wants an ephemeral znode: its opening goes through history just before. A leader cannot tell the local sessions of
//! its learners from sessions that are gone; so it lets both change what needs no owner.

use std::borrow::Cow;

use zoorum_proto::connect::ReadOnly;
use zoorum_proto::op::{CreateOp, CreateRequest, MultiOp};
use zoorum_proto::{CreateMode, ErrorCode, OpCode, SessionId, WriteOp};
use zoorum_tree::Outcome as Applied;

use super::sessions::Holder;
use super::{Answer, Now, Replica};
use crate::message::{Address, Outcome};

/// What must happen before a request, for the sake of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// The session must become known to all, with this timeout.
    Upgrade { timeout_ms: i32 },
    /// It must become known to all, and may not.
    Denied,
}

impl Replica {
    /// Whether new sessions are known to this server alone.
    pub(super) fn opens_locally(&self) -> bool {
        self.is_read_only() || self.settings.member.local_sessions.is_some()
    }

    /// What must happen before this request of a client of this server. A session that is to be upgraded counts as
    /// known from now on.
    pub(super) fn before(&mut self, session: SessionId, op: &WriteOp<'_>) -> Before {
        let Some(local) = self.settings.member.local_sessions else { return Before::Nothing };
        if !self.sessions.is_local(session) || !wants_to_own(op) {
            return Before::Nothing;
        }
        let upgraded = if local.upgrading { self.sessions.upgrade(session) } else { None };
        upgraded.map_or(Before::Denied, |timeout_ms| Before::Upgrade { timeout_ms })
    }

    /// Why nothing may be done in the session, and why it may own nothing.
    pub(super) fn bars(
        &mut self,
        session: SessionId,
        holder: Holder,
    ) -> (Option<ErrorCode>, Option<ErrorCode>) {
        if self.sessions.is_local(session) {
            return (self.sessions.bar(session, holder), Some(ErrorCode::EphemeralOnLocalSession));
        }
        let issuer = (session.0 >> 56) as u8;
        if self.settings.member.local_sessions.is_some()
            && matches!(holder, Holder::Learner(_))
            && !self.sessions.knows(session)
            && issuer != self.settings.server_id
        {
            return (None, Some(ErrorCode::SessionExpired));
        }
        (self.sessions.bar(session, holder), None)
    }

    /// A client gets a session that nobody else knows, at once.
    pub(super) fn open_locally(
        &mut self,
        now: Now,
        address: Address,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        let session = Some(self.sessions.open_local(now.monotonic, address, timeout_ms));
        self.tell(address, |connection| Outcome::Connected { connection, session, timeout_ms, read_only });
    }

    /// A client has come back with a session, and nobody knows more of it than this server. Those of the ensemble
    /// are not for it to give.
    pub(super) fn take_up_locally(
        &mut self,
        now: Now,
        address: Address,
        session: SessionId,
        timeout_ms: i32,
        read_only: Option<ReadOnly>,
    ) {
        if self.sessions.is_local(session) {
            return self.take_up_session(now, address, session, timeout_ms, read_only);
        }
        self.tell(address, |connection| Outcome::Connected {
            connection,
            session: None,
            timeout_ms,
            read_only,
        });
    }

    /// What a client is answered that asks for what is settled here: the end of a session that nobody else knows, or
    /// something that cannot be had without a leader, or in a session that is over.
    pub(super) fn settle_locally(&mut self, session: SessionId, op: OpCode) -> Option<Answer> {
        if self.sessions.is_local(session) {
            if self.sessions.is_closing(session) {
                return Some(Answer::Refused(ErrorCode::SessionExpired));
            }
            if op == OpCode::CloseSession {
                // At its end once what was asked before is answered.
                self.sessions.set_closing(session);
                return Some(Answer::Closed(session));
            }
        }
        if self.is_read_only() {
            return Some(Answer::Refused(ErrorCode::NotReadOnly));
        }
        // A leader would take it for a session that only this server knows.
        let is_over = self.settings.member.local_sessions.is_some() && !self.sessions.knows(session);
        is_over.then_some(Answer::Refused(ErrorCode::SessionExpired))
    }
}

fn wants_to_own(op: &WriteOp<'_>) -> bool {
    let owns = |request: &CreateRequest<'_>| {
        matches!(request.op, CreateOp::Create | CreateOp::Create2)
            && CreateMode::from_flags(request.flags).is_some_and(CreateMode::is_ephemeral)
    };
    match op {
        WriteOp::Create(request) => owns(request),
        WriteOp::Multi(ops) => ops.iter().any(|op| matches!(op, MultiOp::Create(request) if owns(request))),
        WriteOp::Delete(_)
        | WriteOp::SetData(_)
        | WriteOp::SetAcl(_)
        | WriteOp::Reconfig(_)
        | WriteOp::Sync(_)
        | WriteOp::CloseSession => false,
    }
}

/// What the leader decided about a request that is denied. To the leader, the session is just not known.
pub(super) fn explained(outcome: &Applied, is_denied: bool) -> Cow<'_, Applied> {
    let unknown = |outcome: &Applied| matches!(outcome, Applied::Error(err) if *err == ErrorCode::SessionExpired.number());
    let denied = || Applied::Error(ErrorCode::EphemeralOnLocalSession.number());
    match outcome {
        outcome if is_denied && unknown(outcome) => Cow::Owned(denied()),
        Applied::Multi(parts) if is_denied => {
            let parts = parts.iter().map(|part| if unknown(part) { denied() } else { part.clone() });
            Cow::Owned(Applied::Multi(parts.collect()))
        }
        outcome => Cow::Borrowed(outcome),
    }
}
