//! Conversations of servers that look for a leader, as plays in `testdata/election`. `REWRITE=1` records them
//! again.
//!
//! ```text
//! servers 1:0x100000004 2:0x0/observer    who is listed, and where each history ends
//! weights 1=0                             hierarchical quorums, one group
//! config 2 version=5 1 2 3                server 2 comes with a configuration of these voters
//! start 1 2        each looks for a leader         stop 1      it is gone, and what was said to it
//! deliver          what was said until now is heard, and answered
//! deliver all      so are the answers, until nobody says anything
//! pass 200ms       time passes                     refresh 1 2   their vote has their leader's new epoch
//! cut 1 2          what they and the others say to each other is lost       heal
//! say 2→1 …        one notification, as a server of another release may send it
//! adopt            configurations that were asked to be kept are in force
//! ----
//! 2→1 3  looking, round 1, vote 3 0x100000007
//! 3      leads
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use zoorum_proto::quorum::{Joint, Notification, PeerState, QuorumConfig, Vote};
use zoorum_proto::{Epoch, Monotonic, Round, ServerId, Zxid};
use zoorum_zab::election::{Election, ElectionAction, ElectionSettings};

#[test]
fn servers_talk_as_they_did() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/election");
    let mut plays: Vec<_> =
        fs::read_dir(&directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    plays.sort();
    assert!(plays.len() >= 10);
    for path in plays {
        let text = fs::read_to_string(&path).expect("a play");
        let played = play(&text);
        if env::var_os("REWRITE").is_some() {
            fs::write(&path, &played).expect("a writable file");
            continue;
        }
        assert_eq!(played, text, "{}", path.display());
    }
}

/// The same play, with what happens at each scene.
fn play(text: &str) -> String {
    let mut stage = Stage::default();
    let mut played = String::new();
    for scene in text.split("\n\n") {
        let scene = scene.trim_end();
        let commands = scene.split("----").next().unwrap_or_default();
        for line in commands.lines() {
            played += line;
            played += "\n";
            if !line.starts_with('#') {
                stage.perform(line);
            }
        }
        let heard = stage.take_heard();
        if scene.contains("----") || !heard.is_empty() {
            played += "----\n";
            played += &heard;
        }
        played += "\n";
    }
    played.truncate(played.trim_end().len());
    played + "\n"
}

#[derive(Default)]
struct Stage {
    lines: Vec<String>,
    histories: BTreeMap<ServerId, Zxid>,
    configs: BTreeMap<ServerId, QuorumConfig>,
    servers: BTreeMap<ServerId, Election>,
    adopting: BTreeMap<ServerId, QuorumConfig>,
    mail: VecDeque<(ServerId, ServerId, Notification)>,
    cut: BTreeSet<ServerId>,
    now: Monotonic,
    heard: Vec<(String, ServerId, Option<ServerId>)>,
}

fn server(word: &str) -> ServerId {
    ServerId(word.parse().unwrap_or_else(|_| panic!("{word} is no server")))
}

fn zxid(word: &str) -> Zxid {
    let hex = word.strip_prefix("0x").unwrap_or_else(|| panic!("{word} is no zxid"));
    Zxid(u64::from_str_radix(hex, 16).expect("hex") as i64)
}

impl Stage {
    fn perform(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((command, rest)) = words.split_first() else { return };
        let servers = || rest.iter().map(|word| server(word));
        match *command {
            "servers" => rest.iter().for_each(|word| self.list(word)),
            "weights" => {
                self.lines.extend(rest.iter().map(|word| format!("weight.{word}")).chain([self.one_group()]))
            }
            "config" => self.give_config(rest),
            "start" => servers().for_each(|id| self.start(id)),
            "stop" => servers().for_each(|id| {
                self.servers.remove(&id);
                self.mail.retain(|(_, to, _)| *to != id);
            }),
            "deliver" if rest == ["all"] => {
                while !self.mail.is_empty() {
                    self.deliver();
                }
            }
            "deliver" => self.deliver(),
            "pass" => self
                .pass(Duration::from_millis(rest[0].trim_end_matches("ms").parse().expect("milliseconds"))),
            "refresh" => servers().for_each(|id| self.refresh(id)),
            "cut" => self.cut = servers().collect(),
            "heal" => self.cut.clear(),
            "say" => self.say(rest),
            "adopt" => self.adopt(),
            other => panic!("nobody knows how to {other}"),
        }
    }

    fn list(&mut self, word: &str) {
        let (word, role) = word.split_once('/').unwrap_or((word, "participant"));
        let (id, last) = word.split_once(':').expect("id:zxid");
        self.histories.insert(server(id), zxid(last));
        if role != "unlisted" {
            self.lines.push(format!("server.{id}=host{id}:1:2:{role}"));
        }
    }

    fn one_group(&self) -> String {
        let ids: Vec<String> = self.histories.keys().map(ToString::to_string).collect();
        format!("group.1={}", ids.join(":"))
    }

    fn give_config(&mut self, words: &[&str]) {
        let lines = words[2..].iter().map(|id| format!("server.{id}=new{id}:1:2\n"));
        let text: String = lines.chain([words[1].to_owned()]).collect();
        self.configs.insert(server(words[0]), QuorumConfig::parse(&text, false).expect("a configuration"));
    }

