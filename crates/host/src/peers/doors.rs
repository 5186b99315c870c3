//! The doors at which peers call: listeners that are opened, retried, and shut again.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Token;
use mio::net::{TcpListener, TcpStream};
use zoorum_proto::quorum::HostPort;
use zoorum_zab::{Door, LinkEvent};

use super::options::PeerOptions;
use super::resolver::{Asker, Resolver};
use super::tokens::{Owner, Tokens};
use crate::acceptor::{self, ListenOptions, everywhere};

/// Between two attempts to bind.
const RETRY: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// Most connections accepted in one turn.
const ACCEPTS: usize = 16;
/// Pause after a failed accept: what it fails for, such as a lack of descriptors, does not go at once.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct Doors {
    wanted: HashMap<Door, Entrance>,
}

/// A door that is to be open.
#[derive(Default)]
struct Entrance {
    listeners: Vec<Listener>,
    /// Where it is not open yet.
    pending: Vec<Pending>,
    /// Where it cannot be opened.
    failures: Vec<String>,
    /// Nobody is accepted before.
    rests_until: Option<Instant>,
}

struct Listener {
    socket: TcpListener,
    token: Token,
    /// Somebody may wait to be accepted.
    is_called: bool,
}

struct Pending {
    address: HostPort,
    attempts: u32,
    /// When to try again; `None` while the name is being looked up.
    retry_at: Option<Instant>,
}

impl Doors {
    /// Opens a door, unless it is wanted open already.
    pub(super) fn open(
        &mut self,
        door: Door,
        options: &PeerOptions,
        resolver: &mut Resolver,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) {
        if self.wanted.contains_key(&door) {
            return;
        }
        let now = Instant::now();
        let addresses = options.addresses(door).iter();
        let pending =
            addresses.map(|address| Pending { address: address.clone(), attempts: 0, retry_at: Some(now) });
        self.wanted.insert(door, Entrance { pending: pending.collect(), ..Entrance::default() });
        self.on_time(now, options, resolver, tokens, events);
    }

    /// Shuts a door.
    pub(super) fn shut(&mut self, door: Door, tokens: &mut Tokens) {
        for listener in self.wanted.remove(&door).unwrap_or_default().listeners {
            tokens.forget(listener.token);
        }
    }

    /// The addresses of a name are known, or that it has none.
    pub(super) fn on_resolved(
        &mut self,
        door: Door,
        address: &HostPort,
        found: Result<Vec<SocketAddr>, String>,
        options: &PeerOptions,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) {
        let Some(entrance) = self.wanted.get_mut(&door) else { return };
        let mut pending = entrance.pending.iter();
        let awaited = pending.position(|pending| pending.retry_at.is_none() && pending.address == *address);
        let Some(position) = awaited else { return };
        let bound = found.and_then(|found| entrance.bind(door, found[0], tokens));
        entrance.on_attempted(door, position, bound, options);
        self.report(door, events);
    }

