//! What a leader makes of learners, ours and others.

use zoorum_proto::quorum::{AckEpoch, ConfigVersion, LearnerInfo, PacketType};
use zoorum_proto::{Epoch, ServerId, Zxid};

use super::{Leader, Phase};
use crate::action::Persist;
use crate::link::LinkId;
use crate::scene::{Scene, entry, packet, zxid};

/// Server 3 leads in epoch 2; its history ends at change 5 of epoch 1.
struct Play {
    scene: Scene,
    leader: Leader,
}

const BEGINNING: Zxid = Zxid(2 << 32);
const ONE: LinkId = LinkId(1);
const TWO: LinkId = LinkId(2);

impl Play {
    fn new() -> Self {
        let mut scene = Scene::new(3, zxid(1, 5));
        let leader = Leader::new(&mut scene.ground(), Epoch(1), Epoch(1));
        Self { scene, leader }
    }

    /// A learner calls and says who it is.
    fn call(&mut self, link: LinkId, id: i64, kind: PacketType) {
        self.leader.on_accepted(&mut self.scene.ground(), link, "somewhere".to_owned());
        let info = LearnerInfo::packet(kind, Epoch(1), ServerId(id), ConfigVersion::default());
        self.leader.on_received(&mut self.scene.ground(), link, &crate::packets::bytes(&info));
    }

    fn promise(&mut self, link: LinkId, last: Zxid) {
        let promise = crate::packets::bytes(&AckEpoch(Some(Epoch(1))).packet(last));
        self.leader.on_received(&mut self.scene.ground(), link, &promise);
    }

    fn ack(&mut self, link: LinkId, zxid: Zxid) {
        let ack = packet(PacketType::Ack, zxid);
        self.leader.on_received(&mut self.scene.ground(), link, &ack);
    }

    fn persist(&mut self, what: Persist) {
        self.leader.on_persisted(&mut self.scene.ground(), what);
    }

    /// Server 1 has come and promised, and is sent what it lacks.
    fn with_follower() -> Self {
        let mut play = Self::new();
        play.call(ONE, 1, PacketType::FollowerInfo);
        play.persist(Persist::AcceptedEpoch(Epoch(2)));
        play.promise(ONE, zxid(1, 5));
        play.persist(Persist::CurrentEpoch(Epoch(2)));
        play
    }
}

#[test]
fn a_learner_is_told_the_epoch_only_once_it_is_durable_here() {
    let mut play = Play::new();
    play.call(ONE, 1, PacketType::FollowerInfo);
    assert_eq!(play.scene.told(), ["accept 0x2"]);
    play.persist(Persist::AcceptedEpoch(Epoch(2)));
    assert_eq!(play.scene.told(), ["LEADERINFO 0x200000000"]);
}

#[test]
fn acks_of_proposals_before_that_of_the_beginning_do_no_harm() {
    let mut play = Play::with_follower();
    play.ack(ONE, zxid(1, 5));
    assert_eq!(play.leader.phase, Phase::InStep);
    play.ack(ONE, BEGINNING);
    assert_eq!(play.leader.phase, Phase::Leading);
}

#[test]
fn observers_count_for_no_quorum() {
    let mut play = Play::new();
    play.call(TWO, 4, PacketType::ObserverInfo);
    assert_eq!((play.leader.phase, play.scene.told()), (Phase::Discovering, vec![]));
    play.call(ONE, 1, PacketType::FollowerInfo);
    play.persist(Persist::AcceptedEpoch(Epoch(2)));
    play.promise(TWO, zxid(1, 5));
    assert_eq!(play.leader.phase, Phase::Promising);
    play.promise(ONE, zxid(1, 5));
    play.persist(Persist::CurrentEpoch(Epoch(2)));
    play.ack(TWO, BEGINNING);
    assert_eq!(play.leader.phase, Phase::InStep);
    play.ack(ONE, BEGINNING);
    assert_eq!(play.leader.phase, Phase::Leading);
    // Nor is a change committed by what an observer says that it has.
    let first = zxid(2, 1);
    play.scene.history.append(&[entry(first)]);
    play.leader.propose(&mut play.scene.ground(), &[entry(first)]);
    play.scene.history.on_synced(first);
    play.leader.on_synced(&mut play.scene.ground());
    play.ack(TWO, first);
    assert_eq!(play.scene.history.committed(), zxid(1, 5));
    play.ack(ONE, first);
    assert_eq!(play.scene.history.committed(), first);
}

#[test]
fn what_is_proposed_while_a_learner_gets_in_step_reaches_it() {
    let mut play = Play::with_follower();
    play.ack(ONE, BEGINNING);
    let (first, second) = (zxid(2, 1), zxid(2, 2));
    play.scene.history.append(&[entry(first)]);
    play.leader.propose(&mut play.scene.ground(), &[entry(first)]);
    play.scene.told();
    play.call(TWO, 2, PacketType::FollowerInfo);
    play.promise(TWO, zxid(1, 5));
    play.scene.history.append(&[entry(second)]);
    play.leader.propose(&mut play.scene.ground(), &[entry(second)]);
    let to_both = ["PROPOSAL 0x200000002", "PROPOSAL 0x200000002"];
    let told = play.scene.told();
    assert_eq!(told[..2], ["LEADERINFO 0x200000000", "DIFF 0x100000005"], "{told:?}");
    assert_eq!(told[2..4], ["NEWLEADER 0x200000000", "PROPOSAL 0x200000001"], "{told:?}");
    assert_eq!(told[4..], to_both, "{told:?}");
}

#[test]
fn a_learner_that_takes_what_it_is_sent_is_waited_for_however_long_that_takes() {
    for takes in [true, false] {
        let mut play = Play::with_follower();
        play.ack(ONE, BEGINNING);
        play.call(TWO, 2, PacketType::FollowerInfo);
        play.promise(TWO, zxid(1, 5));
        let patience = play.scene.ground().settings.init_time();
        play.scene.now = play.scene.now + patience * 2 / 3;
        if takes {
            play.leader.on_taken(play.scene.now + patience, TWO);
        }
        play.scene.now = play.scene.now + patience * 2 / 3;
        let _ = play.leader.on_tick(&mut play.scene.ground()); // nothing was heard of the other either
        assert_eq!(play.leader.has_link(TWO), takes);
    }
}

#[test]
fn whoever_has_more_history_than_its_leader_is_not_overruled() {
    let mut play = Play::new();
    play.call(ONE, 1, PacketType::FollowerInfo);
    play.persist(Persist::AcceptedEpoch(Epoch(2)));
    play.promise(ONE, zxid(1, 6));
    assert_eq!(play.leader.phase, Phase::Promising, "its promise does not count");
    assert!(!play.leader.has_link(ONE));
}
