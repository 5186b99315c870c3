//! The other servers of the ensemble: found, reached, asked.

mod clock;
mod visit;

use std::thread;

use zoorum_config::ServerConfig;
use zoorum_proto::ServerId;
use zoorum_proto::quorum::{Member, Role};

use super::finding::{Area, Report};
use super::ports::is_this_machine;
use super::probe::{Answer, resolve};
use visit::Visit;

/// Visits all of them at once, and tells what came of it.
pub(super) fn check(config: &ServerConfig, own: Option<&Answer>, report: &mut Report) {
    let (Some(membership), Some(me)) = (&config.membership, config.server_id) else { return };
    if let Some(member) = membership.members.get(&me) {
        own_name(config, member, report);
    }
    let others: Vec<&Member> = membership.members.values().filter(|member| member.id != me).collect();
    let visits: Vec<Visit> = thread::scope(|scope| {
        let visits: Vec<_> = others.iter().map(|member| scope.spawn(|| Visit::to(member, config))).collect();
        visits.into_iter().map(|visit| visit.join().expect("a visit does not panic")).collect()
    });
    for visit in &visits {
        visit.tell(own.is_some(), report);
    }
    let mut answers: Vec<(ServerId, Role, &Answer)> = Vec::new();
    for visit in &visits {
        answers.extend(visit.answer.as_ref().map(|answer| (visit.member.id, visit.member.role, answer)));
    }
    answers.extend(own.map(|answer| (me, config.role(), answer)));
    let is_voter = |visit: &&Visit| visit.member.role == Role::Participant;
    let unasked = visits.iter().filter(|visit| visit.is_unasked()).filter(is_voter).count();
    leader(config, &answers, unasked, report);
    versions(&answers, report);
}

/// Whether the name by which the others look for this server leads here.
fn own_name(config: &ServerConfig, member: &Member, report: &mut Report) {
    for address in &member.addresses {
        let host = &address.election.host;
        let key = format!("server.{}", member.id);
        match resolve(&address.election) {
            Err(error) => {
                let remedy = "let DNS or /etc/hosts name an address for it, on every server";
                report.add(Area::Peers).error(format!("{key}: {host} cannot be resolved: {error}"), remedy);
            }
            Ok(found) if found.iter().any(|address| is_this_machine(address.ip())) => {
                report.add(Area::Peers).ok(format!("{key}: {host} is this machine"));
            }
            Ok(_) if config.quorum.listen_on_all_ips => {
                report
                    .add(Area::Peers)
                    .ok(format!("{key}: {host} is elsewhere, and quorumListenOnAllIPs is set"));
            }
            Ok(found) => {
                let ip = found[0].ip();
                let remedy =
                    "correct the name or myid; behind address translation, set quorumListenOnAllIPs=true";
                let found =
                    format!("{key} is this server, but {host} is {ip}, which is no address of this machine");
                report.add(Area::Peers).error(found, remedy);
            }
        }
    }
}

/// Who leads, as far as anybody says so. `unasked`: how many that vote seem to run and cannot be asked.
fn leader(config: &ServerConfig, answers: &[(ServerId, Role, &Answer)], unasked: usize, report: &mut Report) {
    let in_mode = |modes: &[&str]| -> Vec<ServerId> {
        let is_it = |answer: &Answer| answer.mode.as_deref().is_some_and(|mode| modes.contains(&mode));
        answers.iter().filter(|(_, _, answer)| is_it(answer)).map(|(id, ..)| *id).collect()
    };
    match (in_mode(&["leader"]).as_slice(), in_mode(&["follower", "observer"]).first()) {
        ([id], _) => report.add(Area::Peers).ok(format!("server {id} leads")),
        // Learners serve only behind a leader.
        ([], Some(id)) => report.add(Area::Peers).ok(format!("there is a leader: server {id} has one")),
        ([], None) => no_leader(config, answers, unasked, report),
        (several, _) => {
            let ids = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            report.add(Area::Peers).error(
                format!("servers {ids} each say that they lead"),
                "if this lasts, they belong to different ensembles: compare the server.N lines of their files",
            );
        }
    }
}

/// Nobody says that it leads or has a leader.
fn no_leader(
    config: &ServerConfig,
    answers: &[(ServerId, Role, &Answer)],
    unasked: usize,
    report: &mut Report,
) {
    let voters = config.membership.as_ref().map_or(0, |membership| membership.voters().count());
    let asked = answers.iter().filter(|(_, role, _)| *role == Role::Participant).count();
    let (up, needed) = (asked + unasked, voters / 2 + 1);
    if asked >= needed {
        report.add(Area::Peers).error(
            format!("nobody leads, though {asked} of {voters} that vote are up"),
            "if this lasts longer than an election (some seconds), see that the servers reach each other's election and \
             quorum ports, and that their files name the same servers",
        );
    } else if up >= needed {
        report.add(Area::Peers).ok(format!(
            "who leads is not known: {up} of {voters} that vote are up, and {unasked} of them cannot be asked"
        ));
    } else {
        report.add(Area::Peers).warning(
            format!("nobody leads: {up} of {voters} that vote are up"),
            format!("start others: {needed} have to be up"),
        );
    }
}

fn versions(answers: &[(ServerId, Role, &Answer)], report: &mut Report) {
    let release = |answer: &Answer| answer.version.clone()?.split('-').next().map(str::to_owned);
    let mut releases: Vec<String> = answers.iter().filter_map(|(_, _, answer)| release(answer)).collect();
    releases.sort();
    releases.dedup();
    if releases.len() > 1 {
        let found = format!("there are different releases: {}", releases.join(", "));
        report.add(Area::Peers).warning(found, "finish the upgrade");
    }
}
