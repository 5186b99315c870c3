//! What has to do with the session, and with the shell itself.

use std::time::Duration;

use serde_json::json;

use crate::fault::{self, Fault};
use crate::options::Parsed;
use crate::shell::Shell;
use crate::{line, paths, table};

/// The version, in the original's form.
const VERSION: &str = concat!(
    "ZooKeeper CLI version: 3.9.5-zoorum",
    env!("CARGO_PKG_VERSION"),
    ", built on 2026-02-11 20:15 UTC"
);
/// How long `sync` waits.
const SYNC: Duration = Duration::from_secs(30);
/// Lines of the history that are shown besides the present one.
const SHOWN: usize = 10;

pub(crate) async fn connect(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let servers = parsed.arguments.first().unwrap_or(&shell.servers).clone();
    shell.connect(&servers).await
}

pub(crate) async fn close(shell: &mut Shell, _: Parsed) -> Result<(), Fault> {
    shell.close().await;
    Ok(())
}

pub(crate) async fn quit(shell: &mut Shell, _: Parsed) -> Result<(), Fault> {
    shell.close().await;
    shell.quits = true;
    Ok(())
}

pub(crate) async fn history(shell: &mut Shell, _: Parsed) -> Result<(), Fault> {
    for number in shell.number.saturating_sub(SHOWN)..=shell.number {
        let line = shell.history.get(&number).map_or("null", String::as_str);
        shell.out.answer(|| format!("{number} - {line}"), || json!({ "number": number, "line": line }));
    }
    Ok(())
}

pub(crate) async fn redo(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let Some(number) = parsed.arguments.first() else { return Ok(()) };
    let number: i64 = number
        .parse()
        .map_err(|_| Fault::new(format!("{number} is not the number of a command: see history")))?;
    let line = usize::try_from(number).ok().filter(|&number| number < shell.number);
    let line = line.and_then(|number| shell.history.get(&number)).cloned();
    let line = line.ok_or_else(|| Fault::new("Command index out of range"))?;
    let words = line::words(&line);
    if words.first().is_some_and(|name| name == "redo") {
        return Err(Fault::new("No redoing redos"));
    }
    shell.history.insert(shell.number, line);
    shell.process(words).await
}

pub(crate) async fn add_auth(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let auth = parsed.arguments.get(1).map_or(&[][..], |auth| auth.as_bytes());
    shell.client().add_auth(parsed.argument(0), auth);
    Ok(())
}

pub(crate) async fn who_am_i(shell: &mut Shell, _: Parsed) -> Result<(), Fault> {
    let identities = shell.ask(shell.client().who_am_i()).await?;
    let lines = identities.iter().map(|one| format!("{}: {}", one.scheme, one.user));
    let all = || std::iter::once("Auth scheme: User".to_owned()).chain(lines).collect::<Vec<_>>().join("\n");
    let json = || identities.iter().map(|one| json!({ "scheme": one.scheme, "user": one.user })).collect();
    shell.out.answer(all, json);
    Ok(())
}

pub(crate) async fn sync(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    paths::check(path)?;
    let synced = tokio::time::timeout(SYNC, shell.client().sync(path));
    match shell.settle(synced).await {
        Ok(Ok(())) => {
            shell.out.answer(|| "Sync is OK".to_owned(), || json!({ "path": path, "synced": true }));
            Ok(())
        }
        Ok(Err(error)) if shell.out.is_json() => Err(error.into()),
        Ok(Err(error)) => {
            shell.out.line(&format!("Sync has failed. rc={}", fault::return_code(&error)));
            Ok(())
        }
        Err(_) => Err(Fault::new(format!("Sync is timeout within {} ms", SYNC.as_millis()))),
    }
}

pub(crate) async fn version(shell: &mut Shell, _: Parsed) -> Result<(), Fault> {
    shell.out.answer(|| VERSION.to_owned(), || json!({ "version": VERSION }));
    Ok(())
}

pub(crate) async fn help(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let text = match parsed.arguments.first() {
        None => table::usage(),
        Some(name) => table::find(name).map(table::Command::help).ok_or_else(|| Fault {
            message: format!("There is no command {name}: help lists them"),
            code: fault::NOT_FOUND,
        })?,
    };
    shell.out.answer(|| text.clone(), || json!({ "help": text }));
    Ok(())
}
