//! A visit to one other server.

use std::io;
use std::net::{SocketAddr, TcpStream};

use zoorum_config::ServerConfig;
use zoorum_proto::ServerId;
use zoorum_proto::quorum::{HostPort, Member, MemberAddress};

use super::clock::{Lag, lag};
use crate::check::finding::{Area, Report};
use crate::check::ports::is_this_machine;
use crate::check::probe::{Answer, PATIENCE, resolve};

/// What was found there.
pub(super) struct Visit {
    pub member: Member,
    /// Names that lead nowhere, and why.
    unresolved: Vec<(String, io::Error)>,
    /// Whether anybody listens at the election port; why not.
    election: Result<(), io::Error>,
    /// The same of the port for followers. Only a leader opens it.
    quorum: Result<(), io::Error>,
    /// Where clients should connect.
    client: Client,
    /// What it says there.
    pub answer: Option<Answer>,
    /// Its clock against ours.
    lag: Option<Lag>,
}

impl Visit {
    pub(super) fn to(member: &Member, config: &ServerConfig) -> Self {
        let mut unresolved = Vec::new();
        for MemberAddress { election, .. } in &member.addresses {
            unresolved.extend(resolve(election).err().map(|error| (election.host.clone(), error)));
        }
        let any = |port: fn(&MemberAddress) -> &HostPort| {
            let attempts = member.addresses.iter().map(|address| reach(port(address)).map(drop));
            attempts.reduce(Result::or).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
        };
        let client = Client::of(member, config);
        let answer = client.address().and_then(|address| {
            let reached = resolve(address).ok()?;
            reached.iter().find_map(|address| Answer::of(address).ok())
        });
        let elsewhere =
            member.addresses.first().map(|address| &address.election).filter(|address| !is_here(address));
        let admin = elsewhere.filter(|_| config.admin.enable_server).and_then(|address| {
            let admin = HostPort { host: address.host.clone(), port: config.admin.server_port };
            resolve(&admin).ok()?.into_iter().next()
        });
        Self {
            unresolved,
            election: any(|address| &address.election),
            quorum: any(|address| &address.quorum),
            lag: admin.and_then(|admin| lag(&admin)),
            client,
            answer,
            member: member.clone(),
        }
    }

    /// Whether it seems to run, and cannot be asked what it is.
    pub(super) fn is_unasked(&self) -> bool {
        self.answer.is_none() && self.election.is_ok() && !matches!(self.client, Client::Told(_))
    }

    /// `runs`: whether this server itself does.
    pub(super) fn tell(&self, runs: bool, report: &mut Report) {
        let id = self.member.id;
        for (host, error) in &self.unresolved {
            let remedy = "let DNS or /etc/hosts name an address for it, on every server";
            report.add(Area::Peers).error(format!("server {id}: {host} cannot be resolved: {error}"), remedy);
        }
        if !self.unresolved.is_empty() {
            return;
        }
        let leads = self.answer.as_ref().is_some_and(|answer| answer.mode.as_deref() == Some("leader"));
        match (&self.answer, &self.election) {
            (Some(answer), Ok(())) => {
                report.add(Area::Peers).ok(format!("server {id}: {}", answer.in_short()))
            }
            (None, Ok(())) => {
                let found = format!("server {id}: its election port answers; {}", self.client.in_short(id));
                report.add(Area::Peers).ok(found);
            }
            (Some(answer), Err(error)) => report.add(Area::Peers).error(
                format!(
                    "server {id}: {}, but its election port cannot be reached: {error}",
                    answer.in_short()
                ),
                "open the election port (the second of server.N) between the servers",
            ),
            (None, Err(error)) => {
                let what = if runs {
                    "start it, or open its ports"
                } else {
                    "start it when its turn comes, or open its ports"
                };
                let found = format!("server {id}: cannot be reached: {error}");
                report.add(Area::Peers).warning(found, format!("{what}: none of them answers"));
            }
        }
        if let Err(error) = self.quorum.as_ref()
            && leads
        {
            report.add(Area::Peers).error(
                format!("server {id} leads, but its port for followers cannot be reached: {error}"),
                "open the quorum port (the first of server.N) between the servers",
            );
        }
        if let Some(lag) = &self.lag {
            lag.tell(id, report);
        }
    }
}

/// Where a server's clients connect.
enum Client {
    /// Its line says so.
    Told(HostPort),
    /// The port is taken to be as here.
    Guessed(HostPort),
    /// Nobody says so, and on the same machine it cannot be as here.
    Unknown,
}

impl Client {
    fn of(member: &Member, config: &ServerConfig) -> Self {
        let Some(MemberAddress { election, .. }) = member.addresses.first() else { return Self::Unknown };
        let host = election.host.clone();
        match (&member.client_address, &config.network.client_address) {
            (Some(address), _) if !address.is_any_host() => Self::Told(address.clone()),
            (Some(address), _) => Self::Told(HostPort { host, port: address.port }),
            (None, Some(own)) if !is_here(election) => Self::Guessed(HostPort { host, port: own.port }),
            (None, _) => Self::Unknown,
        }
    }

    fn address(&self) -> Option<&HostPort> {
        match self {
            Self::Told(address) | Self::Guessed(address) => Some(address),
            Self::Unknown => None,
        }
    }

    /// Of a server that gave no answer.
    fn in_short(&self, id: ServerId) -> String {
        let untold = format!("its client port is not told by server.{id}");
        match self {
            Self::Told(address) => format!("its client port ({address}) does not"),
            Self::Guessed(address) => format!("{untold}, and that of this server ({address}) does not"),
            Self::Unknown => untold,
        }
    }
}

fn is_here(address: &HostPort) -> bool {
    resolve(address).is_ok_and(|found| found.iter().any(|address| is_this_machine(address.ip())))
}

/// The first address of a host at which somebody listens.
fn reach(address: &HostPort) -> io::Result<SocketAddr> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in resolve(address)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}
