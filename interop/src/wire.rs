//! A client of the raw protocol, blocking and without opinions: it sends what it is told, valid or not,
//! and keeps everything that comes back in the order of arrival.
//!
//! [`Wire`] is a connection that speaks frames. [`Client`] is a connection with a session: it numbers its
//! requests, keeps notifications apart from replies, and has one method per operation. A method returns the
//! server's error code as `Err`; a connection that closes under an expected reply is a panic.

pub mod codec;
pub mod records;

pub mod client;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub use client::Client;
pub use codec::{Reader, Writer};
pub use records::{
    Acl, Connect, Connected, Event, Packet, Reply, Stat, SubOp, SubResult, code, event, flag, op, password,
    perm,
};

/// How long a reply may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP connection that carries frames: an `int` length and as many bytes.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

impl Wire {
    /// Connects, and waits at most [`PATIENCE`] for anything afterwards.
    ///
    /// # Panics
    ///
    /// When nobody listens at `address`.
    pub fn open(address: SocketAddr) -> Wire {
        Wire::on(TcpStream::connect(address).unwrap_or_else(|e| panic!("connect to {address}: {e}")))
    }

    /// Connects and waits at most `patience`, for the connection as for anything afterwards.
    pub fn try_open(address: SocketAddr, patience: Duration) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Wire { stream })
    }

    /// Speaks frames on a stream that is connected already.
    pub fn on(stream: TcpStream) -> Wire {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        Wire { stream }
    }

    /// Sends bytes as they are. A connection that the server closed swallows them: what became of the
    /// connection is for the next read to say.
    pub fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(e) if !is_closed(e.kind()) => panic!("write: {e}"),
            _ => {}
        }
    }

    /// Sends one frame.
    pub fn send(&mut self, body: &[u8]) {
        self.write(&framed(body));
    }

    /// The next frame, or `None` when the server closed the connection.
    ///
    /// # Panics
    ///
    /// When nothing arrives in time, or the connection ends inside a frame.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        if self.fill(&mut length) == 0 {
            return None;
        }
        let length = i32::from_be_bytes(length);
        let mut body = vec![0; usize::try_from(length).expect("a frame's length is not negative")];
        let filled = self.fill(&mut body);
        assert_eq!(filled, body.len(), "the connection ended inside a frame");
        Some(body)
    }

    /// The next frame, or why there is none: for tests whose servers may die at any byte.
    pub fn try_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = i32::from_be_bytes(length);
        let mut body = vec![0; usize::try_from(length).expect("a frame's length is not negative")];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// Whether something arrives within `wait`, the end of the connection included.
    pub fn arrives_within(&mut self, wait: Duration) -> io::Result<bool> {
        let patience = self.stream.read_timeout()?;
        self.stream.set_read_timeout(Some(wait))?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(patience)?;
        match peeked {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Everything until the server closes the connection, as bytes.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            match self.read(&mut part) {
                0 => return bytes,
                count => bytes.extend(&part[..count]),
            }
        }
    }

    /// Checks that the server closes the connection without another byte.
    pub fn expect_closed(&mut self) {
        let bytes = self.until_closed();
        assert_eq!(bytes, b"", "bytes before the connection closed");
    }

    /// Tells the server that nothing more will come, as an ending process does.
    pub fn hang_up(self) {
        self.stream.shutdown(Shutdown::Both).unwrap_or_default();
    }

    /// Sends the first packet of a session and awaits the answer; `None` when the server closes instead.
    pub fn handshake(&mut self, request: &Connect) -> Option<Connected> {
        self.send(&request.encode());
        self.frame().map(|frame| Connected::decode(&frame))
    }

    /// Reads until `bytes` is full or the connection closed, and says how much arrived.
    fn fill(&mut self, bytes: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read(&mut bytes[filled..]) {
                0 => break,
                count => filled += count,
            }
        }
        filled
    }

    /// One read; 0 when the connection closed, gracefully or by a reset.
    fn read(&mut self, bytes: &mut [u8]) -> usize {
        loop {
            match self.stream.read(bytes) {
                Ok(count) => return count,
                // A signal to this process, such as the end of a server, says nothing of this connection.
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if is_closed(e.kind()) => return 0,
                Err(e) => panic!("nothing arrived within {PATIENCE:?}: {e}"),
            }
        }
    }
}

/// `body` with its length before it.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Sends a four-letter word and returns the whole answer; empty when the server just closes.
pub fn four_letter_word(address: SocketAddr, word: &str) -> String {
    let mut wire = Wire::open(address);
    wire.write(word.as_bytes());
    String::from_utf8(wire.until_closed()).expect("answers are text")
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
    )
}
