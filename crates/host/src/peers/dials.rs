//! Calls that are being made: names looked up, addresses tried.
//!
//! The configured addresses of a peer are tried at the same time. A name that has several addresses has them
//! tried one after the other, with a short head start for each, since they mostly lead to the same door.
//! The first connection that stands is taken.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Token;
use mio::net::TcpStream;
use zoorum_proto::quorum::HostPort;
use zoorum_zab::{Door, LinkEvent, LinkId, PeerAddress};

use super::resolver::{Asker, Resolver};
use super::tokens::{Owner, Tokens};

/// How long one address of a name is tried before the next one is tried as well.
const HEAD_START: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Dials {
    by_link: HashMap<LinkId, Dial>,
}

/// A connection that stands, and whose it is.
pub(super) struct Connected {
    pub(super) link: LinkId,
    pub(super) door: Door,
    pub(super) stream: TcpStream,
    pub(super) token: Token,
}

/// What is asked for.
pub(super) struct Call {
    pub(super) link: LinkId,
    pub(super) door: Door,
    pub(super) addresses: Vec<PeerAddress>,
    pub(super) timeout: Duration,
}

struct Dial {
    door: Door,
    timeout: Duration,
    gives_up_at: Instant,
    /// Names whose addresses are not known yet.
    unresolved: Vec<HostPort>,
    /// Addresses to be tried when those before them have had their head start.
    waiting: VecDeque<SocketAddr>,
    next_at: Instant,
    attempts: Vec<Attempt>,
    failures: Vec<String>,
}

struct Attempt {
    address: SocketAddr,
    stream: TcpStream,
    token: Token,
}

impl Dials {
    /// Begins a call.
    pub(super) fn start(
        &mut self,
        call: Call,
        resolver: &mut Resolver,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) {
        let now = Instant::now();
        let mut dial = Dial {
            door: call.door,
            timeout: call.timeout,
            gives_up_at: now + call.timeout,
            unresolved: Vec::new(),
            waiting: VecDeque::new(),
            next_at: now + HEAD_START,
            attempts: Vec::new(),
            failures: Vec::new(),
        };
        for PeerAddress { host, port } in call.addresses {
            let address = HostPort { host, port };
            match resolver.ask(Asker::Dial(call.link), &address) {
                Some(literal) => dial.attempt(call.link, literal, tokens),
                None => dial.unresolved.push(address),
            }
        }
        let replaced = self.by_link.insert(call.link, dial);
        assert!(replaced.is_none(), "the number of a connection is never used twice");
        self.go_on(call.link, tokens, events);
    }

    /// Ends a call. Whether there was one.
    pub(super) fn cancel(&mut self, link: LinkId, tokens: &mut Tokens) -> bool {
        let dial = self.by_link.remove(&link);
        dial.is_some_and(|dial| {
            dial.attempts.iter().for_each(|attempt| tokens.forget(attempt.token));
            true
        })
    }

    /// The addresses of a name are known, or that it has none.
    pub(super) fn on_resolved(
        &mut self,
        link: LinkId,
        address: &HostPort,
        found: Result<Vec<SocketAddr>, String>,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) {
        let Some(dial) = self.by_link.get_mut(&link) else { return };
        let Some(position) = dial.unresolved.iter().position(|unresolved| unresolved == address) else {
            return;
        };
        dial.unresolved.swap_remove(position);
        match found {
            Ok(addresses) => {
                let mut addresses = addresses.into_iter();
                if let Some(first) = addresses.next() {
                    dial.attempt(link, first, tokens);
                }
                dial.waiting.extend(addresses);
                dial.next_at = Instant::now() + HEAD_START;
            }
            Err(reason) => dial.failures.push(format!("{address}: {reason}")),
        }
        self.go_on(link, tokens, events);
    }