    /// When something is to be done that no event tells of.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let entrances = self.wanted.values();
        entrances
            .flat_map(|entrance| {
                let retries = entrance.pending.iter().filter_map(|pending| pending.retry_at);
                retries.chain(entrance.rests_until)
            })
            .min()
    }

    /// Does what is due.
    pub(super) fn on_time(
        &mut self,
        now: Instant,
        options: &PeerOptions,
        resolver: &mut Resolver,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) {
        for door in [Door::Election, Door::Quorum, Door::ObserverMaster] {
            let Some(entrance) = self.wanted.get_mut(&door) else { continue };
            entrance.rests_until.take_if(|until| *until <= now);
            entrance.retry(door, now, options, resolver, tokens);
            self.report(door, events);
        }
    }

    /// Gives up a door that is open nowhere and will not be.
    fn report(&mut self, door: Door, events: &mut Vec<LinkEvent>) {
        let Some(entrance) = self.wanted.get(&door) else { return };
        if entrance.listeners.is_empty() && entrance.pending.is_empty() {
            let reason = match &entrance.failures[..] {
                [] => "no address is configured for it".to_owned(),
                failures => failures.join("; "),
            };
            self.wanted.remove(&door);
            events.push(LinkEvent::Shut { door, reason });
        }
    }

    /// The system reports that somebody calls.
    pub(super) fn on_event(&mut self, door: Door, token: Token) {
        let listeners = self.wanted.get_mut(&door).into_iter().flat_map(|entrance| &mut entrance.listeners);
        for listener in listeners.filter(|listener| listener.token == token) {
            listener.is_called = true;
        }
    }

    /// Whether somebody may wait at `door`.
    pub(super) fn is_called(&self, door: Door) -> bool {
        self.wanted.get(&door).is_some_and(|entrance| {
            entrance.rests_until.is_none() && entrance.listeners.iter().any(|listener| listener.is_called)
        })
    }

    /// Takes some of those who wait at `door`.
    pub(super) fn accept(&mut self, door: Door, room: usize) -> Vec<(TcpStream, SocketAddr)> {
        let mut accepted = Vec::new();
        let Some(entrance) = self.wanted.get_mut(&door) else { return accepted };
        if entrance.rests_until.is_some() {
            return accepted;
        }
        for listener in &mut entrance.listeners {
            while listener.is_called && accepted.len() < room.min(ACCEPTS) {
                match listener.socket.accept() {
                    Ok(caller) => accepted.push(caller),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => listener.is_called = false,
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                    Err(error) => {
                        tracing::error!(%error, ?door, "cannot accept connections of peers");
                        entrance.rests_until = Some(Instant::now() + PAUSE);
                        return accepted;
                    }
                }
            }
        }
        accepted
    }

    /// Where the listeners of a door are.
    #[cfg(test)]
    pub(super) fn bound_to(&self, door: Door) -> Vec<SocketAddr> {
        let listeners = self.wanted.get(&door).into_iter().flat_map(|entrance| &entrance.listeners);
        listeners.filter_map(|listener| listener.socket.local_addr().ok()).collect()
    }
}

impl Entrance {
    /// Tries to open the door wherever it is time to.
    fn retry(
        &mut self,
        door: Door,
        now: Instant,
        options: &PeerOptions,
        resolver: &mut Resolver,
        tokens: &mut Tokens,
    ) {
        for position in (0..self.pending.len()).rev() {
            let pending = &mut self.pending[position];
            if pending.retry_at.is_none_or(|at| at > now) {
                continue;
            }
            let known = if pending.address.is_any_host() {
                Some(everywhere(pending.address.port))
            } else {
                resolver.ask(Asker::Door(door), &pending.address)
            };
            match known {
                None => pending.retry_at = None,
                Some(address) => {
                    let bound = self.bind(door, address, tokens);
                    self.on_attempted(door, position, bound, options);
                }
            }
        }
    }

    fn bind(&mut self, door: Door, address: SocketAddr, tokens: &mut Tokens) -> Result<(), String> {
        let listener = listen(address).and_then(|mut socket| {
            let token = tokens.register(&mut socket, Owner::Door(door))?;
            Ok(Listener { socket, token, is_called: false })
        });
        self.listeners.push(listener.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// An attempt to open the door at a pending address is over.
    fn on_attempted(
        &mut self,
        door: Door,
        position: usize,
        bound: Result<(), String>,
        options: &PeerOptions,
    ) {
        let pending = &mut self.pending[position];
        let address = &pending.address;
        let Err(reason) = bound else {
            tracing::info!("{door:?} port: binding to {address}");
            self.pending.swap_remove(position);
            return;
        };
        pending.attempts += 1;
        tracing::warn!("{door:?} port: cannot listen on {address}: {reason}");
        if options.bind_attempts(door).is_some_and(|attempts| pending.attempts >= attempts.get()) {
            self.failures.push(format!("cannot listen on {address}: {reason}"));
            self.pending.swap_remove(position);
        } else {
            pending.retry_at = Some(Instant::now() + RETRY);
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = acceptor::bind(address, ListenOptions { backlog: Some(BACKLOG), keep_alive: false })?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener))
}
