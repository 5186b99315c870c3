//! One connection with its session: bytes out, frames in, and what is under way between them.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::wire;

/// A read never asks the socket for less than this.
const READ_MIN: usize = 64 * 1024;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connect request is queued or sent, and not yet answered.
    Connecting,
    /// The session stands.
    Established,
    /// Closed or broken; nothing more will come.
    Closed,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When it was sent or due, in nanoseconds of the engine's clock.
    pub at: u64,
    /// What the work called it.
    pub tag: u32,
}

/// A connection. It knows frames and xids, not what they are for.
#[derive(Debug)]
pub struct Connection {
    pub(crate) stream: TcpStream,
    phase: Phase,
    out: Vec<u8>,
    out_written: usize,
    /// The start of a frame whose end has not arrived.
    partial: Vec<u8>,
    sent: VecDeque<Sent>,
    xid_next: i32,
    xid_awaited: i32,
    /// When bytes last left, in nanoseconds of the engine's clock.
    pub(crate) sent_last: u64,
    /// Negotiated session timeout in nanoseconds.
    pub(crate) timeout: u64,
}

impl Connection {
    /// Begins to connect; the connect request is queued behind it.
    pub fn open(address: SocketAddr, timeout_ms: i32, in_flight: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        Ok(Self {
            stream,
            phase: Phase::Connecting,
            out: wire::connect_request(timeout_ms),
            out_written: 0,
            partial: Vec::new(),
            sent: VecDeque::with_capacity(in_flight),
            xid_next: 1,
            xid_awaited: 1,
            sent_last: 0,
            timeout: 0,
        })
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How many requests await their reply.
    pub fn in_flight(&self) -> usize {
        self.sent.len()
    }

    /// Notes the session's answer: it stands from now on.
    pub fn establish(&mut self, timeout_ms: i32) {
        self.phase = Phase::Established;
        self.timeout = u64::from(timeout_ms.unsigned_abs()) * 1_000_000;
        // Nagle's algorithm would hold back a request behind one that is under way.
        let _ = self.stream.set_nodelay(true);
    }

    /// Gives up on it.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// The xid for the next request, and where to append that.
    pub fn next_request(&mut self) -> (i32, &mut Vec<u8>) {
        (self.xid_next, &mut self.out)
    }

    /// Notes that a request was appended.
    pub fn requested(&mut self, sent: Sent) {
        self.sent.push_back(sent);
        self.xid_next = xid_after(self.xid_next);
    }

    /// Queues a ping.
    pub fn ping(&mut self) {
        self.out.extend_from_slice(&wire::ping());
    }

    /// Takes the request that a reply with `xid` answers; `None` if that is not the one awaited.
    pub fn answered(&mut self, xid: i32) -> Option<Sent> {
        if xid != self.xid_awaited {
            return None;
        }
        let sent = self.sent.pop_front()?;
        self.xid_awaited = xid_after(xid);
        Some(sent)
    }

    /// Writes what is queued, as far as the socket takes it; the rest follows when it is writable.
    pub fn flush(&mut self, now: u64) -> io::Result<()> {
        while self.out_written < self.out.len() {
            match self.stream.write(&self.out[self.out_written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.out_written += written;
                    self.sent_last = now;
                }
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.out_written = 0;
        Ok(())
    }

    /// Reads once into `scratch`, behind the frame begun earlier. `None` if nothing was there.
    pub fn receive(&mut self, scratch: &mut Vec<u8>) -> io::Result<Option<Received>> {
        let begun = self.partial.len();
        let needed = self.frame_begun().max(begun) + READ_MIN;
        if scratch.len() < needed {
            scratch.resize(needed, 0);
        }
        let read = loop {
            match self.stream.read(&mut scratch[begun..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => break read,
                Err(error) if is_not_yet(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        scratch[..begun].copy_from_slice(&self.partial);
        self.partial.clear();
        // A short read has emptied the socket; asking again would only cost a call.
        Ok(Some(Received { end: begun + read, drained: begun + read < scratch.len() }))
    }

    /// Keeps the start of a frame for the next read.
    pub fn keep(&mut self, partial: &[u8]) {
        self.partial.extend_from_slice(partial);
    }

    /// The length of the frame that has begun to arrive, with its length field.
    fn frame_begun(&self) -> usize {
        wire::int_at(&self.partial, 0)
            .and_then(|length| usize::try_from(length).ok())
            .map_or(0, |length| length + 4)
    }
}

/// What one read brought.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Where the bytes end in the scratch buffer.
    pub end: usize,
    /// Whether the socket has no more.
    pub drained: bool,
}

/// Clients count from 1 and wrap back to it: the negative numbers have meanings.
fn xid_after(xid: i32) -> i32 {
    if xid == i32::MAX { 1 } else { xid + 1 }
}

fn is_not_yet(error: &io::Error) -> bool {
    // A socket that is still connecting says NotConnected.
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
