//! What a server of an ensemble has besides: its connections to peers. The files that keep its word are in [`keep`].
//!
//! [`keep`]: super::keep
//!
//! As on the real host, all of it belongs to the replica's thread: effects are carried out in the order in which
//! the replica asks for them, and bytes leave when the loop flushes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zoorum_proto::quorum::packet::PACKET_DATA_MAX;
use zoorum_proto::quorum::{PacketType, QuorumPacket};
use zoorum_proto::{Epoch, Zxid};
use zoorum_server::replica::Effect;
use zoorum_storage::snapshot::Receiving;
use zoorum_storage::{Epochs, Joints, Staged};
use zoorum_tree::Tree;
use zoorum_zab::{Door, LinkAction, LinkEvent, LinkId, Notice, Part};

use super::snapshot::Pass;
use super::supplies::Supplies;
use super::{Halt, Process, tamper};
use crate::check::talk::Talk;
use crate::disk::ProcessDisk;
use crate::ground::{Ground, Wake};
use crate::wires::Call;

/// See the module.
pub(super) struct Member {
    pub(super) epochs: Epochs<ProcessDisk>,
    pub(super) own: ProcessDisk,
    pub(super) joints: Joints,
    pub(super) doors: BTreeSet<Door>,
    /// Of the next connection that comes in.
    next_accepted: u64,
    /// What has happened, and the replica has yet to hear of.
    pub(super) events: VecDeque<LinkEvent>,
    lines: BTreeMap<LinkId, Line>,
    pub(super) supplies: Supplies,
    pub(super) receiving: Option<(Zxid, Receiving<ProcessDisk>)>,
    pub(super) received: Option<(Tree, Staged<ProcessDisk>)>,
}

/// A connection to a peer.
struct Line {
    door: Door,
    /// What is yet to be sent.
    output: VecDeque<Output>,
    talk: Talk,
    /// The leader's first packet, as far as it has come, and the epoch in it.
    greeting: BytesMut,
    heard: Option<Epoch>,
}

enum Output {
    Bytes(Bytes),
    /// A tree, as far as it has been made, and whether it is whole.
    Tree(Vec<u8>, bool),
}

impl Line {
    fn new(door: Door) -> Self {
        Self { door, output: VecDeque::new(), talk: Talk::default(), greeting: BytesMut::new(), heard: None }
    }

    /// Listens for the epoch that a leader tells, or that a learner has accepted.
    fn hear(&mut self, bytes: &[u8]) {
        if self.door == Door::Quorum && self.heard.is_none() && self.talk.accepted.is_none() {
            self.greeting.extend_from_slice(bytes);
            let packet = QuorumPacket::take(&mut self.greeting, PACKET_DATA_MAX).ok().flatten();
            let Some(packet) = packet else { return };
            match packet.kind {
                PacketType::LeaderInfo => self.heard = Some(packet.zxid.epoch()),
                _ => self.talk.accepted = Some(packet.zxid.epoch()),
            }
        }
    }
}

impl Member {
    pub(super) fn new(epochs: Epochs<ProcessDisk>, own: ProcessDisk, joints: Joints) -> Self {
        Self {
            epochs,
            own,
            joints,
            doors: BTreeSet::new(),
            next_accepted: LinkId::ACCEPTED,
            events: VecDeque::new(),
            lines: BTreeMap::new(),
            supplies: Supplies::default(),
            receiving: None,
            received: None,
        }
    }
}

impl Member {
    /// Something is to be sent that is no packet, or not only packets.
    pub(super) fn put_stream(&mut self, link: LinkId, bytes: Vec<u8>) {
        if let Some(line) = self.lines.get_mut(&link) {
            line.output.push_back(Output::Tree(bytes, true));
        }
    }
}

impl Process {
    /// Whether a peer may call at this door.
    pub(crate) fn is_open(&self, door: Door) -> bool {
        self.member.as_ref().is_some_and(|member| member.doors.contains(&door))
    }

    /// A peer has called; the number of the connection on this side.
    pub(crate) fn let_in(&mut self, ground: &mut Ground, door: Door, from: usize) -> Option<LinkId> {
        let member = self.member.as_mut()?;
        let link = LinkId(member.next_accepted);
        member.next_accepted += 1;
        member.lines.insert(link, Line::new(door));
        member.events.push_back(LinkEvent::Accepted { link, door, from: format!("server {}", from + 1) });
        self.wake_replica(ground);
        Some(link)
    }

