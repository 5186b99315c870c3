//! Four-letter words: the same session with the original and with Zoorum, then every word, compared.
//!
//! Numbers, dates and addresses differ from run to run and are masked; lists that the original keeps in hash
//! tables are sorted. What remains must be equal, byte for byte.

use std::collections::BTreeSet;

use zoorum_interop::ensemble::{self, Ensemble, Member, Mode, Plan};
use zoorum_interop::masked;
use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::{Client, Wire, four_letter_word};

/// The flag of an ephemeral znode.
const EPHEMERAL: i32 = 1;
/// Every word that tells something.
const WORDS: [&str; 17] = [
    "ruok", "srvr", "stat", "mntr", "conf", "cons", "crst", "srst", "dirs", "dump", "envi", "gtmk", "wchs",
    "wchc", "wchp", "isro", "hash",
];
/// Those that tell of a member's part.
const MEMBERS_WORDS: [&str; 6] = ["srvr", "mntr", "conf", "dump", "isro", "ruok"];
/// Keys whose value is one server's own: its name, its place, and what only a Java server has.
const OWN_VALUES: [&str; 5] = ["zookeeper.version", "host.name", "java.", "os.memory.", "user.dir"];

fn setup() -> Setup {
    Setup::new().config("4lw.commands.whitelist", "*")
}

/// A server with a session that owns, watches and has asked for something.
fn scene(kind: Kind) -> (Server, Client) {
    let server = Server::start(kind, setup());
    let mut client = server.client();
    client.create("/app", b"data", 0).expect("created");
    client.create("/app/mine", b"", EPHEMERAL).expect("created");
    client.get_data("/app", true).expect("read");
    client.exists("/absent", true).expect_err("there is no such znode");
    client.get_children("/app", true).expect("listed");
    (server, client)
}

/// How many sets there are, and what is in which, depends on the moment: the heads of sets are told apart
/// from what is in them, and each form of them once.
fn without_sets(dump: &str) -> String {
    let (heads, rest): (Vec<_>, Vec<_>) = dump.lines().partition(|line| line.contains(" expire at "));
    let letters = |word: &str| word.chars().map(|c| if c.is_alphabetic() { 'A' } else { c }).collect();
    let form = |head: &str| head.split(' ').map(letters).collect::<Vec<String>>().join(" ");
    let forms: BTreeSet<_> = heads.into_iter().map(form).collect();
    rest.into_iter().map(str::to_owned).chain(forms).map(|line| line + "\n").collect()
}

