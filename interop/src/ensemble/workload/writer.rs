//! A client that writes, one request at a time, and knows every node of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::control::{Control, Rest, Turn};
use super::ledger::{Change, Known, Ledger, Numbers};
use super::session::{Lost, Reconnected, Session};
use super::{FENCE, SEQUENCE, SESSION, writer_root};
use crate::wire::client::{create_record, path_int, path_watch, set_data_record};
use crate::wire::records::{decode_multi, encode_multi};
use crate::wire::{Acl, Reply, Stat, SubOp, SubResult, Writer as Record, code, flag, op, perm};

/// Time between two requests.
const PACE: Duration = Duration::from_millis(30);
/// Requests after which a writer goes home to the member that it prefers.
const HOME_AFTER: u64 = 150;
/// Nodes of each sort that a writer keeps.
const KEPT: usize = 4;

/// A writer.
#[derive(Debug)]
pub struct Writer {
    index: usize,
    root: String,
    session: Session,
    ledger: Arc<Mutex<Ledger>>,
    numbers: Arc<Mutex<Numbers>>,
    /// Counts the requests, and so names their nodes.
    turn: u64,
}

/// Changes requested together, of which it may not be known whether they happened.
#[derive(Debug)]
struct Request {
    changes: Vec<Change>,
    /// The session that asked.
    session: i64,
    /// The highest number of a sequential node when it was asked for.
    before: Option<u64>,
}

impl Writer {
    /// A writer that prefers the first of `members`.
    pub(super) fn new(
        index: usize,
        members: &[SocketAddr],
        ledger: &Arc<Mutex<Ledger>>,
        numbers: &Arc<Mutex<Numbers>>,
    ) -> Writer {
        let session = Session::new(members, SESSION);
        let (ledger, numbers) = (Arc::clone(ledger), Arc::clone(numbers));
        // The root was made before the writers begin.
        let root = Known { data: Vec::new(), version: 0, aversion: 0, owner: 0 };
        ledger.lock().expect("no writer failed").nodes.insert(writer_root(index), root);
        Writer { index, root: writer_root(index), session, ledger, numbers, turn: 0 }
    }

    /// Writes until told to end; then closes the session, and its ephemeral nodes go.
    pub(super) fn run(mut self, control: &Control) {
        let mut rest = Rest::default();
        let mut pending: Option<Request> = None;
        loop {
            if !self.session.is_connected() && !self.reconnect(control, &mut pending) {
                continue;
            }
            match control.pace(PACE) {
                Turn::Act => {
                    let request = self.request();
                    match self.carry_out(&request) {
                        Ok(()) => control.acknowledge(),
                        Err(Lost) => pending = Some(request),
                    }
                    if self.turn.is_multiple_of(HOME_AFTER) {
                        self.session.go_home();
                    }
                }
                Turn::Rest => {
                    control.rests(&mut rest);
                    // A connection that is lost is noticed by the next turn.
                    self.session.keep_alive().unwrap_or_default();
                }
                Turn::End => {
                    let id = self.session.id();
                    if self.session.close().is_ok() {
                        self.ledger().forget_session(id);
                        return;
                    }
                }
                Turn::Abandon => return,
            }
        }
    }

    /// Connects, and finds out what became of a request that was lost with the connection. `false` when this
    /// has to be tried again, or nobody cares any more.
    fn reconnect(&mut self, control: &Control, pending: &mut Option<Request>) -> bool {
        let before = self.session.id();
        match self.session.connect(control) {
            Reconnected::Resumed => {}
            Reconnected::Abandoned => return true,
            Reconnected::Anew => self.begin_anew(before, pending),
        }
        if let Some(request) = pending {
            if self.fence().and_then(|()| self.settle(request)).is_err() {
                return false;
            }
            *pending = None;
        }
        true
    }

