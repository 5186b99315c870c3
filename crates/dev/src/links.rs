//! The ways on which members reach each other's ports: proxies, so that a member can be cut off.
//!
//! Each member's configuration names its own ports as they are, and for every other member those of the links that
//! lead there. One address travels otherwise: whoever calls at an election port says where it can be called back. The
//! links put that of the link in the opposite direction in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use zoorum_proto::quorum::{Hello, HostPort};

/// A learner may call a leader whose door is not open yet. Directly it would be refused and call again; here the link
/// answers, so it calls again for the learner.
const CALL_FOR: Duration = Duration::from_millis(500);
/// How often it calls: an open door announces itself to nobody. [`CALL_FOR`] bounds it, and the thread is this
/// connection's own.
const CALL_AGAIN: Duration = Duration::from_millis(20);
/// Bytes passed on at a time.
const CHUNK: usize = 64 << 10;

/// Which of a member's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    Quorum,
    Election,
}

/// The way on which `dialer` reaches a port of `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) dialer: u8,
    pub(crate) target: u8,
    pub(crate) port: Port,
}

/// All links of an ensemble.
pub(crate) struct Links {
    network: Arc<Network>,
}

struct Network {
    doors: BTreeMap<Link, SocketAddr>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cut: BTreeSet<u8>,
    open: BTreeMap<u64, Open>,
    opened: u64,
}

/// A connection, and its other half.
struct Open {
    link: Link,
    halves: [TcpStream; 2],
}

impl Links {
    /// Links between all members, whose ports are these.
    pub(crate) fn new(ports: &BTreeMap<(u8, Port), SocketAddr>) -> io::Result<Self> {
        let members: BTreeSet<u8> = ports.keys().map(|(member, _)| *member).collect();
        let mut listeners = Vec::new();
        for (&(target, port), &address) in ports {
            for &dialer in members.iter().filter(|dialer| **dialer != target) {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                listeners.push((Link { dialer, target, port }, listener, address));
            }
        }
        let doors = listeners.iter().map(|(link, listener, _)| Ok((*link, listener.local_addr()?)));
        let network = Arc::new(Network { doors: doors.collect::<io::Result<_>>()?, state: Mutex::default() });
        for (link, listener, target) in listeners {
            let network = Arc::clone(&network);
            thread::spawn(move || network.accept(link, &listener, target));
        }
        Ok(Self { network })
    }

    /// Where a link begins.
    pub(crate) fn address(&self, link: Link) -> SocketAddr {
        self.network.doors[&link]
    }

    /// Breaks what joins a member to the others, and keeps it from being joined again.
    pub(crate) fn cut(&self, member: u8) {
        let mut state = self.network.state();
        state.cut.insert(member);
        for open in state.open.values().filter(|open| open.link.concerns(member)) {
            for half in &open.halves {
                let _ = half.shutdown(Shutdown::Both); // it may be gone already
            }
        }
    }

    /// Undoes that.
    pub(crate) fn mend(&self, member: u8) {
        self.network.state().cut.remove(&member);
    }

    /// Whether a member is cut off.
    pub(crate) fn is_cut(&self, member: u8) -> bool {
        self.network.state().cut.contains(&member)
    }
}

