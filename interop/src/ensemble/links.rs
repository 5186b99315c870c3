//! The network between the members: one proxy for each pair, direction of dialing and port, which can be cut,
//! made to hold everything back, and healed.
//!
//! ```text
//! member 1's zoo.cfg            server.1=127.0.0.1:<own quorum port>:<own election port>
//!                               server.2=127.0.0.1:<link 1→2, quorum>:<link 1→2, election>
//! member 1 dials server.2   ──▶ link 1→2 ──▶ member 2
//! ```
//!
//! **Each member has a view of its own.** That is compatible with servers as long as reconfiguration is off:
//! they exchange the text of their configurations, but compare no more than its version, which is 0
//! everywhere. One address travels in another way: who dials an election port introduces itself with its own
//! address, and who has the larger id closes that connection and dials that address. So the links rewrite
//! the address in that first message to the link in the opposite direction. The text of the configuration
//! also lies in the znode `/zookeeper/config`, which differs between members therefore.
//!
//! **Holding back is what a network that loses everything looks like to TCP.** Bytes, and ends of connections,
//! are kept and delivered once the link heals, unless an end has given up by then. A connection that is
//! opened meanwhile is accepted and leads nowhere until then. Either direction can be held alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ServerId;
use super::dialogue::{Port, Speaker};
use super::tap::{ConnectionId, Conversation, Sync, Tap};

/// A learner may dial a leader that does not listen yet. Directly it would be refused and try again; the
/// link accepted, so the link tries again, about as long as a server does.
const DIAL_FOR: Duration = Duration::from_millis(500);
/// How often it tries.
const DIAL_AGAIN: Duration = Duration::from_millis(20);

/// The way on which `dialer` reaches a port of `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Who opens connections here.
    pub dialer: ServerId,
    /// Who accepts them.
    pub target: ServerId,
    /// Where.
    pub port: Port,
}

impl Link {
    /// The way back.
    fn reversed(self) -> Link {
        Link { dialer: self.target, target: self.dialer, port: self.port }
    }

    /// From whom to whom bytes go when `speaker` speaks.
    fn direction(self, speaker: Speaker) -> (ServerId, ServerId) {
        match speaker {
            Speaker::Dialer => (self.dialer, self.target),
            Speaker::Target => (self.target, self.dialer),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} → {}", self.port, self.dialer, self.target)
    }
}

/// All links of an ensemble. Dropping it closes them.
#[derive(Debug)]
pub struct Links {
    network: Arc<Network>,
    threads: Vec<JoinHandle<()>>,
}

impl Links {
    /// Links between all `members`, whose own ports are these.
    pub fn new(members: &BTreeMap<(ServerId, Port), SocketAddr>) -> Links {
        let ids: BTreeSet<ServerId> = members.keys().map(|(id, _)| *id).collect();
        let mut listeners = Vec::new();
        for (&(target, port), &address) in members {
            for &dialer in ids.iter().filter(|dialer| **dialer != target) {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for a link");
                listeners.push((Link { dialer, target, port }, listener, address));
            }
        }
        let door = |(link, listener, _): &(Link, TcpListener, SocketAddr)| {
            (*link, listener.local_addr().expect("a listener has an address"))
        };
        let doors = listeners.iter().map(door).collect();
        let network = Arc::new(Network { doors, state: Mutex::default(), changed: Condvar::new() });
        let serve = |(link, listener, target): (Link, TcpListener, SocketAddr)| {
            let network = Arc::clone(&network);
            thread::spawn(move || network.accept(link, &listener, target))
        };
        let threads = listeners.into_iter().map(serve).collect();
        Links { network, threads }
    }

    /// Where `dialer` reaches that port of `target`.
    pub fn address(&self, link: Link) -> SocketAddr {
        self.network.doors[&link]
    }

    /// Holds back what `from` sends to `to`.
    pub fn hold(&self, from: ServerId, to: ServerId) {
        self.network.change(|state| {
            state.held.insert((from, to));
        });
    }

