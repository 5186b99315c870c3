//! A subtree, followed as it changes.

use jiff::Zoned;
use serde_json::json;
use zoorum_client::{Change, ErrorCode, EventType, WatchedEvent};

use crate::fault::Fault;
use crate::options::Parsed;
use crate::shell::Shell;
use crate::signals::Signal;
use crate::{data, events, paths};

pub(crate) async fn watch(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    paths::check(path)?;
    let mut left = parsed.number("n", u64::MAX, "a positive int")?;
    let held = shell.signals().hold(&[Signal::Interrupt]);
    let watch = shell.client().watch_recursive(path);
    let Ok(watch) = shell.until_signal(&held, watch).await else { return Ok(()) };
    let mut changes = watch?;
    if !shell.out.is_json() {
        shell.out.complain(&format!("following {path}; Ctrl-C ends it"));
    }
    while left > 0 {
        let Ok(next) = shell.until_signal(&held, changes.next()).await else { return Ok(()) };
        match next {
            Some(Change::Event(event)) => {
                tell(shell, &event, parsed.has("v")).await?;
                left -= 1;
            }
            Some(Change::Missed) => shell.out.answer(
                || format!("{} the connection was lost for a while: changes may have been missed", time()),
                || json!({ "missed": true }),
            ),
            None => {
                return Err(Fault::new(format!("the session is over, and nobody follows {path} any more")));
            }
        }
    }
    Ok(())
}

async fn tell(shell: &mut Shell, event: &WatchedEvent, with_data: bool) -> Result<(), Fault> {
    let has_data = matches!(event.kind, EventType::NodeCreated | EventType::NodeDataChanged);
    let bytes = match with_data && has_data {
        false => None,
        true => match shell.settle(shell.client().get(&event.path)).await {
            Ok(node) => Some(node.data),
            Err(error) if error.is(ErrorCode::NoNode) || error.is(ErrorCode::NoAuth) => None,
            Err(error) => return Err(error.into()),
        },
    };
    let kind = events::kind_name(event.kind);
    shell.out.answer(
        || {
            let shown = bytes.as_deref().map(data::preview).unwrap_or_default();
            format!("{} {kind:15} {} (zxid {})  {shown}", time(), event.path, event.zxid)
                .trim_end()
                .to_owned()
        },
        || {
            let mut object = json!({ "event": kind, "path": event.path, "zxid": event.zxid.to_string() });
            if let Some(bytes) = &bytes {
                object["data"] = data::json(bytes);
            }
            object
        },
    );
    Ok(())
}

/// The time of day.
fn time() -> String {
    Zoned::now().strftime("%H:%M:%S%.3f").to_string()
}
