//! What was said on the links: how each learner was synchronized, and, if wanted, every message.
//!
//! The packets tell this of every kind of server alike, where logs and metrics differ.

use std::collections::BTreeMap;
use std::fmt;

use super::ServerId;
use super::dialogue::{Content, Message, Port, Speaker, Splitter, packet};
use super::links::Link;
use super::rules::Rules;

/// How a leader brings a learner to its own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// By the transactions it lacks.
    Diff,
    /// By forgetting transactions first.
    Trunc,
    /// By a snapshot.
    Snap,
}

/// One synchronization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Who had the history.
    pub leader: ServerId,
    /// Who got it.
    pub learner: ServerId,
    /// How.
    pub mode: SyncMode,
    /// The zxid in the packet that announces the mode.
    pub zxid: i64,
    /// Transactions that came along before the leader said UPTODATE.
    pub proposals: usize,
    /// Whether the leader said UPTODATE.
    pub complete: bool,
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sync { leader, learner, mode, zxid, proposals, complete } = self;
        let end = if *complete { "" } else { ", unfinished" };
        write!(f, "{leader} → {learner}: {mode:?} {zxid:#x} and {proposals} proposals{end}")
    }
}

/// A message and who said it.
#[derive(Clone, Debug)]
pub struct Said {
    /// Which end.
    pub speaker: Speaker,
    /// What.
    pub message: Message,
}

/// Everything said on one connection.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Between whom.
    pub link: Link,
    /// In the order of delivery.
    pub said: Vec<Said>,
}

/// A connection that a [`Links`](super::Links) carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(pub u64);

/// Listens to every connection.
#[derive(Debug, Default)]
pub(super) struct Tap {
    /// Whether messages are kept.
    pub recording: bool,
    splitters: BTreeMap<(ConnectionId, Speaker), Splitter>,
    rules: BTreeMap<ConnectionId, Rules>,
    conversations: BTreeMap<ConnectionId, Conversation>,
    /// Which of `syncs` a connection is about.
    current: BTreeMap<ConnectionId, usize>,
    syncs: Vec<Sync>,
    faults: Vec<String>,
}

impl Tap {
    /// A new connection.
    pub fn opened(&mut self, id: ConnectionId, link: Link) {
        for speaker in [Speaker::Dialer, Speaker::Target] {
            self.splitters.insert((id, speaker), Splitter::new(link.port, speaker));
        }
        if link.port == Port::Quorum {
            self.rules.insert(id, Rules::default());
        }
        self.conversations.insert(id, Conversation { link, said: Vec::new() });
    }

    /// Bytes on their way to the other end.
    pub fn heard(&mut self, id: ConnectionId, speaker: Speaker, bytes: &[u8]) {
        let Some(splitter) = self.splitters.get_mut(&(id, speaker)) else { return };
        match splitter.take(bytes) {
            Ok(messages) => {
                messages.into_iter().for_each(|message| self.understood(id, Said { speaker, message }))
            }
            Err(nonsense) => {
                self.splitters.remove(&(id, speaker));
                let link = self.conversations[&id].link;
                self.faults.push(format!("{link}: the {speaker:?} sent {}", nonsense.0));
            }
        }
    }

    /// How learners were synchronized, in the order in which that began.
    pub fn syncs(&self) -> &[Sync] {
        &self.syncs
    }

    /// What cannot have been meant, in the order of arrival.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The conversations recorded, oldest first.
    pub fn conversations(&self) -> Vec<Conversation> {
        self.conversations.values().filter(|conversation| !conversation.said.is_empty()).cloned().collect()
    }

    fn understood(&mut self, id: ConnectionId, said: Said) {
        let conversation = self.conversations.get_mut(&id).expect("it was opened");
        let link = conversation.link;
        let (speaker, content) = (said.speaker, said.message.content.clone());
        if self.recording {
            conversation.said.push(said);
        }
        if let Content::Packet { kind, zxid } = content {
            self.judge(id, link, speaker, kind, zxid);
            if speaker == Speaker::Target {
                self.follow(id, link, kind, zxid);
            }
        }
    }

    /// Once a rule is broken, nothing more is judged on this connection.
    fn judge(&mut self, id: ConnectionId, link: Link, speaker: Speaker, kind: i32, zxid: i64) {
        let Some(rules) = self.rules.get_mut(&id) else { return };
        if let Err(wrong) = rules.heard(speaker, kind, zxid) {
            self.rules.remove(&id);
            self.faults.push(format!("{link}: the {speaker:?} said {wrong}"));
        }
    }

    /// Follows what a leader says up to UPTODATE.
    fn follow(&mut self, id: ConnectionId, link: Link, kind: i32, zxid: i64) {
        let sync = self.current.get(&id).map(|index| &mut self.syncs[*index]);
        let mode = match (kind, sync) {
            (packet::DIFF, None) => SyncMode::Diff,
            (packet::TRUNC, None) => SyncMode::Trunc,
            (packet::SNAP, None) => SyncMode::Snap,
            (packet::PROPOSAL, Some(sync)) if !sync.complete => return sync.proposals += 1,
            (packet::UPTODATE, Some(sync)) => return sync.complete = true,
            _ => return,
        };
        let (leader, learner) = (link.target, link.dialer);
        self.current.insert(id, self.syncs.len());
        self.syncs.push(Sync { leader, learner, mode, zxid, proposals: 0, complete: false });
    }
}
