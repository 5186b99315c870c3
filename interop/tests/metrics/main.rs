//! Metrics: the same story told to the original and to Zoorum, to a server alone and to an ensemble. What the story
//! decides must be counted alike; how long things took is each server's own.

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use zoorum_interop::ensemble::{self, Ensemble, Mode, Plan};
use zoorum_interop::server::{Kind, Server, Setup, free_port};
use zoorum_interop::wire::{Client, four_letter_word};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often we look meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// What each server counts of the story, wherever it is told.
const EVERYWHERE: [&str; 8] = [
    "cnt_propagation_latency",
    "ephemerals_count",
    "global_sessions",
    "sum_app_write_per_namespace",
    "cnt_app_write_per_namespace",
    "max_other_write_per_namespace",
    "cnt_other_write_per_namespace",
    "sum_absent_write_per_namespace",
];
/// What the server counts whose clients it is told by.
const BY_ITS_CLIENTS: [&str; 20] = [
    "cnt_readlatency",
    "cnt_updatelatency",
    "cnt_app_read_per_namespace",
    "sum_app_read_per_namespace",
    "min_app_read_per_namespace",
    "max_app_read_per_namespace",
    "cnt_node_changed_watch_count",
    "max_node_changed_watch_count",
    "cnt_node_created_watch_count",
    "cnt_node_deleted_watch_count",
    "cnt_node_children_watch_count",
    "sum_node_children_watch_count",
    "connection_request_count",
    "connection_drop_count",
    "cnt_connection_token_deficit",
    "response_bytes",
    "watch_bytes",
    "max_client_response_size",
    "watch_count",
    "stale_sessions_expired",
];
/// What the server counts that decides.
const BY_THE_DECIDER: [&str; 2] = ["outstanding_changes_queued", "outstanding_changes_removed"];

type Figures = BTreeMap<String, String>;

fn figures(mntr: &str) -> Figures {
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("zk_")?.split_once('\t')?;
        Some((name.to_owned(), value.to_owned()))
    };
    mntr.lines().filter_map(pair).collect()
}

/// Figures once they stand still: a server counts a moment after it answers.
fn settled(names: &[&str], mut ask: impl FnMut() -> String) -> Figures {
    let begun = Instant::now();
    let mut last = figures(&ask());
    loop {
        thread::sleep(POLL * 10);
        let next = figures(&ask());
        if names.iter().all(|name| next.get(*name) == last.get(*name)) {
            return next;
        }
        assert!(begun.elapsed() < PATIENCE, "the figures never stand still");
        last = next;
    }
}

/// Those of `names` that the two have different values for, or that one of them lacks.
fn differing<'n>(names: &[&'n str], original: &Figures, zoorum: &Figures) -> Vec<String> {
    let differs =
        |name: &&&'n str| !original.contains_key(**name) || original.get(**name) != zoorum.get(**name);
    let shown = |name: &&str| format!("{name}: {:?}, {:?}", original.get(*name), zoorum.get(*name));
    names.iter().filter(differs).map(shown).collect()
}

#[test]
fn a_server_alone_has_every_metric_of_the_original_and_counts_alike() {
    let mut names = [&EVERYWHERE[..], &BY_ITS_CLIENTS, &BY_THE_DECIDER].concat();
    names.extend([
        "cnt_fsynctime",
        "sum_sync_processor_batch_size",
        "prep_processor_request_queued",
        "sync_processor_request_queued",
        "app_quota_exceeded_error_per_namespace",
        "app_quota_count_usage_per_namespace",
        "cnt_zookeeper_write_per_namespace",
        "sum_zookeeper_write_per_namespace",
    ]);
    let [original, zoorum] = [Kind::Original, Kind::Zoorum].map(|kind| {
        let setup = Setup::new().config("4lw.commands.whitelist", "*").config("enforceQuota", "true");
        let server = Server::start(kind, setup);
        let mut client = story::tell(server.address());
        story::exceed_a_quota(&mut client);
        let told = settled(&names, || four_letter_word(server.address(), "mntr"));
        four_letter_word(server.address(), "srst");
        (told, settled(&names, || four_letter_word(server.address(), "mntr")))
    });
    let names_of = |figures: &Figures| figures.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names_of(&zoorum.0), names_of(&original.0));
    let different = differing(&names, &original.0, &zoorum.0);
    assert!(different.is_empty(), "name, original, zoorum: {different:#?}");
    // A reset leaves names, and gauges of what there is.
    assert_eq!(names_of(&zoorum.1), names_of(&original.1));
    let different = differing(&names, &original.1, &zoorum.1);
    assert!(different.is_empty(), "after srst: name, original, zoorum: {different:#?}");
}

/// What a leader, a follower and an observer count of a story that is told by the follower's clients.
fn parts(kind: ensemble::Kind, names: &[Vec<&str>; 3]) -> [Figures; 3] {
    let ensemble = Ensemble::start(&Plan::new(&[kind; 3], &[kind]));
    let modes = [Mode::Leader, Mode::Follower, Mode::Observer];
    let members = modes.map(|mode| {
        let has =
            |id: &ensemble::ServerId| ensemble.member(*id).status().is_some_and(|status| status.mode == mode);
        let id = ensemble.ids().into_iter().find(has).unwrap_or_else(|| panic!("nobody is {mode:?}"));
        ensemble.member(id)
    });
    let _client = story::tell(members[1].client_address());
    let mut figures = members
        .iter()
        .zip(names)
        .map(|(member, names)| settled(names, || four_letter_word(member.client_address(), "mntr")));
    [(); 3].map(|()| figures.next().expect("three parts"))
}

