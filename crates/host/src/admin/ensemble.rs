//! Commands about the ensemble: who leads, who votes, who observes, and how far this server is.

use std::time::UNIX_EPOCH;

use zoorum_proto::ServerId;
use zoorum_proto::quorum::{HostPort, Member, MemberAddress};
use zoorum_server::replica::Mode;
use zoorum_zab::{LearnerReport, Part};

use super::commands::Asked;
use super::json::{Fields, Json, fields};
use crate::words::MemberFacts;
use crate::words::gathered::Gathered;

pub(super) fn leader(asked: &Asked<'_>) -> Fields {
    let Some(member) = &asked.facts().member else {
        return fields! { "error": "server is not initialized" };
    };
    let leader = match asked.of_all().peer().map(|peer| peer.part) {
        Some(Part::Leading(_)) => Some(member.id),
        Some(Part::Following(leader, _) | Part::Observing(leader, _)) => Some(leader),
        _ => None,
    };
    let hosts = leader.and_then(|id| member.membership.members.get(&id)).map(|leader| {
        let hosts: Vec<&str> = leader.addresses.iter().map(|address| address.quorum.host.as_str()).collect();
        hosts.join("|")
    });
    fields! {
        "is_leader": asked.standing.mode == Mode::Leader,
        "leader_id": leader.map_or(-1, |id| id.0),
        "leader_ip": hosts.unwrap_or_default(),
    }
}

/// Who observes and has everything as it comes; only whom they learn from knows.
pub(super) fn observers(asked: &Asked<'_>) -> Fields {
    let gathered = asked.of_all();
    let learners = gathered.peer().map(|peer| peer.learners.as_slice()).unwrap_or_default();
    let observers = learners.iter().filter(|learner| learner.observes && learner.in_step);
    let observers: Vec<Fields> = observers.map(|observer| self::observer(&gathered, observer)).collect();
    fields! { "synced_observers": observers.len(), "observers": Json::list(observers) }
}

fn observer(gathered: &Gathered, observer: &LearnerReport) -> Fields {
    let traffic = &observer.traffic;
    let (pieces, bytes) = observer.queued;
    let established = gathered.wall_at(traffic.since).duration_since(UNIX_EPOCH).unwrap_or_default();
    fields! {
        "remote_socket_address": observer.from.as_str(),
        "sid": observer.id.0,
        "established": u64::try_from(established.as_millis()).unwrap_or(u64::MAX),
        "queued_packets": pieces,
        "queued_packets_size": bytes,
        "packets_received": traffic.received,
        "packets_sent": traffic.sent,
        "requests": traffic.requests,
        "last_zxid": traffic.last_zxid.map_or(-1, |zxid| zxid.0),
    }
}

pub(super) fn voting_view(asked: &Asked<'_>) -> Fields {
    let members = asked.facts().member.iter().flat_map(|facts| {
        let voters = facts.membership.members.iter().filter(|(_, member)| member.is_voter());
        voters.map(|(id, member)| (id.0.to_string(), Json::from(voter(asked, facts, *id, member))))
    });
    fields! { "current_config": members.collect::<Fields>() }
}

fn voter(asked: &Asked<'_>, facts: &MemberFacts, id: ServerId, member: &Member) -> Fields {
    fields! {
        "server_addresses": addresses(member, |address| &address.quorum),
        "election_addresses": addresses(member, |address| &address.election),
        "client_address": client_address(asked, facts, id, member),
        "learner_type": "participant",
    }
}

fn addresses(member: &Member, of: fn(&MemberAddress) -> &HostPort) -> Json {
    Json::list(member.addresses.iter().map(|address| of(address).to_string()))
}

/// Where clients find a member: as its line says; this one knows of itself without.
fn client_address(asked: &Asked<'_>, facts: &MemberFacts, id: ServerId, member: &Member) -> String {
    match &member.client_address {
        Some(address) => address.to_string(),
        None if id == facts.id => asked.facts().client_address.clone(),
        None => String::new(),
    }
}

pub(super) fn zabstate(asked: &Asked<'_>) -> Fields {
    let Some(facts) = &asked.facts().member else {
        return fields! { "voting": false, "zabstate": "" };
    };
    let Some(member) = facts.membership.members.get(&facts.id) else {
        return fields! { "voting": false, "zabstate": "" };
    };
    let tree = asked.of_workers().tree;
    let last = tree.last_zxid.max(asked.standing.begins_with);
    fields! {
        "myid": facts.id.0,
        "is_leader": asked.standing.mode == Mode::Leader,
        "quorum_address": own(member, |address| &address.quorum),
        "election_address": own(member, |address| &address.election),
        "client_address": client_address(asked, facts, facts.id, member),
        "voting": member.is_voter(),
        "last_zxid": format!("{last}"),
        "zab_epoch": last.epoch().0,
        "zab_counter": i64::from(last.counter()),
        // Only who is done with election, discovery and synchronization serves, and tells anything.
        "zabstate": "broadcast",
    }
}

/// The addresses of this server, in the many ways in which the original tells them. A server reaches itself.
fn own(member: &Member, of: fn(&MemberAddress) -> &HostPort) -> Json {
    let all: Vec<&HostPort> = member.addresses.iter().map(of).collect();
    let texts = Json::list(all.iter().map(ToString::to_string));
    let wildcards = all.iter().map(|address| format!("{}:{}", HostPort::ANY_HOST, address.port));
    let one = all.first().map(ToString::to_string).unwrap_or_default();
    Json::from(fields! {
        "empty": all.is_empty(),
        "all_addresses": texts.clone(),
        "wildcard_addresses": Json::list(wildcards),
        "all_ports": Json::list(all.iter().map(|address| i32::from(address.port))),
        "all_host_strings": Json::list(all.iter().map(|address| address.host.as_str())),
        "reachable_address": one.as_str(),
        "all_reachable_addresses": texts.clone(),
        "all_reachable_addresses_or_all": texts,
        "reachable_or_one": one.as_str(),
        "one": one.as_str(),
    })
}
