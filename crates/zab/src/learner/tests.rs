//! What a learner makes of leaders, ours and others.

use zoorum_proto::quorum::{LeaderInfo, PacketType};
use zoorum_proto::{Epoch, ServerId, SessionId, Zxid};

use super::{Learner, Needs, Stage, Step};
use crate::action::{FromLeader, Persist};
use crate::elector::Elected;
use crate::link::LinkId;
use crate::scene::{Scene, packet, zxid};

/// Server 1, which follows server 3 in epoch 2. Its own history ends at change 5 of epoch 1.
struct Play {
    scene: Scene,
    learner: Learner,
}

impl Play {
    /// It has answered which epoch and history it has.
    fn new() -> Self {
        let mut scene = Scene::new(1, zxid(1, 5));
        let elected = Elected { leader: ServerId(3), observes: false };
        let needs = Needs { snapshot: false, abstention: false };
        let learner = Learner::new(&mut scene.ground(), &elected, Epoch(1), Epoch(1), needs, 0);
        let mut play = Self { scene, learner };
        play.learner.on_dialed(&mut play.scene.ground(), LinkId(1));
        let info = crate::packets::bytes(&LeaderInfo::packet(Epoch(2)));
        play.learner.on_received(&mut play.scene.ground(), &info).expect("a leader");
        play.persist(Persist::AcceptedEpoch(Epoch(2)));
        assert_eq!(play.scene.told(), ["FOLLOWERINFO 0x100000000", "accept 0x2", "ACKEPOCH 0x100000005"]);
        play
    }

    fn hear(&mut self, kind: PacketType, zxid: Zxid) -> Step {
        self.learner.on_received(&mut self.scene.ground(), &packet(kind, zxid))
    }

    fn hear_all(&mut self, packets: &[(PacketType, Zxid)]) {
        packets.iter().for_each(|(kind, zxid)| self.hear(*kind, *zxid).expect("nothing is wrong with that"));
    }

    fn persist(&mut self, what: Persist) {
        self.learner.on_persisted(&mut self.scene.ground(), what).expect("nothing is wrong with that");
    }

    /// What has come goes to the log.
    fn log(&mut self) {
        let fresh = self.learner.take_fresh();
        self.scene.history.append(&fresh);
    }

    /// The log is durable.
    fn sync(&mut self) {
        let last = self.scene.history.last();
        self.scene.history.on_synced(last);
        self.learner.on_synced(&mut self.scene.ground());
    }

    /// It claims the epoch, and says so.
    fn get_in_step(&mut self) {
        self.log();
        self.sync();
        self.persist(Persist::CurrentEpoch(Epoch(2)));
    }
}

use PacketType::{Commit, Diff, NewLeader, Proposal, Trunc, UpToDate};

const BEGINNING: Zxid = Zxid(2 << 32);
const NOTHING: Zxid = Zxid(-1);

#[test]
fn history_then_epoch_then_the_ack_each_once_the_one_before_is_durable() {
    let mut play = Play::new();
    let last = zxid(1, 6);
    play.hear_all(&[(Diff, last), (Proposal, last), (Commit, last), (NewLeader, BEGINNING)]);
    play.log();
    assert_eq!(play.scene.told(), [""; 0], "the history is not durable");
    play.sync();
    assert_eq!(play.scene.told(), ["enter 0x2"]);
    play.persist(Persist::CurrentEpoch(Epoch(2)));
    assert_eq!(play.scene.told(), ["ACK 0x200000000"]);
}

#[test]
fn a_commit_behind_the_beginning_may_be_of_a_proposal_before_it() {
    let mut play = Play::new();
    let last = zxid(1, 6);
    play.hear_all(&[(Diff, last), (Proposal, last), (NewLeader, BEGINNING)]);
    play.get_in_step();
    play.hear_all(&[(Commit, last), (UpToDate, NOTHING)]);
    assert!(play.learner.is_active());
    assert_eq!(play.scene.history.committed(), last);
}

#[test]
fn no_ack_of_a_proposal_comes_before_that_of_the_beginning() {
    let mut play = Play::new();
    let (last, new) = (zxid(1, 5), zxid(2, 1));
    play.hear_all(&[(Diff, last), (NewLeader, BEGINNING)]);
    assert_eq!(play.scene.told(), ["enter 0x2"]);
    play.persist(Persist::CurrentEpoch(Epoch(2)));
    assert_eq!(play.scene.told(), ["ACK 0x200000000"]);
    play.hear_all(&[(Proposal, new)]);
    play.log();
    play.sync();
    assert_eq!(play.scene.told(), [""; 0], "it is durable, and the leader serves nobody yet");
    play.hear_all(&[(UpToDate, NOTHING)]);
    assert_eq!(play.scene.told(), ["ACK 0x200000000", "ACK 0x200000001"]);
}

