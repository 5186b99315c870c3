//! Connections between election ports: who dials, who keeps the connection, and what is said on it.
//!
//! ```text
//! the larger id dials       hello ─▶ both keep the connection; the newest one counts
//! the smaller id dials      hello ─▶ the larger one hangs up, and dials back
//! ```
//!
//! Only the latest word to each peer matters. It waits in a place for one while there is no connection, or while
//! the connection is still busy with an earlier one. It is said again on every new connection, since nobody
//! knows whether it has arrived on the old one: whoever listens must not mind hearing things twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zoorum_proto::quorum::election::take_frame;
use zoorum_proto::quorum::{Hello, HostPort, Joint, Notification, QuorumConfig};
use zoorum_proto::{Monotonic, ServerId};

use crate::link::LinkId;

/// How many servers that no configuration names may be connected. Further ones are closed: a joining server
/// tries again.
const STRANGERS_MAX: usize = 64;

/// How many connections may be waited for to say who they are. Further ones are closed.
const UNKNOWN_MAX: usize = 256;

/// What connections are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Who we are.
    pub server: ServerId,
    /// Whether to say all our addresses, which servers before 3.6 do not understand.
    pub multi_address: bool,
    /// How long who dials us may take to say who it is.
    pub handshake_timeout: Duration,
}

/// What to do with connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Connect to one of these addresses, tried in this order, and report [`Links::on_dialed`] or
    /// [`Links::on_dial_failed`].
    Dial {
        /// Whom.
        peer: ServerId,
        /// Where; never empty.
        addresses: Vec<HostPort>,
    },
    /// Write these bytes at once, and report [`Links::on_written`] when they have left.
    Write {
        /// Where.
        link: LinkId,
        /// What.
        bytes: Bytes,
    },
    /// Close the connection; what was written to it and has not left may be lost. No report is due.
    Close(LinkId),
    /// The same, of one that makes no sense: whoever looks after this server should know.
    Refuse {
        /// Which.
        link: LinkId,
        /// What is wrong with it.
        reason: String,
    },
}

/// All election connections of one server.
#[derive(Clone, Debug)]
pub struct Links {
    settings: LinkSettings,
    joint: Joint,
    /// Where others can dial us.
    addresses: Vec<HostPort>,
    peers: BTreeMap<ServerId, Peer>,
    links: BTreeMap<LinkId, Link>,
}

#[derive(Clone, Debug, Default)]
struct Peer {
    channel: Option<LinkId>,
    /// It is being dialed, or was called and has not hung up yet.
    is_dialed: bool,
    /// What is to be said next.
    next: Option<Bytes>,
    /// What was said last.
    last: Option<Bytes>,
}

#[derive(Clone, Debug)]
struct Link {
    with: With,
    opened_at: Monotonic,
    received: BytesMut,
    /// Writes that have not left yet.
    writes: u32,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum With {
    /// Somebody that has not said yet who it is.
    Unknown,
    /// A larger id that we have called, and that will hang up. Closing first might cost it our hello.
    Called(ServerId),
    /// A peer, with whom we talk.
    Peer(ServerId),
}

impl Links {
    /// No connections yet, among the members that `joint` names.
    pub fn new(settings: LinkSettings, joint: Joint) -> Self {
        let (peers, links) = (BTreeMap::new(), BTreeMap::new());
        let mut new = Self { settings, joint, addresses: Vec::new(), peers, links };
        new.find_own_addresses();
        new
    }

    /// Other configurations are in force, or proposed.
    pub fn set_config(&mut self, joint: Joint) {
        self.joint = joint;
        self.find_own_addresses();
        self.forget_strangers();
    }

    /// Whether anything gets through: there is a peer with nothing waiting for it.
    pub fn has_delivered(&self) -> bool {
        self.peers.values().any(|peer| peer.next.is_none())
    }

    /// When [`Self::on_tick`] is due.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        let unsettled = self.links.values().filter(|link| link.is_unsettled());
        unsettled.map(|link| link.opened_at + self.settings.handshake_timeout).min()
    }

    /// Says `frame` to a peer as soon as that is possible, instead of what still waits to be said.
    pub fn send(&mut self, to: ServerId, frame: impl Into<Bytes>, out: &mut Vec<LinkAction>) {
        let peer = self.peers.entry(to).or_default();
        peer.next = Some(frame.into());
        match peer.channel {
            Some(link) => self.write_next(link, out),
            None => {
                self.dial(to, &[], out);
                self.forget_strangers();
            }
        }
    }

    /// Whether there is a connection with this server.
    pub fn is_connected(&self, to: ServerId) -> bool {
        self.peers.get(&to).is_some_and(|peer| peer.channel.is_some())
    }

