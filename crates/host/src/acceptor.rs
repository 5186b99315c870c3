//! The acceptor's thread: takes connections from the port and deals them out to the workers.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::mail::ToWorker;
use crate::shared::Shared;

/// Connections that may wait to be accepted. A restart brings every client at once, so it is far above the
/// system's default; the system caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 8192;
/// Pause after a failed accept: what it fails for, such as a lack of descriptors, does not go at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Descriptors kept back for the files of the log and of snapshots, of which a new one may be due at any
/// time: clients may use up all the others, and must not stop the server by it.
const SPARE_DESCRIPTORS: u64 = 16;

/// How client sockets are set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted, if configured.
    pub backlog: Option<i32>,
    /// Whether clients are probed when silent.
    pub keep_alive: bool,
}

/// Binds a port that others call at.
pub fn bind(address: SocketAddr, options: ListenOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog.unwrap_or(BACKLOG))?;
    Ok(socket.into())
}

/// Every interface of this machine, those of IPv6 too, as with Java.
pub(crate) fn everywhere(port: u16) -> SocketAddr {
    let has_ipv6 = Socket::new(Domain::IPV6, Type::STREAM, None).is_ok();
    if has_ipv6 { SocketAddr::from(([0_u16; 8], port)) } else { SocketAddr::from(([0_u8; 4], port)) }
}

/// Accepts until the process ends.
pub(crate) fn run(shared: &Arc<Shared>, listener: &TcpListener, options: ListenOptions) {
    let mut turns = (0..shared.workers.len()).cycle();
    let capacity = descriptors_for_clients();
    let mut is_full = false;
    loop {
        if shared.admission.open() as u64 >= capacity {
            if !std::mem::replace(&mut is_full, true) {
                tracing::warn!("{capacity} connections use up all file descriptors: new ones wait");
            }
            thread::sleep(PAUSE);
            continue;
        }
        is_full = false;
        match listener.accept() {
            Ok((stream, peer)) => {
                let turn = turns.next().unwrap_or_default();
                if let Err(error) = admit(shared, stream, peer, options, turn) {
                    tracing::warn!(%error, %peer, "cannot set up a new connection, closing it");
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                thread::sleep(PAUSE);
            }
        }
    }
}

/// How many connections the process's limit of descriptors leaves room for, raised as far as it may be.
fn descriptors_for_clients() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    let taken = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    connections_within(limit.current, taken)
}

fn connections_within(limit: Option<u64>, taken: u64) -> u64 {
    limit.map_or(u64::MAX, |limit| limit.saturating_sub(taken + SPARE_DESCRIPTORS).max(1))
}

fn admit(
    shared: &Shared,
    stream: TcpStream,
    peer: SocketAddr,
    options: ListenOptions,
    turn: usize,
) -> io::Result<()> {
    if let Err(refusal) = shared.admission.admit(peer.ip()) {
        tracing::warn!("{refusal}");
        // Reset rather than closed: nothing lingers on our side for a client that comes too often.
        return SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| stream.set_nonblocking(true))
        .and_then(|()| SockRef::from(&stream).set_keepalive(options.keep_alive));
    if let Err(error) = prepared {
        shared.admission.leave(peer.ip());
        return Err(error);
    }
    shared.workers[turn].send(ToWorker::Accepted(mio::net::TcpStream::from_std(stream), peer));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_files() {
        assert_eq!(connections_within(Some(100), 20), 64);
        assert_eq!(connections_within(Some(10), 20), 1, "somebody must be able to ask what is wrong");
        assert_eq!(connections_within(None, 20), u64::MAX);
    }
}
