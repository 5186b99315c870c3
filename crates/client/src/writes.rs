//! What a client changes: in the ensemble's one order, and in the order of the client's own requests.

use zoorum_proto::op::{AddWatch, DeleteRequest, ReconfigRequest, SetAclRequest, SetDataRequest};
use zoorum_proto::reply::Create2Response;
use zoorum_proto::{Acl, Decode, Encode, OpCode, Stat, Version, path};

use crate::client::Client;
use crate::create::{Create, Created, requested};
use crate::error::Error;
use crate::reads::{Node, decode_stat, finish, node};
use crate::reply::Reply;
use crate::session::{WatchKind, WatchingOp};
use crate::watch::{self, Watch};

/// A change of the ensemble's membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfig {
    /// Servers that join, or get another address or part: `server.4=host:2888:3888;2181`, by commas.
    pub joining: Option<String>,
    /// The numbers of servers that leave, by commas.
    pub leaving: Option<String>,
    /// The whole new membership, by commas; instead of the two above.
    pub new_members: Option<String>,
    /// The version of the configuration that it is to replace, in hex in its last line; any, if none.
    pub from_version: Option<i64>,
}

impl Client {
    /// Creates a znode: `client.create("/a", b"data", CreateMode::Ephemeral)`, or with an ACL or a time to
    /// live, [`Create`] instead of the mode. The reply has the path, whose number the server chooses if the mode
    /// is sequential.
    pub fn create(&self, path: &str, data: impl AsRef<[u8]>, how: impl Into<Create>) -> Reply<Created> {
        let how = how.into();
        let request = match how.request(path, data.as_ref(), &self.commands.chroot) {
            Ok(request) => request,
            Err(reason) => return Reply::known(Err(Error::invalid(OpCode::Create2, path, reason))),
        };
        let op = request.op.code();
        let outcome = self.commands.submit(op, request.to_vec(), None);
        let (path, chroot) = (path.to_owned(), self.commands.chroot.clone());
        Reply::awaited(outcome, move |outcome| {
            finish(op, &path, outcome, |answer| {
                let response = Create2Response::from_bytes(&answer.body)?;
                Ok(Created { path: chroot.relative(&response.path).to_owned(), stat: response.stat })
            })
        })
    }

    /// Deletes a znode without children, if its data has this version; [`Version::ANY`] for any.
    pub fn delete(&self, path: &str, version: Version) -> Reply<()> {
        // The chroot belongs to whoever made it: its deletion is asked for as the root's, which is refused.
        let root = path == path::ROOT;
        let encode = |absolute: &str| {
            let path = if root { path::ROOT } else { absolute };
            DeleteRequest { path: path.into(), version }.to_vec()
        };
        self.ask(OpCode::Delete, path, encode, |_, _| Ok(()))
    }

    /// Sets a znode's data, if it has this version; [`Version::ANY`] for any.
    pub fn set(&self, path: &str, data: impl AsRef<[u8]>, version: Version) -> Reply<Stat> {
        let encode =
            |path: &str| SetDataRequest { path: path.into(), data: Some(data.as_ref()), version }.to_vec();
        self.ask(OpCode::SetData, path, encode, |answer, _| decode_stat(answer))
    }

    /// Sets a znode's ACL, if it has this version (`stat.aversion`); [`Version::ANY`] for any.
    pub fn set_acl(&self, path: &str, acl: &[Acl<'_>], version: Version) -> Reply<Stat> {
        if acl.is_empty() {
            let reason = "the ACL is empty, so that nobody could do anything";
            return Reply::known(Err(Error::invalid(OpCode::SetAcl, path, reason)));
        }
        let encode =
            |path: &str| SetAclRequest { path: path.into(), acl: Some(requested(acl)), version }.to_vec();
        self.ask(OpCode::SetAcl, path, encode, |answer, _| decode_stat(answer))
    }

    /// Changes the ensemble's membership. The reply is the new configuration.
    pub fn reconfig(&self, change: Reconfig) -> Reply<Node> {
        let request = ReconfigRequest {
            joining: change.joining.map(Into::into),
            leaving: change.leaving.map(Into::into),
            new_members: change.new_members.map(Into::into),
            current_config: change.from_version.unwrap_or(-1),
        };
        let outcome = self.commands.submit(OpCode::Reconfig, request.to_vec(), None);
        Reply::awaited(outcome, |outcome| finish(OpCode::Reconfig, path::CONFIG, outcome, node))
    }

    /// Watches a znode and its children, whether it exists or not, until the [`Watch`] is dropped.
    pub fn watch(&self, path: &str) -> Reply<Watch> {
        self.add_watch(path, WatchingOp::AddPersistent, 0)
    }

    /// Watches a znode and everything below it, whether it exists or not, until the [`Watch`] is dropped. It
    /// tells of creations, deletions and data by the path that changed, and not of parents whose children change.
    pub fn watch_recursive(&self, path: &str) -> Reply<Watch> {
        self.add_watch(path, WatchingOp::AddRecursive, 1)
    }

    fn add_watch(&self, path: &str, by: WatchingOp, mode: i32) -> Reply<Watch> {
        let op = OpCode::AddWatch;
        if !path::is_valid(path) {
            return Reply::known(Err(Error::invalid(op, path, "the path is not valid")));
        }
        let absolute = self.absolute(path);
        let body = AddWatch { path: absolute.as_str().into(), mode }.to_vec();
        let (watch, sink, watcher) = watch::stream(&self.commands.handle());
        let outcome = self.commands.submit(op, body, Some((by, absolute, watcher, sink)));
        let path = path.to_owned();
        Reply::awaited(outcome, move |outcome| finish(op, &path, outcome, |_| Ok(watch)))
    }

    /// Takes back all watches of a kind that this session has on a znode: their futures and streams end. Those
    /// for data and for existence are one kind. If the server knows of none, that is
    /// [`zoorum_proto::ErrorCode::NoWatcher`].
    pub fn remove_watches(&self, path: &str, kind: WatchKind) -> Reply<()> {
        let op = OpCode::RemoveWatches;
        if !path::is_valid(path) {
            return Reply::known(Err(Error::invalid(op, path, "the path is not valid")));
        }
        let outcome = self.commands.remove_watches(kind, self.absolute(path));
        let path = path.to_owned();
        Reply::awaited(outcome, move |outcome| finish(op, &path, outcome, |_| Ok(())))
    }
}
