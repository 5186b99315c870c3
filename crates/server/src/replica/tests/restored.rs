//! Another state takes the place of the one that there is.

use super::*;
use crate::replica::{NotRestorable, Place};

#[test]
fn a_restored_state_gets_a_place_of_its_own_and_everybody_begins_anew() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a session");
    scene.create(session, 1, "/in-flight", 0);
    let place = |scene: &Scene, origin| scene.replica.place_for_restored(Zxid(origin));
    assert_eq!(place(&scene, 0), Ok(Place::Next(Zxid(3))), "behind what is proposed");
    assert_eq!(place(&scene, 100), Ok(Place::Next(Zxid(101))), "behind what the snapshot knows");
    for origin in [-1, i64::MIN, i64::MAX] {
        assert_eq!(place(&scene, origin), Err(NotRestorable::NoRoom(Zxid(origin))));
    }
    scene.tree = Tree::new(8);
    scene.tree.move_to(Zxid(101));
    scene.replica.on_restored(&scene.tree, scene.now, Zxid(100));
    let served = |outcome: &Outcome| match outcome {
        Outcome::Served { service } => Some(service.map(|service| service.era)),
        _ => None,
    };
    let told: Vec<_> = scene.replica.take_outcomes(WORKER).items.iter().filter_map(served).collect();
    assert_eq!(told, [None, Some(1)], "all are let go; whoever comes then is served");
    assert!(
        scene.replica.take_proposals(&scene.tree, scene.now).is_none(),
        "what was in flight is forgotten"
    );
    scene.create(session, 2, "/of-before", 0);
    assert!(scene.replica.take_proposals(&scene.tree, scene.now).is_none(), "and what was on its way");

    let connect =
        |session| Request::Connect { connection: client(2), session, timeout_ms: 4000, read_only: None };
    let items = vec![connect(Some(session)), connect(None)];
    let requests = Requests { bytes: Vec::new(), items, era: 1 };
    scene.replica.on_requests(&scene.tree, scene.now, WORKER, &requests);
    let connected = |outcome: &Outcome| match outcome {
        Outcome::Connected { session, .. } => Some(session.is_some()),
        _ => None,
    };
    let told: Vec<_> = scene.sync().iter().filter_map(connected).collect();
    assert_eq!(told, [false, true], "sessions of before are gone");
    assert_eq!(scene.tree.last_zxid(), Zxid(102), "history goes on behind the place");
}
