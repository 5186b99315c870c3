//! Whom the system's reports of readiness are for. Tokens are never used twice, so a late report finds nobody.

use std::collections::HashMap;
use std::io;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use zoorum_zab::{Door, LinkId};

/// The token of the waker; sockets have the lower ones.
pub(super) const WAKER: Token = Token(usize::MAX);

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A link.
    Link(LinkId),
    /// An attempt to connect one.
    Attempt(LinkId),
    /// One of the listeners at a door.
    Door(Door),
}

pub(super) struct Tokens {
    registry: Registry,
    next: usize,
    owners: HashMap<Token, Owner>,
}

impl Tokens {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, next: 0, owners: HashMap::new() }
    }

    /// From now on the system reports what becomes of a socket.
    pub(super) fn register(&mut self, socket: &mut impl Source, owner: Owner) -> io::Result<Token> {
        let token = Token(self.next);
        let interest = match owner {
            Owner::Door(_) => Interest::READABLE,
            Owner::Link(_) | Owner::Attempt(_) => Interest::READABLE | Interest::WRITABLE,
        };
        self.registry.register(socket, token, interest)?;
        self.next += 1;
        self.owners.insert(token, owner);
        Ok(token)
    }

    pub(super) fn owner(&self, token: Token) -> Option<Owner> {
        self.owners.get(&token).copied()
    }

    /// An attempt to connect has become a link.
    pub(super) fn rename(&mut self, token: Token, owner: Owner) {
        self.owners.insert(token, owner);
    }

    /// The socket is about to be closed, which is all that the system needs to know.
    pub(super) fn forget(&mut self, token: Token) {
        self.owners.remove(&token);
    }
}