    /// A call is answered.
    pub(crate) fn on_answered(&mut self, ground: &mut Ground, link: LinkId, door: Door) {
        if let Some(member) = &mut self.member {
            member.lines.insert(link, Line::new(door));
            member.events.push_back(LinkEvent::Dialed { link });
            self.wake_replica(ground);
        }
    }

    /// Something has come from a peer, or a connection has ended.
    pub(crate) fn on_wire(&mut self, ground: &mut Ground, event: LinkEvent) {
        let Some(member) = &mut self.member else { return };
        match &event {
            LinkEvent::Received { link, bytes } => {
                if let Some(line) = member.lines.get_mut(link) {
                    line.hear(bytes);
                }
            }
            LinkEvent::Closed { link, .. } => drop(member.lines.remove(link)),
            _ => {}
        }
        member.events.push_back(event);
        self.wake_replica(ground);
    }

    /// Hears some of what peers have to say, and whether time is up for them.
    pub(super) fn listen(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        self.perform(ground)?;
        let mut count = if ground.chance.one_in(3) { 1 } else { usize::MAX };
        while count > 0
            && let Some(event) = self.member.as_mut().and_then(|member| member.events.pop_front())
        {
            self.replica.on_link(&self.tree, ground.clocks(self.place), event);
            self.perform(ground)?;
            count -= 1;
        }
        self.supply_learners(ground)?;
        let now = ground.clocks(self.place);
        if self.replica.next_peer_wakeup() <= now.monotonic {
            self.replica.on_peer_tick(&self.tree, now);
            self.perform(ground)?;
        }
        Ok(())
    }

    /// Carries out what the replica asks for, in order.
    pub(super) fn perform(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        loop {
            self.observe(ground)?;
            let effects = self.replica.take_effects();
            if effects.is_empty() {
                return Ok(());
            }
            for effect in effects {
                match effect {
                    Effect::Link(action) => self.move_bytes(ground, action)?,
                    Effect::Persist(what) => self.persist(ground, what)?,
                    Effect::Snapshot(step) => self.take_tree(ground, step)?,
                    Effect::DistrustTree => {
                        return Err(Halt::Wrong(
                            "a learner's tree is not what its leader's digests say".to_owned(),
                        ));
                    }
                    Effect::Seek(seek) => self.seek(ground, seek),
                    Effect::Tell(Notice::Info(text) | Notice::Warning(text)) => {
                        ground.note(format_args!("server {}: {text}", self.place + 1));
                    }
                }
            }
        }
    }

    /// Looks at where the server stands now, and what it takes for committed.
    pub(super) fn observe(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        let Some(peer) = self.replica.peer() else { return Ok(()) };
        let part = peer.part();
        if part != self.part {
            ground.note(format_args!(
                "server {} is {part:?}, its history ends at {}",
                self.place + 1,
                peer.history().last()
            ));
            self.part = part;
        }
        if let Part::Leading(epoch) = part {
            ground.servers.on_leading(self.place, epoch)?;
            let committed = peer.history().committed();
            ground.servers.on_committed(&mut ground.history, self.place, committed)?;
        } else {
            ground.servers.on_not_leading(self.place);
        }
        Ok(())
    }

