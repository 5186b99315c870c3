//! One connection: dialed, written to, read from, closed.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;

use bytes::{Buf, BytesMut};
use tokio::io::Interest;
use tokio::net::{TcpStream, lookup_host};

use crate::session::{ConnectionId, Host};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// The session's connection, or the attempt at one.
pub(super) struct Link {
    /// By which the session knows it.
    pub(super) id: ConnectionId,
    state: State,
    out: BytesMut,
    buffer: Box<[u8]>,
    filled: usize,
}

enum State {
    Closed,
    Dialing(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    Open(TcpStream),
}

/// What happens on a connection.
pub(super) enum LinkEvent {
    /// It is made.
    Connected,
    /// Bytes arrived: see [`Link::received`].
    Received,
    /// It could not be made, or broke.
    Broken(io::Error),
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            id: ConnectionId::default(),
            state: State::Closed,
            out: BytesMut::new(),
            buffer: vec![0; READ_BYTES].into(),
            filled: 0,
        }
    }

    pub(super) fn dial(&mut self, id: ConnectionId, host: Host, salt: u64) {
        self.id = id;
        self.out.clear();
        self.state = State::Dialing(Box::pin(async move { connect(&host, salt).await }));
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes what goes without waiting. What goes wrong will be noticed when reading.
    pub(super) fn flush(&mut self) {
        if let State::Open(stream) = &self.state {
            while !self.out.is_empty() {
                match stream.try_write(&self.out) {
                    Ok(written) => self.out.advance(written),
                    Err(_) => return,
                }
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.flush();
        self.state = State::Closed;
        self.out.clear();
    }

    /// The bytes of the last [`LinkEvent::Received`].
    pub(super) fn received(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Waits for something to happen, writing meanwhile what is to be written. To stop waiting loses nothing.
    pub(super) async fn event(&mut self) -> LinkEvent {
        match &mut self.state {
            State::Closed => pending().await,
            State::Dialing(dialing) => match dialing.await {
                Ok(stream) => {
                    self.state = State::Open(stream);
                    LinkEvent::Connected
                }
                Err(error) => {
                    self.state = State::Closed;
                    LinkEvent::Broken(error)
                }
            },
            State::Open(stream) => match exchange(stream, &mut self.out, &mut self.buffer).await {
                Ok(filled) => {
                    self.filled = filled;
                    LinkEvent::Received
                }
                Err(error) => {
                    self.state = State::Closed;
                    LinkEvent::Broken(error)
                }
            },
        }
    }
}

/// Writes until there is something to read.
async fn exchange(stream: &TcpStream, out: &mut BytesMut, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let interest = match out.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        let ready = stream.ready(interest).await?;
        if ready.is_writable() && !out.is_empty() {
            match stream.try_write(out) {
                Ok(written) => out.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if ready.is_readable() {
            match stream.try_read(buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it")),
                Ok(filled) => return Ok(filled),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Connects to one of the host's addresses. They are looked up each time, for they may have changed.
pub(super) async fn connect(host: &Host, salt: u64) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host((host.name.as_str(), host.port)).await?.collect();
    let chosen = salt.checked_rem(addresses.len() as u64).unwrap_or(0) as usize;
    let address = addresses
        .get(chosen)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
