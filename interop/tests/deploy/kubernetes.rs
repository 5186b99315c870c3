//! Kubernetes' objects: what they say, and whether the pods that they describe form an ensemble.
//!
//! No cluster is in this. The objects hold against the schemas of Kubernetes' releases, the chart is rendered by Helm
//! itself, and each pod of a StatefulSet is played by a container of a room: the image's files, the object's variables,
//! command, user, read-only root, volumes and probes, and the names that the headless service would give.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use zoorum_interop::dist::Recipe;
use zoorum_interop::room::{Pod, PodSpec, Room, succeeds, until};

use crate::dist::dist;

fn manifests(arguments: &[&str]) -> Command {
    let interop = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(interop.join("../.interop/deploy/bin/python"));
    command.arg(interop.join("tests/deploy/manifests.py")).args(arguments);
    command
}

/// All objects, each checked against the schema of its kind.
fn objects(arguments: &[&str]) -> Vec<Value> {
    let output = succeeds(&mut manifests(arguments));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn plain() -> Vec<Value> {
    objects(&["plain"])
}

fn chart(values: &str) -> Vec<Value> {
    objects(&["chart", "demo", "prod", values])
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// What every set of members must be, whoever wrote it.
fn check_set(objects: &[Value], service: &str, set: &str) {
    let headless = named(objects, "Service", &format!("{service}-headless"));
    assert_eq!(headless["spec"]["clusterIP"], "None");
    assert_eq!(
        headless["spec"]["publishNotReadyAddresses"], true,
        "members find each other before any serves"
    );
    let clients = named(objects, "Service", service);
    assert_eq!(clients["spec"]["ports"][0]["port"], 2181);
    assert!(clients["spec"]["publishNotReadyAddresses"].is_null(), "clients find those that serve");

    let budget = &named(objects, "PodDisruptionBudget", set)["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    let spec = &named(objects, "StatefulSet", set)["spec"];
    assert_eq!(spec["serviceName"], format!("{service}-headless"));
    assert_eq!(spec["podManagementPolicy"], "Parallel", "one alone never becomes ready");
    assert_eq!(budget["selector"], spec["selector"], "the budget is for these pods");
    let labels = spec["template"]["metadata"]["labels"].as_object().expect("labels");
    for selector in [&spec["selector"]["matchLabels"], &headless["spec"]["selector"]] {
        for (name, value) in selector.as_object().expect("labels") {
            assert_eq!(labels.get(name), Some(value), "{name} finds the pods of {set}");
        }
    }

    let pod = &spec["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsUser"], 1000);
    assert_eq!(pod["securityContext"]["fsGroup"], 1000);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    for probe in ["livenessProbe", "startupProbe"] {
        assert_eq!(container[probe]["httpGet"]["path"], "/livez", "a member without a quorum is not killed");
    }
    assert!(container["lifecycle"].is_null(), "SIGTERM is enough");
}

fn anti_affinity<'a>(objects: &'a [Value], set: &str, how: &str) -> &'a Value {
    &named(objects, "StatefulSet", set)["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
        [format!("{how}DuringSchedulingIgnoredDuringExecution")][0]
}

#[test]
fn the_plain_objects_are_valid_and_sound() {
    let objects = plain();
    for set in ["zookeeper", "zookeeper-observer"] {
        check_set(&objects, "zookeeper", set);
        assert_eq!(anti_affinity(&objects, set, "required")["topologyKey"], "kubernetes.io/hostname");
    }
}

#[test]
fn the_chart_is_valid_and_sound_for_all_that_can_be_chosen() {
    let lint: Value = serde_json::from_slice(&succeeds(&mut manifests(&["lint"])).stdout).expect("JSON");
    assert_eq!(lint["errors"].as_array().map(Vec::len), Some(0), "{lint}");
    let complaints = lint["messages"].as_array().expect("a list").iter();
    let serious: Vec<_> = complaints.filter(|complaint| complaint["severity"].as_u64() > Some(1)).collect();
    assert!(serious.is_empty(), "{serious:?}");

    let objects = chart("{}");
    check_set(&objects, "demo-zoorum", "demo-zoorum");
    assert!(objects.iter().all(|object| object["metadata"]["name"] != "demo-zoorum-observer"));
    assert_eq!(anti_affinity(&objects, "demo-zoorum", "required")["topologyKey"], "kubernetes.io/hostname");

    let everything = r#"{
        "voters": 5, "observers": 2, "antiAffinity": "preferred", "fullnameOverride": "zk", "clusterDomain": "c.test",
        "image": {"repository": "registry.test/zoorum", "tag": "1", "pullSecrets": [{"name": "key"}]},
        "config": {"extra": {"snapCount": 5000, "leaderServes": "no"}}, "jvmFlags": "-Dzookeeper.skipACL=yes",
        "metrics": {"enabled": true}, "service": {"type": "LoadBalancer", "annotations": {"a/b": "c"}},
        "storage": {"storageClassName": "fast", "log": {"enabled": true}}, "priorityClassName": "high",
        "podAnnotations": {"d": "e"}, "podLabels": {"f": "g"}, "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    }"#;
    let objects = chart(everything);
    for set in ["zk", "zk-observer"] {
        check_set(&objects, "zk", set);
        assert_eq!(anti_affinity(&objects, set, "preferred")["weight"], 100);
    }
    let data = &named(&objects, "ConfigMap", "zk")["data"];
    let servers = data["ZOO_SERVERS"].as_str().expect("text");
    assert_eq!(servers.split(' ').count(), 7);
    assert!(servers.starts_with("server.1=zk-0.zk-headless.prod.svc.c.test:2888:3888;2181 "), "{servers}");
    assert!(
        servers.ends_with(" server.102=zk-observer-1.zk-headless.prod.svc.c.test:2888:3888:observer;2181"),
        "{servers}"
    );
    assert_eq!(data["ZOO_DATA_LOG_DIR"], "/datalog");
    let extra = data["ZOO_CFG_EXTRA"].as_str().expect("text");
    for line in
        ["quorumListenOnAllIPs=true", "metricsProvider.httpPort=7000", "snapCount=5000", "leaderServes=no"]
    {
        assert!(extra.split(' ').any(|found| found == line), "{line} is missing of {extra}");
    }
}

#[test]
fn the_chart_refuses_what_it_does_not_know() {
    for values in [r#"{"voterz": 3}"#, r#"{"voters": "three"}"#, r#"{"config": {"extra": {"a": "b c"}}}"#] {
        let output = manifests(&["chart", "demo", "prod", values]).output().expect("run python");
        assert!(!output.status.success(), "{values} should be refused");
    }
}

/// What the control plane, the kubelets and the name service make of the objects.
struct Cluster {
    room: Room,
    scratch: TempDir,
    pods: BTreeMap<String, PodSpec>,
    running: BTreeMap<String, Pod>,
    names: String,
}

impl Cluster {
    fn new(objects: &[Value], domain: &str) -> Self {
        Self::on_volumes(tempfile::tempdir().expect("a directory"), objects, domain)
    }

    /// The same, where there may be volumes already.
    fn on_volumes(scratch: TempDir, objects: &[Value], domain: &str) -> Self {
        let mut pods = BTreeMap::new();
        let mut names = String::new();
        for set in objects.iter().filter(|object| object["kind"] == "StatefulSet") {
            let replicas = set["spec"]["replicas"].as_u64().expect("a number");
            for ordinal in 0..replicas {
                let name = format!("{}-{ordinal}", set["metadata"]["name"].as_str().expect("a name"));
                let number = u8::try_from(pods.len() + 1).expect("few pods");
                let pod = pod_spec(objects, set, &name, number, scratch.path());
                let service = set["spec"]["serviceName"].as_str().expect("a name");
                names += &format!("{} {name}.{service}{domain} {name}\n", pod.address());
                pods.insert(name, pod);
            }
        }
        Self { room: Room::new(), scratch, pods, running: BTreeMap::new(), names }
    }

    fn start(&mut self, name: &str) {
        let pod = Pod::start(&self.room, &self.pods[name], &dist().image(), &self.names, self.scratch.path());
        self.running.insert(name.to_owned(), pod);
    }

    fn stop(&mut self, name: &str) {
        let pod = self.running.remove(name).expect("it runs");
        assert_eq!(pod.stop().code(), Some(143), "{name}");
    }

    fn probe(&self, name: &str, path: &str) -> u16 {
        self.room.get(&format!("http://{}:8080{path}", self.pods[name].address())).0
    }

    fn await_ready(&self, names: &[&str]) {
        for name in names {
            until(&format!("{name} is ready"), || self.probe(name, "/readyz") == 200);
        }
    }

    /// Which part it has.
    fn mode(&self, name: &str) -> String {
        let mut command = self.room.command(dist().image().join("opt/zoorum/bin/zoorum"));
        command.args(["four-letter-word", &self.pods[name].address(), "2181", "srvr"]);
        let answer = String::from_utf8(succeeds(&mut command).stdout).expect("text");
        let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "));
        mode.unwrap_or_else(|| panic!("{name} says: {answer}")).to_owned()
    }

    /// Runs a line of kazoo's against a pod.
    fn kazoo(&self, name: &str, line: &str) -> String {
        let python = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.interop/venv/bin/python");
        let program = format!(
            "from kazoo.client import KazooClient\nzk = KazooClient(hosts='{}:2181')\nzk.start(30)\n{line}\nzk.stop()",
            self.pods[name].address()
        );
        let output = succeeds(self.room.command(python).args(["-c", &program]));
        String::from_utf8(output.stdout).expect("text")
    }
}

/// A pod as its kubelet would start it.
fn pod_spec(objects: &[Value], set: &Value, name: &str, number: u8, scratch: &std::path::Path) -> PodSpec {
    let recipe = Recipe::read();
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut environment = recipe.environment;
    for source in list(&container["envFrom"]) {
        let map = named(objects, "ConfigMap", &text(&source["configMapRef"]["name"]));
        let data = map["data"].as_object().expect("variables");
        environment.extend(data.iter().map(|(name, value)| (name.clone(), text(value))));
    }
    for variable in list(&container["env"]) {
        environment.insert(text(&variable["name"]), text(&variable["value"]));
    }
    let mount = |mount: &Value| {
        let directory: PathBuf = scratch.join(name).join(text(&mount["name"]));
        fs::create_dir_all(&directory).expect("a volume");
        // As fsGroup has it.
        let group = pod["securityContext"]["fsGroup"].as_u64().and_then(|group| u32::try_from(group).ok());
        chown(&directory, Some(0), group).expect("given to the group");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o2775)).expect("writable");
        (directory, text(&mount["mountPath"]))
    };
    assert!(container["command"].is_null() && container["args"].is_null(), "the recipe's command will do");
    PodSpec {
        name: name.to_owned(),
        number,
        environment,
        volumes: list(&container["volumeMounts"]).iter().map(mount).collect(),
        command: recipe.command,
        privileged: false,
    }
}

