//! Records what members of the original say to each other, as golden data for the codecs of both ports:
//!
//! ```text
//! cargo run -p zoorum-interop --bin capture-quorum        writes crates/proto/testdata/golden/quorum/*.txt
//! ```
//!
//! Ports, times and session ids differ from run to run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use zoorum_interop::ensemble::dialogue::{Content, Speaker, packet};
use zoorum_interop::ensemble::tap::{Conversation, Said};
use zoorum_interop::ensemble::{Ensemble, Kind, Link, Plan, Port, ServerId};
use zoorum_interop::wire::client::{create_record, path_int, set_data_record};
use zoorum_interop::wire::{Acl, Client, Connect, code, flag, op};

const GRAMMAR: &str = "\
# Made by `cargo run -p zoorum-interop --bin capture-quorum`.
#
# line        comment | connection | message
# connection  'connection ' ('election' | 'quorum') ' ' dialer ' ' target
# message     ('>' | '<') ' ' name ' ' hex
# '>'         said by the dialer, on the quorum port the learner; '<' by the target, there the leader
# name        hello | notification | a packet's name | stream, which follows a SNAP
# hex         every byte, two digits each; a notification begins with its length
#
# A notification that says what the one before it on the same connection said, and a PING that is not the
# first of its speaker, are left out.
";

fn main() {
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository");
    let directory = repository.join("crates/proto/testdata/golden/quorum");
    fs::create_dir_all(&directory).expect("create the directory");
    for (kind, version) in [(Kind::Java395, "3.9.5"), (Kind::Java380, "3.8.0")] {
        Capture::begin(kind, version, &directory).run();
    }
}

/// An ensemble of three voters and an observer, all of one kind, whose every message is kept.
struct Capture {
    ensemble: Ensemble,
    version: &'static str,
    directory: PathBuf,
}

impl Capture {
    fn begin(kind: Kind, version: &'static str, directory: &Path) -> Capture {
        let ensemble = Ensemble::new(&Plan::new(&[kind; 3], &[kind]));
        ensemble.links().record();
        Capture { ensemble, version, directory: directory.into() }
    }

    fn run(mut self) {
        let voters = self.ensemble.voters();
        voters.iter().for_each(|id| self.ensemble.launch(*id));
        for id in &voters {
            self.ensemble.await_serving(*id);
        }
        self.write_elections("election", "Three servers that were never started before elect a leader.");
        let leader = self.ensemble.await_leader();
        let followers: Vec<ServerId> = voters.into_iter().filter(|id| *id != leader).collect();
        self.synchronize_first(&followers);
        self.serve(followers[0], leader);
        self.synchronize_by_transactions(followers[1], leader);
        self.synchronize_by_snapshot(followers[1], leader);
        self.observe(leader);
        self.truncate(leader);
    }

    /// The first learner of a new ensemble lacks nothing.
    fn synchronize_first(&self, followers: &[ServerId]) {
        let conversations = self.quorum_conversations();
        let first = conversations.iter().find(|conversation| {
            followers.contains(&conversation.link.dialer) && names(conversation).contains("DIFF")
        });
        let first = first.expect("somebody was there when the leader was elected");
        self.write("first", "A follower of a new ensemble, which lacks nothing.", &[until_serving(first)]);
    }

    /// A follower forwards what its clients ask for.
    fn serve(&self, follower: ServerId, leader: ServerId) {
        let begun = self.last(follower, leader).said.len();
        let mut client = self.ensemble.client(follower);
        let created = client.create("/a", b"hello", flag::PERSISTENT);
        assert_eq!(created, Ok("/a".to_owned()));
        client.create("/a/e", b"", flag::EPHEMERAL).expect("create");
        client.create("/a/s-", b"", flag::SEQUENTIAL).expect("create");
        client.set_data("/a", b"world", 0).expect("setData");
        assert_eq!(client.set_data("/a", b"", 7), Err(code::BAD_VERSION), "a transaction that fails");
        client
            .set_acl("/a", &[Acl::new(31, "world", "anyone"), Acl::new(1, "ip", "127.0.0.1")], 0)
            .expect("setACL");
        client.create_container("/c", flag::CONTAINER).expect("createContainer");
        let operations = [
            (op::CREATE, create_record("/m", b"", &Acl::open(), flag::PERSISTENT)),
            (op::SET_DATA, set_data_record("/m", b"x", 0)),
            (op::DELETE, path_int("/m", 1)),
        ];
        client.multi(&operations).expect("multi");
        client.sync(Some("/")).expect("sync");
        let session = client.hang_up();
        let address = self.ensemble.member(follower).client_address();
        Client::connect_with(address, &Connect::resume(&session)).close();
        let mut conversation = self.last(follower, leader);
        conversation.said.drain(..begun);
        let what =
            "A follower serves: a client creates /a, an ephemeral and a sequential node, sets data twice, the
# second time with a wrong version, sets an ACL, creates a container, does three things at once, syncs, breaks
# its connection, comes back and closes its session.";
        self.write("serving", what, &[conversation]);
    }

    fn synchronize_by_transactions(&mut self, follower: ServerId, leader: ServerId) {
        self.ensemble.stop(follower);
        let mut client = self.ensemble.client(leader);
        client.set_data("/a", b"while you were out", -1).expect("setData");
        client.close();
        self.ensemble.launch(follower);
        self.ensemble.await_serving(follower);
        let conversation = self.last(follower, leader);
        assert!(names(&conversation).contains("DIFF"), "the follower lacks little");
        let what = "A follower that was away gets the transactions that it lacks.";
        self.write("diff", what, &[until_serving(&conversation)]);
        self.write_elections_of("rejoin", "The same follower finds the leader.", follower);
    }

