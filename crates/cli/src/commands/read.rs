//! What looks at znodes.

use serde_json::{Value, json};
use zoorum_client::{Children, Node, Stat, WatchKind};

use crate::fault::Fault;
use crate::options::Parsed;
use crate::shell::Shell;
use crate::walk::Walk;
use crate::{acl, data, paths, stat, table};

/// What `ls -?` says before it does what it is asked for.
const LS_HELP: &str = "usage: ls [options] path\n -?   help\n -R   recurse\n -s   stat\n -w   watch";
/// What the original prints for null.
pub(crate) const NULL: &[u8] = b"null";

pub(crate) async fn ls(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    if parsed.has("?") {
        shell.out.answer(|| LS_HELP.to_owned(), || json!({ "help": LS_HELP }));
    }
    let usage = || Fault::new(table::find("ls").map_or_else(String::new, table::Command::usage));
    let path = parsed.arguments.first().ok_or_else(usage)?;
    paths::check(path)?;
    let watches = parsed.has("w");
    if parsed.has("R") {
        return ls_recursive(shell, path, watches).await;
    }
    let Children { mut names, stat } = match watches {
        false => shell.ask(shell.client().children(path)).await?,
        true => {
            let (children, watch) = shell.ask(shell.client().children_and_watch(path)).await?;
            shell.watch_once(WatchKind::Child, path, watch);
            children
        }
    };
    names.sort_unstable();
    let with_stat = parsed.has("s");
    shell.out.answer(
        || with_lines(format!("[{}]", names.join(", ")), with_stat.then_some(&stat)),
        || with_json(json!({ "path": path, "children": names }), with_stat.then_some(&stat)),
    );
    Ok(())
}

/// All children of a znode come before what is below any of them.
async fn ls_recursive(shell: &mut Shell, root: &str, watches: bool) -> Result<(), Fault> {
    let client = shell.client();
    match watches {
        false => drop(shell.ask(client.get(root)).await?),
        true => {
            let (_, watch) = shell.ask(client.get_and_watch(root)).await?;
            shell.watch_once(WatchKind::Data, root, watch);
        }
    }
    let say = |shell: &Shell, path: &str| shell.out.answer(|| path.to_owned(), || json!({ "path": path }));
    say(shell, root);
    let mut walk = Walk::new(&client, root).watching(watches);
    while let Some(visit) = shell.settle(walk.next()).await {
        let visit = visit?;
        if let Some(watch) = visit.watch {
            shell.watch_once(WatchKind::Child, &visit.path, watch);
        }
        visit.children.iter().for_each(|name| say(shell, &paths::join(&visit.path, name)));
    }
    Ok(())
}

pub(crate) async fn get(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let watches = parsed.has("w");
    let path = parsed.argument(0);
    paths::check(path)?;
    let node = match watches {
        false => shell.ask(shell.client().get(path)).await?,
        true => {
            let (node, watch) = shell.ask(shell.client().get_and_watch(path)).await?;
            shell.watch_once(WatchKind::Data, path, watch);
            node
        }
    };
    let Node { data: bytes, is_null, stat } = node;
    let stat = parsed.has("s").then_some(&stat);
    let shown = if is_null { NULL } else { &bytes };
    let text = || match (parsed.has("x"), parsed.has("b")) {
        (true, _) => data::hexdump(shown),
        (false, true) => data::base64(shown),
        (false, false) => String::from_utf8_lossy(shown).into_owned(),
    };
    let json = || match is_null {
        true => Value::Null,
        false => data::json(&bytes),
    };
    shell
        .out
        .answer(|| with_lines(text(), stat), || with_json(json!({ "path": path, "data": json() }), stat));
    Ok(())
}

pub(crate) async fn stat(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let watches = parsed.has("w");
    let path = parsed.argument(0);
    paths::check(path)?;
    let found = match watches {
        false => shell.ask(shell.client().exists(path)).await?,
        true => {
            let (found, watch) = shell.ask(shell.client().exists_and_watch(path)).await?;
            let kind = if found.is_some() { WatchKind::Data } else { WatchKind::Exist };
            shell.watch_once(kind, path, watch);
            found
        }
    };
    let stat = found.ok_or_else(|| Fault::new(format!("Node does not exist: {path}")))?;
    shell.out.answer(|| stat::lines(&stat), || with_json(json!({ "path": path }), Some(&stat)));
    Ok(())
}

pub(crate) async fn get_acl(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    paths::check(path)?;
    let (list, stat) = shell.ask(shell.client().get_acl(path)).await?;
    let stat = parsed.has("s").then_some(&stat);
    let lines = || list.iter().map(acl::lines).collect::<Vec<_>>().join("\n");
    let entries = || list.iter().map(acl::json).collect::<Vec<_>>();
    shell
        .out
        .answer(|| with_lines(lines(), stat), || with_json(json!({ "path": path, "acl": entries() }), stat));
    Ok(())
}

pub(crate) async fn get_ephemerals(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let prefix = parsed.arguments.first().map_or("/", String::as_str);
    paths::check(prefix)?;
    let paths = shell.ask(shell.client().ephemerals(prefix)).await?;
    shell.out.answer(|| format!("[{}]", paths.join(", ")), || json!({ "path": prefix, "ephemerals": paths }));
    Ok(())
}

pub(crate) async fn get_all_children_number(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    paths::check(path)?;
    let count = shell.ask(shell.client().all_children_number(path)).await?;
    shell.out.answer(|| count.to_string(), || json!({ "path": path, "count": count }));
    Ok(())
}

fn with_lines(text: String, stat: Option<&Stat>) -> String {
    match stat {
        Some(stat) => format!("{text}\n{}", stat::lines(stat)),
        None => text,
    }
}

/// The object with the Stat in it, if there is one.
pub(crate) fn with_json(mut object: Value, stat: Option<&Stat>) -> Value {
    if let Some(stat) = stat {
        object["stat"] = stat::json(stat);
    }
    object
}