/// The value behind each key that is one server's own, masked.
fn without_own_values(text: &str) -> String {
    let own = |line: &str| OWN_VALUES.iter().any(|key| line.starts_with(key));
    let line = |line: &str| match line.split_once('=') {
        Some((key, _)) if own(line) => format!("{key}=…\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// What must be equal in the answers of two servers.
fn shape(server: &Server, word: &str) -> String {
    let directory = server.directory().display().to_string();
    shape_of(&four_letter_word(server.address(), word).replace(&directory, "DIRECTORY"), word)
}

fn shape_of(text: &str, word: &str) -> String {
    let text = match word {
        "envi" => without_own_values(text),
        "srvr" | "stat" => text.split_once('\n').expect("a version and more").1.to_owned(),
        _ => text.to_owned(),
    };
    let masked = masked(&text);
    match word {
        // Names alone: values have a test of their own.
        "mntr" => names(&text).into_iter().fold(String::new(), |all, name| all + name + "\n"),
        "dump" => without_sets(&masked),
        "stat" | "cons" | "wchc" | "wchp" => {
            let mut lines: Vec<_> = masked.split_inclusive('\n').collect();
            lines.sort_unstable();
            lines.concat()
        }
        _ => masked,
    }
}

/// What a member of each part tells, beginning with the leader.
fn parts(kind: ensemble::Kind) -> Vec<(String, String)> {
    let ensemble = Ensemble::start(&Plan::new(&[kind; 3], &[kind]));
    let with = |mode: Mode| {
        let has =
            |id: &ensemble::ServerId| ensemble.member(*id).status().is_some_and(|status| status.mode == mode);
        let id = ensemble.ids().into_iter().find(has).unwrap_or_else(|| panic!("nobody is {mode:?}"));
        (mode, ensemble.member(id))
    };
    let members = [Mode::Leader, Mode::Follower, Mode::Observer].map(with);
    let told = |(mode, member): (Mode, &Member)| {
        let directory = member.data().display().to_string();
        MEMBERS_WORDS.map(|word| {
            let text = member.word(word).expect("an answer").replace(&directory, "DIRECTORY");
            let shape = match word {
                // A leader has some names for each of its learners.
                "mntr" => names(&text).into_iter().map(masked).collect::<BTreeSet<_>>().into_iter().collect(),
                _ => shape_of(&text, word),
            };
            (format!("{word} of the {mode:?}"), shape)
        })
    };
    members.into_iter().flat_map(told).collect()
}

/// What a member tells that waits for others.
fn waiting(kind: ensemble::Kind) -> Vec<(String, String)> {
    let mut ensemble = Ensemble::new(&Plan::new(&[kind; 3], &[]));
    let id = ensemble.ids()[0];
    ensemble.launch(id);
    let told = WORDS.map(|word| {
        let answer =
            |ensemble: &Ensemble| ensemble.member(id).word(word).ok().filter(|text| !text.is_empty());
        let text = ensemble.await_that(&format!("{id} answers {word}"), answer);
        (word.to_owned(), shape_of(&text, if word == "envi" { "envi" } else { "" }))
    });
    told.into()
}

#[test]
fn members_tell_of_their_parts_what_those_of_the_original_tell() {
    for tell in [parts, waiting] {
        let (expected, found) = (tell(ensemble::Kind::Java395), tell(ensemble::Kind::Zoorum));
        for ((word, expected), (_, found)) in expected.into_iter().zip(found) {
            assert_eq!(found, expected, "{word}");
        }
    }
}

/// The names in an answer to `mntr`. A member of the original writes `/zookeeper/config` when it starts, and counts it.
fn names(mntr: &str) -> BTreeSet<&str> {
    let names = mntr.lines().map(|line| line.split_once('\t').expect("a name and a value").0);
    names.filter(|name| !name.ends_with("_zookeeper_write_per_namespace")).collect()
}

/// A value in an answer to `mntr`.
fn value<'t>(mntr: &'t str, name: &str) -> &'t str {
    let line = mntr.lines().find_map(|line| line.strip_prefix("zk_")?.strip_prefix(name)?.strip_prefix('\t'));
    line.unwrap_or_else(|| panic!("mntr has no {name}"))
}

#[test]
fn every_word_has_the_shape_that_it_has_with_the_original() {
    let [(original, _first), (zoorum, _second)] = [Kind::Original, Kind::Zoorum].map(scene);
    let differing: Vec<String> = WORDS
        .into_iter()
        .filter_map(|word| {
            let (expected, found) = (shape(&original, word), shape(&zoorum, word));
            (expected != found).then(|| format!("{word}\n--- original\n{expected}\n--- zoorum\n{found}"))
        })
        .collect();
    assert!(differing.is_empty(), "{} words differ:\n{}", differing.len(), differing.join("\n\n"));
}

/// An answer to `mntr` after which these figures stay: a reply is counted a moment after it is sent.
fn settled(server: &Server, names: &[&str]) -> String {
    let ask = || four_letter_word(server.address(), "mntr");
    let figures = |mntr: &str| names.iter().map(|name| value(mntr, name).to_owned()).collect::<Vec<_>>();
    let mut last = ask();
    loop {
        let next = ask();
        if figures(&next) == figures(&last) {
            return next;
        }
        last = next;
    }
}

#[test]
fn figures_that_the_session_decides_are_those_of_the_original() {
    let decided = [
        "server_state",
        "znode_count",
        "watch_count",
        "ephemerals_count",
        "approximate_data_size",
        "global_sessions",
        "num_alive_connections",
        "outstanding_requests",
        "auth_failed_count",
        "connection_request_count",
        "response_bytes",
        "watch_bytes",
        "min_client_response_size",
        "max_client_response_size",
        "last_client_response_size",
        "connection_drop_probability",
        "stale_sessions_expired",
        "digest_mismatches_count",
    ];
    let [original, zoorum] = [Kind::Original, Kind::Zoorum].map(|kind| {
        let (server, _client) = scene(kind);
        settled(&server, &decided)
    });
    let differing: Vec<_> = decided
        .into_iter()
        .map(|name| (name, value(&original, name), value(&zoorum, name)))
        .filter(|(_, expected, found)| expected != found)
        .collect();
    assert!(differing.is_empty(), "name, original, zoorum: {differing:?}");
}

#[test]
fn a_word_that_is_not_listed_is_refused_by_name() {
    for kind in [Kind::Original, Kind::Zoorum] {
        let server = Server::start(kind, Setup::new().config("4lw.commands.whitelist", "ruok, isro"));
        let refusal = "stat is not executed because it is not in the whitelist.\n";
        assert_eq!(four_letter_word(server.address(), "stat"), refusal, "{kind:?}");
        assert_eq!(four_letter_word(server.address(), "ruok"), "imok", "{kind:?}");
        assert_eq!(four_letter_word(server.address(), "isro"), "rw", "{kind:?}");
        assert!(four_letter_word(server.address(), "srvr").contains("Mode: standalone\n"), "{kind:?}");
    }
}

#[test]
fn the_trace_mask_is_kept_for_those_who_ask_for_it() {
    for kind in [Kind::Original, Kind::Zoorum] {
        let server = Server::start(kind, setup());
        assert_eq!(four_letter_word(server.address(), "gtmk"), "306", "{kind:?}");
        let mut wire = Wire::open(server.address());
        wire.write(b"stmk\0\0\0\0\0\0\x01\xff");
        assert_eq!(wire.until_closed(), b"511", "{kind:?}");
        assert_eq!(four_letter_word(server.address(), "gtmk"), "511", "{kind:?}");
    }
}

#[test]
fn reset_figures_begin_anew() {
    for kind in [Kind::Original, Kind::Zoorum] {
        let (server, _client) = scene(kind);
        four_letter_word(server.address(), "srst");
        four_letter_word(server.address(), "crst");
        let mntr = four_letter_word(server.address(), "mntr");
        assert_eq!(value(&mntr, "last_client_response_size"), "-1", "{kind:?}");
        assert_eq!(value(&mntr, "max_latency"), "0", "{kind:?}");
        assert_eq!(value(&mntr, "connection_request_count"), "0", "{kind:?}");
        assert_eq!(value(&mntr, "watch_count"), "3", "{kind:?} counts nothing but what was observed anew");
        let cons = four_letter_word(server.address(), "cons");
        let session = cons.lines().find(|line| line.contains("sid=0x")).expect("the session's connection");
        assert!(session.contains("recved=0,sent=0"), "{kind:?}: {session}");
        assert!(
            session.contains("lop=NA") && session.contains("lzxid=0xffffffffffffffff"),
            "{kind:?}: {session}"
        );
    }
}