    /// The session is over, and its ephemeral nodes are gone; no lost request needs to have deleted them.
    fn begin_anew(&self, before: i64, pending: &mut Option<Request>) {
        let mut ledger = self.ledger();
        ledger.forget_session(before);
        let open = |change: &Change| match change {
            Change::Delete { path } => ledger.nodes.contains_key(path),
            _ => true,
        };
        if let Some(request) = pending {
            request.changes.retain(open);
        }
        pending.take_if(|request| request.changes.is_empty());
    }

    /// Gets a write acknowledged, behind which everything asked for earlier is decided.
    fn fence(&mut self) -> Result<(), Lost> {
        let reply = self.session.call(op::SET_DATA, &set_data_record(FENCE, b"", -1))?;
        assert_eq!(reply.err, 0, "set {FENCE}");
        Ok(())
    }

    /// The next request: the sorts take turns.
    fn request(&mut self) -> Request {
        let turn = self.turn;
        self.turn += 1;
        let data = format!("{}:{turn}", self.index).into_bytes();
        let node = |name: &str| format!("{}/{name}{turn}", self.root);
        let create = |path: String, flags| Change::Create { path, data: data.clone(), flags };
        let set_root = Change::Set { path: self.root.clone(), data: data.clone() };
        let changes = match turn % 8 {
            0 => vec![create(node("plain"), flag::PERSISTENT)],
            1 | 5 => vec![set_root],
            2 => vec![create(node("ephemeral"), flag::EPHEMERAL)],
            3 => vec![create(node("multi"), flag::PERSISTENT), set_root],
            4 => vec![create(self.sequential(turn), flag::SEQUENTIAL)],
            6 => vec![Change::SetAcl { path: self.root.clone() }],
            _ => self.surplus(),
        };
        let before = self.numbers.lock().expect("no writer failed").highest();
        Request { changes, session: self.session.id(), before }
    }

    /// Deletes of the oldest nodes of each sort, all together.
    fn surplus(&self) -> Vec<Change> {
        let ledger = self.ledger();
        let sorts = ["plain", "ephemeral", "multi"].map(|name| format!("{}/{name}", self.root));
        let sequential = format!("{SEQUENCE}/{}-", self.index);
        let mut deletes = Vec::new();
        for prefix in sorts.iter().chain([&sequential]) {
            let mut paths: Vec<&String> =
                ledger.nodes.keys().filter(|path| path.starts_with(prefix)).collect();
            paths.sort_by_key(|path| (path.len(), *path));
            let surplus = paths.len().saturating_sub(KEPT);
            deletes.extend(paths[..surplus].iter().map(|path| Change::Delete { path: (*path).clone() }));
        }
        if deletes.is_empty() {
            deletes.push(Change::Set { path: self.root.clone(), data: b"nothing to delete".to_vec() });
        }
        deletes
    }

    /// What comes before the number tells which request a sequential node is of.
    fn sequential(&self, turn: u64) -> String {
        format!("{SEQUENCE}/{}-{turn}-", self.index)
    }

    /// Sends the request, and enters what was acknowledged.
    fn carry_out(&mut self, request: &Request) -> Result<(), Lost> {
        let operations: Vec<SubOp> = request.changes.iter().map(|change| self.operation(change)).collect();
        let results = match &operations[..] {
            [(kind, record)] => {
                let reply = self.session.call(*kind, record)?;
                assert_eq!(reply.err, 0, "{request:?}, which must be possible");
                vec![created_path(*kind, &reply)]
            }
            _ => {
                let reply = self.session.call(op::MULTI, &encode_multi(&operations))?;
                let body = reply.ok().unwrap_or_else(|code| panic!("{request:?}: {code}"));
                decode_multi(body).into_iter().map(|result| multi_path(request, result)).collect()
            }
        };
        for (change, created) in request.changes.iter().zip(&results) {
            self.enter(request, change, created.as_deref().unwrap_or_default());
        }
        Ok(())
    }

