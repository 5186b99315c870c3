//! A znode of the model.

use std::collections::BTreeSet;
use std::rc::Rc;

use zoorum_proto::mode::NodeKind;
use zoorum_proto::{Acl, AuthId, Permissions, Stat, Version, WallClock, Zxid};

/// A znode, with everything that clients can learn of it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Option<Rc<[u8]>>,
    pub(crate) czxid: Zxid,
    pub(crate) mzxid: Zxid,
    pub(crate) pzxid: Zxid,
    pub(crate) ctime: WallClock,
    pub(crate) mtime: WallClock,
    pub(crate) version: Version,
    pub(crate) aversion: Version,
    /// Children ever created.
    pub(crate) creates: i32,
    pub(crate) kind: NodeKind,
    pub(crate) acl: Rc<[Acl<'static>]>,
    pub(crate) children: BTreeSet<String>,
}

impl Node {
    pub(crate) fn built_in(acl: Permissions, aversion: i32, children: &[&str]) -> Self {
        Self {
            data: Some([].into()),
            czxid: Zxid::ZERO,
            mzxid: Zxid::ZERO,
            pzxid: Zxid::ZERO,
            ctime: WallClock(0),
            mtime: WallClock(0),
            version: Version(0),
            aversion: Version(aversion),
            creates: 0,
            kind: NodeKind::Persistent,
            acl: [Acl::world(acl)].into(),
            children: children.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    pub(crate) fn stat(&self) -> Stat {
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.creates * 2 - self.children.len() as i32,
            aversion: self.aversion,
            ephemeral_owner: self.kind.session(),
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            num_children: self.children.len() as i32,
            pzxid: self.pzxid,
        }
    }

    pub(crate) fn allows(&self, wanted: Permissions, ids: &[AuthId]) -> bool {
        allows(&self.acl, wanted, ids)
    }
}

/// Whether somebody with these ids gets past the list.
pub(crate) fn allows(acl: &[Acl<'_>], wanted: Permissions, ids: &[AuthId]) -> bool {
    acl.iter().any(|entry| {
        let is_anyone = entry.scheme == "world" && entry.id == "anyone";
        entry.perms.intersects(wanted)
            && (is_anyone || ids.iter().any(|id| id.scheme == entry.scheme && id.id == entry.id))
    })
}

/// Parent of a path other than the root, and last component.
pub(crate) fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(split) => split,
        None => ("", path),
    }
}
