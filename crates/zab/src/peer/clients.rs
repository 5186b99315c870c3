//! What clients ask of a server that does not lead, or learners of one that does.

use zoorum_proto::quorum::{ForwardedRequest, Revalidate};
use zoorum_proto::{AuthId, Monotonic, SessionId, Zxid};

use super::{Peer, Role, ground};
use crate::ground::Ground;
use crate::link::LinkId;

impl Peer {
    /// A client of this server asks, and another server leads.
    pub fn forward(&mut self, now: Monotonic, request: &ForwardedRequest, ids: Vec<AuthId>) {
        self.now = now;
        if let Role::Learning(learner) = &mut self.role {
            learner.forward(&mut ground!(self), request, ids);
            if let Some(master) = &mut self.master {
                master.on_own_request(request);
            }
        }
    }

    /// A client comes to this server with a session, and another server leads: does it live?
    pub fn revalidate(&mut self, now: Monotonic, request: Revalidate) {
        self.now = now;
        if let Role::Learning(learner) = &mut self.role {
            learner.revalidate(&mut ground!(self), request);
            if let Some(master) = &mut self.master {
                master.on_own_revalidation(request.session);
            }
        }
    }

    /// A session was heard from, and another server leads.
    pub fn touch(&mut self, session: SessionId, timeout_ms: i32) {
        if let Role::Learning(learner) = &mut self.role {
            learner.touch(session, timeout_ms);
        }
    }

    /// This server does not hear whether its leader asks for signs of life, because its disk keeps it waiting: the
    /// leader is given one, with the sessions that were heard from. Answered late, it would let them expire.
    pub fn give_sign(&mut self, now: Monotonic) {
        self.now = now;
        if let Role::Learning(learner) = &mut self.role {
            learner.give_sign_unasked(&mut ground!(self));
        }
    }

    /// This server leads, and a learner is to be told whether a session lives.
    pub fn revalidated(&mut self, now: Monotonic, learner: LinkId, session: SessionId, alive: bool) {
        self.now = now;
        if let Role::Leading(leader) = &mut self.role {
            leader.revalidated(&mut ground!(self), learner, session, alive);
        }
    }

    /// This server leads, and a learner wants to know when everything up to `after` is committed.
    pub fn sync(&mut self, now: Monotonic, learner: LinkId, after: Zxid) {
        self.now = now;
        if let Role::Leading(leader) = &mut self.role {
            leader.on_sync_request(&mut ground!(self), learner, after);
        }
    }
}
