//! What a worker counts and tells of how long things took.

use std::time::Duration;

use zoorum_proto::op::PathAndWatch;
use zoorum_proto::{OpCode, Xid, Zxid};
use zoorum_tree::Tree;

use super::{NOW, SESSION, Scene, exists, request, sync};
use crate::frame;
use crate::message::{Outcome, Outcomes};
use crate::settings::{Settings, test_settings};
use crate::slow::{Slow, SlowOperation};
use crate::stages::{Stage, Stamps};
use crate::time::Monotonic;

const SLOW: Duration = Duration::from_millis(100);

fn at(ms: u64) -> Monotonic {
    Monotonic(Duration::from_millis(ms))
}

fn stamps() -> Stamps {
    let [taken, logged, synced, committed, applied] = [5, 6, 106, 107, 109].map(at);
    Stamps { taken, passed_on: false, logged, synced, committed, applied }
}

impl Scene {
    fn with_slow_operations() -> Self {
        Self::of(Settings { slow_operation: Some(SLOW), ..test_settings() }).connected()
    }

    /// The replica answers requests with these xids.
    fn answer(&mut self, now: Monotonic, xids: &[i32], stamps: Vec<(usize, Option<Stamps>)>) {
        let (mut bytes, mut items) = (Vec::new(), Vec::new());
        for xid in xids {
            let start = bytes.len();
            frame::reply(&mut bytes, Xid(*xid), Zxid(9), |_| {});
            let frame = start..bytes.len();
            items.push(Outcome::Reply { connection: self.client, frame, err: 0, close: false });
        }
        self.worker.on_outcomes(&self.tree, now, [&Outcomes { bytes, items, stamps }]);
    }

    fn count(&self, stage: Stage) -> u64 {
        self.worker.report().counters.stages.of(stage).ms.count()
    }
}

fn delete(xid: i32) -> Vec<u8> {
    request(xid, OpCode::Delete, PathAndWatch { path: "/a".into(), watch: false })
}

#[test]
fn a_write_counts_in_every_stage_of_its_way_and_what_made_no_change_in_none() {
    let mut scene = Scene::with_slow_operations();
    scene.receive(&[delete(1), sync(2), delete(3)].concat());
    let runs = vec![(0, Some(stamps())), (1, None), (2, Some(stamps()))];
    scene.answer(at(110), &[1, 2, 3], runs);
    assert_eq!(scene.count(Stage::Sync), 2);
    assert_eq!(scene.count(Stage::Leader), 0);
    let report = scene.worker.report();
    assert_eq!(report.counters.stages.of(Stage::Sync).latencies.sum(), Duration::from_millis(200));
    assert_eq!((report.counters.write_latencies.count(), report.counters.read_latencies.count()), (2, 1));
    assert_eq!(report.counters.slow, 3);
}

#[test]
fn an_operation_that_took_long_is_told_with_where_its_time_went() {
    let mut scene = Scene::with_slow_operations();
    scene.receive(&delete(1));
    scene.answer(at(100), &[1], vec![(0, Some(stamps()))]);
    assert_eq!(scene.worker.take_slow(), [], "it took no longer than may be");
    scene.receive(&[delete(2), exists(3)].concat());
    scene.answer(at(110), &[2], vec![(0, Some(stamps()))]);
    let (session, zxid, took) = (SESSION, Zxid(9), Duration::from_millis(110));
    let (write, read) = (OpCode::Delete, OpCode::Exists);
    let stages = Some(stamps().spans(NOW, at(110)));
    let told = scene.worker.take_slow();
    let [Slow::Operation(first), Slow::Operation(second)] = told[..] else { panic!("{told:?}") };
    assert_eq!(first, SlowOperation { session, xid: Xid(2), op: write, zxid, err: 0, took, stages });
    assert_eq!(
        second,
        SlowOperation { xid: Xid(3), op: read, zxid: Zxid::ZERO, stages: None, ..first },
        "a read waits for the write before it"
    );
}

#[test]
fn reads_that_are_answered_at_once_take_as_long_as_their_turn() {
    let mut scene = Scene::start();
    scene.receive(&[exists(1), exists(2)].concat());
    assert_eq!(scene.worker.report().counters.read_latencies.count(), 0);
    scene.worker.on_turn_over(Duration::from_millis(3));
    scene.worker.on_turn_over(Duration::from_millis(9));
    let reads = scene.worker.report().counters.read_latencies;
    assert_eq!((reads.count(), reads.sum()), (2, Duration::from_millis(6)));
}

#[test]
fn what_is_read_counts_for_its_namespace() {
    let mut scene = Scene::start();
    scene.tree = Tree::new(7);
    let get = |xid, path: &'static str| {
        request(xid, OpCode::GetChildren, PathAndWatch { path: path.into(), watch: false })
    };
    scene.receive(&[get(1, "/zookeeper"), get(2, "/zookeeper"), get(3, "/absent"), exists(4)].concat());
    let report = scene.worker.report();
    let counts: Vec<_> = report.traffic.iter().map(|(name, sizes)| (name, sizes.count())).collect();
    assert_eq!(counts, [("zookeeper", 2)]);
}

#[test]
fn watchers_of_one_change_are_observed_together() {
    let mut scene = Scene::start();
    let watch = PathAndWatch { path: "/".into(), watch: true };
    scene.receive(&[request(1, OpCode::Exists, watch.clone()), request(2, OpCode::GetData, watch)].concat());
    scene.decide(vec![scene.root_changes(9)]);
    scene.decide(vec![scene.root_changes(10)]);
    let watchers = scene.worker.report().counters.watchers;
    assert_eq!((watchers[2].count(), watchers[2].sum()), (1, 1));
}

#[test]
fn a_connection_that_its_client_ends_is_told_apart_from_one_that_the_server_ends() {
    let mut scene = Scene::start();
    scene.worker.on_closed(scene.client);
    assert_eq!(scene.worker.report().counters.dropped, 1);
    let mut scene = Scene::start();
    scene.decide(vec![Outcome::Close { connection: scene.client }]);
    scene.worker.on_closed(scene.client);
    assert_eq!(scene.worker.report().counters.dropped, 0);
}