#[test]
fn what_comes_with_the_history_and_once_more_as_it_is_proposed_is_taken_once() {
    let mut play = Play::new();
    let last = zxid(1, 6);
    play.hear_all(&[(Diff, last), (Proposal, last), (Commit, last), (NewLeader, BEGINNING)]);
    play.hear_all(&[(Proposal, last), (Commit, last), (Proposal, zxid(2, 1))]);
    play.get_in_step();
    play.hear_all(&[(UpToDate, NOTHING), (Commit, zxid(2, 1))]);
    assert_eq!((play.scene.history.last(), play.scene.history.committed()), (zxid(2, 1), zxid(2, 1)));
}

#[test]
fn a_leader_that_leaves_something_out_is_let_go_of() {
    let mut play = Play::new();
    play.hear_all(&[(Diff, zxid(1, 7))]);
    let lost = play.hear(Proposal, zxid(1, 7)).expect_err("change 6 is missing");
    assert!(lost.0.contains("something is missing"), "{lost:?}");
}

#[test]
fn a_commit_out_of_turn_is_refused() {
    let mut play = Play::new();
    let last = zxid(1, 5);
    play.hear_all(&[(Diff, last), (NewLeader, BEGINNING), (Proposal, zxid(2, 1)), (Proposal, zxid(2, 2))]);
    let lost = play.hear(Commit, zxid(2, 2)).expect_err("change 1 is not committed");
    assert!(lost.0.contains("out of turn"), "{lost:?}");
}

#[test]
fn a_cut_that_is_followed_by_nothing_leaves_history_where_the_log_ends() {
    let mut play = Play::new();
    play.hear_all(&[(Trunc, zxid(1, 3))]);
    assert_eq!(play.scene.told(), ["cut to 0x100000003"]);
    play.scene.history.truncate(zxid(1, 3));
    play.persist(Persist::Truncate(zxid(1, 3)));
    play.hear_all(&[(Proposal, zxid(1, 4)), (Commit, zxid(1, 4))]);
    play.learner.end(&mut play.scene.ground());
    assert_eq!(play.scene.history.last(), zxid(1, 3), "what came and was not logged never came");
}

#[test]
fn nobody_goes_back_behind_what_is_committed() {
    let mut play = Play::new();
    play.scene.history.on_committed(zxid(1, 4));
    let lost = play.hear(Trunc, zxid(1, 3)).expect_err("change 4 is committed");
    assert!(lost.0.contains("was committed"), "{lost:?}");
    assert_eq!(play.learner.stage, Stage::AwaitsPlan);
}

#[test]
fn what_an_earlier_leader_committed_stays_committed_though_it_was_lost_on_the_way_to_the_log() {
    let mut play = Play::new();
    play.hear_all(&[(Diff, zxid(1, 5)), (NewLeader, BEGINNING)]);
    play.persist(Persist::CurrentEpoch(Epoch(2)));
    play.hear(UpToDate, NOTHING).expect("nothing is wrong with that");
    play.scene.history.on_committed(zxid(2, 2)); // of changes that came with a connection, and went with it
    for change in [zxid(2, 1), zxid(2, 2), zxid(2, 3)] {
        play.hear_all(&[(Proposal, change), (Commit, change)]);
        assert_eq!(play.scene.history.committed(), change.max(zxid(2, 2)));
    }
}

#[test]
fn the_answer_to_a_sync_says_what_was_committed_before_it_whatever_comes_along() {
    let mut play = Play::new();
    play.hear_all(&[(Diff, zxid(1, 5)), (NewLeader, BEGINNING)]);
    play.persist(Persist::CurrentEpoch(Epoch(2)));
    let [first, second] = [zxid(2, 1), zxid(2, 2)];
    let all = [(UpToDate, NOTHING), (Proposal, first), (Proposal, second), (Commit, first)];
    play.hear_all(&all);
    let together = [packet(PacketType::Sync, Zxid::ZERO), packet(Commit, second)].concat();
    play.learner.on_received(&mut play.scene.ground(), &together.into()).expect("nothing is wrong with that");
    assert_eq!(play.scene.history.committed(), second);
    assert_eq!(play.scene.answers(), [FromLeader::Synced(first)]);
}

#[test]
fn a_sign_of_life_is_given_unasked_once_the_leader_expects_any() {
    let mut play = Play::new();
    play.hear_all(&[(Diff, zxid(1, 5)), (NewLeader, BEGINNING)]);
    play.persist(Persist::CurrentEpoch(Epoch(2)));
    play.scene.told();
    play.learner.give_sign_unasked(&mut play.scene.ground());
    assert_eq!(play.scene.told(), [""; 0], "it is not yet in step");
    play.hear_all(&[(UpToDate, NOTHING)]);
    play.scene.told();
    play.learner.touch(SessionId(7), 4_000);
    play.learner.give_sign_unasked(&mut play.scene.ground());
    assert_eq!(play.scene.told(), ["PING 0x100000005"]);
    assert_eq!(play.learner.take_touches(), [], "the session is told of once");
}

#[test]
fn a_change_of_a_later_epoch_than_its_leaders_is_refused() {
    let mut play = Play::new();
    play.hear_all(&[(Diff, zxid(1, 5)), (NewLeader, BEGINNING)]);
    let lost = play.hear(Proposal, zxid(3, 1)).expect_err("the leader leads in epoch 2");
    assert!(lost.0.contains("an epoch after the leader's own"), "{lost:?}");
}
