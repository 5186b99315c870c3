//! A whole tree as text, in the form of the golden `contents.txt`: what a server answers when asked for
//! everything. Two servers hold the same tree when these lines are the same.

use std::fmt::Write as _;

use crate::wire::{Acl, Client, Stat};

/// One line per node, parents before children and siblings by name: `node`, path, data, the fields of the
/// Stat in their order, and the ACL, with tabs between them.
///
/// # Panics
///
/// When the client may not read something; a superuser may read everything.
pub fn dump(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    dump_below(client, "/", &mut lines);
    lines
}

fn dump_below(client: &mut Client, path: &str, lines: &mut Vec<String>) {
    let (data, stat) = client.get_data(path, false).unwrap_or_else(|err| panic!("getData {path}: {err}"));
    let (acl, _) = client.get_acl(path).unwrap_or_else(|err| panic!("getACL {path}: {err}"));
    lines.push(
        ["node", path, &data_column(data.as_deref()), &stat_columns(&stat), &acl_column(&acl)].join("\t"),
    );
    let children = client.get_children(path, false).unwrap_or_else(|err| panic!("getChildren {path}: {err}"));
    for child in children {
        dump_below(client, &format!("{}/{child}", path.trim_end_matches('/')), lines);
    }
}

/// How data is written in a line of [`dump`].
pub fn data_column(data: Option<&[u8]>) -> String {
    match data {
        None => "null".to_owned(),
        Some([]) => "-".to_owned(),
        Some(bytes) => bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("strings accept everything");
            hex
        }),
    }
}

fn stat_columns(stat: &Stat) -> String {
    let columns = [
        stat.czxid,
        stat.mzxid,
        stat.ctime,
        stat.mtime,
        stat.version.into(),
        stat.cversion.into(),
        stat.aversion.into(),
        stat.ephemeral_owner,
        stat.data_length.into(),
        stat.num_children.into(),
        stat.pzxid,
    ];
    columns.map(|column| column.to_string()).join("\t")
}

fn acl_column(acl: &[Acl]) -> String {
    let entries: Vec<_> = acl.iter().map(|acl| format!("{}:{}:{}", acl.perms, acl.scheme, acl.id)).collect();
    entries.join(" ")
}
