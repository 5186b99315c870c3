//! Connections between simulated servers: bytes arrive in order, late, in pieces, or not at all.

use std::collections::BTreeMap;

use zoorum_proto::{Monotonic, ServerId};
use zoorum_zab::election::LinkId;

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) owner: ServerId,
    pub(crate) other: LinkId,
    pub(crate) other_owner: ServerId,
    /// What is written now arrives after what was written before.
    pub(crate) arrives_at: Monotonic,
}

/// All open connections, by their ends.
#[derive(Default)]
pub(crate) struct Network {
    ends: BTreeMap<LinkId, End>,
    last: u64,
}

impl Network {
    /// Two new ends, the dialer's first.
    pub(crate) fn connect(
        &mut self,
        dialer: ServerId,
        acceptor: ServerId,
        now: Monotonic,
    ) -> (LinkId, LinkId) {
        let (one, two) = (LinkId(self.last + 1), LinkId(self.last + 2));
        self.last += 2;
        let end = |owner, other, other_owner| End { owner, other, other_owner, arrives_at: now };
        self.ends.insert(one, end(dialer, two, acceptor));
        self.ends.insert(two, end(acceptor, one, dialer));
        (one, two)
    }

    pub(crate) fn end(&mut self, link: LinkId) -> Option<&mut End> {
        self.ends.get_mut(&link)
    }

    pub(crate) fn remove(&mut self, link: LinkId) -> Option<End> {
        self.ends.remove(&link)
    }

    /// The ends of connections that a cut between `one` and `two` breaks.
    pub(crate) fn between(&self, one: ServerId, two: ServerId) -> Vec<LinkId> {
        let touches = |end: &End| {
            (end.owner, end.other_owner) == (one, two) || (end.owner, end.other_owner) == (two, one)
        };
        self.ends.iter().filter(|(_, end)| touches(end)).map(|(link, _)| *link).collect()
    }

    pub(crate) fn of(&self, owner: ServerId) -> Vec<LinkId> {
        self.ends.iter().filter(|(_, end)| end.owner == owner).map(|(link, _)| *link).collect()
    }

    pub(crate) fn any(&self, chance: u64) -> Option<LinkId> {
        let count = self.ends.len() as u64;
        (count > 0).then(|| self.ends.keys().nth((chance % count) as usize).copied())?
    }
}
