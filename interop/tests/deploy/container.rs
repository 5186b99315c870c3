//! The image's entry point, as a container engine would run it: by the recipe's user, variables and command, on a root
//! that cannot be written to, or as root on one that can.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use zoorum_interop::dist::Recipe;
use zoorum_interop::room::{Pod, PodSpec, Room, succeeds, until};

use crate::dist::dist;

/// Who the server runs as.
const USER: u32 = 1000;

/// A container with a volume each for the recipe's volumes and for these other directories.
pub(crate) struct Container {
    room: Room,
    pub(crate) scratch: TempDir,
    pub(crate) spec: PodSpec,
}

impl Container {
    fn new(variables: &[(&str, &str)], more_volumes: &[&str]) -> Self {
        let recipe = Recipe::read();
        let scratch = tempfile::tempdir().expect("a directory");
        let more = more_volumes.iter().map(|at| (*at).to_owned());
        let volumes = recipe.volumes.iter().cloned().chain(more);
        let volumes = volumes.map(|at| (volume(scratch.path(), &at), at)).collect();
        let mut environment: BTreeMap<String, String> = recipe.environment;
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let spec = PodSpec {
            name: "zk-1".to_owned(),
            number: 1,
            environment,
            volumes,
            command: recipe.command,
            privileged: false,
        };
        Self { room: Room::new(), scratch, spec }
    }

    fn start(&self) -> Pod {
        let own_name = format!("{} {}\n", self.spec.address(), self.spec.name);
        Pod::start(&self.room, &self.spec, &dist().image(), &own_name, self.scratch.path())
    }

    fn await_ready(&self) {
        let url = format!("http://{}:8080/readyz", self.spec.address());
        until("the server is ready", || self.room.get(&url).0 == 200);
    }

