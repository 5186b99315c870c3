//! What a role goes by at each step.

use bytes::Bytes;
use zoorum_proto::Monotonic;
use zoorum_proto::quorum::QuorumPacket;

use crate::action::{Action, Notice};
use crate::history::History;
use crate::link::{LinkAction, LinkId};
use crate::packets;
use crate::report::PeerCounters;
use crate::settings::{Ensemble, PeerSettings};

/// The time, what is known, and what is to be done about it.
pub(crate) struct Ground<'g> {
    pub(crate) now: Monotonic,
    pub(crate) settings: &'g PeerSettings,
    pub(crate) ensemble: &'g Ensemble,
    pub(crate) history: &'g mut History,
    /// Connections dialed so far.
    pub(crate) links: &'g mut u64,
    pub(crate) counters: &'g mut PeerCounters,
    pub(crate) actions: &'g mut Vec<Action>,
}

impl Ground<'_> {
    pub(crate) fn tell(&mut self, text: String) {
        self.actions.push(Action::Tell(Notice::Info(text)));
    }

    pub(crate) fn warn(&mut self, text: String) {
        self.actions.push(Action::Tell(Notice::Warning(text)));
    }

    pub(crate) fn write(&mut self, link: LinkId, bytes: Bytes) {
        self.actions.push(Action::Link(LinkAction::Write { link, bytes }));
    }

    pub(crate) fn send(&mut self, link: LinkId, packet: &QuorumPacket) {
        self.write(link, packets::bytes(packet));
    }

    /// The number of a connection that is about to be dialed.
    pub(crate) fn next_link(&mut self) -> LinkId {
        *self.links += 1;
        LinkId(*self.links)
    }
}