#[test]
fn pods_of_the_plain_objects_form_an_ensemble_that_survives_their_exchange() {
    let mut cluster = Cluster::new(&plain(), "");
    cluster.start("zookeeper-0");
    until("the first lives", || cluster.probe("zookeeper-0", "/livez") == 200);
    assert_eq!(cluster.probe("zookeeper-0", "/readyz"), 503, "and is not ready alone");
    for name in ["zookeeper-1", "zookeeper-2", "zookeeper-observer-0"] {
        cluster.start(name); // the second observer is in the configuration, and not there
    }
    let voters = ["zookeeper-0", "zookeeper-1", "zookeeper-2"];
    cluster.await_ready(&voters);
    cluster.await_ready(&["zookeeper-observer-0"]);
    let mut modes = voters.map(|name| cluster.mode(name));
    modes.sort_unstable();
    assert_eq!(modes, ["follower", "follower", "leader"]);
    assert_eq!(cluster.mode("zookeeper-observer-0"), "observer");
    cluster.kazoo("zookeeper-observer-0", "zk.create('/kept', b'as it was')");

    // As `kubectl rollout restart` does it.
    for name in ["zookeeper-2", "zookeeper-1", "zookeeper-0"] {
        cluster.stop(name);
        cluster.start(name);
        cluster.await_ready(&[name]);
    }
    for name in voters {
        assert_eq!(
            cluster.kazoo(name, "zk.sync('/kept'); print(zk.get('/kept')[0].decode())"),
            "as it was\n"
        );
    }

    // A volume in the place of another.
    cluster.stop("zookeeper-1");
    let stranger = cluster.pods["zookeeper-2"].volumes.clone();
    let own = std::mem::replace(&mut cluster.pods.get_mut("zookeeper-1").expect("a pod").volumes, stranger);
    cluster.stop("zookeeper-2");
    cluster.start("zookeeper-1");
    let pod = cluster.running.get_mut("zookeeper-1").expect("it was started");
    assert_eq!(pod.await_end().code(), Some(2));
    assert!(pod.output().contains("is server 3's, and this is to be server 2"), "{}", pod.output());
    cluster.pods.get_mut("zookeeper-1").expect("a pod").volumes = own;
    cluster.start("zookeeper-1");
    cluster.await_ready(&["zookeeper-1"]);
}

