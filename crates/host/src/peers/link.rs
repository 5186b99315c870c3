//! One standing connection: its socket, and what is yet to be sent on it.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mio::Token;
use mio::event::Event;
use mio::net::TcpStream;
use rustix::net::sockopt;
use zoorum_zab::Door;

use super::options::PeerOptions;
use super::output::{Output, OutputError, Progress};

/// Most bytes read from a link at a time.
const READ_SIZE: usize = 64 << 10;
/// What is read goes here, and is handed on where it lies.
const BLOCK: usize = 4 * READ_SIZE;
/// What is shorter is copied, so that a short message that somebody keeps does not keep a whole block.
const COPIED: usize = 4 << 10;

/// A silent peer at a door for votes is probed after this time.
const PROBE_AFTER: Duration = Duration::from_secs(10);
/// And then so often.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// A peer there that acknowledges nothing for so long is gone: nothing is said regularly on these connections, and
/// without a time limit what one server tells the other could be lost for many minutes.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Which side has called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Us,
    Peer,
}

/// A connection. Readiness is reported once, at its edge, so it is remembered until used up.
pub(super) struct Link {
    stream: TcpStream,
    pub(super) token: Token,
    pub(super) door: Door,
    pub(super) caller: Caller,
    pub(super) output: Output,
    readable: bool,
    /// The end was reported, perhaps together with the last bytes: it is yet to be read.
    ended: bool,
    writable: bool,
    /// The snapshot that is to be sent next has yet to be made.
    starved: bool,
    /// Why nothing more can be sent. What the peer has sent before is still read.
    broken: Option<String>,
    /// Already among those to be read from.
    pub(super) to_read: bool,
    /// Already among those to be written to.
    pub(super) to_write: bool,
}

/// What became of a read.
pub(super) enum ReadOutcome {
    /// Bytes; whether there may be more.
    Bytes(Bytes, bool),
    /// Nothing now.
    Nothing,
    /// The link is gone.
    Closed(String),
}

impl Link {
    pub(super) fn new(stream: TcpStream, token: Token, door: Door, caller: Caller) -> Self {
        Self {
            stream,
            token,
            door,
            caller,
            output: Output::default(),
            readable: false,
            ended: false,
            writable: true,
            starved: false,
            broken: None,
            to_read: false,
            to_write: false,
        }
    }

    /// The system reports readiness.
    pub(super) fn on_event(&mut self, event: &Event) {
        let ended = event.is_read_closed() || event.is_error();
        self.ended |= ended;
        self.readable |= ended || event.is_readable();
        self.writable |= event.is_writable();
    }

    /// The socket may have something, of which no report will come.
    pub(super) fn assume_readable(&mut self) {
        self.readable = true;
    }

    pub(super) fn is_readable(&self) -> bool {
        self.readable
    }

    pub(super) fn can_write(&self) -> bool {
        self.writable && !self.starved && self.broken.is_none() && !self.output.is_empty()
    }

    /// There may be more of the snapshot that is to be sent next.
    pub(super) fn on_fed(&mut self) {
        self.starved = false;
    }

    /// Whether what is yet to be said can still be said.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Reads once. A read that does not fill the buffer has emptied the socket, but for its end.
    pub(super) fn read(&mut self, block: &mut BytesMut) -> ReadOutcome {
        if block.len() < READ_SIZE {
            *block = BytesMut::zeroed(BLOCK);
        }
        match self.stream.read(&mut block[..READ_SIZE]) {
            Ok(0) => ReadOutcome::Closed(self.farewell("the peer has closed the connection")),
            Ok(count) => {
                self.readable = count == READ_SIZE || self.ended;
                let bytes = if count < COPIED {
                    Bytes::copy_from_slice(&block[..count])
                } else {
                    block.split_to(count).freeze()
                };
                ReadOutcome::Bytes(bytes, self.readable)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                self.broken.take().map_or(ReadOutcome::Nothing, ReadOutcome::Closed)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => ReadOutcome::Bytes(Bytes::new(), true),
            Err(error) => ReadOutcome::Closed(self.farewell(&format!("cannot read: {error}"))),
        }
    }

    fn farewell(&mut self, otherwise: &str) -> String {
        self.broken.take().unwrap_or_else(|| otherwise.to_owned())
    }

    /// Sends what the socket takes, or says why the link must be closed. How many bytes it took.
    pub(super) fn write(&mut self) -> Result<usize, OutputError> {
        if !self.can_write() {
            return Ok(0);
        }
        match self.output.write(&mut self.stream) {
            Ok((progress, sent)) => {
                self.writable = progress != Progress::Full;
                self.starved = progress == Progress::Done && !self.output.is_empty();
                return Ok(sent);
            }
            // What the peer has sent before it went is still to be read; then the link is at its end.
            Err(OutputError::Socket(error)) => {
                self.output = Output::default();
                self.broken = Some(format!("cannot write: {error}"));
                self.readable = true;
            }
            Err(error) => return Err(error),
        }
        Ok(0)
    }
}

/// How a socket between servers is set up.
pub(super) fn set_up(
    stream: &TcpStream,
    door: Door,
    caller: Caller,
    options: &PeerOptions,
) -> io::Result<()> {
    match (door, caller) {
        (Door::Election, _) => {
            stream.set_nodelay(true)?;
            sockopt::set_socket_keepalive(stream, true)?;
            sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
            sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
            sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED.as_millis() as u32)?;
            return Ok(());
        }
        (Door::Quorum | Door::ObserverMaster, Caller::Us) => stream.set_nodelay(options.follower_no_delay)?,
        (Door::Quorum | Door::ObserverMaster, Caller::Peer) => stream.set_nodelay(options.leader_no_delay)?,
    }
    Ok(sockopt::set_socket_keepalive(stream, options.keep_alive)?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn peers_that_are_gone_are_found_where_nothing_is_said_regularly() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let options = PeerOptions { follower_no_delay: false, ..PeerOptions::alone() };
        let socket = |door| {
            let stream = TcpStream::connect(listener.local_addr()?)?;
            set_up(&stream, door, Caller::Us, &options).map(|()| stream)
        };
        let votes = socket(Door::Election)?;
        assert_eq!(sockopt::tcp_user_timeout(&votes)?, 10_000);
        assert_eq!(sockopt::tcp_keepidle(&votes)?, PROBE_AFTER);
        assert!(sockopt::socket_keepalive(&votes)? && votes.nodelay()?);
        // A learner that loads a snapshot may leave its socket alone for minutes.
        let quorum = socket(Door::Quorum)?;
        assert_eq!(sockopt::tcp_user_timeout(&quorum)?, 0);
        assert!(!sockopt::socket_keepalive(&quorum)? && !quorum.nodelay()?);
        Ok(())
    }
}