    /// Breaks the connections between two members and lets them make no new ones.
    pub fn cut(&self, one: ServerId, other: ServerId) {
        self.network.change(|state| {
            state.cut.extend([(one, other), (other, one)]);
            state.connections.values().filter(|open| open.joins(one, other)).for_each(Connection::close);
        });
    }

    /// Breaks the connections between two members once; they may connect again.
    pub fn reset(&self, one: ServerId, other: ServerId) {
        self.network.change(|state| {
            state.connections.values().filter(|open| open.joins(one, other)).for_each(Connection::close);
        });
    }

    /// Undoes every [`Links::hold`] and [`Links::cut`].
    pub fn heal(&self) {
        self.network.change(|state| {
            state.held.clear();
            state.cut.clear();
        });
    }

    /// How learners were synchronized, in the order in which that began.
    pub fn syncs(&self) -> Vec<Sync> {
        self.network.state().tap.syncs().to_vec()
    }

    /// Messages that cannot have been meant.
    pub fn faults(&self) -> Vec<String> {
        self.network.state().tap.faults().to_vec()
    }

    /// Keeps every message from now on.
    pub fn record(&self) {
        self.network.change(|state| state.tap.recording = true);
    }

    /// The messages kept, by connection, the oldest connection first.
    pub fn conversations(&self) -> Vec<Conversation> {
        self.network.state().tap.conversations()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.network.change(|state| {
            state.over = true;
            state.connections.values().for_each(Connection::close);
        });
        // Whoever waits in `accept` wakes up by a connection.
        for door in self.network.doors.values() {
            TcpStream::connect(door).map(drop).unwrap_or_default();
        }
        for thread in self.threads.drain(..) {
            thread.join().unwrap_or_default();
        }
    }
}

#[derive(Debug)]
struct Network {
    doors: BTreeMap<Link, SocketAddr>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeSet<(ServerId, ServerId)>,
    cut: BTreeSet<(ServerId, ServerId)>,
    connections: BTreeMap<ConnectionId, Connection>,
    connections_ever: u64,
    tap: Tap,
    over: bool,
}

/// An open connection: the ends at which it can be closed.
#[derive(Debug)]
struct Connection {
    link: Link,
    dialer: TcpStream,
    /// Absent while the target is being dialed.
    target: Option<TcpStream>,
}

impl Connection {
    fn joins(&self, one: ServerId, other: ServerId) -> bool {
        let ends = (self.link.dialer, self.link.target);
        ends == (one, other) || ends == (other, one)
    }

