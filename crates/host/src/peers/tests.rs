//! Sockets of this machine, on both sides: each scene has one server's sockets, and plain ones for its peers.

mod calls;
mod doors;
mod limits;
mod snapshots;
mod talk;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zoorum_proto::quorum::HostPort;
use zoorum_zab::{Door, LinkAction, LinkEvent, LinkId, PeerAddress};

use super::resolver::Lookup;
use super::{PeerOptions, PeerSockets, StreamOrder};

/// What a test waits for comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(20);
/// The number of the first dialed link.
const LINK: LinkId = LinkId(1);

/// One server's sockets, and what they have told.
struct Scene {
    sockets: PeerSockets,
    events: Vec<LinkEvent>,
}

impl Scene {
    fn new() -> Self {
        Self::with(PeerOptions::alone())
    }

    /// With doors wherever there is a free port.
    fn with_doors() -> Self {
        let free = vec![HostPort { host: "127.0.0.1".to_owned(), port: 0 }];
        Self::with(PeerOptions {
            election: free.clone(),
            quorum: free.clone(),
            observer_master: free,
            ..PeerOptions::alone()
        })
    }

    fn with(options: PeerOptions) -> Self {
        Self::looking_up(options, Arc::new(|host: &str| panic!("nobody asks for {host}")))
    }

    fn looking_up(options: PeerOptions, lookup: Arc<Lookup>) -> Self {
        let (sockets, _) = PeerSockets::with_lookup(options, lookup).expect("sockets");
        Self { sockets, events: Vec::new() }
    }

    fn turn(&mut self) {
        self.sockets.poll(PATIENCE, &mut self.events).expect("a poll");
        self.sockets.flush();
    }

    /// Takes turns until there is what is looked for among all that was told, and forgets it.
    fn until<T>(&mut self, what: &str, found: impl Fn(&LinkEvent) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            let hit = self.events.iter().enumerate().find_map(|(at, event)| Some((at, found(event)?)));
            if let Some((at, hit)) = hit {
                self.events.remove(at);
                return hit;
            }
            assert!(started.elapsed() < PATIENCE, "never {what}, but {:?}", self.events);
            self.turn();
        }
    }

    fn perform(&mut self, action: LinkAction) {
        assert!(self.sockets.perform(action).is_none(), "not a snapshot");
    }

    fn write(&mut self, link: LinkId, bytes: impl Into<Bytes>) {
        self.perform(LinkAction::Write { link, bytes: bytes.into() });
    }

    fn order_snapshot(&mut self, link: LinkId) -> Option<StreamOrder> {
        self.sockets.perform(LinkAction::WriteSnapshot { link, zxid: zoorum_proto::Zxid(7) })
    }

    fn dial(&mut self, link: LinkId, door: Door, addresses: &[SocketAddr], timeout: Duration) {
        let named = addresses.iter().map(|address| name(&address.ip().to_string(), address.port()));
        self.perform(LinkAction::Dial { link, door, addresses: named.collect(), timeout });
    }

    /// A link that this side has dialed, and the peer's end of it.
    fn dialed(&mut self, door: Door) -> TcpStream {
        let (listener, address) = listener();
        self.dial(LINK, door, &[address], PATIENCE);
        self.until_dialed();
        accept(&listener)
    }

    fn until_dialed(&mut self) -> LinkId {
        self.until("dialed", |event| match event {
            LinkEvent::Dialed { link } => Some(*link),
            LinkEvent::Closed { reason, .. } => panic!("{reason}"),
            _ => None,
        })
    }

    /// Opens a door, and says where it is.
    fn open(&mut self, door: Door) -> SocketAddr {
        self.perform(LinkAction::Open { door });
        self.sockets.doors.bound_to(door)[0]
    }

    /// A peer calls at `address`: its end, and ours.
    fn called_at(&mut self, address: SocketAddr) -> (TcpStream, LinkId) {
        let peer = TcpStream::connect(address).expect("a connection");
        peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let from = peer.local_addr().expect("an address").to_string();
        let link = self.until("accepted", |event| match event {
            LinkEvent::Accepted { link, from: caller, .. } if *caller == from => Some(*link),
            _ => None,
        });
        (peer, link)
    }

    /// The next `count` bytes from `link`.
    fn received(&mut self, link: LinkId, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            let bytes = self.until("received", |event| match event {
                LinkEvent::Received { link: from, bytes } if *from == link => Some(bytes.clone()),
                _ => None,
            });
            all.extend_from_slice(&bytes);
        }
        all
    }

    fn until_closed(&mut self, link: LinkId) -> String {
        self.until("closed", |event| match event {
            LinkEvent::Closed { link: closed, reason } if *closed == link => Some(reason.clone()),
            _ => None,
        })
    }

    fn until_shut(&mut self, door: Door) -> String {
        self.until("shut", |event| match event {
            LinkEvent::Shut { door: shut, reason } if *shut == door => Some(reason.clone()),
            _ => None,
        })
    }

    /// The peer reads `count` bytes, while this side takes turns as long as it has something to send.
    fn read_by(&mut self, peer: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut all = vec![0; count];
        let mut filled = 0;
        peer.set_nonblocking(true).expect("a mode");
        let started = Instant::now();
        while filled < count {
            assert!(started.elapsed() < PATIENCE, "only {filled} bytes of {count} came");
            self.sockets.flush();
            self.sockets.poll(Duration::ZERO, &mut self.events).expect("a poll");
            match peer.read(&mut all[filled..]) {
                Ok(0) => panic!("closed after {filled} bytes of {count}"),
                Ok(count) => filled += count,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        peer.set_nonblocking(false).expect("a mode");
        all
    }
}

fn name(host: &str, port: u16) -> PeerAddress {
    PeerAddress { host: host.to_owned(), port }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (peer, _) = listener.accept().expect("a connection");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    peer
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    listener().1
}

/// Reads exactly so many bytes.
fn read(peer: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    peer.read_exact(&mut bytes).expect("bytes");
    bytes
}

/// Reads to the end, which may be a rough one.
fn read_to_end(peer: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = peer.read_to_end(&mut bytes);
    bytes
}
