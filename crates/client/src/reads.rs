//! What a client reads: from the server it is connected to, in the order of its own requests.

use std::sync::Arc;

use bytes::Bytes;
use zoorum_proto::op::{PathAndWatch, PathRequest};
use zoorum_proto::reply::{
    GetAclResponse, GetAllChildrenNumberResponse, GetChildren2Response, GetDataResponse,
    GetEphemeralsResponse, StatResponse, SyncResponse, WhoAmIResponse,
};
use zoorum_proto::{Acl, Decode, DecodeError, Encode, ErrorCode, OpCode, Stat, path};

use crate::chroot::Chroot;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::reply::{Outcome, Reply};
use crate::session::{Answer, Cause, Failure, WatchedEvent, WatcherId, WatchingOp};
use crate::watch::{self, OneWatch, Sink};

/// A znode's data and Stat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The data; empty if it is null.
    pub data: Bytes,
    /// Whether the data is null, which is not the same as empty; `stat.data_length` is 0 for both.
    pub is_null: bool,
    /// The rest.
    pub stat: Stat,
}

/// A znode's children and Stat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children {
    /// Their names, in no order.
    pub names: Vec<String>,
    /// The parent's Stat.
    pub stat: Stat,
}

/// One identity of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// How it was proved.
    pub scheme: String,
    /// Who.
    pub user: String,
}

impl Client {
    /// A znode's data and Stat.
    pub fn get(&self, path: &str) -> Reply<Node> {
        self.read(OpCode::GetData, path, unwatched, decode_node)
    }

    /// The same, and a watch that fires when the data is set or the znode deleted.
    pub fn get_and_watch(&self, path: &str) -> Reply<(Node, OneWatch)> {
        self.read_and_watch(OpCode::GetData, WatchingOp::GetData, path, decode_node)
    }

    /// A znode's Stat, if it exists.
    pub fn exists(&self, path: &str) -> Reply<Option<Stat>> {
        self.read(OpCode::Exists, path, unwatched, |answer| answer.map(decode_stat).transpose())
    }

    /// The same, and a watch that fires when the znode is created, its data set, or it is deleted.
    pub fn exists_and_watch(&self, path: &str) -> Reply<(Option<Stat>, OneWatch)> {
        self.read_and_watch(OpCode::Exists, WatchingOp::Exists, path, |answer| {
            answer.map(decode_stat).transpose()
        })
    }

    /// A znode's children and Stat.
    pub fn children(&self, path: &str) -> Reply<Children> {
        self.read(OpCode::GetChildren2, path, unwatched, decode_children)
    }

    /// The same, and a watch that fires when a child is created or deleted, or the znode itself is deleted.
    pub fn children_and_watch(&self, path: &str) -> Reply<(Children, OneWatch)> {
        self.read_and_watch(OpCode::GetChildren2, WatchingOp::GetChildren, path, decode_children)
    }

    /// A znode's ACL and Stat. Without the permission to administer, the digests are hidden.
    pub fn get_acl(&self, path: &str) -> Reply<(Vec<Acl<'static>>, Stat)> {
        self.ask(
            OpCode::GetAcl,
            path,
            |path| PathRequest { path: path.into() }.to_vec(),
            |answer, _| {
                let response = GetAclResponse::from_bytes(&answer.body)?;
                Ok((response.acl.into_iter().map(Acl::into_owned).collect(), response.stat))
            },
        )
    }

    /// How many znodes there are below one, at all depths.
    pub fn all_children_number(&self, path: &str) -> Reply<u64> {
        let encode = |path: &str| PathRequest { path: path.into() }.to_vec();
        self.ask(OpCode::GetAllChildrenNumber, path, encode, |answer, _| {
            let total = GetAllChildrenNumberResponse::from_bytes(&answer.body)?.total;
            Ok(u64::try_from(total).unwrap_or(0))
        })
    }

    /// This session's ephemeral znodes whose paths begin with a path; `/` for all of them.
    pub fn ephemerals(&self, prefix: &str) -> Reply<Vec<String>> {
        let encode = |path: &str| PathRequest { path: path.into() }.to_vec();
        self.ask(OpCode::GetEphemerals, prefix, encode, |answer, chroot| {
            let paths = GetEphemeralsResponse::from_bytes(&answer.body)?.paths;
            let inside = paths.iter().filter(|path| !chroot.is_outside(path));
            Ok(inside.map(|path| chroot.relative(path).to_owned()).collect())
        })
    }

    /// Waits until the server has seen every change that was acknowledged to anybody before. Reads behind it
    /// show them: `client.sync(path)` and `client.get(path)`, one after the other.
    pub fn sync(&self, path: &str) -> Reply<()> {
        self.ask(
            OpCode::Sync,
            path,
            |path| PathRequest { path: path.into() }.to_vec(),
            |answer, _| SyncResponse::from_bytes(&answer.body).map(drop),
        )
    }

