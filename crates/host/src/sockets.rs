//! A worker's sockets: what is ready, what was read, what is yet to be written.

use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use zoorum_server::message::ConnectionId;

/// One client's socket. Readiness is reported once, at its edge, so it is remembered until used up.
pub(crate) struct Socket {
    stream: TcpStream,
    pub(crate) id: ConnectionId,
    pub(crate) address: IpAddr,
    readable: bool,
    /// The end was reported, perhaps together with the last bytes: it is yet to be read.
    ended: bool,
    writable: bool,
    /// Already among those to be read from.
    queued: bool,
}

/// What became of a read.
pub(crate) enum ReadOutcome {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The client is gone.
    Closed,
}

/// What became of a write.
#[derive(Clone, Copy)]
pub(crate) enum Written {
    /// All of these bytes are on their way.
    All(usize),
    /// Only so many: the socket is full.
    Part(usize),
    /// It was not tried.
    Nothing,
    /// The client is gone.
    Closed,
}

/// Sockets by the slot of their connection, which is their token too.
#[derive(Default)]
pub(crate) struct Sockets {
    slots: Vec<Option<Socket>>,
    /// Slots that may have something to read.
    ready: Vec<u32>,
}

impl Sockets {
    pub(crate) fn insert(
        &mut self,
        registry: &Registry,
        mut stream: TcpStream,
        id: ConnectionId,
        address: IpAddr,
    ) -> io::Result<()> {
        registry.register(&mut stream, Token(id.slot as usize), Interest::READABLE | Interest::WRITABLE)?;
        let slot = id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        let (readable, ended, writable, queued) = (false, false, true, false);
        let socket = Socket { stream, id, address, readable, ended, writable, queued };
        self.slots[slot] = Some(socket);
        Ok(())
    }

    /// Closes the socket; its address, if there was one.
    pub(crate) fn remove(&mut self, registry: &Registry, id: ConnectionId) -> Option<IpAddr> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        let mut socket = slot.take_if(|socket| socket.id == id)?;
        if let Err(error) = registry.deregister(&mut socket.stream) {
            tracing::debug!(%error, "cannot deregister a socket that is about to be closed");
        }
        Some(socket.address)
    }

    /// The system reports readiness. The connection, if it can be written to again.
    pub(crate) fn on_event(&mut self, event: &mio::event::Event) -> Option<ConnectionId> {
        let slot = event.token().0;
        let socket = self.slots.get_mut(slot)?.as_mut()?;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            socket.readable = true;
            socket.ended |= event.is_read_closed() || event.is_error();
            if !std::mem::replace(&mut socket.queued, true) {
                self.ready.push(socket.id.slot);
            }
        }
        let unblocked = event.is_writable() && !std::mem::replace(&mut socket.writable, event.is_writable());
        unblocked.then_some(socket.id)
    }

    /// The connection may be read from again: its socket is looked at if it has something.
    pub(crate) fn on_wanted(&mut self, id: ConnectionId) {
        if let Some(Some(socket)) = self.slots.get_mut(id.slot as usize)
            && socket.readable
            && !std::mem::replace(&mut socket.queued, true)
        {
            self.ready.push(id.slot);
        }
    }

    /// Whether the end of what the client sends was reported; it may be yet to be read.
    pub(crate) fn has_ended(&self, id: ConnectionId) -> bool {
        matches!(self.slots.get(id.slot as usize), Some(Some(socket)) if socket.ended)
    }

    /// Whether a socket waits to be read.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The connections whose sockets may have something to read.
    pub(crate) fn take_ready(&mut self, into: &mut Vec<ConnectionId>) {
        into.clear();
        for slot in self.ready.drain(..) {
            if let Some(Some(socket)) = self.slots.get_mut(slot as usize) {
                socket.queued = false;
                into.push(socket.id);
            }
        }
    }

    /// Reads once. A read that does not fill the buffer has emptied the socket, but for its end.
    pub(crate) fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> ReadOutcome {
        let Some(Some(socket)) = self.slots.get_mut(id.slot as usize) else { return ReadOutcome::Nothing };
        match socket.stream.read(buffer) {
            Ok(0) => ReadOutcome::Closed,
            Ok(count) => {
                if count < buffer.len() && !socket.ended {
                    socket.readable = false;
                } else if !std::mem::replace(&mut socket.queued, true) {
                    self.ready.push(id.slot);
                }
                ReadOutcome::Bytes(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.readable = false;
                ReadOutcome::Nothing
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                if !std::mem::replace(&mut socket.queued, true) {
                    self.ready.push(id.slot);
                }
                ReadOutcome::Nothing
            }
            Err(_) => ReadOutcome::Closed,
        }
    }

    /// Writes as much as the socket takes. Any thread may do it; [`Self::on_written`] is to be told.
    pub(crate) fn write(&self, id: ConnectionId, bytes: &[u8]) -> Written {
        let Some(Some(socket)) = self.slots.get(id.slot as usize) else { return Written::Closed };
        if !socket.writable || bytes.is_empty() {
            return Written::Nothing;
        }
        match (&socket.stream).write(bytes) {
            Ok(count) if count == bytes.len() => Written::All(count),
            Ok(count) => Written::Part(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Written::Part(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => Written::Nothing,
            Err(_) => Written::Closed,
        }
    }

    /// What became of a write: how many bytes were written, or `None` if the client is gone.
    pub(crate) fn on_written(&mut self, id: ConnectionId, written: Written) -> Option<usize> {
        match written {
            Written::All(count) => Some(count),
            Written::Part(count) => {
                if let Some(Some(socket)) = self.slots.get_mut(id.slot as usize) {
                    socket.writable = false;
                }
                Some(count)
            }
            Written::Nothing => Some(0),
            Written::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream as Client};
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn an_end_that_is_reported_with_the_last_bytes_is_read() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = Client::connect(listener.local_addr()?)?;
        let (accepted, peer) = listener.accept()?;
        accepted.set_nonblocking(true)?;
        client.write_all(b"last")?;
        client.shutdown(Shutdown::Write)?;
        let (mut poll, mut sockets) = (Poll::new()?, Sockets::default());
        let id = ConnectionId { slot: 0, generation: 0 };
        sockets.insert(poll.registry(), TcpStream::from_std(accepted), id, peer.ip())?;
        let (mut events, mut ready, mut buffer) = (Events::with_capacity(8), Vec::new(), [0; 64]);
        let (mut received, mut closed) = (0, false);
        while !closed {
            if !sockets.has_ready() {
                poll.poll(&mut events, Some(Duration::from_secs(10)))?;
                assert!(!events.is_empty(), "the end was lost");
                for event in &events {
                    sockets.on_event(event);
                }
            }
            sockets.take_ready(&mut ready);
            for id in ready.drain(..) {
                match sockets.read(id, &mut buffer) {
                    ReadOutcome::Bytes(count) => received += count,
                    ReadOutcome::Nothing => {}
                    ReadOutcome::Closed => closed = true,
                }
            }
        }
        assert_eq!(received, 4);
        Ok(())
    }
}
