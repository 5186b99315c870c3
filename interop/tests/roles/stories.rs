//! The stories, each as a list of what was seen.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use zoorum_interop::ensemble::{Ensemble, Kind, Member, Mode, Plan, ServerId, Settings};
use zoorum_interop::wire::client::{create_record, path_int};
use zoorum_interop::wire::{Acl, Client, Connect, Connected, Reply, Wire, Writer, flag, op, password};

fn plan(mix: &[Kind], settings: Settings) -> Plan {
    Plan { settings, ..Plan::new(mix, &[]) }
}

fn saw(story: &mut Vec<String>, what: &str, seen: impl Debug) {
    story.push(format!("{what}: {seen:?}"));
}

/// As [`saw`], if it is not just what was seen before.
fn saw_once(story: &mut Vec<String>, what: &str, seen: impl Debug) {
    let line = format!("{what}: {seen:?}");
    if story.last() != Some(&line) {
        story.push(line);
    }
}

/// Each run of digits and what looks like one is `N`.
fn masked(text: &str) -> String {
    let word =
        |word: &str| match word.trim_start_matches("0x").chars().all(|c| c.is_ascii_hexdigit() || c == '.') {
            true if word.chars().any(|c| c.is_ascii_digit()) => "N".to_owned(),
            _ => word.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect(),
        };
    text.split_inclusive(|c: char| !c.is_alphanumeric() && c != '.')
        .map(|part| {
            let end = part.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '.').len();
            word(&part[..end]) + &part[end..]
        })
        .collect()
}

/// The words of a member, without what is one server's own.
fn words(story: &mut Vec<String>, member: &Member) {
    for word in ["ruok", "isro", "srvr", "mntr", "stat", "conf", "dump", "wchs"] {
        let text =
            member.word(word).expect("an answer").replace(&member.data().display().to_string(), "DATA");
        let lines = text.lines().filter(|line| !line.starts_with("Zookeeper version"));
        let text: Vec<String> = match word {
            "mntr" if lines.clone().count() > 1 => {
                let mut names: Vec<String> =
                    lines.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect();
                // They come and go with the load.
                names.retain(|name| !name.contains("_per_namespace"));
                names.sort_unstable();
                names
            }
            "dump" => lines.filter(|line| !line.contains("expire at")).map(masked).collect(),
            _ => lines.map(masked).collect(),
        };
        story.push(format!("{word}:\n{}", text.join("\n")));
    }
    let state = member.word("mntr").expect("an answer");
    let state: Vec<&str> = state.lines().filter(|line| line.contains("zk_server_state")).collect();
    saw(story, "state", state);
}

/// A reply without its xid and zxid, of which only is told whether it is the newest.
fn told(reply: &Reply, newest: i64) -> (i32, bool, usize) {
    (reply.err, reply.zxid == newest, reply.body.len())
}

fn handshake(member: &Member, request: &Connect) -> Option<Connected> {
    Wire::open(member.client_address()).handshake(request)
}

/// What a member answers who asks for a session that has ended.
fn handshake_too_late(member: &Member, session: &Connected) -> Option<Connected> {
    // Who is told of a session's end can ask for it while the original is still closing whatever connection
    // bears its id, and is then closed, too. Zoorum answers at once.
    let attempts = if member.kind() == Kind::Zoorum { 1 } else { 10 };
    (0..attempts).find_map(|_| handshake(member, &Connect::resume(session)))
}

fn reader() -> Connect {
    Connect { read_only: Some(true), ..Connect::default() }
}

fn of_mode(ensemble: &Ensemble, mode: Mode) -> ServerId {
    let has = |id: &ServerId| ensemble.member(*id).status().is_some_and(|status| status.mode == mode);
    ensemble.ids().into_iter().find(has).unwrap_or_else(|| panic!("nobody is {mode:?}"))
}

fn create(path: &str, flags: i32) -> Vec<u8> {
    create_record(path, b"x", &Acl::open(), flags)
}

