//! What learners pass on, and the order in which the leader answers them.
//!
//! A learner of the original holds what comes from the leader against the oldest request that it has passed on.
//! An answer to a later one first, and none of its clients is answered ever again.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use zoorum_proto::quorum::{ForwardedRequest, PacketType, QuorumPacket};
use zoorum_proto::{OpCode, SessionId, Xid, Zxid};
use zoorum_zab::{FromLearner, LinkId};

/// What a learner waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// The commit of its change.
    Commit(Zxid),
    /// The answer to a sync.
    Sync,
}

/// What every learner waits for, by the leader's end of its connection.
#[derive(Default)]
pub struct Requests(BTreeMap<(usize, LinkId), VecDeque<Waits>>);

/// What a learner passes on.
pub fn request(op: OpCode) -> ForwardedRequest {
    ForwardedRequest { session: SessionId(1), xid: Xid(1), op: op as i32, body: Bytes::new() }
}

impl Requests {
    /// A learner speaks to the leader; `next` is the place of the next change. Returns what is to be done for whom.
    pub fn on_word(&mut self, at: usize, word: &FromLearner, next: Zxid) -> Option<(LinkId, OpCode)> {
        match word {
            FromLearner::Request { learner, request, .. } => {
                let op = OpCode::from_number(request.op).expect("a request that a learner passed on");
                let waits = if op == OpCode::Sync { Waits::Sync } else { Waits::Commit(next) };
                self.0.entry((at, *learner)).or_default().push_back(waits);
                Some((*learner, op))
            }
            FromLearner::Gone(learner) => {
                self.0.remove(&(at, *learner));
                None
            }
            FromLearner::Revalidate { .. } | FromLearner::Touched(_) => None,
        }
    }

    /// The leader forgot everything: it is down, or leads no longer.
    pub fn forget(&mut self, at: usize) {
        self.0.retain(|(leader, _), _| *leader != at);
    }

    /// The leader writes to a learner.
    pub fn on_written(&mut self, at: usize, link: LinkId, bytes: &Bytes) {
        let Some(waiting) = self.0.get_mut(&(at, link)) else { return };
        let mut bytes = BytesMut::from(&bytes[..]);
        while let Some(packet) = QuorumPacket::take(&mut bytes, 1 << 20).expect("packets") {
            let answered = match packet.kind {
                PacketType::Commit | PacketType::Inform => Waits::Commit(packet.zxid),
                PacketType::Sync => Waits::Sync,
                _ => continue,
            };
            if waiting.front() == Some(&answered) {
                waiting.pop_front();
            } else {
                assert!(!waiting.contains(&answered), "{answered:?} comes before what was asked earlier");
            }
        }
    }
}
