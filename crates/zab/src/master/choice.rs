//! Whom an observer learns from.

use std::collections::VecDeque;

use zoorum_proto::ServerId;

use crate::ground::Ground;

/// Where an observer may look for somebody to learn from, before it turns to the leader: the followers, each with
/// others first for each server and each time.
pub(crate) fn masters(ground: &Ground<'_>, leader: ServerId, turn: u64) -> VecDeque<ServerId> {
    let mut followers: VecDeque<ServerId> =
        ground.ensemble.joint.voters().into_iter().filter(|id| *id != leader).collect();
    if !followers.is_empty() {
        let first = (ground.settings.me.0.unsigned_abs().wrapping_add(turn)) % followers.len() as u64;
        followers.rotate_left(first as usize);
    }
    followers
}
