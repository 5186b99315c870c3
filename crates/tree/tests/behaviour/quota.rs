//! Accounting and enforcement of quotas.

use zoorum_proto::ErrorCode::{MarshallingError, QuotaExceeded};
use zoorum_proto::op::{CreateRequest, WriteOp};

use crate::scene::{Scene, create};

const STATS: &str = "/zookeeper/quota/q/zookeeper_stats";
const LIMITS: &str = "/zookeeper/quota/q/zookeeper_limits";

fn with_quota(limits: &str) -> Scene {
    let mut scene = Scene::with(&["/q", "/q/c"]);
    scene.set_data("/q", "1234", -1).unwrap();
    scene.set_data("/q/c", "5678", -1).unwrap();
    scene.create("/zookeeper/quota/q", 0).unwrap();
    scene.run(&WriteOp::Create(create(LIMITS, 0, limits))).unwrap();
    scene.create(STATS, 0).unwrap();
    scene.rules.enforce_quota = true;
    scene
}

fn fill(scene: &mut Scene, path: &str, data: &str) -> Result<(), zoorum_proto::ErrorCode> {
    scene.run(&WriteOp::Create(create(path, 0, data))).map(drop)
}

#[test]
fn usage_is_counted_at_once_and_kept_silently() {
    let mut scene = with_quota("count=5,bytes=100");
    assert_eq!(scene.data(STATS), "count=2,bytes=8");
    let before = scene.stat(STATS);
    scene.changes.clear();
    fill(&mut scene, "/q/d", "xyz").unwrap();
    assert_eq!(scene.data(STATS), "count=3,bytes=11");
    scene.set_data("/q/d", "", -1).unwrap();
    scene.create("/q/e", 1).unwrap();
    assert_eq!(scene.data(STATS), "count=4,bytes=8");
    scene.close_session();
    scene.delete("/q/d", -1).unwrap();
    assert_eq!(scene.data(STATS), "count=2,bytes=8");
    assert_eq!(scene.stat(STATS), before);
    assert!(scene.changes.iter().all(|(_, path)| path.starts_with("/q/")));
    scene.delete(LIMITS, -1).unwrap();
    fill(&mut scene, "/q/f", "").unwrap();
    assert_eq!(scene.data(STATS), "count=2,bytes=8", "without limits nothing is accounted");
}

#[test]
fn hard_limits_refuse_and_soft_ones_do_not() {
    let mut scene = with_quota("count=1,bytes=1=;byteHardLimit=10;countHardLimit=4");
    assert_eq!(fill(&mut scene, "/q/1", "123"), Err(QuotaExceeded), "eleven bytes");
    fill(&mut scene, "/q/1", "12").expect("ten bytes");
    fill(&mut scene, "/q/2", "").expect("no more bytes");
    assert_eq!(fill(&mut scene, "/q/3", ""), Err(QuotaExceeded), "a fifth znode");
    assert_eq!(scene.set_data("/q/1", "123", 77), Err(QuotaExceeded), "before the version is looked at");
    scene.set_data("/q/1", "1", -1).unwrap();
    let mut scene = with_quota("count=1,bytes=1");
    fill(&mut scene, "/q/1", "123").expect("soft limits only warn");
    let mut scene = with_quota("count=1,bytes=1=;countHardLimit=1");
    scene.rules.enforce_quota = false;
    fill(&mut scene, "/q/1", "123").expect("nothing is enforced unless asked for");
}

#[test]
fn only_the_deepest_quota_counts() {
    let mut scene = with_quota("count=-1,bytes=-1=;countHardLimit=2");
    scene.create("/zookeeper/quota/q/c", 0).unwrap();
    scene.create("/zookeeper/quota/q/c/zookeeper_stats", 0).unwrap();
    fill(&mut scene, "/zookeeper/quota/q/c/zookeeper_limits", "count=-1,bytes=-1=;countHardLimit=3").unwrap();
    fill(&mut scene, "/q/c/1", "").unwrap();
    fill(&mut scene, "/q/c/2", "").unwrap();
    assert_eq!(fill(&mut scene, "/q/c/3", ""), Err(QuotaExceeded));
    assert_eq!(scene.data("/zookeeper/quota/q/c/zookeeper_stats"), "count=3,bytes=4");
    assert_eq!(scene.data(STATS), "count=2,bytes=8");
    assert_eq!(fill(&mut scene, "/q/3", ""), Err(QuotaExceeded));
}

#[test]
fn unreadable_limits_refuse_and_unreadable_usage_is_counted_afresh() {
    let mut scene = with_quota("garbage");
    assert_eq!(fill(&mut scene, "/q/1", ""), Err(MarshallingError));
    assert_eq!(scene.set_data("/q", "x", -1), Err(MarshallingError));
    scene.set_data("/q", "abcd", -1).expect("as many bytes as before");
    let null = CreateRequest { data: None, ..create("/zookeeper/quota/n/zookeeper_limits", 0, "") };
    scene.create("/zookeeper/quota/n", 0).unwrap();
    scene.run(&WriteOp::Create(null)).unwrap();
    scene.create("/zookeeper/quota/n/zookeeper_stats", 0).unwrap();
    assert_eq!(fill(&mut scene, "/n", ""), Err(MarshallingError));

    let mut scene = with_quota("count=-1,bytes=-1=;countHardLimit=9");
    for garbage in ["garbage", "count=x"] {
        scene.set_data(STATS, garbage, -1).unwrap();
        fill(&mut scene, "/q/1", "1").unwrap();
        assert_eq!(scene.data(STATS), "count=3,bytes=9", "{garbage}");
        scene.delete("/q/1", -1).unwrap();
        assert_eq!(scene.data(STATS), "count=2,bytes=8");
    }
}

#[test]
fn quota_names_in_odd_places_are_ordinary_znodes() {
    let mut scene = Scene::with(&["/a"]);
    for path in ["/zookeeper/quota/zookeeper_limits", "/zookeeper/zookeeper_limits", "/zookeeper_limits"] {
        scene.create(path, 0).unwrap();
        scene.create("/a/b", 0).unwrap();
        scene.delete("/a/b", -1).unwrap();
        scene.delete(path, -1).unwrap();
    }
    scene.create("/zookeeper/quota/zookeeper_stats", 0).unwrap();
    assert_eq!(scene.data("/zookeeper/quota/zookeeper_stats"), "");
    scene.create("/zookeeper/quota/a", 0).unwrap();
    scene.create("/zookeeper/quota/a/zookeeper_limits", 0).unwrap();
    scene.create("/a/b", 0).expect("without usage nothing is accounted");
}
