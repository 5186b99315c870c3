//! Comparing a server's tree with the model.

use std::collections::BTreeMap;

use zoorum_proto::{SessionId, Zxid};
use zoorum_tree::Tree;

use super::Model;

/// Whether `tree` is exactly the model's state at `zxid`: every znode with all its history, every session.
pub(crate) fn compare(model: &Model, tree: &Tree, zxid: Zxid) -> Result<(), String> {
    if tree.last_zxid() != zxid {
        return Err(format!("the tree is at {}, and should be at {zxid}", tree.last_zxid()));
    }
    let mut count = 0;
    for (path, expected) in model.all_at(zxid) {
        count += 1;
        let Some(found) = tree.node(path) else {
            return Err(format!("{path} is missing at {zxid}: {expected:?}"));
        };
        let mut children: Vec<_> = found.children().collect();
        children.sort_unstable();
        let same = found.stat() == expected.stat()
            && found.data() == expected.data.as_deref()
            && found.kind() == expected.kind
            && found.creates() == expected.creates
            && found.acl()[..] == expected.acl[..]
            && children.iter().eq(expected.children.iter());
        if !same {
            let (stat, acl, data) = (found.stat(), found.acl(), found.data());
            return Err(format!(
                "{path} at {zxid} is {stat:?} {acl:?} {data:?} {children:?}, and should be {expected:?} {:?}",
                expected.stat(),
            ));
        }
    }
    if tree.node_count() != count {
        return Err(format!("{} znodes at {zxid}, and there should be {count}", tree.node_count()));
    }
    let found: BTreeMap<SessionId, i32> =
        tree.sessions().map(|session| (session.session, session.timeout_ms)).collect();
    let expected: BTreeMap<SessionId, i32> = model.sessions_at(zxid).collect();
    if found != expected {
        return Err(format!("sessions at {zxid} are {found:?}, and should be {expected:?}"));
    }
    Ok(())
}