    /// The system reports readiness of an attempt: it stands, or has failed, or nothing is known yet.
    pub(super) fn on_event(
        &mut self,
        link: LinkId,
        token: Token,
        tokens: &mut Tokens,
        events: &mut Vec<LinkEvent>,
    ) -> Option<Connected> {
        let dial = self.by_link.get_mut(&link)?;
        let position = dial.attempts.iter().position(|attempt| attempt.token == token)?;
        match check(&dial.attempts[position].stream) {
            Ok(false) => None,
            Ok(true) => {
                let door = dial.door;
                let Attempt { stream, token, .. } = dial.attempts.swap_remove(position);
                self.cancel(link, tokens);
                tokens.rename(token, Owner::Link(link));
                Some(Connected { link, door, stream, token })
            }
            Err(error) => {
                let attempt = dial.attempts.swap_remove(position);
                tokens.forget(attempt.token);
                dial.failures.push(format!("{}: {error}", attempt.address));
                dial.attempt_next(link, tokens);
                self.go_on(link, tokens, events);
                None
            }
        }
    }

    /// When something is to be done that no event tells of.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.by_link.values().map(Dial::next_wakeup).min()
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self, now: Instant, tokens: &mut Tokens, events: &mut Vec<LinkEvent>) {
        let due = self.by_link.iter().filter(|(_, dial)| dial.next_wakeup() <= now);
        for link in due.map(|(link, _)| *link).collect::<Vec<_>>() {
            let Some(dial) = self.by_link.get_mut(&link) else { continue };
            if dial.gives_up_at <= now {
                let reason = dial.timed_out();
                self.cancel(link, tokens);
                events.push(LinkEvent::Closed { link, reason });
                continue;
            }
            dial.attempt_next(link, tokens);
            self.go_on(link, tokens, events);
        }
    }

    /// Tries the next address if none is being tried, and gives up if there is none.
    fn go_on(&mut self, link: LinkId, tokens: &mut Tokens, events: &mut Vec<LinkEvent>) {
        let Some(dial) = self.by_link.get_mut(&link) else { return };
        while dial.attempts.is_empty() && !dial.waiting.is_empty() {
            dial.attempt_next(link, tokens);
        }
        if dial.attempts.is_empty() && dial.unresolved.is_empty() {
            let reason = dial.failed();
            self.by_link.remove(&link);
            events.push(LinkEvent::Closed { link, reason });
        }
    }
}

impl Dial {
    fn next_wakeup(&self) -> Instant {
        if self.waiting.is_empty() { self.gives_up_at } else { self.gives_up_at.min(self.next_at) }
    }

    fn attempt_next(&mut self, link: LinkId, tokens: &mut Tokens) {
        if let Some(next) = self.waiting.pop_front() {
            self.attempt(link, next, tokens);
            self.next_at = Instant::now() + HEAD_START;
        }
    }

    fn attempt(&mut self, link: LinkId, address: SocketAddr, tokens: &mut Tokens) {
        let started = TcpStream::connect(address).and_then(|mut stream| {
            let token = tokens.register(&mut stream, Owner::Attempt(link))?;
            Ok(Attempt { address, stream, token })
        });
        match started {
            Ok(attempt) => self.attempts.push(attempt),
            Err(error) => self.failures.push(format!("{address}: {error}")),
        }
    }

    fn failed(&self) -> String {
        match &self.failures[..] {
            [] => "cannot connect: no address to call".to_owned(),
            failures => format!("cannot connect to {}", failures.join("; ")),
        }
    }

    fn timed_out(&self) -> String {
        let names =
            self.unresolved.iter().map(|address| format!("{address}: the name is still being looked up"));
        let attempts = self.attempts.iter().map(|attempt| format!("{}: no answer", attempt.address));
        let waits: Vec<String> = self.failures.iter().cloned().chain(names).chain(attempts).collect();
        format!("cannot connect within {} ms to {}", self.timeout.as_millis(), waits.join("; "))
    }
}

/// Whether the connection stands by now.
fn check(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        // A call to a free port of this machine can be given that very port to call from, and then reach itself.
        Ok(peer) if stream.local_addr()? == peer => Err(ErrorKind::ConnectionRefused.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_call_that_reaches_itself_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        socket.connect(&socket.local_addr().expect("an address")).expect("a connection with itself");
        socket.set_nonblocking(true).expect("a mode");
        let error = check(&TcpStream::from_std(socket.into())).expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
