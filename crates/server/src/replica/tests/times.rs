//! When changes were where, as workers are told.

use std::time::Duration;

use super::{Scene, WORKER};
use crate::message::Outcome;
use crate::stages::Stamps;
use crate::time::Monotonic;

fn at(ms: u64) -> Monotonic {
    Monotonic(Duration::from_millis(ms))
}

#[test]
fn a_reply_comes_with_the_moments_at_which_its_change_was_where() {
    let mut scene = Scene::start();
    let session = scene.connect(1, None).expect("a new session opens");
    scene.now.monotonic = at(10);
    scene.create(session, 1, "/a", 0);
    scene.now.monotonic = at(12);
    scene.create(session, 2, "/b", 0);
    scene.now.monotonic = at(20);
    let proposals = scene.replica.take_proposals(&scene.tree, scene.now).expect("two changes");
    scene.now.monotonic = at(50);
    scene.replica.on_synced(&scene.tree, scene.now, proposals.last().expect("two changes"));
    scene.apply_unsynced();
    scene.now.monotonic = at(51);
    scene.replica.on_round(&scene.tree, scene.now);
    let outcomes = scene.replica.take_outcomes(WORKER);
    let stamps = |taken| {
        let [logged, synced, applied] = [20, 50, 51].map(at);
        Some(Stamps { taken: at(taken), passed_on: false, logged, synced, committed: synced, applied })
    };
    // Each reply stands behind the change that it shows.
    assert_eq!(outcomes.stamps, [(1, stamps(10)), (3, stamps(12))]);
    assert!(matches!(outcomes.items[3], Outcome::Reply { .. }), "{outcomes:?}");
    let report = scene.replica.report();
    assert_eq!((report.counters.sync_times.count(), report.counters.sync_times.max()), (3, 30));
    assert_eq!((report.counters.batch_sizes.count(), report.counters.batch_sizes.max()), (2, 2));
    let written: Vec<_> = report.traffic.written.iter().map(|(name, sizes)| (name, sizes.sum())).collect();
    assert_eq!(written, [("a", 3), ("b", 3)], "the path and the data");
}
