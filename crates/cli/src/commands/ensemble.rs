//! The ensemble's membership.

use serde_json::json;
use zoorum_client::{Node, Reconfig, WatchKind};
use zoorum_proto::path::CONFIG;
use zoorum_proto::properties;
use zoorum_proto::quorum::QuorumConfig;

use super::read::{NULL, with_json};
use crate::fault::Fault;
use crate::options::Parsed;
use crate::shell::Shell;
use crate::{stat, table};

/// Where a server listens whose client port stands without a host.
const ANYWHERE: &str = "0.0.0.0";

pub(crate) async fn config(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let node = match parsed.has("w") {
        false => shell.ask(shell.client().config()).await?,
        true => {
            let (node, watch) = shell.ask(shell.client().config_and_watch()).await?;
            shell.watch_once(WatchKind::Data, CONFIG, watch);
            node
        }
    };
    let Node { data, is_null, stat } = node;
    let text = String::from_utf8_lossy(if is_null { NULL } else { &data });
    let (version, servers) = connect_string(&text);
    let shown = match parsed.has("c") {
        true => format!("{version} {}", servers.join(",")),
        false => text.clone().into_owned(),
    };
    let with_stat = parsed.has("s");
    shell.out.answer(
        || if with_stat { format!("{shown}\n{}", stat::lines(&stat)) } else { shown },
        || {
            let object = json!({ "config": text, "version": version, "servers": servers });
            with_json(object, with_stat.then_some(&stat))
        },
    );
    Ok(())
}

/// The version of a configuration, and each member's address for clients; empty where it has none.
fn connect_string(text: &str) -> (String, Vec<String>) {
    let mut version = String::new();
    let mut servers = Vec::new();
    for property in properties::parse(text).unwrap_or_default() {
        let value = property.value.trim();
        if property.key == "version" {
            value.clone_into(&mut version);
        } else if property.key.starts_with("server.") {
            let address = value.split_once(';').map_or("", |(_, address)| address.trim());
            servers.push(match address {
                "" => String::new(),
                port if !port.contains(':') => format!("{ANYWHERE}:{port}"),
                address => address.to_owned(),
            });
        }
    }
    (version, servers)
}

pub(crate) async fn reconfig(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let change = change(&parsed)?;
    let Node { data, stat, .. } =
        shell.settle(shell.client().reconfig(change)).await.map_err(|mut error| {
            // It is about no znode that the caller has named.
            error.path.clear();
            Fault::from(error)
        })?;
    let text = String::from_utf8_lossy(&data);
    let with_stat = parsed.has("s");
    let lines = || format!("Committed new configuration:\n{text}");
    shell.out.answer(
        || if with_stat { format!("{}\n{}", lines(), stat::lines(&stat)) } else { lines() },
        || with_json(json!({ "config": text }), with_stat.then_some(&stat)),
    );
    Ok(())
}

fn change(parsed: &Parsed) -> Result<Reconfig, Fault> {
    let [file, members, add, remove] = ["file", "members", "add", "remove"].map(|name| parsed.has(name));
    let is_incremental = add || remove;
    let is_whole = file || members;
    if !is_incremental && !is_whole {
        return Err(Fault::new(table::find("reconfig").map_or_else(String::new, table::Command::usage)));
    }
    let from_version = parsed.value("v").map(|text| {
        let message = "-v must be followed by a long (configuration version)";
        i64::from_str_radix(text, 16).map_err(|_| Fault::new(message))
    });
    let from_version = from_version.transpose()?;
    if is_incremental && is_whole {
        return Err(Fault::new(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is \
             not allowed)",
        ));
    }
    if file && members {
        let message = "Can't use -file and -members together (conflicting non-incremental modes)";
        return Err(Fault::new(message));
    }
    let lower = |name: &str| parsed.value(name).map(str::to_lowercase);
    let new_members = match parsed.value("file") {
        Some(file) => Some(members_of(file)?),
        None => lower("members"),
    };
    Ok(Reconfig { joining: lower("add"), leaving: lower("remove"), new_members, from_version })
}

/// The members that a file lists.
fn members_of(file: &str) -> Result<String, Fault> {
    let fault = |reason: String| Fault::new(format!("Error processing {file}{reason}"));
    let bytes = std::fs::read(file).map_err(|error| {
        let reason = error.to_string();
        fault(format!("{file} ({})", reason.split(" (os error").next().unwrap_or_default()))
    })?;
    let config = QuorumConfig::parse(&properties::from_latin_1(&bytes), false);
    Ok(config.map_err(|error| fault(format!(": {error}")))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connect_string_names_each_member_once() {
        let text = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2;2182\nserver.3=c:1:2\nversion=1f";
        let servers = ["0.0.0.0:2181", "0.0.0.0:2182", ""].map(str::to_owned).to_vec();
        assert_eq!(connect_string(text), ("1f".to_owned(), servers));
        assert_eq!(connect_string(""), (String::new(), Vec::new()));
    }
}
