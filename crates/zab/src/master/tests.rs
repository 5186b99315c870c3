//! A follower and one of its observers, packet by packet.

use zoorum_proto::quorum::{ForwardedRequest, LearnerInfo, PacketType, QuorumPacket};
use zoorum_proto::{Epoch, OpCode, ServerId, SessionId, Xid, Zxid};

use super::ObserverMaster;
use crate::action::{FromLeader, FromLearner};
use crate::link::LinkId;
use crate::packets::bytes;
use crate::scene::{Scene, entry, zxid};

const OBSERVER: LinkId = LinkId(7);

/// Server 1, which follows in epoch 2, and observer 4, which is in step with it.
struct Play {
    scene: Scene,
    master: ObserverMaster,
}

impl Play {
    fn new() -> Self {
        let mut scene = Scene::new(1, zxid(2, 0));
        scene.history.on_committed(zxid(2, 0));
        let mut master = ObserverMaster::new(&mut scene.ground(), Epoch(2));
        master.on_accepted(&mut scene.ground(), OBSERVER, "h4".to_owned());
        let mut play = Self { scene, master };
        let version = play.scene.ensemble.joint.committed().version;
        play.hear(&LearnerInfo::packet(PacketType::ObserverInfo, Epoch(2), ServerId(4), version));
        play.hear(&QuorumPacket::bare(PacketType::AckEpoch, zxid(2, 0)));
        play.hear(&QuorumPacket::bare(PacketType::Ack, zxid(2, 0)));
        let expected = [
            "LEADERINFO 0x200000000",
            "DIFF 0x200000000",
            "NEWLEADER 0x200000000",
            "UPTODATE 0xffffffffffffffff",
        ];
        assert_eq!(play.scene.told(), expected);
        play
    }

    fn hear(&mut self, packet: &QuorumPacket) -> Vec<FromLearner> {
        self.master.on_received(&mut self.scene.ground(), OBSERVER, &bytes(packet))
    }

    fn commit(&mut self, through: Zxid) {
        self.scene.history.on_committed(through);
        self.master.tell(&mut self.scene.ground());
    }
}

#[test]
fn the_answer_to_a_sync_comes_between_the_changes_before_and_behind_it() {
    let mut play = Play::new();
    let request = ForwardedRequest {
        session: SessionId(9),
        xid: Xid(1),
        op: OpCode::Sync as i32,
        body: bytes::Bytes::new(),
    };
    assert_eq!(play.hear(&request.packet(None)).len(), 1, "it goes on to the leader");
    // The leader says that the first change is committed, answers, and says the same of two more, before any of
    // them is in this server's log.
    play.commit(zxid(2, 1));
    assert!(
        play.master.on_answer(&mut play.scene.ground(), FromLeader::Synced(zxid(2, 1))).is_none(),
        "it is an observer's"
    );
    play.commit(zxid(2, 3));
    assert!(play.scene.told().is_empty(), "nothing is known of what is committed");
    play.scene.history.append(&[entry(zxid(2, 1)), entry(zxid(2, 2)), entry(zxid(2, 3))]);
    play.master.tell(&mut play.scene.ground());
    let expected = ["INFORM 0x200000001", "SYNC 0x0", "INFORM 0x200000002", "INFORM 0x200000003"];
    assert_eq!(play.scene.told(), expected);
}