    fn operation(&self, change: &Change) -> SubOp {
        let ledger = self.ledger();
        match change {
            Change::Create { path, data, flags } => {
                (op::CREATE, create_record(path, data, &Acl::open(), *flags))
            }
            Change::Set { path, data } => {
                let version = ledger.known(path).version;
                (op::SET_DATA, set_data_record(path, data, version))
            }
            Change::SetAcl { path } => {
                let acl = [Acl::new(perm::ALL, "world", "anyone"), Acl::new(perm::READ, "ip", "127.0.0.1")];
                let version = ledger.known(path).aversion;
                (op::SET_ACL, Record::new().string(path.as_str()).acls(&acl).int(version).done())
            }
            Change::Delete { path } => (op::DELETE, path_int(path, ledger.known(path).version)),
        }
    }

    fn enter(&mut self, request: &Request, change: &Change, created: &str) {
        if let Change::Create { flags: flag::SEQUENTIAL, path, .. } = change {
            let number = created.strip_prefix(path.as_str()).and_then(|number| number.parse().ok());
            let number = number.unwrap_or_else(|| panic!("{created} is no {path} with a number"));
            self.numbers.lock().expect("no writer failed").take(number, request.before);
        }
        self.ledger().enter(change, created, request.session);
    }

    /// Finds out whether a lost request was carried out, wholly or not at all.
    fn settle(&mut self, request: &Request) -> Result<(), Lost> {
        let mut found = Vec::new();
        for change in &request.changes {
            found.push(self.find(request, change)?);
        }
        let happened: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert!(
            happened.iter().all(|one| *one == happened[0]),
            "{request:?} was carried out in part: {happened:?}"
        );
        for (change, created) in request.changes.iter().zip(found.into_iter().flatten()) {
            self.enter(request, change, &created);
        }
        Ok(())
    }

    /// The path of the node if the change happened.
    fn find(&mut self, request: &Request, change: &Change) -> Result<Option<String>, Lost> {
        Ok(match change {
            Change::Create { path, flags, .. } if *flags == flag::SEQUENTIAL => {
                let reply = self.session.call(op::GET_CHILDREN, &path_watch(SEQUENCE, false))?;
                let names = reply.ok().expect("the parent is there").names();
                let mut paths = names.iter().map(|name| format!("{SEQUENCE}/{name}"));
                paths.find(|there| there.starts_with(path.as_str()))
            }
            Change::Create { path, flags, .. } => {
                // An ephemeral node of a session that is over has gone with it, and counts as never created.
                let gone = flags & flag::EPHEMERAL != 0 && request.session != self.session.id();
                let there = self.stat(path)?;
                assert!(!gone || there.is_none(), "{path} outlived its session");
                there.map(|_| path.clone())
            }
            Change::Set { path, .. } => {
                let version = self.ledger().known(path).version;
                let stat = self.stat(path)?.unwrap_or_else(|| panic!("{path} is gone"));
                assert!((version..=version + 1).contains(&stat.version), "{path} {version}: {stat:?}");
                (stat.version > version).then(|| path.clone())
            }
            Change::SetAcl { path } => {
                let aversion = self.ledger().known(path).aversion;
                let stat = self.stat(path)?.unwrap_or_else(|| panic!("{path} is gone"));
                assert!((aversion..=aversion + 1).contains(&stat.aversion), "{path} {aversion}: {stat:?}");
                (stat.aversion > aversion).then(|| path.clone())
            }
            Change::Delete { path } => {
                let gone = self.stat(path)?.is_none();
                gone.then(|| path.clone())
            }
        })
    }

    fn stat(&mut self, path: &str) -> Result<Option<Stat>, Lost> {
        let reply = self.session.call(op::EXISTS, &path_watch(path, false))?;
        match reply.ok() {
            Ok(mut body) => Ok(Some(body.stat())),
            Err(code::NO_NODE) => Ok(None),
            Err(other) => panic!("exists {path}: {other}"),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no writer failed")
    }
}

/// The path that a create made.
fn created_path(kind: i32, reply: &Reply) -> Option<String> {
    (kind == op::CREATE).then(|| reply.ok().expect("there was no error").text())
}

fn multi_path(request: &Request, result: SubResult) -> Option<String> {
    match result {
        SubResult::Created(path) => Some(path),
        SubResult::Error(code) => panic!("{request:?} failed with {code}"),
        _ => None,
    }
}
