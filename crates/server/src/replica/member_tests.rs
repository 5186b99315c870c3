//! A replica that is an ensemble of one: what it does with its peers' words, and with its own changes.

use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::quorum::{Joint, QuorumConfig};
use zoorum_proto::{Epoch, Monotonic, ServerId, WallClock, Zxid};
use zoorum_tree::Tree;
use zoorum_zab::{Ensemble, HistoryLimits, Part, Peer, PeerSettings, Recovered, SyncSettings};

use super::member::DISTRUSTED_AFTER;
use super::order::Order;
use super::{Effect, Now, Replica};
use crate::settings::{EPOCH_CHANGES_MAX, test_settings};

struct Scene {
    tree: Tree,
    replica: Replica,
    now: Now,
}

impl Scene {
    fn start() -> Self {
        let config =
            QuorumConfig::parse("server.1=h1:2001:3001:participant\n", false).expect("a configuration");
        let now = Now { monotonic: Monotonic::default(), wall: WallClock(1_000) };
        let settings = PeerSettings {
            me: ServerId(1),
            tick: Duration::from_millis(100),
            init_limit: 20,
            sync_limit: 5,
            connect_limit: None,
            connect_pause: Duration::from_millis(100),
            observer_pause: Duration::ZERO,
            observer_reconnect_pause: Duration::ZERO,
            observer_master_port: None,
            history: HistoryLimits::default(),
            sync: SyncSettings::default(),
            election_connect: Duration::from_secs(5),
            election_handshake: Duration::from_secs(2),
            packet_max: zoorum_proto::quorum::packet::PACKET_DATA_MAX,
            multi_address: false,
            notification_intervals: (Duration::from_millis(200), Duration::from_secs(60)),
        };
        let found = Recovered {
            accepted: Epoch::ZERO,
            current: Epoch::ZERO,
            last: Zxid::ZERO,
            needs_snapshot: false,
            abstains: false,
        };
        let ensemble = Ensemble::new(Joint::stable(Arc::new(config)));
        let peer = Peer::new(now.monotonic, settings, ensemble, found);
        let tree = Tree::new(7);
        let replica = Replica::among_peers(Arc::new(test_settings()), &tree, 1, now, 7, peer);
        let mut scene = Self { tree, replica, now };
        scene.settle();
        scene
    }

    /// Whatever is to be durable is, time passes, and what follows from that happens.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.now.monotonic = Monotonic(self.now.monotonic.0 + Duration::from_millis(50));
            self.replica.on_peer_tick(&self.tree, self.now);
            loop {
                let effects = self.replica.take_effects();
                if effects.is_empty() {
                    break;
                }
                for effect in effects {
                    if let Effect::Persist(what) = effect {
                        self.replica.on_persisted(&self.tree, self.now, what);
                    }
                }
            }
            self.replica.on_round(&self.tree, self.now);
        }
    }

    fn give_places_up_to(&mut self, counter: u32) {
        let Order::Among { peer, proposed } = &mut self.replica.order else { panic!("it has peers") };
        let Part::Leading(epoch) = peer.part() else { panic!("it leads") };
        *proposed = Zxid::new(epoch, counter);
    }
}

#[test]
fn a_leader_begins_a_new_epoch_before_the_places_of_its_own_are_used_up() {
    let mut scene = Scene::start();
    assert_eq!(scene.replica.part(), Some(Part::Leading(Epoch(1))));
    scene.give_places_up_to(EPOCH_CHANGES_MAX - 1);
    scene.settle();
    assert_eq!(scene.replica.part(), Some(Part::Leading(Epoch(1))), "there is room");
    scene.give_places_up_to(EPOCH_CHANGES_MAX);
    scene.settle();
    assert_eq!(scene.replica.part(), Some(Part::Leading(Epoch(2))));
    assert!(scene.replica.serves());
    assert_eq!(scene.replica.order.proposed(), Zxid::new(Epoch(2), 0), "and begins to count anew");
}

#[test]
fn a_tree_that_goes_on_differing_from_the_leaders_is_to_be_replaced() {
    let mut scene = Scene::start();
    let distrusts = |scene: &mut Scene| {
        let effects = scene.replica.take_effects();
        effects.iter().filter(|effect| matches!(effect, Effect::DistrustTree)).count()
    };
    scene.replica.on_learners_digest(Zxid(1), false);
    (2..DISTRUSTED_AFTER as i64).for_each(|zxid| scene.replica.on_learners_digest(Zxid(zxid), false));
    assert_eq!(distrusts(&mut scene), 0, "a tree of ZooKeeper's may hold parts of later changes");
    scene.replica.on_learners_digest(Zxid(5_000), true);
    (0..3 * DISTRUSTED_AFTER as i64).for_each(|zxid| scene.replica.on_learners_digest(Zxid(zxid), false));
    assert_eq!(distrusts(&mut scene), 1);
}
