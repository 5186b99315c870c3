//! The connection of a client that is the library: what the library's session wants done on the network, and what
//! becomes of it. It tells of that as the library's own driver would.

use std::time::Duration;

use zoorum_client::session::{ConnectionId, Host};

use super::Listener;
use super::tap::{Overheard, Tap};
use crate::ground::Ground;
use crate::network::{LinkId, Side};

/// The name of all servers; their ports tell them apart.
const NAME: &str = "sim";

/// The address of each server.
pub(super) fn hosts(count: usize) -> Vec<Host> {
    (0..count).map(|at| Host { name: NAME.to_owned(), port: at as u16 + 1 }).collect()
}

/// What happens on the network.
#[derive(Debug)]
pub(super) enum Input {
    /// A connection is made.
    Connected(ConnectionId),
    /// A connection could not be made, or is broken.
    Broken(ConnectionId),
    /// Bytes have come, and this is what they say.
    Received(ConnectionId, Vec<u8>, Vec<Overheard>),
    /// A server has answered whether it is read-write, or failed to.
    Probed(Host, bool),
}

/// A connection, or the attempt at one.
#[derive(Debug)]
pub(super) struct Line {
    client: usize,
    pub(super) tap: Tap,
    dialing: Option<(ConnectionId, Host, Duration)>,
    open: Option<(ConnectionId, LinkId)>,
    probing: Option<(Host, Duration)>,
}

impl Line {
    pub(super) fn new(client: usize, credentials: Option<&str>) -> Self {
        let tap = Tap::new(client, credentials);
        Self { client, tap, dialing: None, open: None, probing: None }
    }

    /// When something happens by itself.
    pub(super) fn next_wakeup(&self) -> Option<Duration> {
        let dialed_at = self.dialing.as_ref().map(|(_, _, at)| *at);
        let probed_at = self.probing.as_ref().map(|(_, at)| *at);
        dialed_at.into_iter().chain(probed_at).min()
    }

    pub(super) fn dial(&mut self, ground: &mut Ground, connection: ConnectionId, host: Host) {
        let at = ground.now + ground.chance.micros(50, 5_000);
        ground.note(format_args!("client {} calls {host}", self.client));
        self.dialing = Some((connection, host, at));
    }

    pub(super) fn probe(&mut self, ground: &mut Ground, host: Host) {
        let at = ground.now + ground.chance.micros(50, 5_000);
        self.probing = Some((host, at));
    }

    /// Sends; the requests in it are told by the tap.
    pub(super) fn send(
        &mut self,
        ground: &mut Ground,
        bytes: &[u8],
    ) -> Result<Vec<(zoorum_proto::op::RequestHeader, Vec<u8>)>, String> {
        let Some((_, link)) = self.open else {
            return Err(format!("client {} sends without a connection", self.client));
        };
        let requests = self.tap.on_sent(ground, bytes)?;
        // If it is broken, the end arrives by itself.
        let _ = ground.send(link, Side::Server, bytes);
        Ok(requests)
    }

    pub(super) fn close(&mut self, ground: &mut Ground) {
        self.dialing = None;
        self.tap.part();
        if let Some((_, link)) = self.open.take() {
            ground.note(format_args!("client {} closes {link:?}", self.client));
            ground.close(link, Side::Client);
        }
    }

    /// The newest connection breaks, if there is one, and both ends are told.
    pub(super) fn cut(&mut self, ground: &mut Ground) -> Option<Input> {
        let connection = self.open.map(|(connection, _)| connection)?;
        self.close(ground);
        Some(Input::Broken(connection))
    }

    /// The next thing that has happened by now, if any. `listeners`: who listens on each server.
    pub(super) fn next_input(
        &mut self,
        ground: &mut Ground,
        listeners: &[Option<Listener>],
    ) -> Result<Option<Input>, String> {
        let listener = |host: &Host| listeners.get(usize::from(host.port) - 1).copied().flatten();
        if let Some((host, _)) = self.probing.take_if(|(_, at)| *at <= ground.now) {
            let is_read_write = listener(&host).is_some_and(|listener| listener.is_read_write);
            return Ok(Some(Input::Probed(host, is_read_write)));
        }
        if let Some((connection, host, _)) = self.dialing.take_if(|(_, _, at)| *at <= ground.now) {
            match listener(&host) {
                Some(listener) => {
                    let worker = ground.chance.below(listener.workers);
                    let link = ground.connect(self.client, listener.process, worker);
                    self.open = Some((connection, link));
                    self.tap.connect(ground, link);
                    return Ok(Some(Input::Connected(connection)));
                }
                // A machine that is down says nothing; a system without the process refuses.
                None if ground.chance.one_in(4) => {}
                None => return Ok(Some(Input::Broken(connection))),
            }
        }
        self.read(ground)
    }

    fn read(&mut self, ground: &mut Ground) -> Result<Option<Input>, String> {
        let Some((connection, link)) = self.open else { return Ok(None) };
        if !ground.network.is_readable(link, Side::Client) {
            return Ok(None);
        }
        let Some(bytes) = ground.network.read(link, Side::Client, usize::MAX) else {
            self.close(ground);
            return Ok(Some(Input::Broken(connection)));
        };
        let overheard = self.tap.on_received(ground, &bytes)?;
        ground.has_read(link);
        Ok(Some(Input::Received(connection, bytes, overheard)))
    }
}