#[test]
fn a_pod_of_the_chart_serves_with_what_was_chosen() {
    let objects = chart(
        r#"{"voters": 1, "metrics": {"enabled": true}, "storage": {"log": {"enabled": true}},
            "config": {"extra": {"maxCnxns": 7}}}"#,
    );
    let mut cluster = Cluster::new(&objects, ".prod.svc.cluster.local");
    cluster.start("demo-zoorum-0");
    cluster.await_ready(&["demo-zoorum-0"]);
    let metrics = format!("http://{}:7000/metrics", cluster.pods["demo-zoorum-0"].address());
    assert_eq!(cluster.room.get(&metrics).0, 200);
    let volumes = cluster.scratch.path().join("demo-zoorum-0");
    assert!(volumes.join("datalog/version-2").is_dir(), "the log has a volume of its own");
    let configuration = fs::read_to_string(volumes.join("data/conf/zoo.cfg")).expect("a configuration");
    assert!(configuration.contains("\nmaxCnxns=7\n"), "{configuration}");
    cluster.stop("demo-zoorum-0");
}

#[test]
fn an_ensemble_of_the_chart_grows_from_three_to_five() {
    let domain = ".prod.svc.cluster.local";
    let name = |ordinal: usize| format!("demo-zoorum-{ordinal}");
    let grow = |cluster: &mut Cluster, voters: usize| {
        (0..voters).for_each(|ordinal| cluster.start(&name(ordinal)));
        (0..voters).for_each(|ordinal| cluster.await_ready(&[&name(ordinal)]));
    };
    let mut cluster = Cluster::new(&chart("{}"), domain);
    grow(&mut cluster, 3);
    cluster.kazoo(&name(0), "zk.create('/kept', b'as it was')");
    (0..3).for_each(|ordinal| cluster.stop(&name(ordinal)));

    let values = r#"{"voters": 5, "config": {"extra": {"db.autocreate": false}}}"#;
    let mut cluster = Cluster::on_volumes(cluster.scratch, &chart(values), domain);
    grow(&mut cluster, 5);
    let read = cluster.kazoo(&name(4), "zk.sync('/kept'); print(zk.get('/kept')[0].decode())");
    assert_eq!(read, "as it was\n");
}