#[test]
fn members_count_as_those_of_the_original_do() {
    let with = |more: &[&[&'static str]]| [&EVERYWHERE[..], &more.concat()].concat();
    let of_leader = [
        "proposal_count",
        "commit_count",
        "cnt_quorum_ack_latency",
        "last_proposal_size",
        "synced_followers",
    ];
    let of_learner = [
        "learner_proposal_received_count",
        "learner_commit_received_count",
        "cnt_commit_propagation_latency",
    ];
    let of_follower = ["cnt_proposal_latency", "cnt_proposal_ack_creation_latency"];
    let names = [
        with(&[&of_leader, &BY_THE_DECIDER, &["request_commit_queued", "sync_processor_request_queued"]]),
        with(&[&BY_ITS_CLIENTS, &of_learner, &of_follower, &BY_THE_DECIDER]),
        with(&[&of_learner[1..], &["request_commit_queued"]]),
    ];
    let [original, zoorum] =
        [ensemble::Kind::Java395, ensemble::Kind::Zoorum].map(|kind| parts(kind, &names));
    for (part, names) in names.iter().enumerate() {
        let different = differing(names, &original[part], &zoorum[part]);
        assert!(different.is_empty(), "part {part}: name, original, zoorum: {different:#?}");
    }
}

/// What an exporter on this port shows.
fn scrape(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("an exporter");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

#[test]
fn the_exporter_tells_of_each_stage_and_of_the_process() {
    let port = free_port();
    let setup = Setup::new()
        .config("4lw.commands.whitelist", "*")
        .config(
            "metricsProvider.className",
            "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
        )
        .config("metricsProvider.httpHost", "127.0.0.1")
        .config("metricsProvider.httpPort", &port.to_string());
    let server = Server::start(Kind::Zoorum, setup);
    let _client = story::tell(server.address());
    let text = scrape(port);
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("there is no {name} in {text}"))
    };
    let writes = value("zoorum_request_seconds_count{op=\"write\",}");
    assert!(writes > 10.0, "{writes}");
    for stage in ["queue", "prep", "sync", "quorum", "apply", "reply"] {
        assert_eq!(value(&format!("zoorum_stage_seconds_count{{stage=\"{stage}\",}}")), writes, "{stage}");
    }
    let together: f64 = ["queue", "prep", "sync", "quorum", "apply", "reply"]
        .map(|stage| value(&format!("zoorum_stage_seconds_sum{{stage=\"{stage}\",}}")))
        .iter()
        .sum();
    let whole = value("zoorum_request_seconds_sum{op=\"write\",}");
    assert!((together - whole).abs() <= whole / 1000.0, "the stages are {together} of {whole}");
    assert_eq!(value("zoorum_server_state{state=\"standalone\",}"), 1.0);
    assert_eq!(value("read_per_namespace_count{key=\"app\",}"), 6.0);
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_threads"] {
        assert!(value(name) > 0.0, "{name}");
    }
    let mntr = four_letter_word(server.address(), "mntr");
    for line in mntr.lines().filter(|line| !line.starts_with("zk_version") && !line.starts_with("zk_server"))
    {
        let name = line.strip_prefix("zk_").and_then(|line| line.split(['{', '\t']).next()).expect("a name");
        assert!(text.contains(&format!("\n{name}")), "{name} is in mntr, and not shown");
    }
}

#[test]
fn an_operation_that_takes_long_is_logged_with_where_its_time_went() {
    // A sync waits for others to share it with, unless none was for a while: so the second of two writes is slow.
    let setup = Setup::new()
        .config("flushDelay", "300")
        .config("maxWriteQueuePollTime", "300")
        .config("operation.warningthresholdms", "50");
    let server = Server::start(Kind::Zoorum, setup);
    let mut client = Client::connect(server.address());
    let expected = format!("slow operation: create of session 0x{:x}, xid ", client.id());
    let begun = Instant::now();
    let line = loop {
        client.create("/app", b"data", 2).expect("created");
        let log = server.log();
        if let Some(line) = log.lines().find(|line| line.contains(&expected)) {
            break line.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is called slow in {log}");
    };
    let stages = line.split_once("ms (").and_then(|(_, stages)| stages.strip_suffix(')')).expect("stages");
    let stages: BTreeMap<&str, u64> = stages
        .split(", ")
        .map(|stage| stage.split_once(' ').expect("a name and a time"))
        .map(|(name, ms)| (name, ms.parse().expect("a number")))
        .collect();
    assert_eq!(
        stages.keys().copied().collect::<Vec<_>>(),
        ["apply", "prep", "queue", "quorum", "reply", "sync"]
    );
    assert!(line.contains(", err 0, took "), "{line}");
}

#[test]
fn nothing_is_called_slow_where_nothing_is_to_be() {
    let setup = Setup::new()
        .config("flushDelay", "60")
        .config("maxWriteQueuePollTime", "60")
        .config("operation.warningthresholdms", "0");
    let server = Server::start(Kind::Zoorum, setup);
    let mut client = Client::connect(server.address());
    (0..5).for_each(|_| drop(client.create("/app", b"data", 2).expect("created")));
    assert!(!server.log().contains("slow operation"), "{}", server.log());
}