    fn move_bytes(&mut self, ground: &mut Ground, action: LinkAction) -> Result<(), Halt> {
        let last = self.replica.peer().map_or(Zxid::ZERO, |peer| peer.history().last());
        let Some(member) = &mut self.member else { return Ok(()) };
        match action {
            LinkAction::Dial { link, door, addresses, timeout } => {
                let number = |host: &str| host.trim_start_matches('h').parse::<usize>().ok();
                let to = addresses.first().and_then(|address| number(&address.host)).map(|number| number - 1);
                let until = ground.now + timeout;
                let end = (self.number, link);
                if let Some(to) = to {
                    ground.wires.call(end, Call { to, door, until });
                }
                let at = ground.now + ground.chance.micros(50, 5_000);
                ground.wake(at, Wake::Call(end));
            }
            LinkAction::Write { link, bytes } => {
                let Some(line) = member.lines.get_mut(&link) else { return Ok(()) };
                let bytes = match ground.faults.bug {
                    Some(bug) if line.door == Door::Quorum => tamper::say_instead(bug, bytes, last),
                    _ => bytes,
                };
                if line.door == Door::Quorum {
                    let (servers, history) = (&mut ground.servers, &ground.history);
                    line.talk.say((servers, history), self.place, &bytes, line.heard)?;
                }
                line.output.push_back(Output::Bytes(bytes));
            }
            LinkAction::WriteSnapshot { link, zxid } => {
                let Some(line) = member.lines.get_mut(&link) else { return Ok(()) };
                line.output.push_back(Output::Tree(Vec::new(), false));
                self.send_tree(ground, link, zxid)?;
            }
            LinkAction::WriteSought { link } => self.send_supply(ground, link)?,
            LinkAction::Close { link } => {
                member.lines.remove(&link);
                ground.close_wire((self.number, link));
            }
            LinkAction::Open { door } => drop(member.doors.insert(door)),
            LinkAction::Shut { door } => drop(member.doors.remove(&door)),
        }
        Ok(())
    }

    /// Sends what is to be sent to peers.
    pub(super) fn flush_to_peers(&mut self, ground: &mut Ground) {
        let Some(member) = &mut self.member else { return };
        for (link, line) in &mut member.lines {
            while let Some(output) = line.output.pop_front() {
                match output {
                    Output::Bytes(bytes) => ground.send_by_wire((self.number, *link), bytes),
                    Output::Tree(bytes, is_whole) => {
                        ground.send_by_wire((self.number, *link), bytes.into());
                        if !is_whole {
                            line.output.push_front(Output::Tree(Vec::new(), false));
                            break;
                        }
                    }
                }
            }
        }
    }

    /// More of a tree for a learner. Whether it is still there.
    pub(super) fn feed_learner(
        &mut self,
        ground: &mut Ground,
        link: LinkId,
        bytes: &[u8],
        ends: bool,
    ) -> bool {
        let lines = self.member.as_mut().map(|member| &mut member.lines);
        let Some(line) = lines.and_then(|lines| lines.get_mut(&link)) else { return false };
        let tree = line.output.iter_mut().find(|output| matches!(output, Output::Tree(_, false)));
        let Some(Output::Tree(waiting, is_whole)) = tree else { return false };
        waiting.extend_from_slice(bytes);
        *is_whole = ends;
        self.wake_replica(ground);
        true
    }

    /// A learner is to be sent the tree as it is now.
    fn send_tree(&mut self, ground: &mut Ground, link: LinkId, zxid: Zxid) -> Result<(), Halt> {
        if !matches!(self.pass, Pass::Idle) {
            return Err(Halt::Wrong(format!(
                "a tree is promised by {link:?} while a snapshot is made of it"
            )));
        }
        let start = self.tree.begin_snapshot();
        if start.zxid != zxid {
            return Err(Halt::Wrong(format!("a tree of {zxid} is promised, and it is of {}", start.zxid)));
        }
        self.begin_sending(ground, start, link);
        Ok(())
    }

    /// Closes a connection on which something cannot be sent.
    pub(super) fn hang_up(&mut self, ground: &mut Ground, link: LinkId, reason: &str) {
        ground.close_wire((self.number, link));
        self.on_wire(ground, LinkEvent::Closed { link, reason: reason.to_owned() });
    }

    /// Notes where epochs met in the log. Only how laggards are helped depends on it.
    pub(super) fn note_joints(&mut self, ground: &mut Ground) {
        let joints = self.log.take_joints();
        if let Some(member) = &mut self.member
            && let Err(error) = member.joints.note(&member.own, &joints)
        {
            ground.note(format_args!("server {}: {error}", self.place + 1));
        }
    }

    /// When peers want the thread's time next.
    pub(super) fn next_peer_turn(&self, ground: &Ground) -> Duration {
        let waits = self.member.as_ref().is_none_or(|member| member.events.is_empty());
        let search = self.member.as_ref().map_or(Duration::MAX, |member| member.supplies.next_at());
        let peer = ground.true_time(self.place, self.replica.next_peer_wakeup());
        if waits { peer.min(search) } else { Duration::ZERO }
    }
}
