//! Ensembles whose members run any mix of implementations, with a network that can be cut, a load that knows
//! what must be left of it, and scenarios.
//!
//! [`Ensemble`] starts, stops, kills, pauses and wipes members, and awaits what they say of themselves;
//! [`links`] is the network between them; [`workload`] the clients; [`scenario`] tells what happens to whom;
//! [`check`] compares what the members are left with. [`tap`] and [`dialogue`] read what members say to each
//! other, and hold it against the protocol's rules.

pub mod check;
pub mod config;
pub mod dialogue;
pub mod kind;
pub mod links;
pub mod member;
pub mod neighbours;
mod rules;
pub mod scenario;
pub mod tap;
pub mod workload;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use config::{Role, Settings};
pub use dialogue::Port;
pub use kind::Kind;
pub use links::{Link, Links};
pub use member::{Member, Mode, Status};
pub use tap::{Sync, SyncMode};

use crate::wire::{Client, flag};

/// How long anything that must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often we look meanwhile.
const POLL: Duration = Duration::from_millis(20);
/// Lines of each member's log that are printed after a failure.
const LOG_LINES: usize = 120;

/// A member's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u8);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who is in an ensemble: voters come first and are numbered from 1, then observers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the voters run.
    pub voters: Vec<Kind>,
    /// What the observers run.
    pub observers: Vec<Kind>,
    /// What all members have in common.
    pub settings: Settings,
}

impl Plan {
    /// With the customary settings.
    pub fn new(voters: &[Kind], observers: &[Kind]) -> Plan {
        Plan { voters: voters.into(), observers: observers.into(), settings: Settings::default() }
    }
}

/// Members, the links between them, and a directory. Dropping it kills the members and removes the directory;
/// in a panic the ends of the logs are printed and the directory stays.
#[derive(Debug)]
pub struct Ensemble {
    members: BTreeMap<ServerId, Member>,
    links: Links,
    settings: Settings,
    directory: Option<TempDir>,
}

impl Ensemble {
    /// An ensemble of which no member runs yet.
    pub fn new(plan: &Plan) -> Ensemble {
        let directory = tempfile::Builder::new().prefix("zoorum-ensemble-").tempdir().expect("a directory");
        let voters = plan.voters.iter().map(|kind| (*kind, Role::Voter));
        let observers = plan.observers.iter().map(|kind| (*kind, Role::Observer));
        let members: BTreeMap<ServerId, Member> = (1..)
            .map(ServerId)
            .zip(voters.chain(observers))
            .map(|(id, (kind, role))| {
                let own = directory.path().join(id.to_string());
                (id, Member::new(id, kind, role, own))
            })
            .collect();
        let addresses = members.iter().flat_map(|(id, member)| {
            [Port::Quorum, Port::Election].map(|port| ((*id, port), member.address(port)))
        });
        let links = Links::new(&addresses.collect());
        Ensemble { members, links, settings: plan.settings.clone(), directory: Some(directory) }
    }

    /// Starts all members and waits until they serve.
    pub fn start(plan: &Plan) -> Ensemble {
        let mut ensemble = Ensemble::new(plan);
        ensemble.ids().into_iter().for_each(|id| ensemble.launch(id));
        ensemble.await_all_serving();
        ensemble
    }

    /// Everybody's number.
    pub fn ids(&self) -> Vec<ServerId> {
        self.members.keys().copied().collect()
    }

    /// The numbers of those who vote.
    pub fn voters(&self) -> Vec<ServerId> {
        let voters = self.members.values().filter(|member| member.role() == Role::Voter);
        voters.map(Member::id).collect()
    }

    /// One of them.
    pub fn member(&self, id: ServerId) -> &Member {
        &self.members[&id]
    }

