//! A follower with observers of its own: what their clients ask goes on to the leader as if it were asked here, so that
//! the leader cannot tell with whom of them a session is. This server can, and sees to it that what a client asked
//! before it moved does not come behind what it asks now.

use zoorum_proto::quorum::Revalidate;
use zoorum_proto::{OpCode, SessionId};
use zoorum_zab::{FromLearner, LinkId};

use super::sessions::Holder;
use super::{Now, Replica};
use crate::message::Outcome;

impl Replica {
    /// An observer of this server's speaks for its clients.
    pub(super) fn on_observer(&mut self, now: Now, word: FromLearner) {
        match &word {
            FromLearner::Request { learner, request, .. } => {
                // As for a leader: what changes nothing may come from anywhere, and so may the end of a session.
                let may_come_late =
                    [OpCode::Sync, OpCode::CloseSession].map(|op| op as i32).contains(&request.op);
                if !may_come_late && self.sessions.has_moved(request.session, Holder::Learner(*learner)) {
                    return self.let_go_of_observer(now, *learner, request.session);
                }
            }
            FromLearner::Revalidate { learner, request: Revalidate { session, timeout_ms } } => {
                let holder = Holder::Learner(*learner);
                let earlier = self.sessions.take_up(now.monotonic, *session, holder, *timeout_ms);
                if let Some(Some(Holder::Here(address))) = earlier {
                    self.tell(address, |connection| Outcome::Close { connection });
                }
            }
            FromLearner::Touched(_) | FromLearner::Gone(_) => {}
        }
        if let Some(peer) = self.order.peer_mut() {
            peer.pass_on(now.monotonic, word);
        }
    }

    fn let_go_of_observer(&mut self, now: Now, observer: LinkId, session: SessionId) {
        if let Some(peer) = self.order.peer_mut() {
            let reason =
                format!("it passes on what was asked in session {session} before that went elsewhere");
            peer.let_go_of_observer(now.monotonic, observer, &reason);
        }
    }
}
