//! Clients: the library's session, asked at random; the whole library, playing with its recipes; and clients of another
//! make. What is said is overheard and judged alike, whoever says it: see [`tap`].

pub(crate) mod ask;
mod choose;
mod decode;
pub(crate) mod executor;
mod held;
mod library;
mod line;
mod player;
mod rude;
pub(crate) mod tap;
mod watchers;

use zoorum_proto::SessionId;

use crate::check::Checked;
use crate::faults::Faults;
use crate::ground::{Alarm, Ground};
use library::Library;
use player::Player;
use rude::Rude;
use tap::Tap;

/// A server that listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) process: u64,
    pub(crate) workers: usize,
    /// Whether it says so when it is asked.
    pub(crate) is_read_write: bool,
}

/// A client.
pub(crate) enum Client {
    /// Of another make than the library.
    Rude(Box<Rude>),
    /// The library's session, asked at random.
    Library(Box<Library>),
    /// The whole library, with somebody who uses its recipes.
    Player(Box<Player>),
}

impl Client {
    /// All clients of a run.
    pub(crate) fn all(ground: &mut Ground) -> Vec<Self> {
        let Faults { clients, library, players, .. } = ground.faults;
        let mut all: Vec<Self> = (0..clients).map(|number| Self::Rude(Box::new(Rude::new(number)))).collect();
        for number in clients..clients + library {
            all.push(Self::Library(Box::new(Library::new(ground, number))));
        }
        for number in clients + library..clients + library + players {
            all.push(Self::Player(Box::new(Player::new(ground, number))));
        }
        all
    }

    pub(crate) fn alarm(&mut self) -> &mut Alarm {
        match self {
            Self::Rude(client) => &mut client.alarm,
            Self::Library(client) => &mut client.alarm,
            Self::Player(client) => &mut client.alarm,
        }
    }

    fn tap(&self) -> &Tap {
        match self {
            Self::Rude(client) => &client.tap,
            Self::Library(client) => &client.line.tap,
            Self::Player(client) => &client.line.tap,
        }
    }

    /// Its turn. `listeners`: who listens on each server; `any`: one of them, for whoever does not choose.
    pub(crate) fn act(
        &mut self,
        ground: &mut Ground,
        any: Option<Listener>,
        listeners: &[Option<Listener>],
    ) -> Checked {
        match self {
            Self::Rude(client) => client.act(ground, any),
            Self::Library(client) => client.act(ground, listeners),
            Self::Player(client) => client.act(ground, listeners),
        }
    }

    /// Whether it goes where it likes, and not where its list of servers says.
    pub(crate) fn goes_anywhere(&self) -> bool {
        matches!(self, Self::Rude(_))
    }

    /// Something has arrived.
    pub(crate) fn receive(&mut self, ground: &mut Ground, listeners: &[Option<Listener>]) -> Checked {
        match self {
            Self::Rude(client) => client.receive(ground),
            Self::Library(client) => client.act(ground, listeners),
            Self::Player(client) => client.act(ground, listeners),
        }
    }

    /// Replies ever received.
    pub(crate) fn answers(&self) -> u64 {
        self.tap().answers
    }

    /// The session, if the client believes in one.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.tap().session().map(|session| session.id)
    }

    /// Whether the client has asked for the end of its session, and waits to be told of it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.tap().is_leaving()
    }

    /// Whether it waits to be told of more than that it lives.
    pub(crate) fn is_owed(&self) -> bool {
        self.tap().is_owed()
    }

    /// Whether it has begun something that it must end, once nothing goes wrong any more.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self, Self::Player(client) if client.is_under_way())
    }
}

/// What a client proves who it is by, if it does.
fn credentials(number: usize) -> Option<String> {
    (!number.is_multiple_of(3)).then(|| format!("user{}:secret", number % 3))
}
