//! Host names, looked up where it keeps nobody waiting: the system's resolver can take its time.
//!
//! Every name that is asked for has a thread of its own for as long as it takes, so that one name server's
//! silence delays no other name. Whoever asks for a name meanwhile shares the answer.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use zoorum_proto::quorum::HostPort;
use zoorum_zab::{Door, LinkId};

use super::bell::Bell;

/// Most names that are looked up at a time.
const NAMES: usize = 64;

/// Finds the addresses of a name, with any port.
pub(super) type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// As the system does it.
pub(super) fn system_lookup(host: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((host, 0).to_socket_addrs()?.collect())
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Dial(LinkId),
    Door(Door),
}

/// What was found.
pub(super) struct Answer {
    pub(super) asker: Asker,
    pub(super) address: HostPort,
    /// At least one, or why there is none.
    pub(super) found: Result<Vec<SocketAddr>, String>,
}

type Found = (String, io::Result<Vec<SocketAddr>>);

pub(super) struct Resolver {
    lookup: Arc<Lookup>,
    bell: Arc<Bell>,
    under_way: HashMap<String, Vec<(Asker, u16)>>,
    found: Receiver<Found>,
    finder: Sender<Found>,
}

impl Resolver {
    pub(super) fn new(lookup: Arc<Lookup>, bell: Arc<Bell>) -> Self {
        let (finder, found) = channel();
        Self { lookup, bell, under_way: HashMap::new(), found, finder }
    }

    /// The address, if it needs no looking up; else [`Self::take`] has the answer some time.
    pub(super) fn ask(&mut self, asker: Asker, address: &HostPort) -> Option<SocketAddr> {
        if let Ok(literal) = address.host.parse::<IpAddr>() {
            return Some(SocketAddr::new(literal, address.port));
        }
        let host = &address.host;
        if let Some(askers) = self.under_way.get_mut(host) {
            askers.push((asker, address.port));
            return None;
        }
        let started = if self.under_way.len() < NAMES {
            self.start(host.clone())
        } else {
            Err(io::Error::other("too many names are being looked up"))
        };
        self.under_way.insert(host.clone(), vec![(asker, address.port)]);
        if let Err(error) = started {
            tell(&self.finder, &self.bell, host.clone(), Err(error));
        }
        None
    }

    fn start(&self, host: String) -> io::Result<()> {
        let (lookup, finder, bell) = (Arc::clone(&self.lookup), self.finder.clone(), Arc::clone(&self.bell));
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let found = lookup(&host);
            tell(&finder, &bell, host, found);
        })?;
        Ok(())
    }

    /// The answers that have come.
    pub(super) fn take(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (host, found) in self.found.try_iter() {
            let found = match found {
                Ok(addresses) if addresses.is_empty() => Err("the name has no address".to_owned()),
                Ok(addresses) => Ok(addresses),
                Err(error) => Err(error.to_string()),
            };
            for (asker, port) in self.under_way.remove(&host).unwrap_or_default() {
                let mut found = found.clone();
                found.iter_mut().flatten().for_each(|address| address.set_port(port));
                answers.push(Answer { asker, address: HostPort { host: host.clone(), port }, found });
            }
        }
        answers
    }
}

fn tell(finder: &Sender<Found>, bell: &Bell, host: String, found: io::Result<Vec<SocketAddr>>) {
    // Nobody listens any more only when the process ends.
    if finder.send((host, found)).is_ok() {
        bell.ring();
    }
}