/// A member whose leader ends serves readers, and nobody else, until there is a leader again.
pub fn without_a_leader(mix: &[Kind]) -> Vec<String> {
    let settings = Settings::default()
        .with("localSessionsEnabled", "true")
        .with("localSessionsUpgradingEnabled", "true")
        .with_property("readonlymode.enabled", "true");
    let mut ensemble = Ensemble::start(&plan(mix, settings));
    let (leader, follower) = (of_mode(&ensemble, Mode::Leader), of_mode(&ensemble, Mode::Follower));
    let mut story = Vec::new();
    let mut owner = ensemble.client(follower);
    owner.create("/a", b"data", flag::PERSISTENT).expect("created");
    owner.create("/a/mine", b"", flag::EPHEMERAL).expect("created");
    let newest = owner.zxid();
    let owner = owner.hang_up();
    ensemble.kill(leader);
    ensemble.await_that("readers are served", |ensemble| {
        (ensemble.member(follower).word("isro").ok()? == "ro").then_some(())
    });
    let member = ensemble.member(follower);
    words(&mut story, member);
    saw(&mut story, "who needs more", handshake(member, &Connect::default()));
    saw(
        &mut story,
        "who does not say",
        handshake(member, &Connect { read_only: None, ..Connect::default() }),
    );
    saw(&mut story, "who is ahead", handshake(member, &Connect { last_zxid: newest + 1, ..reader() }));
    let returning = Connect { read_only: Some(true), ..Connect::resume(&owner) };
    saw(&mut story, "a session of the ensemble", handshake(member, &returning));
    let unknown = Connect { session: 77, password: Some(password(77)), ..reader() };
    saw(&mut story, "an unknown session", handshake(member, &unknown));
    let mut client = Client::connect_with(member.client_address(), &reader());
    saw(&mut story, "a reader", (client.session.read_only, client.session.timeout));
    saw(&mut story, "data", client.get_data("/a", true).map(|(data, _)| data));
    saw(&mut story, "children", client.get_children("/a", true));
    saw(&mut story, "nothing", client.exists("/b", true).map(|_| ()));
    for (what, kind, record) in [
        ("create", op::CREATE, create("/b", 0)),
        ("an ephemeral", op::CREATE2, create("/b", 1)),
        ("delete", op::DELETE, path_int("/a", -1)),
        ("sync", op::SYNC, Writer::new().string("/a").done()),
        ("multi", op::MULTI, Writer::new().int(-1).bool(true).int(-1).done()),
    ] {
        saw(&mut story, what, told(&client.call(kind, &record), newest));
    }
    saw(&mut story, "ping", told(&client.ping(), newest));
    let session = client.hang_up();
    let returning = Connect { read_only: Some(true), ..Connect::resume(&session) };
    let mut client = Client::connect_with(member.client_address(), &returning);
    saw(&mut story, "the reader comes back", client.id() == session.session);
    let mut other = Client::connect_with(member.client_address(), &reader());
    saw(&mut story, "close", told(&other.call(op::CLOSE_SESSION, &[]), newest));
    other.expect_closed();
    ensemble.launch(leader);
    client.expect_closed();
    ensemble.await_all_serving();
    let member = ensemble.member(follower);
    saw(&mut story, "then", member.word("isro").expect("an answer"));
    saw(&mut story, "the reader's session", handshake(member, &Connect::resume(&session)));
    let back = handshake(member, &Connect::resume(&owner)).map(|back| back.session == owner.session);
    saw(&mut story, "the session of the ensemble", back);
    story
}

/// A leader that leaves clients to others tells them and words that nobody is served.
pub fn leader_without_clients(mix: &[Kind]) -> Vec<String> {
    let mut ensemble = Ensemble::new(&plan(mix, Settings::default().with("leaderServes", "no")));
    ensemble.ids().into_iter().for_each(|id| ensemble.launch(id));
    let follower = ensemble.await_that("somebody follows", |ensemble| {
        let follows = |id: &ServerId| ensemble.member(*id).status().is_some();
        ensemble.ids().into_iter().find(follows)
    });
    let leader = ensemble.ids().into_iter().find(|id| *id != follower).expect("there are two");
    let mut story = Vec::new();
    let member = ensemble.member(leader);
    saw(&mut story, "a client of the leader", handshake(member, &Connect::default()));
    words(&mut story, member);
    let mut client = ensemble.client(follower);
    saw(&mut story, "created", client.create("/a", b"x", flag::EPHEMERAL));
    saw(&mut story, "synced", client.sync(Some("/a")));
    client.close();
    story
}

/// A follower's disk stands still for three times as long as a client of it may be silent. The client, which speaks all
/// the time and is heard, keeps its session, though the leader hears of it through that follower alone.
pub fn slow_disk(mix: &[Kind]) -> Vec<String> {
    const TIMEOUT: Duration = Duration::from_millis(1_500);
    let settings = Settings::default().with("syncLimit", "100").with_disks_that_stall();
    let ensemble = Ensemble::start(&plan(mix, settings));
    let (leader, follower) = (of_mode(&ensemble, Mode::Leader), of_mode(&ensemble, Mode::Follower));
    let mut story = Vec::new();
    let timeout = TIMEOUT.as_millis() as i32;
    let request = Connect { timeout, ..Connect::default() };
    let mut owner = Client::connect_with(ensemble.member(follower).client_address(), &request);
    saw(&mut story, "a session", owner.session.timeout);
    saw(&mut story, "an ephemeral", owner.create("/mine", b"", flag::EPHEMERAL));
    let mut other = ensemble.client(leader);
    let stalled = ensemble.member(follower).stall_disk();
    other.post(op::CREATE, &create("/logged", flag::PERSISTENT));
    let until = Instant::now() + 3 * TIMEOUT;
    while Instant::now() < until {
        saw_once(&mut story, "nothing is logged there", owner.exists("/logged", false).map(|_| ()));
    }
    drop(stalled);
    saw(&mut story, "written", other.reply().err);
    owner.post(op::SYNC, &Writer::new().string("/").done());
    saw(&mut story, "the session lives", owner.reply_or_close().map(|reply| reply.err));
    saw(&mut story, "at the leader", other.exists("/mine", false).map(|_| ()));
    story
}

