//! An election port without its sockets: bytes in, bytes out, and at the end a leader.

use std::time::Duration;

use zoorum_proto::quorum::{Joint, Notification, PeerState, QuorumConfig};
use zoorum_proto::{Epoch, Monotonic, ServerId, Zxid};

use super::{Elected, Election, ElectionAction, ElectionSettings, LinkAction, LinkSettings, Links};
use crate::link::LinkId;

/// Whose connection breaks in an election is called after so long; each time after twice as long.
const REDIAL_PAUSE: Duration = Duration::from_millis(5);

/// What an election port asks of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortAction {
    /// Move bytes.
    Link(LinkAction),
    /// Take up this role.
    Elected(Elected),
    /// Keep this newer configuration across a crash, then say so with [`ElectionPort::set_config`].
    Adopt(QuorumConfig),
}

/// The votes and the connections of one server.
#[derive(Clone, Debug)]
pub struct ElectionPort {
    election: Election,
    links: Links,
    /// When servers are called whose connections broke during an election.
    redial_at: Option<Monotonic>,
    /// How long it takes until the next ones are.
    redial_pause: Duration,
    /// Empty between calls.
    votes: Vec<ElectionAction>,
    moves: Vec<LinkAction>,
    said: Vec<(ServerId, Notification)>,
}

impl ElectionPort {
    /// A server without connections that does not look for a leader yet.
    pub fn new(election: ElectionSettings, links: LinkSettings, joint: Joint) -> Self {
        Self {
            election: Election::new(election, joint.clone()),
            links: Links::new(links, joint),
            redial_at: None,
            redial_pause: REDIAL_PAUSE,
            votes: Vec::new(),
            moves: Vec::new(),
            said: Vec::new(),
        }
    }

    /// The votes.
    pub fn election(&self) -> &Election {
        &self.election
    }

    /// When [`Self::on_tick`] is due.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        [self.election.next_wakeup(), self.links.next_wakeup(), self.redial_at].into_iter().flatten().min()
    }

    /// See [`Election::look`].
    pub fn look(&mut self, now: Monotonic, epoch: Epoch, zxid: Zxid, out: &mut Vec<PortAction>) {
        (self.redial_at, self.redial_pause) = (None, REDIAL_PAUSE);
        self.election.look(now, epoch, zxid, &mut self.votes);
        self.hand_out(out);
    }

    /// See [`Election::refresh_vote`].
    pub fn refresh_vote(&mut self, epoch: Epoch) {
        self.election.refresh_vote(epoch);
    }

    /// See [`Election::skip_round`].
    pub fn skip_round(&mut self) {
        self.election.skip_round();
    }

    /// See [`Election::designate`].
    pub fn designate(&mut self, leader: ServerId, zxid: Zxid) {
        self.election.designate(leader, zxid);
    }

    /// See [`Election::set_config`] and [`Links::set_config`].
    pub fn set_config(&mut self, now: Monotonic, joint: Joint, out: &mut Vec<PortAction>) {
        self.links.set_config(joint.clone());
        self.election.set_config(now, joint, &mut self.votes);
        self.hand_out(out);
    }

    /// Time passes.
    pub fn on_tick(&mut self, now: Monotonic, out: &mut Vec<PortAction>) {
        self.redial_if_due(now);
        self.links.on_tick(now, &mut self.moves);
        self.election.on_tick(now, self.links.has_delivered(), &mut self.votes);
        self.hand_out(out);
    }

    /// See [`Links::on_dialed`].
    pub fn on_dialed(&mut self, now: Monotonic, to: ServerId, link: LinkId, out: &mut Vec<PortAction>) {
        self.links.on_dialed(now, to, link, &mut self.moves);
        self.hand_out(out);
    }

    /// See [`Links::on_dial_failed`].
    pub fn on_dial_failed(&mut self, to: ServerId, out: &mut Vec<PortAction>) {
        self.links.on_dial_failed(to);
        if !self.links.is_connected(to) {
            self.election.on_unreachable(to, &mut self.votes);
        }
        self.hand_out(out);
    }

    /// See [`Links::on_accepted`].
    pub fn on_accepted(&mut self, now: Monotonic, link: LinkId, out: &mut Vec<PortAction>) {
        self.links.on_accepted(now, link, &mut self.moves);
        self.hand_out(out);
    }

    /// See [`Links::on_written`].
    pub fn on_written(&mut self, link: LinkId, out: &mut Vec<PortAction>) {
        self.links.on_written(link, &mut self.moves);
        self.hand_out(out);
    }

    /// See [`Links::on_closed`]. Whose connection breaks during an election is called soon: it may be down, and then
    /// nobody need wait for its vote. If that connection breaks, too, it is called again, less and less often: its
    /// system may have taken the call before it let go of the port.
    pub fn on_closed(&mut self, now: Monotonic, link: LinkId, out: &mut Vec<PortAction>) {
        let has_parted = self.links.on_closed(link);
        if has_parted && self.election.state() == PeerState::Looking && self.redial_at.is_none() {
            self.redial_at = Some(now + self.redial_pause);
            self.redial_pause *= 2;
        }
        self.hand_out(out);
    }

    fn redial_if_due(&mut self, now: Monotonic) {
        if self.redial_at.is_some_and(|at| at <= now) {
            self.redial_at = None;
            if self.election.state() == PeerState::Looking {
                self.links.redial(&mut self.moves);
            }
        }
    }

    /// Bytes arrived: they are heard, and answered.
    pub fn on_received(&mut self, now: Monotonic, link: LinkId, bytes: &[u8], out: &mut Vec<PortAction>) {
        self.links.on_received(link, bytes, &mut self.said, &mut self.moves);
        for (from, notification) in self.said.drain(..) {
            self.election.on_notification(now, from, &notification, &mut self.votes);
        }
        self.hand_out(out);
    }

    fn hand_out(&mut self, out: &mut Vec<PortAction>) {
        let mut done = Vec::new();
        for action in self.votes.drain(..) {
            match action {
                ElectionAction::Send { to, notification } => {
                    self.links.send(to, notification.to_frame(), &mut self.moves);
                }
                ElectionAction::Redial => self.links.redial(&mut self.moves),
                ElectionAction::Elected(elected) => done.push(PortAction::Elected(elected)),
                ElectionAction::Adopt(config) => done.push(PortAction::Adopt(config)),
            }
        }
        out.extend(self.moves.drain(..).map(PortAction::Link));
        out.extend(done);
    }
}
