//! Snapshots and restores over HTTP: the same conversation with the original and with Zoorum, what one takes the other
//! restores, and what Zoorum does better on purpose.

use zoorum_interop::ensemble::{self, Ensemble, Plan, ServerId};
use zoorum_interop::http::{self, Answer};
use zoorum_interop::server::{Kind, Server, Setup, free_port};
use zoorum_interop::tree;
use zoorum_interop::wire::Client;
use zoorum_interop::wire::records::Acl;

/// Who may do everything.
const SUPER: (&str, &str) = ("Authorization", "digest super:admin");
const SUPER_DIGEST: &str = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
/// The flag of an ephemeral znode.
const EPHEMERAL: i32 = 1;

struct Scene {
    server: Server,
    port: u16,
}

impl Scene {
    fn start(kind: Kind) -> Self {
        Self::with(kind, &[("admin.rateLimiterIntervalInMS", "0")])
    }

    fn with(kind: Kind, lines: &[(&str, &str)]) -> Self {
        let port = free_port();
        let setup = Setup::new()
            .admin(port)
            .property("zookeeper.DigestAuthenticationProvider.superDigest", SUPER_DIGEST);
        let setup = lines.iter().fold(setup, |setup, (key, value)| setup.config(key, value));
        Self { server: Server::start(kind, setup), port }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::ask(self.port, "GET", &format!("/commands/{path}"), headers, b"")
    }

    fn restore(&self, body: &[u8]) -> Answer {
        http::ask(self.port, "POST", "/commands/restore", &[SUPER], body)
    }

    /// A snapshot's bytes, and the zxid that it is announced with.
    fn snapshot(&self) -> (Vec<u8>, i64) {
        let answer = self.get("snapshot?streaming=true", &[SUPER]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("snapshot_size"), answer.body.len().to_string());
        let zxid = answer.header("last_zxid").strip_prefix("0x").expect("a zxid").to_owned();
        (answer.body, i64::from_str_radix(&zxid, 16).expect("a zxid"))
    }

    /// The tree but for what is the server's own.
    fn tree(&self) -> Vec<String> {
        let mut client = self.server.client();
        assert_eq!(client.auth("digest", Some(b"super:admin")).err, 0);
        let lines = tree::dump(&mut client);
        lines.into_iter().filter(|line| !line.contains("\t/zookeeper")).collect()
    }
}

fn populate(client: &mut Client) {
    client.create("/app", b"data", 0).expect("created");
    for number in 0..20 {
        client.create(&format!("/app/{number}"), &[number; 300], 0).expect("created");
    }
    client.set_data("/app", b"changed", -1).expect("set");
}

#[test]
fn who_may_ask_is_told_as_by_the_original() {
    let (original, zoorum) = (Scene::start(Kind::Original), Scene::start(Kind::Zoorum));
    let rows: [&[(&str, &str)]; 11] = [
        &[],
        &[("Authorization", "digest")],
        &[("Authorization", "digest a:b")],
        &[("Authorization", "digest a:b c")],
        &[("Authorization", "digest nobody")],
        &[("Authorization", "ip")],
        &[("Authorization", "ip 10.0.0.1")],
        &[("Authorization", "x509")],
        &[("Authorization", "world anyone")],
        &[("Authorization", "sasl x")],
        &[SUPER],
    ];
    let compare = |what: &str| {
        for headers in rows {
            let of = |scene: &Scene| {
                let answer = scene.get("snapshot?streaming=false", headers);
                let text = answer.text();
                let mut lines: Vec<_> =
                    text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
                lines.sort_unstable();
                (answer.status, answer.header("content-type").to_owned(), lines)
            };
            assert_eq!(of(&zoorum), of(&original), "{what}: {headers:?}");
        }
    };
    compare("the root is open to all");
    let admin =
        Acl { perms: 31, scheme: "digest".to_owned(), id: "a:3OptnM09ILoVSfbZtd3mB0IViII=".to_owned() };
    let reader = Acl { perms: 1, scheme: "world".to_owned(), id: "anyone".to_owned() };
    for scene in [&original, &zoorum] {
        scene.server.client().set_acl("/", &[admin.clone(), reader.clone()], -1).expect("set");
    }
    compare("only some may do everything");
}

