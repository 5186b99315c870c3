//! What has to do with watches that stay while other commands run.

use serde_json::json;
use zoorum_client::{Error, ErrorCode, ErrorKind, OneWatch, OpCode, WatchKind};

use crate::events;
use crate::fault::Fault;
use crate::options::Parsed;
use crate::shell::Shell;
use crate::{paths, table};

impl Shell {
    /// Waits for a change while other commands run.
    pub(crate) fn watch_once(&mut self, kind: WatchKind, path: &str, watch: OneWatch) {
        if let Some(events) = &mut self.events {
            events.watch_once(kind, path, watch);
        }
    }
}

pub(crate) async fn add_watch(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let usage = || Fault::new(table::find("addWatch").map_or_else(String::new, table::Command::usage));
    let mode = parsed.value("m").unwrap_or("PERSISTENT_RECURSIVE").to_uppercase();
    let kind = match mode.as_str() {
        "PERSISTENT" => WatchKind::Persistent,
        "PERSISTENT_RECURSIVE" => WatchKind::Recursive,
        _ => return Err(usage()),
    };
    let [path] = parsed.arguments.as_slice() else { return Err(usage()) };
    paths::check(path)?;
    let client = shell.client();
    let watch = match kind {
        WatchKind::Persistent => client.watch(path),
        _ => client.watch_recursive(path),
    };
    let watch = shell.ask(watch).await?;
    if let Some(events) = &mut shell.events {
        events.watch_on(kind, path, watch);
    }
    Ok(())
}

pub(crate) async fn remove(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    const DATA: [WatchKind; 2] = [WatchKind::Data, WatchKind::Exist];
    let path = parsed.argument(0);
    paths::check(path)?;
    let wanted: &[&[WatchKind]] = match ["c", "d", "p", "r"].map(|name| parsed.has(name)) {
        [true, ..] => &[&[WatchKind::Child]],
        [_, true, ..] => &[&DATA],
        [_, _, true, _] => &[&[WatchKind::Persistent]],
        [.., true] => &[&[WatchKind::Recursive]],
        _ => &[&[WatchKind::Child], &DATA, &[WatchKind::Persistent], &[WatchKind::Recursive]],
    };
    let there = |shell: &Shell, kinds: &[WatchKind]| {
        shell.events.as_ref().map_or_else(Vec::new, |events| events.kinds_on(path, kinds))
    };
    let found: Vec<Vec<WatchKind>> =
        wanted.iter().map(|kinds| there(shell, kinds)).filter(|kinds| !kinds.is_empty()).collect();
    if found.is_empty() {
        let kind = ErrorKind::Refused(ErrorCode::NoWatcher);
        return Err(Error { op: OpCode::RemoveWatches, path: path.to_owned(), kind }.into());
    }
    let is_local = parsed.has("l") && !shell.client().state().is_connected();
    // Both kinds of `addWatch` are one to the watcher that is told.
    let mut told = None;
    for kinds in found {
        if !is_local {
            shell.ask(shell.client().remove_watches(path, kinds[0])).await?;
        }
        if let Some(events) = &mut shell.events {
            kinds.iter().for_each(|kind| events.forget(path, *kind));
        }
        let line = events::removed_line(kinds[0], path);
        match shell.out.is_json() {
            true => {
                shell.out.line(&json!({ "removed": format!("{:?}", kinds[0]), "path": path }).to_string())
            }
            false if told.as_ref() != Some(&line) => shell.tell_line(&line),
            false => {}
        }
        told = Some(line);
    }
    Ok(())
}

pub(crate) async fn print_watches(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    match parsed.arguments.first() {
        Some(word) => shell.prints_watches = word == "on",
        None => {
            let state = if shell.prints_watches { "on" } else { "off" };
            shell.out.answer(
                || format!("printwatches is {state}"),
                || json!({ "printwatches": shell.prints_watches }),
            );
        }
    }
    Ok(())
}