impl Link {
    fn concerns(self, member: u8) -> bool {
        self.dialer == member || self.target == member
    }
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self, link: Link) -> bool {
        self.state().cut.iter().any(|member| link.concerns(*member))
    }

    fn accept(self: &Arc<Self>, link: Link, listener: &TcpListener, target: SocketAddr) {
        for dialer in listener.incoming() {
            let Ok(dialer) = dialer else { continue };
            let network = Arc::clone(self);
            // A connection that cannot be passed on is closed, as one that breaks.
            thread::spawn(move || drop(network.pass_on(link, dialer, target)));
        }
    }

    fn pass_on(&self, link: Link, mut dialer: TcpStream, address: SocketAddr) -> io::Result<()> {
        let mut target = self.call(link, address)?;
        dialer.set_nodelay(true)?;
        target.set_nodelay(true)?;
        let number = self.open(link, [dialer.try_clone()?, target.try_clone()?]);
        thread::scope(|scope| -> io::Result<()> {
            let (mut back_from, mut back_to) = (target.try_clone()?, dialer.try_clone()?);
            scope.spawn(move || pump(&mut back_from, &mut back_to));
            if link.port == Port::Election && self.pass_hello_on(link, &mut dialer, &mut target).is_err() {
                let _ = dialer.shutdown(Shutdown::Both);
                let _ = target.shutdown(Shutdown::Both);
            }
            pump(&mut dialer, &mut target);
            Ok(())
        })?;
        self.state().open.remove(&number);
        Ok(())
    }

    fn call(&self, link: Link, address: SocketAddr) -> io::Result<TcpStream> {
        let until = Instant::now() + CALL_FOR;
        loop {
            if self.is_cut(link) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            match TcpStream::connect(address) {
                // At an election port nobody opens late, and who is gone should be missed at once.
                Err(_) if link.port == Port::Quorum && Instant::now() < until => thread::sleep(CALL_AGAIN),
                result => return result,
            }
        }
    }

    /// Keeps a connection where it can be broken. It was cut off meanwhile, perhaps: then it is broken here.
    fn open(&self, link: Link, halves: [TcpStream; 2]) -> u64 {
        let mut state = self.state();
        if state.cut.iter().any(|member| link.concerns(*member)) {
            halves.iter().for_each(|half| drop(half.shutdown(Shutdown::Both)));
        }
        state.opened += 1;
        let number = state.opened;
        state.open.insert(number, Open { link, halves });
        number
    }

    /// Passes on who calls, with the address of the link that leads back.
    fn pass_hello_on(&self, link: Link, from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        let mut chunk = [0; 512];
        loop {
            if let Some(hello) = Hello::take(&mut buffer).map_err(io::Error::other)? {
                let back = Link { dialer: link.target, target: link.dialer, port: link.port };
                let back = self.doors[&back];
                let addresses = vec![HostPort { host: back.ip().to_string(), port: back.port() }];
                to.write_all(&Hello { addresses, ..hello }.to_v1())?;
                return to.write_all(&buffer);
            }
            match from.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

/// Passes bytes on until there are no more; then both ends are told.
fn pump(from: &mut TcpStream, to: &mut TcpStream) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(count) = from.read(&mut chunk)
        && count > 0
        && to.write_all(&chunk[..count]).is_ok()
    {}
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    #[test]
    fn who_calls_is_called_back_by_a_link_and_who_is_cut_off_is_not_reached() {
        let ((first, one), (_second, two)) = (listener(), listener());
        let ports = [((1, Port::Election), one), ((2, Port::Election), two)];
        let links = Links::new(&ports.into()).expect("links");
        let link = Link { dialer: 2, target: 1, port: Port::Election };
        let back = links.address(Link { dialer: 1, target: 2, port: Port::Election });

        let mut caller = TcpStream::connect(links.address(link)).expect("a link");
        let hello = Hello { server: zoorum_proto::ServerId(2), addresses: vec![] };
        let said = Hello { addresses: vec![HostPort { host: "here".into(), port: 1 }], ..hello.clone() };
        caller.write_all(&[&said.to_v1()[..], b"vote"].concat()).expect("written");
        let (mut called, _) = first.accept().expect("a call");
        let heard =
            Hello { addresses: vec![HostPort { host: "127.0.0.1".into(), port: back.port() }], ..hello };
        let expected = [&heard.to_v1()[..], b"vote"].concat();
        let mut bytes = vec![0; expected.len()];
        called.read_exact(&mut bytes).expect("passed on");
        assert_eq!(bytes, expected);
        called.write_all(b"answer").expect("written");
        let mut answer = [0; 6];
        caller.read_exact(&mut answer).expect("passed back");

        links.cut(1);
        assert_eq!(caller.read(&mut answer).expect("an end"), 0, "the connection is broken");
        let mut again = TcpStream::connect(links.address(link)).expect("the link itself");
        assert_eq!(again.read(&mut answer).unwrap_or(0), 0, "and leads nowhere");
        links.mend(1);
        let _call = TcpStream::connect(links.address(link)).expect("a link");
        first.accept().expect("a call");
    }
}