    fn close(&self) {
        for stream in std::iter::once(&self.dialer).chain(&self.target) {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of a link panics")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Serves one link until all is over.
    fn accept(self: &Arc<Network>, link: Link, listener: &TcpListener, target: SocketAddr) {
        let mut threads = Vec::new();
        for dialer in listener.incoming() {
            if self.state().over {
                break;
            }
            let Ok(dialer) = dialer else { continue };
            let network = Arc::clone(self);
            threads.push(thread::spawn(move || network.carry(link, dialer, target).unwrap_or_default()));
        }
        threads.into_iter().for_each(|thread: JoinHandle<()>| thread.join().unwrap_or_default());
    }

    /// Carries one connection to its end. Errors are those of an end that is gone.
    fn carry(&self, link: Link, dialer: TcpStream, target: SocketAddr) -> io::Result<()> {
        let Some(id) = self.register(link, &dialer)? else { return Ok(()) };
        let carried =
            self.dial(id, link, target).and_then(|target| self.pump_both(id, link, &dialer, &target));
        self.change(|state| {
            if let Some(connection) = state.connections.remove(&id) {
                connection.close();
            }
        });
        carried
    }

    /// A name for the connection, unless it must not be.
    fn register(&self, link: Link, dialer: &TcpStream) -> io::Result<Option<ConnectionId>> {
        let dialer = dialer.try_clone()?;
        let mut state = self.state();
        if state.over || state.cut.contains(&link.direction(Speaker::Dialer)) {
            return Ok(None);
        }
        let id = ConnectionId(state.connections_ever);
        state.connections_ever += 1;
        state.tap.opened(id, link);
        state.connections.insert(id, Connection { link, dialer, target: None });
        Ok(Some(id))
    }

    /// Connects to the target, as soon as the link lets anything through.
    fn dial(&self, id: ConnectionId, link: Link, address: SocketAddr) -> io::Result<TcpStream> {
        self.await_passage(link.direction(Speaker::Dialer));
        self.await_passage(link.direction(Speaker::Target));
        let begun = Instant::now();
        let target = loop {
            match TcpStream::connect(address) {
                Ok(target) => break target,
                Err(e) if link.port == Port::Election || begun.elapsed() > DIAL_FOR => return Err(e),
                Err(_) => thread::sleep(DIAL_AGAIN),
            }
        };
        target.set_nodelay(true)?;
        let mut state = self.state();
        let over = state.over || state.cut.contains(&link.direction(Speaker::Dialer));
        match state.connections.get_mut(&id) {
            Some(connection) if !over => connection.target = Some(target.try_clone()?),
            _ => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        Ok(target)
    }

    fn pump_both(
        &self,
        id: ConnectionId,
        link: Link,
        dialer: &TcpStream,
        target: &TcpStream,
    ) -> io::Result<()> {
        dialer.set_nodelay(true)?;
        thread::scope(|scope| {
            scope.spawn(|| self.pump(id, link, Speaker::Target, target, dialer));
            self.pump(id, link, Speaker::Dialer, dialer, target);
        });
        Ok(())
    }

    /// Carries one direction to its end, and that end to the other side.
    fn pump(&self, id: ConnectionId, link: Link, speaker: Speaker, from: &TcpStream, to: &TcpStream) {
        let carried = self.pump_bytes(id, link, speaker, from, to);
        self.await_passage(link.direction(speaker));
        match carried {
            Ok(()) => to.shutdown(Shutdown::Write).unwrap_or_default(),
            Err(_) => {
                [from, to].map(|end| end.shutdown(Shutdown::Both).unwrap_or_default()).into_iter().collect()
            }
        }
    }

    fn pump_bytes(
        &self,
        id: ConnectionId,
        link: Link,
        speaker: Speaker,
        mut from: &TcpStream,
        mut to: &TcpStream,
    ) -> io::Result<()> {
        if (link.port, speaker) == (Port::Election, Speaker::Dialer) {
            let Some((said, rewritten)) = self.introduction(link, from)? else { return Ok(()) };
            self.await_passage(link.direction(speaker));
            self.state().tap.heard(id, speaker, &said);
            to.write_all(&rewritten)?;
        }
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            self.await_passage(link.direction(speaker));
            self.state().tap.heard(id, speaker, &bytes[..count]);
            to.write_all(&bytes[..count])?;
        }
    }

    /// The first message on an election port: as it is, and with the address of the link that leads back.
    /// Both in one piece, because there are servers that read it with one call. `None` if it never comes.
    fn introduction(&self, link: Link, mut from: &TcpStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        const HEAD: usize = 20;
        let mut said = vec![0; HEAD];
        match from.read_exact(&mut said[..8]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        if said[0] & 0x80 == 0 {
            // A server's id alone, as before 3.5: there is no address.
            said.truncate(8);
            return Ok(Some((said.clone(), said)));
        }
        from.read_exact(&mut said[8..])?;
        let (id, length) = said[8..].split_at(8);
        let mut rewritten = [&said[..8], id].concat();
        let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
        let length = usize::try_from(length.min(2048)).expect("it is small");
        said.resize(HEAD + length, 0);
        from.read_exact(&mut said[HEAD..])?;
        let back = self.doors[&link.reversed()].to_string();
        rewritten.extend(u32::try_from(back.len()).expect("an address is short").to_be_bytes());
        rewritten.extend(back.as_bytes());
        Ok(Some((said, rewritten)))
    }

    /// Waits until nothing that goes in `direction` is held back.
    fn await_passage(&self, direction: (ServerId, ServerId)) {
        let held = |state: &mut State| state.held.contains(&direction) && !state.over;
        drop(self.changed.wait_while(self.state(), held).expect("no thread of a link panics"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ServerId = ServerId(1);
    const TWO: ServerId = ServerId(2);

    /// Two members that are mere listeners, and the links between them.
    fn two_members() -> (BTreeMap<(ServerId, Port), TcpListener>, Links) {
        let ports =
            [ONE, TWO].into_iter().flat_map(|id| [Port::Quorum, Port::Election].map(|port| (id, port)));
        let listen = |key| (key, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
        let listeners: BTreeMap<_, _> = ports.map(listen).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let links = Links::new(&listeners.iter().map(|(key, listener)| (*key, address(listener))).collect());
        (listeners, links)
    }

    /// Both ends of a new connection from one to two.
    fn connect(
        links: &Links,
        listeners: &BTreeMap<(ServerId, Port), TcpListener>,
        port: Port,
    ) -> [TcpStream; 2] {
        let dialer =
            TcpStream::connect(links.address(Link { dialer: ONE, target: TWO, port })).expect("connect");
        [dialer, listeners[&(TWO, port)].accept().expect("accept").0]
    }

    fn read<const N: usize>(mut stream: &TcpStream) -> [u8; N] {
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes).expect("read");
        bytes
    }

    #[test]
    fn what_is_held_back_arrives_once_the_link_heals() {
        let (listeners, links) = two_members();
        let [mut dialer, target] = connect(&links, &listeners, Port::Quorum);
        links.hold(ONE, TWO);
        dialer.write_all(b"PING").expect("write");
        // The other direction is open meanwhile.
        (&target).write_all(b"pong").expect("write");
        assert_eq!(read(&dialer), *b"pong");
        target.set_nonblocking(true).expect("a socket that does not wait");
        assert!((&target).read(&mut [0]).is_err(), "nothing has arrived");
        target.set_nonblocking(false).expect("a socket that waits");
        links.heal();
        assert_eq!(read(&target), *b"PING");
    }

    #[test]
    fn a_cut_link_ends_connections_and_makes_none_until_it_heals() {
        let (listeners, links) = two_members();
        let [dialer, target] = connect(&links, &listeners, Port::Quorum);
        links.cut(TWO, ONE);
        for mut end in [&dialer, &target] {
            assert_eq!(end.read(&mut [0]).unwrap_or_default(), 0, "the end of the connection");
        }
        let link = Link { dialer: ONE, target: TWO, port: Port::Quorum };
        let mut refused = TcpStream::connect(links.address(link)).expect("connect");
        assert_eq!(refused.read(&mut [0]).unwrap_or_default(), 0, "the end of the connection");
        links.heal();
        let [mut dialer, target] = connect(&links, &listeners, Port::Quorum);
        dialer.write_all(b"PING").expect("write");
        assert_eq!(read(&target), *b"PING");
    }

    #[test]
    fn an_introduction_gets_the_address_of_the_link_that_leads_back() {
        let (listeners, links) = two_members();
        let [mut dialer, target] = connect(&links, &listeners, Port::Election);
        let head = [&(-65536_i64).to_be_bytes()[..], &1_i64.to_be_bytes()].concat();
        let introduction = |address: &str| {
            let length = u32::try_from(address.len()).expect("it is short");
            [&head, &length.to_be_bytes()[..], address.as_bytes()].concat()
        };
        dialer.write_all(&introduction("host:1")).expect("write");
        let back = links.address(Link { dialer: TWO, target: ONE, port: Port::Election }).to_string();
        let expected = introduction(&back);
        let mut found = vec![0; expected.len()];
        (&target).read_exact(&mut found).expect("read");
        assert_eq!(found, expected);
    }
}