    fn start(&mut self, id: ServerId) {
        let listed = || QuorumConfig::parse(&self.lines.join("\n"), false).expect("a configuration");
        let config = self.configs.get(&id).cloned().unwrap_or_else(listed);
        let settings = ElectionSettings { reconfig_enabled: true, ..ElectionSettings::new(id) };
        let fresh = || Election::new(settings, Joint::stable(Arc::new(config)));
        self.servers.entry(id).or_insert_with(fresh);
        let last = self.histories[&id];
        self.with(id, |election, now, out| election.look(now, last.epoch(), last, out));
    }

    fn deliver(&mut self) {
        for (from, to, notification) in std::mem::take(&mut self.mail) {
            let is_lost = self.cut.contains(&from) != self.cut.contains(&to);
            if !is_lost && self.servers.contains_key(&to) {
                self.with(to, |election, now, out| election.on_notification(now, from, &notification, out));
            }
        }
    }

    fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            let due = |(&id, election): (&ServerId, &Election)| Some((election.next_wakeup()?, id));
            let next = self.servers.iter().filter_map(due).min().filter(|(at, _)| *at <= end);
            let Some((at, id)) = next else { break };
            self.now = self.now.max(at);
            self.with(id, |election, now, out| election.on_tick(now, true, out));
        }
        self.now = end;
    }

    fn refresh(&mut self, id: ServerId) {
        let election = self.servers.get_mut(&id).expect("started");
        let epoch = election.vote().expect("a vote").zxid.epoch();
        election.refresh_vote(Epoch(epoch.0 + 1));
    }

    /// `2→1 following round 4 vote 3 0x100000007 epoch 1 version 2`
    fn say(&mut self, words: &[&str]) {
        let (from, to) = words[0].split_once('→').expect("from→to");
        let number = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words[at + 1].parse::<i64>().ok()
        };
        let last = zxid(words.iter().find(|word| word.starts_with("0x")).expect("a zxid"));
        let state = match words[1] {
            "looking" => PeerState::Looking,
            "following" => PeerState::Following,
            "leading" => PeerState::Leading,
            "observing" => PeerState::Observing,
            other => panic!("{other} is no state"),
        };
        let vote = Vote {
            epoch: number("epoch").map_or(last.epoch(), Epoch),
            zxid: last,
            leader: ServerId(number("vote").expect("a vote")),
        };
        let version = number("version").unwrap_or(2) as i32;
        let round = Round(number("round").expect("a round"));
        let notification = Notification { state, vote, round, version, config: None };
        let (from, to) = (server(from), server(to));
        self.with(to, |election, now, out| election.on_notification(now, from, &notification, out));
    }

    fn adopt(&mut self) {
        for (id, config) in std::mem::take(&mut self.adopting) {
            let joint = Joint::stable(Arc::new(config));
            self.with(id, |election, now, out| election.set_config(now, joint, out));
        }
    }

    fn with(&mut self, id: ServerId, act: impl FnOnce(&mut Election, Monotonic, &mut Vec<ElectionAction>)) {
        let mut actions = Vec::new();
        act(self.servers.get_mut(&id).expect("started"), self.now, &mut actions);
        for action in actions {
            match action {
                ElectionAction::Send { to, notification } => {
                    self.heard.push((describe(&notification), id, Some(to)));
                    self.mail.push_back((id, to, notification));
                }
                ElectionAction::Redial => self.heard.push(("dials".to_owned(), id, None)),
                ElectionAction::Elected(elected) => {
                    let leader = elected.vote.leader;
                    let what = match elected.state {
                        PeerState::Leading => "leads".to_owned(),
                        PeerState::Following => format!("follows {leader}"),
                        PeerState::Observing => format!("observes {leader}"),
                        PeerState::Looking => unreachable!("an election ends with a leader"),
                    };
                    self.heard.push((what, id, None));
                }
                ElectionAction::Adopt(config) => {
                    self.heard.push((format!("adopts version {}", config.version), id, None));
                    self.adopting.insert(id, config);
                }
            }
        }
    }

    /// What was said and done since the last time; the same word to several servers is one line.
    fn take_heard(&mut self) -> String {
        let mut text = String::new();
        let mut heard = std::mem::take(&mut self.heard).into_iter().peekable();
        while let Some((what, from, to)) = heard.next() {
            let Some(mut last) = to else {
                writeln!(text, "{:<6} {what}", from.to_string()).expect("a string");
                continue;
            };
            let mut who = format!("{from}→{last}");
            while let Some((_, _, Some(to))) =
                heard.next_if(|next| next.0 == what && next.1 == from && next.2 > Some(last))
            {
                write!(who, " {to}").expect("a string");
                last = to;
            }
            writeln!(text, "{who:<6} {what}").expect("a string");
        }
        text
    }
}

fn describe(notification: &Notification) -> String {
    let Notification { state, vote, round, .. } = notification;
    let state = format!("{state:?}").to_lowercase();
    match vote.leader {
        ServerId::NONE => format!("{state}, round {}, no vote", round.0),
        leader if vote.epoch == vote.zxid.epoch() => {
            format!("{state}, round {}, vote {leader} {}", round.0, vote.zxid)
        }
        leader => format!("{state}, round {}, vote {leader} {} epoch {}", round.0, vote.zxid, vote.epoch.0),
    }
}
