//! A subtree into a file, which takes its place only when it is whole.

use std::collections::VecDeque;

use serde_json::json;
use zoorum_client::{Acl, Client, Error, ErrorCode, Node, Reply, Stat};
use zoorum_proto::path::ZOOKEEPER;

use super::record::{Line, Record};
use super::sink::{STDOUT, Sink, Target};
use crate::fault::Fault;
use crate::options::Parsed;
use crate::reads::answered;
use crate::shell::Shell;
use crate::signals::Held;
use crate::walk::Walk;
use crate::{paths, table};

/// Znodes whose data is asked for ahead.
const AHEAD: usize = 16;

type Asked = (String, Reply<Node>, Reply<(Vec<Acl<'static>>, Stat)>);

/// Whether a command puts an export on standard output, where nothing else may be then.
pub(crate) fn takes_stdout(words: &[String]) -> bool {
    let [name, words @ ..] = words else { return false };
    let parsed = table::find(name).filter(|_| name == "export").and_then(|command| command.parse(words).ok());
    parsed.is_some_and(|parsed| STDOUT.contains(&parsed.argument(1)))
}

pub(crate) async fn export(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (root, file) = (parsed.argument(0), parsed.argument(1));
    paths::check(root)?;
    let target = Target::of(file)?;
    shell.out.is_stdout_taken = target == Target::Stdout;
    let held = shell.signals().hold(target.held());
    let exported = write(shell, &held, root, target).await;
    let Exported { znodes, ephemerals } = exported.inspect_err(|_| shell.out.is_stdout_taken = false)?;
    let text =
        format!("Exported {znodes} znodes of {root} to {file}; {ephemerals} ephemeral ones are left out");
    let object = json!({ "path": root, "file": file, "znodes": znodes, "ephemerals": ephemerals });
    match std::mem::take(&mut shell.out.is_stdout_taken) {
        true => shell.out.complain(&if shell.out.is_json() { object.to_string() } else { text }),
        false => shell.out.answer(|| text, || object),
    }
    Ok(())
}

/// How many znodes were written, and how many were not.
#[derive(Default)]
struct Exported {
    znodes: u64,
    ephemerals: u64,
}

async fn write(shell: &mut Shell, held: &Held, root: &str, target: Target) -> Result<Exported, Fault> {
    let mut sink = Sink::open(target)?;
    sink.line(&Line::head(root))?;
    let client = shell.client();
    let mut walk = Walk::new(&client, root);
    let mut exported = Exported::default();
    let mut asked = VecDeque::new();
    while let Some(visit) = shell.until_signal(held, walk.next()).await? {
        let visit = visit.map_err(refused)?;
        if visit.ephemeral_owner().is_some() {
            exported.ephemerals += 1;
            continue;
        }
        if root == "/" && is_servers_own(&visit.path) {
            continue;
        }
        asked.push_back(ask(&client, visit.path));
        if asked.len() >= AHEAD {
            exported.znodes += write_next(shell, held, &mut asked, root, &mut sink).await?;
        }
    }
    while !asked.is_empty() {
        exported.znodes += write_next(shell, held, &mut asked, root, &mut sink).await?;
    }
    sink.line(&Line::end(exported.znodes))?;
    sink.finish()?;
    Ok(exported)
}

/// What servers keep for themselves, and no client should put into another tree.
fn is_servers_own(path: &str) -> bool {
    path.strip_prefix(ZOOKEEPER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn ask(client: &Client, path: String) -> Asked {
    let (node, acl) = (client.get(&path), client.get_acl(&path));
    (path, node, acl)
}

/// Writes the first of the znodes that were asked for; says how many that were.
async fn write_next(
    shell: &mut Shell,
    held: &Held,
    asked: &mut VecDeque<Asked>,
    root: &str,
    sink: &mut Sink,
) -> Result<u64, Fault> {
    let Some((path, node, acl)) = asked.pop_front() else { return Ok(0) };
    let client = shell.client();
    let found = async {
        let node = answered(node, || client.get(&path)).await?;
        Ok::<_, Error>((node, answered(acl, || client.get_acl(&path)).await?))
    };
    let (node, (acl, _)) = match shell.until_signal(held, found).await? {
        // It was deleted meanwhile.
        Err(error) if error.is(ErrorCode::NoNode) && path != root => return Ok(0),
        found => found.map_err(refused)?,
    };
    let path = match root {
        _ if path == root => "",
        "/" => &path,
        root => &path[root.len()..],
    };
    let data = (!node.is_null).then(|| node.data.to_vec());
    sink.line(&Record { path: path.to_owned(), data, acl }.text())?;
    Ok(1)
}

/// An export that silently had holes would be found out when it is needed.
fn refused(error: Error) -> Fault {
    let is_forbidden = error.is(ErrorCode::NoAuth);
    let fault = Fault::from(error);
    match is_forbidden {
        true => Fault {
            message: format!(
                "{}\nAn export is whole, or there is none: addauth first, as somebody who may read all of it.",
                fault.message
            ),
            ..fault
        },
        false => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_export_to_standard_output_takes_it() {
        let rows = [
            ("export /a -", true),
            ("export /a /dev/stdout", true),
            ("export -- /a -", true),
            ("export /a file", false),
            ("export /a", false),
            ("import - /a", false),
            ("", false),
        ];
        for (line, takes) in rows {
            assert_eq!(takes_stdout(&crate::line::words(line)), takes, "{line}");
        }
    }
}
