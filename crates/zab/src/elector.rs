//! The election port among a peer's other connections.

use std::collections::BTreeMap;

use zoorum_proto::quorum::PeerState;
use zoorum_proto::{Epoch, Monotonic, ServerId, Zxid};

use crate::action::{Action, Notice};
use crate::election::{self, ElectionPort, ElectionSettings, LinkSettings, PortAction};
use crate::ground::Ground;
use crate::link::{Door, LinkAction, LinkEvent, LinkId, PeerAddress};
use crate::settings::{Ensemble, PeerSettings};

/// How an election ended for this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elected {
    pub(crate) leader: ServerId,
    /// It does not vote.
    pub(crate) observes: bool,
}

/// The election port, its calls and its connections.
pub(crate) struct Elector {
    port: ElectionPort,
    calls: BTreeMap<LinkId, ServerId>,
    /// Connections, and who is at their other ends as far as sockets tell.
    links: BTreeMap<LinkId, String>,
    out: Vec<PortAction>,
}

impl Elector {
    pub(crate) fn new(settings: &PeerSettings, ensemble: &Ensemble) -> Self {
        let (interval_min, interval_max) = settings.notification_intervals;
        let election = ElectionSettings { interval_min, interval_max, ..ElectionSettings::new(settings.me) };
        let links = LinkSettings {
            server: settings.me,
            multi_address: settings.multi_address,
            handshake_timeout: settings.election_handshake,
        };
        let port = ElectionPort::new(election, links, ensemble.joint.clone());
        Self { port, calls: BTreeMap::new(), links: BTreeMap::new(), out: Vec::new() }
    }

    /// Begins an election with this server's epoch and the end of its history.
    pub(crate) fn look(&mut self, ground: &mut Ground<'_>, epoch: Epoch, last: Zxid) -> Option<Elected> {
        self.port.look(ground.now, epoch, last, &mut self.out);
        self.hand_out(ground)
    }

    /// Something happened to a connection that is no learner's and no leader's.
    pub(crate) fn on_link(&mut self, ground: &mut Ground<'_>, event: &LinkEvent) -> Option<Elected> {
        match event {
            LinkEvent::Dialed { link } => {
                if let Some(peer) = self.calls.remove(link) {
                    self.links.insert(*link, format!("server {peer}"));
                    self.port.on_dialed(ground.now, peer, *link, &mut self.out);
                }
            }
            LinkEvent::Accepted { link, door: Door::Election, from } => {
                self.links.insert(*link, from.clone());
                self.port.on_accepted(ground.now, *link, &mut self.out);
            }
            LinkEvent::Received { link, bytes } if self.links.contains_key(link) => {
                self.port.on_received(ground.now, *link, bytes, &mut self.out);
            }
            LinkEvent::Closed { link, .. } => {
                if let Some(peer) = self.calls.remove(link) {
                    self.port.on_dial_failed(peer, &mut self.out);
                } else if self.links.remove(link).is_some() {
                    self.port.on_closed(ground.now, *link, &mut self.out);
                }
            }
            LinkEvent::Shut { door, reason } => {
                let text = format!("peers cannot call at the {door:?} door: {reason}");
                ground.actions.push(Action::Tell(Notice::Warning(text)));
            }
            LinkEvent::Accepted { .. } | LinkEvent::Received { .. } | LinkEvent::Taken { .. } => {}
        }
        self.hand_out(ground)
    }

    pub(crate) fn on_tick(&mut self, ground: &mut Ground<'_>) -> Option<Elected> {
        self.port.on_tick(ground.now, &mut self.out);
        self.hand_out(ground)
    }

    /// When [`Self::on_tick`] is to be called next.
    pub(crate) fn next_wakeup(&self) -> Option<Monotonic> {
        self.port.next_wakeup()
    }

    /// The leader is established in this epoch: others are told so.
    pub(crate) fn on_established(&mut self, epoch: Epoch) {
        self.port.refresh_vote(epoch);
    }

    /// The next look is at the round after the next: see [`election::Election::skip_round`].
    pub(crate) fn skip_round(&mut self) {
        self.port.skip_round();
    }

    fn hand_out(&mut self, ground: &mut Ground<'_>) -> Option<Elected> {
        let mut elected = None;
        while !self.out.is_empty() {
            for action in std::mem::take(&mut self.out) {
                match action {
                    PortAction::Link(action) => self.move_bytes(ground, action),
                    PortAction::Elected(result) => {
                        elected = Some(Elected {
                            leader: result.vote.leader,
                            observes: result.state == PeerState::Observing,
                        });
                    }
                    // Only with reconfiguration, which is off.
                    PortAction::Adopt(_) => {}
                }
            }
        }
        elected
    }

    fn move_bytes(&mut self, ground: &mut Ground<'_>, action: election::LinkAction) {
        let action = match action {
            election::LinkAction::Dial { peer, addresses } => {
                let link = ground.next_link();
                self.calls.insert(link, peer);
                let addresses = addresses.into_iter();
                LinkAction::Dial {
                    link,
                    door: Door::Election,
                    addresses: addresses.map(|at| PeerAddress { host: at.host, port: at.port }).collect(),
                    timeout: ground.settings.election_connect,
                }
            }
            election::LinkAction::Write { link, bytes } => {
                // What waits on a connection is bounded by whoever moves the bytes.
                self.port.on_written(link, &mut self.out);
                LinkAction::Write { link, bytes }
            }
            election::LinkAction::Close(link) => {
                self.links.remove(&link);
                LinkAction::Close { link }
            }
            election::LinkAction::Refuse { link, reason } => {
                let from = self.links.remove(&link).unwrap_or_default();
                ground.warn(format!("closing the connection of {from} to the election port: {reason}"));
                LinkAction::Close { link }
            }
        };
        ground.actions.push(Action::Link(action));
    }
}