    /// The network between them.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Where clients connect.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.values().map(Member::client_address).collect()
    }

    /// Starts a member that is down, as what it was; it may take a while to serve.
    pub fn launch(&mut self, id: ServerId) {
        self.launch_as(id, self.member(id).kind());
    }

    /// Starts a member that is down, on the files it has, as a `kind` of server.
    pub fn launch_as(&mut self, id: ServerId, kind: Kind) {
        let servers = self.server_lines(id);
        let settings = self.settings.clone();
        self.member_mut(id).start(kind, &settings, &servers);
    }

    /// Ends a member as a crash would.
    pub fn kill(&mut self, id: ServerId) {
        self.member_mut(id).kill();
    }

    /// Asks a member to stop, and waits until it did.
    pub fn stop(&mut self, id: ServerId) {
        self.member_mut(id).stop();
    }

    /// Lets a member do nothing until it is resumed.
    pub fn pause(&mut self, id: ServerId) {
        self.member_mut(id).pause();
    }

    /// Lets a paused member go on.
    pub fn resume(&mut self, id: ServerId) {
        self.member_mut(id).resume();
    }

    /// Removes everything that a member kept; it is down.
    pub fn wipe(&mut self, id: ServerId) {
        self.member_mut(id).wipe();
    }

    /// Breaks what joins a member to the others, and everything that would.
    pub fn cut_off(&self, id: ServerId) {
        self.others(id).for_each(|other| self.links.cut(id, other));
    }

    /// Breaks what joins a member to the others, once.
    pub fn reset(&self, id: ServerId) {
        self.others(id).for_each(|other| self.links.reset(id, other));
    }

    /// Holds back what a member sends.
    pub fn mute(&self, id: ServerId) {
        self.others(id).for_each(|other| self.links.hold(id, other));
    }

    /// Holds back what is sent to a member.
    pub fn deafen(&self, id: ServerId) {
        self.others(id).for_each(|other| self.links.hold(other, id));
    }

    /// Waits until a member serves, and says as what.
    pub fn await_serving(&mut self, id: ServerId) -> Status {
        self.await_that(&format!("{id} serves"), |ensemble| ensemble.member(id).status())
    }

    /// Waits until every member serves.
    pub fn await_all_serving(&mut self) {
        for id in self.ids() {
            self.await_serving(id);
        }
    }

    /// Waits until a member no longer says that it leads.
    pub fn await_abdication(&mut self, id: ServerId) {
        self.await_that(&format!("{id} leads no longer"), |ensemble| {
            let status = ensemble.member(id).status();
            status.is_none_or(|status| status.mode != Mode::Leader).then_some(())
        });
    }

    /// Waits until one of `candidates` leads.
    pub fn await_leader_among(&mut self, candidates: &[ServerId]) -> ServerId {
        self.await_that(&format!("one of {candidates:?} leads"), |ensemble| {
            ensemble.leaders().into_iter().find(|leader| candidates.contains(leader))
        })
    }

    /// Waits until somebody leads.
    pub fn await_leader(&mut self) -> ServerId {
        self.await_leader_among(&self.voters())
    }

    /// Waits until a new session at a member gets a write acknowledged.
    pub fn await_write(&mut self, id: ServerId) {
        let address = self.member(id).client_address();
        let path = format!("/probe-{id}");
        self.await_that(&format!("{id} serves a write"), |_| {
            let mut session = workload::Session::begin_at(address)?;
            session.create(&path, flag::EPHEMERAL).and_then(|()| session.close()).ok()
        });
    }

    /// Those who say that they lead.
    pub fn leaders(&self) -> Vec<ServerId> {
        let leads = |member: &&Member| member.status().is_some_and(|status| status.mode == Mode::Leader);
        self.members.values().filter(leads).map(Member::id).collect()
    }

    /// A new session at a member that serves.
    pub fn client(&self, id: ServerId) -> Client {
        Client::connect(self.member(id).client_address())
    }

    /// Makes a voter the leader by giving it the longest history; the others are restarted on the way.
    pub fn make_leader(&mut self, wanted: ServerId) {
        let leader = self.await_leader();
        if leader == wanted {
            return;
        }
        let voters = self.voters();
        // A bare majority with the wanted one in it keeps on; the rest misses a write.
        let others = voters.iter().filter(|id| **id != wanted && **id != leader);
        let (helpers, behind): (Vec<_>, Vec<_>) =
            others.enumerate().partition(|(i, _)| i + 2 < voters.len() / 2 + 1);
        let behind: Vec<ServerId> = behind.into_iter().map(|(_, id)| *id).collect();
        let ahead: Vec<ServerId> =
            helpers.into_iter().map(|(_, id)| *id).chain(std::iter::once(leader)).collect();
        behind.iter().for_each(|id| self.stop(*id));
        self.await_write(wanted);
        ahead.iter().for_each(|id| self.stop(*id));
        behind.iter().for_each(|id| self.launch(*id));
        let elected = self.await_leader();
        assert_eq!(elected, wanted, "who has the longest history leads");
        ahead.iter().for_each(|id| self.launch(*id));
        self.await_all_serving();
    }

    /// Looks again and again until there is what is asked for; meanwhile nobody may end by itself.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`].
    pub fn await_that<T>(&mut self, what: &str, mut look: impl FnMut(&Ensemble) -> Option<T>) -> T {
        until(what, || {
            self.members.values_mut().for_each(Member::expect_alive);
            look(self)
        })
    }

    /// # Panics
    ///
    /// When a member said something to another that cannot have been meant.
    pub fn expect_sense(&self) {
        let faults = self.links.faults();
        assert!(faults.is_empty(), "members sent nonsense: {faults:#?}");
    }

    fn member_mut(&mut self, id: ServerId) -> &mut Member {
        self.members.get_mut(&id).unwrap_or_else(|| panic!("there is no member {id}"))
    }

    fn others(&self, id: ServerId) -> impl Iterator<Item = ServerId> {
        self.ids().into_iter().filter(move |other| *other != id)
    }

    /// The ensemble as one member sees it: itself, and links to all others.
    fn server_lines(&self, viewer: ServerId) -> Vec<String> {
        let line = |member: &Member| {
            let target = member.id();
            let port = |port| match target == viewer {
                true => member.address(port).port(),
                false => self.links.address(Link { dialer: viewer, target, port }).port(),
            };
            let role = match member.role() {
                Role::Voter => "participant",
                Role::Observer => "observer",
            };
            format!("server.{target}=127.0.0.1:{}:{}:{role}", port(Port::Quorum), port(Port::Election))
        };
        self.members.values().map(line).collect()
    }

    fn print_logs(&self) {
        for member in self.members.values() {
            let log = member.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("---- the end of the log of {} ({:?})\n{}", member.id(), member.kind(), end.join("\n"));
        }
        let syncs: Vec<String> = self.links.syncs().iter().map(Sync::to_string).collect();
        eprintln!("---- synchronizations\n{}\n----", syncs.join("\n"));
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_logs();
            if let Some(directory) = self.directory.take() {
                eprintln!("the members' files stay in {}", directory.keep().display());
            }
        }
    }
}

/// Looks again and again until there is what is asked for.
///
/// # Panics
///
/// After [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "within {PATIENCE:?} it did not come about that {what}");
        thread::sleep(POLL);
    }
}
