//! `zoorum snapshot dump`: every znode of a snapshot, as text or as JSON for `ncdu`.

use std::io::Write;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zoorum_host::logging::dates::{java_date, moment};

use super::check_input;
use super::loaded::Snapshot;
use super::nodes::{Node, Step};
use crate::failure::{Failure, INVALID_INVOCATION};
use crate::java::{hash_of_long, hash_order};

const USAGE: &str = "\
USAGE: SnapshotFormatter [-d|-json] snapshot_file
       -d dump the data for each znode
       -json dump znode info in json format";

/// Places of the table in which Java keeps sessions.
const SESSIONS: usize = 16;

/// Numbers of znodes begin behind this one.
const INODES: u64 = 1000;

/// Runs the tool.
pub(crate) fn run(arguments: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let is_option = |word: &&String| matches!(word.as_str(), "-d" | "-json");
    let options = arguments.iter().take_while(is_option).count();
    let [file] = &arguments[options..] else {
        return Err(Failure::new(INVALID_INVOCATION, USAGE));
    };
    let has = |option: &str| arguments[..options].iter().any(|word| word == option);
    let path = check_input(file)?;
    if has("-d") && has("-json") {
        let text = "Cannot specify both data dump (-d) and json mode (-json) in same call";
        return Err(Failure::new(INVALID_INVOCATION, text));
    }
    let snapshot = Snapshot::load(path, has("-d"))?;
    if has("-json") {
        json(&snapshot, out)?;
    } else {
        details(&snapshot, has("-d"), out)?;
    }
    snapshot.end()
}

fn details(snapshot: &Snapshot, shows_data: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let Snapshot { nodes, sessions, ephemerals, name_zxid, .. } = snapshot;
    // Java keeps the root under two names.
    writeln!(out, "ZNode Details (count={}):", nodes.count() + 1)?;
    let mut last_zxid = name_zxid.unwrap_or(-1);
    nodes.walk(nodes.root().unwrap_or_default(), |step| {
        let Step::Enter { node, .. } = step else { return Ok(()) };
        last_zxid = last_zxid.max(node.mzxid.0).max(node.pzxid.0);
        one(node, shows_data, out)
    })?;
    writeln!(out, "----\nSession Details (sid, timeout, ephemeralCount):")?;
    let hashes: Vec<u32> = sessions.iter().map(|session| hash_of_long(session.session.0)).collect();
    for at in hash_order(&hashes, SESSIONS) {
        let session = &sessions[at];
        let owned = ephemerals.get(&session.session).copied().unwrap_or(0);
        writeln!(out, "{:#016x}, {}, {owned}", session.session.0, session.timeout_ms)?;
    }
    Ok(writeln!(out, "----\nLast zxid: {last_zxid:#x}")?)
}

fn one(node: &Node, shows_data: bool, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "----\n{}", node.full_path())?;
    writeln!(out, "  cZxid = {:#016x}", node.czxid.0)?;
    writeln!(out, "  ctime = {}", java_date(moment(node.ctime.0)))?;
    writeln!(out, "  mZxid = {:#016x}", node.mzxid.0)?;
    writeln!(out, "  mtime = {}", java_date(moment(node.mtime.0)))?;
    writeln!(out, "  pZxid = {:#016x}", node.pzxid.0)?;
    writeln!(out, "  cversion = {}", node.creates)?;
    writeln!(out, "  dataVersion = {}", node.version.0)?;
    writeln!(out, "  aclVersion = {}", node.aversion.0)?;
    writeln!(out, "  ephemeralOwner = {:#016x}", node.owner)?;
    if shows_data {
        writeln!(out, "  data = {}", STANDARD.encode(&node.data))
    } else {
        writeln!(out, "  dataLength = {}", node.length)
    }
}

/// A znode is an object; one with children is a list of that object and of theirs.
fn json(snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), Failure> {
    let nodes = &snapshot.nodes;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let program =
        format!("{{\"progname\":\"SnapshotFormatter.java\",\"progver\":\"0.01\",\"timestamp\":{now}}}");
    write!(out, "[1,0,{program}")?;
    let mut inode = INODES;
    nodes.walk(nodes.root().unwrap_or_default(), |step| match step {
        Step::Enter { place, node, .. } => {
            inode += 1;
            let (open, name, size) =
                (if nodes.has_children(place) { "[" } else { "" }, quoted(node.name()), node.length);
            write!(
                out,
                ",{open}{{\"name\":{name},\"asize\":{size},\"dsize\":{size},\"dev\":0,\"ino\":{inode}}}"
            )
        }
        Step::Leave { place, .. } if nodes.has_children(place) => write!(out, "]"),
        Step::Leave { .. } => Ok(()),
    })?;
    Ok(write!(out, "]")?)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