    /// Who the connection is, by each of its credentials.
    pub fn who_am_i(&self) -> Reply<Vec<Identity>> {
        let outcome = self.commands.submit(OpCode::WhoAmI, Vec::new(), None);
        Reply::awaited(outcome, |outcome| {
            finish(OpCode::WhoAmI, "", outcome, |answer| {
                let response = WhoAmIResponse::from_bytes(&answer.body)?;
                let identity = |info: zoorum_proto::reply::ClientInfo<'_>| Identity {
                    scheme: info.auth_scheme.into_owned(),
                    user: info.user.into_owned(),
                };
                Ok(response.client_info.into_iter().map(identity).collect())
            })
        })
    }

    /// The ensemble's membership, in the form of a dynamic configuration file.
    pub fn config(&self) -> Reply<Node> {
        self.without_chroot().get(path::CONFIG)
    }

    /// The same, and a watch that fires when it changes.
    pub fn config_and_watch(&self) -> Reply<(Node, OneWatch)> {
        self.without_chroot().get_and_watch(path::CONFIG)
    }

    /// The server's name of a path.
    pub(crate) fn absolute(&self, path: &str) -> String {
        self.commands.chroot.absolute(path)
    }

    /// Asks about one path.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        op: OpCode,
        path: &str,
        encode: impl FnOnce(&str) -> Vec<u8>,
        decode: impl FnOnce(&Answer, &Chroot) -> std::result::Result<T, DecodeError> + Send + 'static,
    ) -> Reply<T> {
        if !path::is_valid(path) {
            return Reply::known(Err(Error::invalid(op, path, "the path is not valid")));
        }
        let outcome = self.commands.submit(op, encode(&self.absolute(path)), None);
        let (path, chroot) = (path.to_owned(), Arc::clone(&self.commands.chroot));
        Reply::awaited(outcome, move |outcome| finish(op, &path, outcome, |answer| decode(answer, &chroot)))
    }

    fn read_and_watch<T: Send + 'static>(
        &self,
        op: OpCode,
        by: WatchingOp,
        path: &str,
        decode: fn(Option<&Answer>) -> std::result::Result<T, DecodeError>,
    ) -> Reply<(T, OneWatch)> {
        let (watch, sink, watcher) = watch::once(&self.commands.handle());
        let watched = move |path: &str| Some((by, path.to_owned(), watcher, sink));
        let read = self.read(op, path, watched, decode);
        read.map(|value| (value, watch))
    }

    fn read<T: Send + 'static>(
        &self,
        op: OpCode,
        path: &str,
        watched: impl FnOnce(&str) -> Option<(WatchingOp, String, WatcherId, Sink)>,
        decode: fn(Option<&Answer>) -> std::result::Result<T, DecodeError>,
    ) -> Reply<T> {
        if !path::is_valid(path) {
            return Reply::known(Err(Error::invalid(op, path, "the path is not valid")));
        }
        let absolute = self.absolute(path);
        let watch = watched(&absolute);
        let body = PathAndWatch { path: absolute.into(), watch: watch.is_some() }.to_vec();
        let outcome = self.commands.submit(op, body, watch);
        let path = path.to_owned();
        Reply::awaited(outcome, move |outcome| match (op, outcome) {
            // That it does not exist is an answer to whether it does.
            (OpCode::Exists, Err(Failure::Refused(code))) if code == ErrorCode::NoNode.number() => {
                decode(None).map_err(|_| nonsense(op, &path))
            }
            (_, outcome) => finish(op, &path, outcome, |answer| decode(Some(answer))),
        })
    }
}

fn unwatched(_: &str) -> Option<(WatchingOp, String, WatcherId, Sink)> {
    None
}

/// What the caller makes of an outcome.
pub(crate) fn finish<T>(
    op: OpCode,
    path: &str,
    outcome: Outcome,
    decode: impl FnOnce(&Answer) -> std::result::Result<T, DecodeError>,
) -> Result<T> {
    let answer = outcome.map_err(|failure| Error::of(op, path, failure))?;
    decode(&answer).map_err(|_| nonsense(op, path))
}

/// The server has answered, but what?
pub(crate) fn nonsense(op: OpCode, path: &str) -> Error {
    Error::new(op, path, ErrorKind::Unknown(Cause::Nonsense))
}

fn some(answer: Option<&Answer>) -> std::result::Result<&Answer, DecodeError> {
    answer.ok_or(DecodeError::Null)
}

pub(crate) fn decode_stat(answer: &Answer) -> std::result::Result<Stat, DecodeError> {
    StatResponse::from_bytes(&answer.body).map(|response| response.stat)
}

fn decode_node(answer: Option<&Answer>) -> std::result::Result<Node, DecodeError> {
    node(some(answer)?)
}

/// The data shares the reply's memory.
pub(crate) fn node(answer: &Answer) -> std::result::Result<Node, DecodeError> {
    let response = GetDataResponse::from_bytes(&answer.body)?;
    let is_null = response.data.is_none();
    let data = response.data.map_or_else(Bytes::new, |data| answer.body.slice_ref(data));
    Ok(Node { data, is_null, stat: response.stat })
}

fn decode_children(answer: Option<&Answer>) -> std::result::Result<Children, DecodeError> {
    let response = GetChildren2Response::from_bytes(&some(answer)?.body)?;
    let names = response.children.into_iter().map(|name| name.into_owned()).collect();
    Ok(Children { names, stat: response.stat })
}

impl WatchedEvent {
    /// The last component of the path.
    pub fn name(&self) -> &str {
        path::split(&self.path).map_or("", |(_, name)| name)
    }
}