#[test]
fn what_one_takes_the_other_restores() {
    let original = Scene::start(Kind::Original);
    let zoorum = Scene::start(Kind::Zoorum);
    populate(&mut original.server.client());
    let (snapshot, zxid) = original.snapshot();
    let tree = original.tree();
    let answer = zoorum.restore(&snapshot);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(&format!("\"last_zxid\" : {zxid}")), "{}", answer.text());
    assert_eq!(zoorum.tree(), tree);
    // And back, onto another tree.
    let (snapshot, zxid) = zoorum.snapshot();
    original.server.client().set_data("/app", b"something else", -1).expect("set");
    let answer = original.restore(&snapshot);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(&format!("\"last_zxid\" : {zxid}")), "{}", answer.text());
    assert_eq!(original.tree(), tree);
    let of_body = |scene: &Scene, body: &[u8]| scene.restore(body).status;
    for body in [&b""[..], b"no snapshot", &snapshot[..snapshot.len() / 2]] {
        assert_eq!(of_body(&zoorum, body), of_body(&original, body), "{} bytes", body.len());
    }
    assert_eq!(original.get("snapshot?streaming=x", &[SUPER]).header("content-type"), "application/json");
    assert_eq!(zoorum.get("snapshot?streaming=x", &[SUPER]).header("content-type"), "application/json");
}

#[test]
fn what_was_restored_is_there_after_a_restart_and_nobody_goes_on_with_what_was_before() {
    let mut scene = Scene::start(Kind::Zoorum);
    let mut client = scene.server.client();
    populate(&mut client);
    client.create("/app/mine", b"", EPHEMERAL).expect("created");
    let (snapshot, taken_at) = scene.snapshot();
    client.create("/later", b"", 0).expect("created");
    client.set_data("/app", b"later", -1).expect("set");
    let last = client.zxid();
    let before = scene.tree();
    for body in [&b""[..], b"no snapshot", &snapshot[..snapshot.len() - 1]] {
        let answer = scene.restore(body);
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(!answer.text().contains("\"error\" : null"), "it says why: {}", answer.text());
    }
    assert_eq!(scene.tree(), before, "nothing is half done");
    client.expect_usable();

    assert_eq!(scene.restore(&snapshot).status, 200);
    client.expect_closed();
    let restored = scene.tree();
    let of = |path: &str| restored.iter().any(|line| line.contains(&format!("\t{path}\t")));
    assert!(of("/app/19") && !of("/later") && !of("/app/mine"), "{restored:#?}");
    let mut client = scene.server.client();
    client.create("/after", b"", 0).expect("created");
    assert!(client.zxid() > last + 1 && last > taken_at, "no zxid means two things");
    let now = scene.tree();
    scene.server.restart();
    assert_eq!(scene.tree(), now);
    scene.server.hand_over(Kind::Original);
    assert_eq!(scene.tree(), now, "the original goes on with it, too");
}

#[test]
fn a_packed_snapshot_is_taken_and_restored() {
    let lines = [("admin.rateLimiterIntervalInMS", "0"), ("snapshot.compression.method", "gz")];
    let scene = Scene::with(Kind::Zoorum, &lines);
    populate(&mut scene.server.client());
    let tree = scene.tree();
    let (snapshot, _) = scene.snapshot();
    assert_eq!(snapshot[..2], [0x1f, 0x8b]);
    scene.server.client().set_data("/app", b"later", -1).expect("set");
    assert_eq!(scene.restore(&snapshot).status, 200);
    assert_eq!(scene.tree(), tree);
}

#[test]
fn each_may_be_asked_for_once_in_a_while_or_not_at_all() {
    let scene = Scene::with(Kind::Zoorum, &[]);
    let (snapshot, _) = scene.snapshot();
    let statuses = || (scene.get("snap", &[SUPER]).status, scene.restore(&snapshot).status);
    assert_eq!(statuses(), (429, 200));
    assert_eq!(statuses(), (429, 429));
    let text = scene.get("monitor", &[]).text();
    for line in ["\"snapshot_rate_limited_count\" : 2", "\"restore_rate_limited_count\" : 1"] {
        assert!(text.contains(line), "{line}");
    }
    let off = [("admin.snapshot.enabled", "false"), ("admin.restore.enabled", "false")];
    for kind in [Kind::Original, Kind::Zoorum] {
        let scene = Scene::with(kind, &off);
        assert_eq!((scene.get("snapshot", &[SUPER]).status, scene.restore(&snapshot).status), (503, 503));
    }
}

/// Anybody may do everything where the root is open to all.
const ANYBODY: (&str, &str) = ("Authorization", "digest any:body");

const FOLLOWER: ServerId = ServerId(1);
const LEADER: ServerId = ServerId(3);

/// An ensemble whose third member leads, and runs Zoorum.
fn led_by_zoorum(others: ensemble::Kind) -> Ensemble {
    let mut plan = Plan::new(&[others, others, ensemble::Kind::Zoorum], &[others]);
    plan.settings = plan.settings.with_admin().with("admin.rateLimiterIntervalInMS", "0");
    let mut ensemble = Ensemble::start(&plan);
    ensemble.await_all_serving();
    ensemble.make_leader(LEADER);
    ensemble
}

