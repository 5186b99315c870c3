//! The admin server: the same session with the original and with Zoorum, then every command, compared.
//!
//! Numbers, dates and addresses differ from run to run and are masked; the order of fields is the original's own
//! only where it does not come from a hash table, so lines are sorted. What remains must be equal.

use std::collections::BTreeSet;

use zoorum_interop::server::{Kind, Server, Setup, free_port};
use zoorum_interop::wire::Client;
use zoorum_interop::{http, masked};

/// The flag of an ephemeral znode.
const EPHEMERAL: i32 = 1;
/// Every command whose answer two servers of the same history have in common.
const COMMANDS: [&str; 22] = [
    "configuration",
    "conf",
    "connections",
    "dirs",
    "dump",
    "get_trace_mask",
    "hash",
    "is_read_only",
    "lsnp",
    "leader",
    "observers",
    "ruok",
    "server_stats",
    "set_trace_mask?traceMask=7",
    "set_trace_mask",
    "set_trace_mask?traceMask=x",
    "stats",
    "voting_view",
    "watches",
    "watches_by_path",
    "zabstate",
    "no/such",
];

struct Scene {
    _server: Server,
    _client: Client,
    port: u16,
}

impl Scene {
    fn start(kind: Kind) -> Self {
        let port = free_port();
        let server = Server::start(kind, Setup::new().admin(port));
        let mut client = server.client();
        client.create("/app", b"data", 0).expect("created");
        client.create("/app/mine", b"", EPHEMERAL).expect("created");
        client.get_data("/app", true).expect("read");
        Self { _server: server, _client: client, port }
    }

    /// Status, content type and body.
    fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let answer = http::ask(self.port, method, path, &[], b"");
        (answer.status, answer.header("content-type").to_owned(), answer.text())
    }

    fn body(&self, command: &str) -> String {
        let (status, kind, body) = self.ask("GET", &format!("/commands/{command}"));
        assert_eq!((status, kind.as_str()), (200, "application/json"), "{command}: {body}");
        body
    }

    /// The lines of an answer, masked and sorted.
    fn shape(&self, command: &str) -> Vec<String> {
        let body = self.body(command);
        let lines = body.lines().filter(|line| !line.contains("_dir\"") && !line.contains("\"version\""));
        let mut lines: Vec<String> = lines.map(|line| masked(line.trim_end_matches(','))).collect();
        // A moment at which a session that was heard from since would have ended.
        lines.retain(|line| !line.ends_with("\"N\" : [ ]"));
        lines.sort_unstable();
        lines
    }

    /// The names of an answer's fields.
    fn names(&self, command: &str) -> BTreeSet<String> {
        let name = |line: &str| Some(line.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned());
        self.body(command).lines().filter_map(name).collect()
    }
}

#[test]
fn every_command_has_the_answer_that_it_has_with_the_original() {
    let (original, zoorum) = (Scene::start(Kind::Original), Scene::start(Kind::Zoorum));
    for command in COMMANDS {
        assert_eq!(zoorum.shape(command), original.shape(command), "{command}");
    }
    for command in ["monitor", "environment", "srst", "crst", "orst"] {
        let (ours, theirs) = (zoorum.names(command), original.names(command));
        let missing: Vec<_> = theirs.difference(&ours).collect();
        let more: Vec<_> = ours.difference(&theirs).collect();
        assert!(missing.is_empty() && more.is_empty(), "{command}: lacks {missing:?}, has {more:?}");
    }
    assert!(zoorum.body("initial_configuration").contains("admin.enableServer=true\\n"), "as it was read");
    assert!(zoorum.body("system_properties").contains("\"zookeeper.admin.enableServer\" : \"true\""));
    let listed = |scene: &Scene| scene.ask("GET", "/commands").2;
    assert_eq!(listed(&zoorum), listed(&original));
}

#[test]
fn other_methods_and_paths_have_the_status_that_they_have_with_the_original() {
    let (original, zoorum) = (Scene::start(Kind::Original), Scene::start(Kind::Zoorum));
    let status = |scene: &Scene, method, path| scene.ask(method, path).0;
    let rows = [
        ("PUT", "/commands/ruok"),
        ("DELETE", "/commands/ruok"),
        ("TRACE", "/commands/ruok"),
        ("HEAD", "/commands/ruok"),
        ("GET", "/"),
        ("GET", "/elsewhere"),
        ("GET", "/commands/"),
    ];
    for (method, path) in rows {
        assert_eq!(status(&zoorum, method, path), status(&original, method, path), "{method} {path}");
    }
    // The original fails here, with a trace of its stack.
    assert_eq!(status(&zoorum, "POST", "/commands/ruok"), 405);
    assert_eq!(status(&zoorum, "GET", "/livez"), 200);
    assert_eq!(status(&zoorum, "GET", "/readyz"), 200);
}
