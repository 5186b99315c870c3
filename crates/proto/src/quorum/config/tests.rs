use super::*;
use crate::quorum::HostPort;

fn parse(text: &str) -> Result<QuorumConfig, ConfigTextError> {
    QuorumConfig::parse(text, true)
}

fn config(text: &str) -> QuorumConfig {
    parse(text).expect("a configuration")
}

#[test]
fn the_text_reads_as_the_original_reads_it() {
    let config = config(
        "# by hand\nversion=10000000a\nserver.2 = b:2:3:observer;2181\nserver.1:a:1:2|[::1]:1:2:participant;c:7",
    );
    let voter = &config.members[&ServerId(1)];
    let client = |host: &str, port| Some(HostPort { host: host.to_owned(), port });
    assert_eq!(config.version, ConfigVersion(0x1_0000_000a));
    assert_eq!(
        (voter.role, voter.addresses.len(), &voter.client_address),
        (Role::Participant, 2, &client("c", 7))
    );
    assert_eq!(voter.addresses[1].election.to_string(), "[::1]:2");
    let observer = &config.members[&ServerId(2)];
    assert_eq!((observer.role, &observer.client_address), (Role::Observer, &client("0.0.0.0", 2181)));
    assert_eq!(config.voters().collect::<Vec<_>>(), [ServerId(1)]);
    let text =
        "server.1=[::1]:1:2|a:1:2:participant;c:7\nserver.2=b:2:3:observer;0.0.0.0:2181\nversion=10000000a";
    assert_eq!(config.to_string(), text);
}

#[test]
fn what_is_no_configuration_is_refused_with_its_line() {
    let rows = [
        ("", "no server is a participant"),
        ("server.1=a:1:2:observer", "no server is a participant"),
        ("server.x=a:1:2", "server.x=a:1:2: For input string: \"x\""),
        ("server.1=a:1:2\nclientPort=1", "clientPort=1: Unrecognised parameter: clientPort"),
        ("server.1=a:1:2\nversion=-1", "version=-1: For input string: \"-1\""),
        ("server.1=a:1:2\nversion=g", "version=g: For input string: \"g\""),
        ("server.1=a\\\\b:1:2", "server.1=a\\b:1:2: Address unresolved: a\\b:1"),
        ("server.1=a:1:2\nweight.1=2", "Server 1is not in a group"),
        ("server.1=a:1:2\ngroup.1=1:1", "group.1=1:1: Server 1is in multiple groups"),
        ("server.1=a:1:2\nx=\\u1", "Malformed \\uxxxx encoding."),
    ];
    for (text, expected) in rows {
        assert_eq!(parse(text).expect_err("no configuration").to_string(), expected, "{text}");
    }
    let long = "#".repeat(CONFIG_TEXT_MAX + 1);
    assert_eq!(
        parse(&long).expect_err("too long").to_string(),
        "a configuration of 524245 bytes, of which 524244 are allowed"
    );
    let multi = QuorumConfig::parse("server.1=a:1:2|b:1:2", false).expect_err("several addresses");
    assert_eq!(multi.problem, ConfigProblem::MultiAddressDisabled { id: ServerId(1) });
}

#[test]
fn configurations_are_the_same_by_version_or_by_what_they_say() {
    let base = "server.1=a:1:2|b:1:2;5\nserver.2=c:1:2:observer";
    let rows = [
        ("server.9=z:1:2\nversion=1", true),
        ("server.1=b:1:2|a:1:2;0.0.0.0:5\nserver.2=c:1:2:observer\nversion=2", true),
        ("server.1=a:1:2|b:1:2;6\nserver.2=c:1:2:observer\nversion=2", false),
        ("server.1=a:1:2;5\nserver.2=c:1:2:observer\nversion=2", false),
        ("server.1=a:1:2|b:1:3;5\nserver.2=c:1:2:observer\nversion=2", false),
        ("server.1=a:1:2|b:1:2;5\nserver.2=c:1:2\nversion=2", false),
        ("server.1=a:1:2|b:1:2;5\nversion=2", false),
        ("server.1=a:1:2|b:1:2;5\nserver.3=c:1:2:observer\nversion=2", false),
        ("server.1=a:1:2|b:1:2;5\nserver.2=c:1:2:observer\ngroup.1=1\nversion=2", false),
    ];
    let base = config(&format!("{base}\nversion=1"));
    for (other, same) in rows {
        assert_eq!(base.is_same_as(&config(other)), same, "{other}");
    }
}

#[test]
fn a_majority_is_more_than_half_of_the_voters() {
    let line = |id| format!("server.{id}=h:1:2");
    for (voters, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        let lines: Vec<String> = (1..=voters).map(line).collect();
        let config = config(&format!("{}\nserver.9=o:1:2:observer", lines.join("\n")));
        for present in 0..=voters {
            let has = |id: ServerId| id.0 <= present || id.0 == 9;
            assert_eq!(config.is_quorum(has), present >= quorum, "{present} of {voters}");
        }
    }
}

#[test]
fn a_hierarchical_quorum_is_most_of_the_weight_in_most_groups() {
    let lines: Vec<String> = (1..=9).map(|id| format!("server.{id}=h:1:2")).collect();
    let lines = lines.join("\n");
    let flat = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9";
    let heavy = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.1=5\nweight.4=0\nweight.5=0\nweight.6=0";
    let rows: [(&str, &[i64], bool); 8] = [
        (flat, &[1, 2, 4, 5], true),
        (flat, &[1, 4, 7], false),
        (flat, &[1, 2, 3, 4, 7], false),
        (flat, &[1, 2, 3, 4, 8, 9], true),
        // Group 2 weighs nothing: both others are needed, and server 1 is its group.
        (heavy, &[1, 7, 8], true),
        (heavy, &[2, 3, 7, 8, 9], false),
        (heavy, &[1, 4, 5, 6], false),
        (heavy, &[], false),
    ];
    for (groups, servers, quorum) in rows {
        let config = config(&format!("{lines}\n{groups}"));
        assert_eq!(config.is_quorum(|id| servers.contains(&id.0)), quorum, "{groups} {servers:?}");
    }
    let config = config(&format!("{lines}\n{heavy}"));
    let weights = [1, 2, 4, 10].map(|id| config.weight_of(ServerId(id)));
    assert_eq!(weights, [Some(5), Some(1), Some(0), None]);
}
