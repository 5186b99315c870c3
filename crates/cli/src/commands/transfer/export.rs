//! A subtree into a file, which takes its place only when it is whole.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::NamedTempFile;
use zoorum_client::{Acl, Client, Error, ErrorCode, Node, Reply, SessionId, Stat};
use zoorum_proto::path::ZOOKEEPER;

use super::record::{Line, Record};
use crate::fault::Fault;
use crate::options::Parsed;
use crate::paths;
use crate::shell::Shell;
use crate::walk::Walk;

/// Znodes whose data is asked for ahead.
const AHEAD: usize = 16;
/// As the name of a file: standard output.
const STDOUT: &str = "-";

type Asked = (String, Reply<Node>, Reply<(Vec<Acl<'static>>, Stat)>);

pub(crate) async fn export(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (root, file) = (parsed.argument(0), parsed.argument(1));
    paths::check(root)?;
    let mut sink = Sink::open(file)?;
    sink.line(&Line::head(root))?;
    let client = shell.client();
    let mut walk = Walk::new(&client, root);
    let (mut znodes, mut ephemerals) = (0, 0);
    let mut asked = VecDeque::new();
    while let Some(visit) = shell.settle(walk.next()).await {
        let visit = visit?;
        if visit.stat.ephemeral_owner != SessionId::NONE {
            ephemerals += 1;
            continue;
        }
        if root == "/" && is_servers_own(&visit.path) {
            continue;
        }
        asked.push_back(ask(&client, visit.path));
        if asked.len() >= AHEAD {
            znodes += write_next(shell, &mut asked, root, &mut sink).await?;
        }
    }
    while !asked.is_empty() {
        znodes += write_next(shell, &mut asked, root, &mut sink).await?;
    }
    sink.line(&Line::end(znodes))?;
    sink.finish()?;
    let text =
        format!("Exported {znodes} znodes of {root} to {file}; {ephemerals} ephemeral ones are left out");
    match file {
        STDOUT => shell.out.complain(&text),
        _ => shell.out.answer(
            || text,
            || json!({ "path": root, "file": file, "znodes": znodes, "ephemerals": ephemerals }),
        ),
    }
    Ok(())
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
    asked: &mut VecDeque<Asked>,
    root: &str,
    sink: &mut Sink,
) -> Result<u64, Fault> {
    let Some((path, node, acl)) = asked.pop_front() else { return Ok(0) };
    let found = shell.settle(async { Ok::<_, Error>((node.await?, acl.await?)) }).await;
    let (node, (acl, _)) = match found {
        // It was deleted meanwhile.
        Err(error) if error.is(ErrorCode::NoNode) && path != root => return Ok(0),
        found => found?,
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

/// Where an export goes.
enum Sink {
    Stdout(BufWriter<io::Stdout>),
    File { writer: BufWriter<NamedTempFile>, path: PathBuf },
}

impl Sink {
    fn open(file: &str) -> Result<Self, Fault> {
        if file == STDOUT {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        let path = PathBuf::from(file);
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = NamedTempFile::new_in(directory)
            .map_err(|error| Fault::new(format!("cannot write in {}: {error}", directory.display())))?;
        Ok(Self::File { writer: BufWriter::new(temporary), path })
    }

    fn line(&mut self, text: &str) -> Result<(), Fault> {
        let writer: &mut dyn Write = match self {
            Self::Stdout(writer) => writer,
            Self::File { writer, .. } => writer,
        };
        writeln!(writer, "{text}").map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &io::Error) -> Fault {
        match self {
            Self::Stdout(_) => Fault::new(format!("cannot write the export: {error}")),
            Self::File { path, .. } => {
                Fault::new(format!("cannot write {}, which is left as it was: {error}", path.display()))
            }
        }
    }

    /// The file is there, durably, and not before.
    fn finish(mut self) -> Result<(), Fault> {
        let flushed = match &mut self {
            Self::Stdout(writer) => writer.flush(),
            Self::File { writer, .. } => writer.flush().and_then(|()| writer.get_ref().as_file().sync_all()),
        };
        flushed.map_err(|error| self.fault(&error))?;
        let Self::File { writer, path } = self else { return Ok(()) };
        let fault = |error: io::Error| Fault::new(format!("cannot write {}: {error}", path.display()));
        let temporary = writer.into_inner().map_err(|error| fault(error.into_error()))?;
        temporary.persist(&path).map(drop).map_err(|error| fault(error.error))
    }
}