fn restore(ensemble: &Ensemble, id: ServerId, body: &[u8]) -> Answer {
    http::ask(ensemble.member(id).admin_port(), "POST", "/commands/restore", &[ANYBODY], body)
}

/// Each member's tree, but for what is the server's own.
fn trees(ensemble: &Ensemble) -> Vec<Vec<String>> {
    let of = |id| {
        let lines = tree::dump(&mut ensemble.client(id)).into_iter();
        lines.filter(|line| !line.contains("\t/zookeeper")).collect()
    };
    ensemble.ids().into_iter().map(of).collect()
}

#[test]
fn a_leader_restores_for_its_whole_ensemble_whatever_the_others_run() {
    // Of another ensemble, that has come further.
    let elsewhere = Scene::start(Kind::Zoorum);
    populate(&mut elsewhere.server.client());
    let foreign = elsewhere.snapshot().0;
    for others in [ensemble::Kind::Zoorum, ensemble::Kind::Java395] {
        let mut ensemble = led_by_zoorum(others);
        let mut client = ensemble.client(FOLLOWER);
        populate(&mut client);
        client.create("/app/mine", b"", EPHEMERAL).expect("created");
        let port = ensemble.member(LEADER).admin_port();
        let taken = http::ask(port, "GET", "/commands/snapshot", &[ANYBODY], b"");
        assert_eq!(taken.status, 200, "{}", taken.text());
        client.create("/later", b"", 0).expect("created");
        let last = client.zxid();
        if others == ensemble::Kind::Zoorum {
            let refused = restore(&ensemble, FOLLOWER, &taken.body);
            assert_eq!(refused.status, 500, "another server says what the history is");
            assert!(refused.text().contains("restored by the leader"), "{}", refused.text());
            client.expect_usable();
        }
        for body in [&taken.body, &foreign] {
            let restored = restore(&ensemble, LEADER, body);
            assert_eq!(restored.status, 200, "{}", restored.text());
            ensemble.await_all_serving();
            ensemble.await_write(FOLLOWER);
            ensemble.await_that("all have the restored tree", |ensemble| {
                let trees = trees(ensemble);
                let has = |path: &str| trees[0].iter().any(|line| line.contains(&format!("\t{path}\t")));
                (trees.iter().all(|tree| *tree == trees[0]) && has("/app/19")).then(|| {
                    assert!(!has("/later") && !has("/app/mine"), "{:#?}", trees[0]);
                })
            });
            let mut client = ensemble.client(FOLLOWER);
            client.set_data("/app", b"changed", -1).expect("set");
            assert!(client.zxid() > last, "no zxid means two things");
        }
        let upload = ensemble.member(LEADER).data().join("zoorum/upload");
        assert!(!upload.exists(), "nothing is left of what was received");
        ensemble.expect_sense();
    }
}

#[test]
fn observers_are_told_of_with_the_figures_of_the_original() {
    let figures = |kind: ensemble::Kind| {
        let mut plan = Plan::new(&[kind; 2], &[kind]);
        plan.settings = plan.settings.with_admin();
        let mut ensemble = Ensemble::start(&plan);
        let leader = ensemble.await_leader();
        let port = ensemble.member(leader).admin_port();
        let observer = *ensemble.ids().last().expect("an observer");
        let mut client = ensemble.client(observer);
        (0..5).for_each(|number| {
            client.create(&format!("/{number}"), b"", 0).expect("created");
        });
        let zxid = client.zxid();
        let ask = |what: &str| http::ask(port, "GET", &format!("/commands/{what}"), &[], b"").text();
        let number = |text: &str, name: &str| -> i64 {
            let line = text.lines().find(|line| line.contains(&format!("\"{name}\""))).expect("a figure");
            line.trim_end_matches(',')
                .rsplit(' ')
                .next()
                .and_then(|number| number.parse().ok())
                .expect("a number")
        };
        let text = ensemble.await_that("the observer is told of", |_| {
            let text = ask("observers");
            (number(&text, "last_zxid") == zxid).then_some(text)
        });
        assert_eq!(number(&text, "synced_observers"), 1);
        // A session and five changes.
        assert_eq!(number(&text, "requests"), 6, "{text}");
        assert!(number(&text, "packets_received") >= 6 && number(&text, "packets_sent") >= 6, "{text}");
        assert!(number(&text, "established") > 1_600_000_000_000, "{text}");
        ask("observer_connection_stat_reset");
        assert_eq!(number(&ask("observers"), "requests"), 0);
        let name = |line: &str| Some(line.trim().strip_prefix('"')?.split_once('"')?.0.to_owned());
        text.lines().filter_map(name).collect::<Vec<_>>()
    };
    assert_eq!(figures(ensemble::Kind::Zoorum), figures(ensemble::Kind::Java395));
}