    fn synchronize_by_snapshot(&mut self, follower: ServerId, leader: ServerId) {
        self.ensemble.stop(follower);
        self.ensemble.wipe(follower);
        self.ensemble.launch(follower);
        self.ensemble.await_serving(follower);
        let conversation = self.last(follower, leader);
        assert!(names(&conversation).contains("SNAP"), "the follower lacks everything");
        self.write(
            "snap",
            "A follower that lost its files gets a snapshot.",
            &[until_serving(&conversation)],
        );
    }

    fn observe(&mut self, leader: ServerId) {
        let observer = *self.ensemble.ids().last().expect("the observer is the last");
        self.ensemble.launch(observer);
        self.ensemble.await_serving(observer);
        let mut client = self.ensemble.client(observer);
        client.set_data("/a", b"observed", -1).expect("setData");
        client.close();
        let what = "An observer gets a snapshot, then serves a client that sets data and closes its session.";
        self.write("observer", what, &[self.last(observer, leader)]);
    }

    /// A leader that has proposed what nobody else knows of becomes a follower.
    fn truncate(&mut self, old: ServerId) {
        let mut guest = self.ensemble.client(old);
        self.ensemble.mute(old);
        self.ensemble.deafen(old);
        guest.post(op::CREATE, &create_record("/tail", b"", &Acl::open(), flag::PERSISTENT));
        let others: Vec<ServerId> = self.ensemble.voters().into_iter().filter(|id| *id != old).collect();
        let leader = self.ensemble.await_leader_among(&others);
        self.ensemble.await_abdication(old);
        self.ensemble.links().heal();
        self.ensemble.await_serving(old);
        let conversation = self.last(old, leader);
        assert!(names(&conversation).contains("TRUNC"), "the leader of old has too much");
        let what = "A leader that proposed what nobody else got has become a follower, and forgets it.";
        self.write("trunc", what, &[until_serving(&conversation)]);
    }

    /// The last conversation of a learner with its leader.
    fn last(&self, learner: ServerId, leader: ServerId) -> Conversation {
        let link = Link { dialer: learner, target: leader, port: Port::Quorum };
        let conversations = self.quorum_conversations();
        let last = conversations.into_iter().rfind(|conversation| conversation.link == link);
        last.unwrap_or_else(|| panic!("nothing was said on {link}"))
    }

    fn quorum_conversations(&self) -> Vec<Conversation> {
        let mut all = self.ensemble.links().conversations();
        all.retain(|conversation| conversation.link.port == Port::Quorum);
        all
    }

    fn write_elections(&self, name: &str, what: &str) {
        let mut all = self.ensemble.links().conversations();
        all.retain(|conversation| conversation.link.port == Port::Election);
        self.write(name, what, &all);
    }

    /// The last conversation of one member with each other.
    fn write_elections_of(&self, name: &str, what: &str, member: ServerId) {
        let mut all = self.ensemble.links().conversations();
        all.retain(|conversation| {
            let Link { dialer, target, port } = conversation.link;
            port == Port::Election && (dialer == member || target == member)
        });
        let mut seen = BTreeSet::new();
        let mut latest: Vec<Conversation> =
            all.into_iter().rev().filter(|one| seen.insert(one.link)).collect();
        latest.reverse();
        self.write(name, what, &latest);
    }

    fn write(&self, name: &str, what: &str, conversations: &[Conversation]) {
        let version = self.version;
        let mut text = format!("# {what}\n# Servers of Apache ZooKeeper {version}.\n#\n{GRAMMAR}");
        for conversation in conversations {
            append(&mut text, conversation);
        }
        let file = self.directory.join(format!("{name}-{version}.txt"));
        fs::write(&file, text).unwrap_or_else(|e| panic!("write {}: {e}", file.display()));
    }
}

fn names(conversation: &Conversation) -> BTreeSet<String> {
    conversation.said.iter().map(|said| said.message.content.to_string()).collect()
}

/// What was said up to UPTODATE, and the learner's next word.
fn until_serving(conversation: &Conversation) -> Conversation {
    let up_to_date =
        |said: &Said| matches!(said.message.content, Content::Packet { kind: packet::UPTODATE, .. });
    let end = conversation.said.iter().position(up_to_date).expect("the learner serves");
    let answer = conversation.said[end..].iter().position(|said| said.speaker == Speaker::Dialer);
    let mut conversation = conversation.clone();
    conversation.said.truncate(end + answer.unwrap_or_default() + 1);
    conversation
}

fn append(text: &mut String, conversation: &Conversation) {
    let Link { dialer, target, port } = conversation.link;
    let port = match port {
        Port::Election => "election",
        Port::Quorum => "quorum",
    };
    writeln!(text, "\nconnection {port} {dialer} {target}").expect("strings accept everything");
    let mut last = [None, None];
    let mut pings = BTreeSet::new();
    for Said { speaker, message } in &conversation.said {
        let (sign, before) = match speaker {
            Speaker::Dialer => ('>', &mut last[0]),
            Speaker::Target => ('<', &mut last[1]),
        };
        let is_ping = matches!(message.content, Content::Packet { kind: packet::PING, .. });
        if (message.content == Content::Notification && *before == Some(&message.bytes))
            || (is_ping && !pings.insert(*speaker))
        {
            continue;
        }
        *before = Some(&message.bytes);
        write!(text, "{sign} {} ", message.content).expect("strings accept everything");
        for byte in &message.bytes {
            write!(text, "{byte:02x}").expect("strings accept everything");
        }
        text.push('\n');
    }
}