    /// Dials everybody to whom something was said and who is not connected.
    pub fn redial(&mut self, out: &mut Vec<LinkAction>) {
        let peers: Vec<ServerId> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.dial(peer, &[], out));
    }

    /// A connection that was asked for is open.
    pub fn on_dialed(&mut self, now: Monotonic, to: ServerId, link: LinkId, out: &mut Vec<LinkAction>) {
        let (own, peer) = (self.settings.server, self.peers.entry(to).or_default());
        if own < to && peer.channel.is_some() {
            peer.is_dialed = false;
            return out.push(LinkAction::Close(link)); // it has dialed us meanwhile
        }
        peer.is_dialed = own < to;
        let hello = Hello { server: own, addresses: self.addresses.clone() };
        let hello = if self.settings.multi_address { hello.to_v2() } else { hello.to_v1() };
        out.push(LinkAction::Write { link, bytes: hello.into() });
        self.links.insert(link, Link { writes: 1, ..Link::new(With::Called(to), now) });
        if own > to {
            self.use_link(to, link, out);
        }
    }

    /// A connection that was asked for could not be opened.
    pub fn on_dial_failed(&mut self, to: ServerId) {
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.is_dialed = false;
        }
        self.forget_strangers();
    }

    /// Somebody dialed us.
    pub fn on_accepted(&mut self, now: Monotonic, link: LinkId, out: &mut Vec<LinkAction>) {
        if self.links.values().filter(|link| link.with == With::Unknown).count() >= UNKNOWN_MAX {
            return out.push(LinkAction::Close(link));
        }
        self.links.insert(link, Link::new(With::Unknown, now));
    }

    /// The oldest bytes that were to be written have left.
    pub fn on_written(&mut self, link: LinkId, out: &mut Vec<LinkAction>) {
        if let Some(open) = self.links.get_mut(&link) {
            open.writes = open.writes.saturating_sub(1);
            self.write_next(link, out);
        }
    }

    /// Bytes arrived. What they say is appended to `said`.
    pub fn on_received(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        said: &mut Vec<(ServerId, Notification)>,
        out: &mut Vec<LinkAction>,
    ) {
        let Some(open) = self.links.get_mut(&link) else { return };
        open.received.extend_from_slice(bytes);
        if open.with == With::Unknown {
            match Hello::take(&mut open.received) {
                Ok(Some(hello)) => self.on_hello(link, &hello, out),
                Ok(None) => return,
                Err(error) => return self.refuse(link, error.to_string(), out),
            }
        }
        // The hello may have been the end of it.
        let Some(open) = self.links.get_mut(&link) else { return };
        let With::Peer(peer) = open.with else { return open.received.clear() };
        loop {
            match take_frame(&mut open.received) {
                // What makes no sense is ignored: it may come from a release of the future.
                Ok(Some(frame)) => said.extend(Notification::decode(&frame).ok().map(|said| (peer, said))),
                Ok(None) => return,
                Err(error) => return self.refuse(link, format!("as server {peer}: {error}"), out),
            }
        }
    }

    /// A connection is gone, for whatever reason. Whether there is none with that server any more.
    pub fn on_closed(&mut self, link: LinkId) -> bool {
        let Some(closed) = self.links.remove(&link) else { return false };
        let (With::Called(id) | With::Peer(id)) = closed.with else { return false };
        if closed.with == With::Called(id) {
            self.on_dial_failed(id); // or it has dialed back already
        } else if let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.channel == Some(link)) {
            peer.channel = None;
            self.forget_strangers();
        }
        !self.is_connected(id)
    }

    /// Time passes: who has not said who it is by now, or not hung up, is no server.
    pub fn on_tick(&mut self, now: Monotonic, out: &mut Vec<LinkAction>) {
        let timeout = self.settings.handshake_timeout;
        let late =
            self.links.iter().filter(|(_, link)| link.is_unsettled() && now >= link.opened_at + timeout);
        let late: Vec<LinkId> = late.map(|(id, _)| *id).collect();
        for link in late {
            match self.links.get(&link).map(|link| link.with) {
                Some(With::Unknown) => {
                    self.refuse(link, format!("it did not say within {timeout:?} which server it is"), out);
                }
                _ => self.close(link, out),
            }
        }
    }

    fn on_hello(&mut self, link: LinkId, hello: &Hello, out: &mut Vec<LinkAction>) {
        let (own, peer) = (self.settings.server, hello.server);
        if peer == own {
            let reason = format!("it says that it is server {own}, which is this server: two have one myid");
            return self.refuse(link, reason, out);
        }
        let is_one_too_many = !self.peers.contains_key(&peer)
            && !self.is_member(peer)
            && self.strangers().count() >= STRANGERS_MAX;
        if peer == ServerId::ANONYMOUS {
            let reason = "it has no number, and could never be dialed back".to_owned();
            return self.refuse(link, reason, out);
        }
        if is_one_too_many {
            let reason =
                format!("server {peer} is in no configuration, and neither are {STRANGERS_MAX} others");
            return self.refuse(link, reason, out);
        }
        if peer > own {
            return self.use_link(peer, link, out);
        }
        self.close(link, out);
        if let Some(channel) = self.peers.entry(peer).or_default().channel {
            self.close(channel, out); // the peer does not know of it, or would not have dialed
        }
        self.dial(peer, &hello.addresses, out);
        self.forget_strangers();
    }

    /// From now on this is the connection with that peer.
    fn use_link(&mut self, to: ServerId, link: LinkId, out: &mut Vec<LinkAction>) {
        let Some(open) = self.links.get_mut(&link) else { return };
        open.with = With::Peer(to);
        let peer = self.peers.entry(to).or_default();
        if peer.next.is_none() {
            peer.next = peer.last.clone();
        }
        let older = peer.channel.replace(link);
        let called = self.links.iter().filter(|(_, link)| link.with == With::Called(to)).map(|(id, _)| *id);
        let obsolete: Vec<LinkId> = older.into_iter().chain(called).collect();
        obsolete.into_iter().for_each(|link| self.close(link, out));
        self.write_next(link, out);
    }

    /// Says what waits to be said, unless the connection is busy.
    fn write_next(&mut self, link: LinkId, out: &mut Vec<LinkAction>) {
        let Some(open) = self.links.get_mut(&link).filter(|open| open.writes == 0) else { return };
        let With::Peer(peer) = open.with else { return };
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        if peer.channel == Some(link)
            && let Some(bytes) = peer.next.take()
        {
            open.writes = 1;
            peer.last = Some(bytes.clone());
            out.push(LinkAction::Write { link, bytes });
        }
    }

    fn close(&mut self, link: LinkId, out: &mut Vec<LinkAction>) {
        out.push(LinkAction::Close(link));
        self.on_closed(link);
    }

    fn refuse(&mut self, link: LinkId, reason: String, out: &mut Vec<LinkAction>) {
        out.push(LinkAction::Refuse { link, reason });
        self.on_closed(link);
    }

    /// Dials a peer that is not connected: where its hello says, or else where the configurations say.
    fn dial(&mut self, to: ServerId, hello: &[HostPort], out: &mut Vec<LinkAction>) {
        let addresses = if hello.is_empty() { self.addresses_of(to) } else { hello.to_vec() };
        let peer = self.peers.entry(to).or_default();
        if peer.channel.is_none() && !peer.is_dialed && !addresses.is_empty() {
            peer.is_dialed = true;
            out.push(LinkAction::Dial { peer: to, addresses });
        }
    }

    fn configs(&self) -> impl Iterator<Item = &QuorumConfig> {
        [Some(self.joint.committed()), self.joint.next()].into_iter().flatten().map(AsRef::as_ref)
    }

    /// The election addresses of a server: first those in force, then others that are proposed.
    fn addresses_of(&self, id: ServerId) -> Vec<HostPort> {
        let mut found: Vec<HostPort> = Vec::new();
        for member in self.configs().filter_map(|config| config.members.get(&id)) {
            for address in &member.addresses {
                if !found.contains(&address.election) {
                    found.push(address.election.clone());
                }
            }
        }
        found
    }

    /// Whoever is not listed any more keeps saying where it was.
    fn find_own_addresses(&mut self) {
        let own = self.settings.server;
        let member = self.configs().find_map(|config| config.members.get(&own));
        if let Some(member) = member {
            self.addresses = member.addresses.iter().map(|address| address.election.clone()).collect();
        }
    }

    fn is_member(&self, id: ServerId) -> bool {
        self.configs().any(|config| config.members.contains_key(&id))
    }

    fn strangers(&self) -> impl Iterator<Item = ServerId> {
        self.peers.keys().copied().filter(|&id| !self.is_member(id))
    }

    /// Nothing is kept for a server that no configuration names once it is not connected.
    fn forget_strangers(&mut self) {
        let gone = |peer: &Peer| peer.channel.is_none() && !peer.is_dialed;
        let forgotten: BTreeSet<ServerId> = self.strangers().filter(|id| gone(&self.peers[id])).collect();
        self.peers.retain(|id, _| !forgotten.contains(id));
    }
}

impl Link {
    fn new(with: With, opened_at: Monotonic) -> Self {
        Self { with, opened_at, received: BytesMut::new(), writes: 0 }
    }

    /// Whether something should happen to it soon.
    fn is_unsettled(&self) -> bool {
        !matches!(self.with, With::Peer(_))
    }
}

#[cfg(test)]
mod tests;