    /// A file of a volume.
    fn read(&self, path: &str) -> String {
        let path = self.scratch.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// An empty volume, which belongs to the server's user as a new one does.
fn volume(scratch: &Path, at: &str) -> std::path::PathBuf {
    let directory = scratch.join(at.trim_start_matches('/'));
    fs::create_dir_all(&directory).expect("a volume");
    chown(&directory, Some(USER), Some(USER)).expect("given away");
    directory
}

/// What the official image makes of an environment in which nothing is set.
const BY_DEFAULT: &str = "dataDir=/data
dataLogDir=/datalog
tickTime=2000
initLimit=5
syncLimit=2
autopurge.snapRetainCount=3
autopurge.purgeInterval=0
maxClientCnxns=60
standaloneEnabled=true
admin.enableServer=true
server.1=localhost:2888:3888;2181
";

#[test]
fn the_recipe_has_the_users_volumes_and_ports_of_the_official_image() {
    let recipe = Recipe::read();
    assert_eq!(recipe.user, "1000:1000");
    assert_eq!(recipe.volumes, ["/data", "/datalog", "/logs"]);
    assert_eq!(recipe.ports, ["2181", "2888", "3888", "8080"]);
    assert_eq!(recipe.command, ["/docker-entrypoint.sh", "zkServer.sh", "start-foreground"]);
}

#[test]
fn the_linter_finds_nothing_in_the_recipe() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut hadolint = Command::new(repository.join(".interop/deploy/bin/hadolint"));
    succeeds(hadolint.arg(repository.join("deploy/container/Dockerfile")));
}

#[test]
fn without_any_variable_it_serves_alone_and_keeps_to_its_volumes() {
    let container = Container::new(&[], &[]);
    let pod = container.start();
    container.await_ready();
    // The root is read-only, so the configuration lies among the data.
    assert_eq!(container.read("data/conf/zoo.cfg"), BY_DEFAULT);
    assert_eq!(container.read("data/myid"), "1\n");
    let owner = fs::metadata(format!("/proc/{}", pod.first_process())).expect("it runs").uid();
    assert_eq!(owner, USER, "the first process is the server, and it is nobody special");
    let executable = fs::read_link(format!("/proc/{}/exe", pod.first_process())).expect("it runs");
    assert!(executable.ends_with("zoorum"), "{executable:?}");
    assert!(!pod.output().contains("Read-only"), "nothing is tried elsewhere: {}", pod.output());
    assert_eq!(pod.stop().code(), Some(143), "the server gets the signal");
    assert!(container.scratch.path().join("datalog/version-2").is_dir());

    let again = container.start();
    container.await_ready();
    assert_eq!(again.stop().code(), Some(143));
}

#[test]
fn variables_become_a_configuration_once() {
    let variables = [
        ("ZOO_MY_ID", "3"),
        ("ZOO_SERVERS", "server.1=a:2888:3888;2181 server.3=localhost:2888:3888;2181"),
        ("ZOO_TICK_TIME", "500"),
        ("ZOO_4LW_COMMANDS_WHITELIST", "srvr, mntr"),
        ("ZOO_CFG_EXTRA", "snapCount=5000 audit.enable=false"),
        ("JVMFLAGS", "-Xmx1g -Dzookeeper.admin.serverPort=8081"),
    ];
    let container = Container::new(&variables, &["/conf"]);
    let mut pod = container.start();
    let url = format!("http://{}:8081/livez", container.spec.address());
    until("a member lives without others", || container.room.get(&url).0 == 200);
    let (status, _) = container.room.get(&url.replace("livez", "readyz"));
    assert_eq!(status, 503, "and is not ready");
    assert_eq!(pod.stop().code(), Some(143));
    let expected = BY_DEFAULT.replace("tickTime=2000", "tickTime=500").replace(
        "server.1=localhost:2888:3888;2181\n",
        "server.1=a:2888:3888;2181\nserver.3=localhost:2888:3888;2181\n4lw.commands.whitelist=srvr, mntr\n\
         snapCount=5000\naudit.enable=false\n",
    );
    assert_eq!(container.read("conf/zoo.cfg"), expected);
    assert_eq!(container.read("data/myid"), "3\n");

    // What is there already is the operator's.
    let own = "dataDir=/data\nclientPort=2181\nadmin.serverPort=8080\n";
    fs::write(container.scratch.path().join("conf/zoo.cfg"), own).expect("written");
    let mut container = container;
    container.spec.environment.remove("JVMFLAGS");
    pod = container.start();
    container.await_ready();
    assert_eq!(container.read("conf/zoo.cfg"), own);
    assert_eq!(pod.stop().code(), Some(143));
}

#[test]
fn a_number_that_no_server_can_have_is_refused_before_anything_is_written() {
    for (variable, number) in [("ZOO_MY_ID", "abc"), ("ZOO_MY_ID", "256"), ("ZOO_MY_ID_OFFSET", "one")] {
        let container = Container::new(&[(variable, number)], &[]);
        let mut pod = container.start();
        assert_eq!(pod.await_end().code(), Some(2), "{}", pod.output());
        assert!(pod.output().contains(variable) && pod.output().contains("number"), "{}", pod.output());
        assert!(!container.scratch.path().join("data/myid").exists());
    }
}

#[test]
fn a_volume_that_it_cannot_write_to_is_told_with_what_helps() {
    let container = Container::new(&[], &[]);
    chown(container.scratch.path().join("data"), Some(0), Some(0)).expect("taken back");
    let mut pod = container.start();
    assert_eq!(pod.await_end().code(), Some(2), "{}", pod.output());
    let says = "user 1000:1000 cannot write to /data, which belongs to root:root";
    assert!(pod.output().contains(says) && pod.output().contains("chown 1000:1000"), "{}", pod.output());
}

#[test]
fn started_as_root_it_hands_its_directories_over_and_steps_down() {
    let mut container = Container::new(&[], &["/conf"]);
    container.spec.privileged = true;
    for (directory, _) in &container.spec.volumes {
        chown(directory, Some(0), Some(0)).expect("taken back");
    }
    let pod = container.start();
    container.await_ready();
    let owner = fs::metadata(format!("/proc/{}", pod.first_process())).expect("it runs").uid();
    assert_eq!(owner, USER);
    for (directory, _) in &container.spec.volumes {
        assert_eq!(fs::metadata(directory).expect("a volume").uid(), USER, "{directory:?}");
    }
    assert_eq!(pod.stop().code(), Some(143));
}

#[test]
fn other_commands_are_run_as_they_are() {
    let mut container = Container::new(&[], &[]);
    container.spec.command = ["/docker-entrypoint.sh", "zoorum", "version"].map(str::to_owned).into();
    let mut pod = container.start();
    assert!(pod.await_end().success(), "{}", pod.output());
    assert!(pod.output().contains("Apache ZooKeeper, version 3.9"), "{}", pod.output());
    assert!(!container.scratch.path().join("data/myid").exists());
}

#[test]
fn the_tutorials_commands_start_a_server_and_find_it_ready() {
    let mut container = Container::new(&[], &["/var/lib/zookeeper", "/opt/zookeeper/conf"]);
    let start = "start-zookeeper --servers=1 --data_dir=/var/lib/zookeeper/data \
                 --data_log_dir=/var/lib/zookeeper/data/log --conf_dir=/opt/zookeeper/conf --client_port=2181 \
                 --election_port=3888 --server_port=2888 --tick_time=2000 --init_limit=10 --sync_limit=5 \
                 --heap=512M --max_client_cnxns=60 --snap_retain_count=3 --purge_interval=12 \
                 --max_session_timeout=40000 --min_session_timeout=4000 --log_level=INFO";
    let line = format!(
        "{start} & until zookeeper-ready 2181; do sleep 0.1; done; echo found ready; kill $!; wait $!"
    );
    container.spec.command = ["bash", "-c", &line].map(str::to_owned).into();
    let mut pod = container.start();
    assert_eq!(pod.await_end().code(), Some(143), "{}", pod.output());
    assert!(pod.output().contains("found ready"), "{}", pod.output());
    assert_eq!(container.read("var/lib/zookeeper/data/myid"), "2\n", "the ordinal and one");
    let configuration = container.read("opt/zookeeper/conf/zoo.cfg");
    for line in ["dataLogDir=/var/lib/zookeeper/data/log", "initLimit=10", "maxSessionTimeout=40000"] {
        assert!(configuration.lines().any(|found| found == line), "{line} is missing of {configuration}");
    }
}