/// Sessions that one member alone knows, at each member.
pub fn local_sessions(mix: &[Kind], upgrading: bool) -> Vec<String> {
    let settings = Settings::default()
        .with("localSessionsEnabled", "true")
        .with("localSessionsUpgradingEnabled", if upgrading { "true" } else { "false" });
    let ensemble = Ensemble::start(&plan(mix, settings));
    let members = [Mode::Leader, Mode::Follower].map(|mode| of_mode(&ensemble, mode));
    let mut story = Vec::new();
    for [here, there] in [members, [members[1], members[0]]] {
        local_sessions_at(&mut story, &ensemble, here, there, upgrading);
    }
    story
}

fn local_sessions_at(
    story: &mut Vec<String>,
    ensemble: &Ensemble,
    here: ServerId,
    there: ServerId,
    upgrading: bool,
) {
    let (member, other) = (ensemble.member(here), ensemble.member(there));
    let mut client = ensemble.client(here);
    client.create(&format!("/{here}"), b"x", flag::PERSISTENT).expect("created");
    let newest = client.zxid();
    saw(story, "delete", client.delete(&format!("/{here}"), -1));
    saw(story, "place", client.zxid() - newest);
    let newest = client.zxid();
    figures(story, member);
    let elsewhere = Connect::resume(&client.session);
    saw(story, "elsewhere", handshake(other, &elsewhere).map(|answer| answer.session));
    let ephemeral = client.call(op::CREATE, &create("/mine", flag::EPHEMERAL));
    saw(story, "an ephemeral", (ephemeral.err, ephemeral.zxid - newest));
    let multi = client.multi(&[
        (op::CREATE, create("/both", flag::PERSISTENT)),
        (op::CREATE, create("/both/mine", flag::EPHEMERAL)),
    ]);
    // The original has another code for it where it follows.
    let code = |text: String| text.replace("-112", "-120");
    story.push(code(format!("multi: {:?}", multi)));
    figures(story, member);
    if upgrading {
        let answer = handshake(other, &Connect::resume(&client.session));
        saw(story, "elsewhere", answer.map(|answer| answer.session == client.id()));
        let mut closing = Client::connect_with(other.client_address(), &Connect::resume(&client.session));
        saw(story, "deleted", closing.delete("/both/mine", -1).and_then(|()| closing.delete("/both", -1)));
        closing.close();
        client.expect_closed();
    } else {
        client.close();
    }
    let mut client = ensemble.client(here);
    client.sync(Some("/")).expect("synced");
    saw(story, "gone", client.exists("/mine", false).map(|_| ()));
    let newest = client.zxid();
    let session = client.session.clone();
    saw(story, "close", told(&client.call(op::CLOSE_SESSION, &[]), newest));
    client.expect_closed();
    saw(story, "after", handshake_too_late(member, &session));
    figures(story, member);
    let mut silent =
        Client::connect_with(member.client_address(), &Connect { timeout: 1, ..Connect::default() });
    silent.expect_closed();
    saw(story, "expired", handshake_too_late(member, &silent.session));
}

/// What words tell of sessions.
fn figures(story: &mut Vec<String>, member: &Member) {
    let mntr = member.word("mntr").expect("an answer");
    let figure =
        |line: &&str| line.starts_with("zk_local_sessions") || line.starts_with("zk_global_sessions");
    saw(story, "figures", mntr.lines().filter(figure).collect::<Vec<_>>());
    let dump = member.word("dump").expect("an answer");
    let lines = dump.lines().take_while(|line| !line.starts_with("ephemeral"));
    saw(story, "dump", lines.filter(|line| !line.contains("expire at")).map(sets).collect::<Vec<_>>());
}

/// Without how many sets there are: empty ones may be listed, and sessions masked.
fn sets(line: &str) -> String {
    match line.split_once("Sets (") {
        Some((head, tail)) => {
            format!("{head}Sets …{}", tail.split_once('/').map_or(tail, |(_, count)| count))
        }
        None => masked(line),
    }
}
