//! A client that reads a node only when it is told that the node changed.
//!
//! So if a notification is lost, it is left with an old version, and that is found when the writers
//! rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::SESSION;
use super::control::{Control, Rest, Turn};
use super::session::{Lost, Reconnected, Session};
use crate::ensemble::PATIENCE;
use crate::wire::client::path_watch;
use crate::wire::{Writer as Record, op};

/// How long it listens before it asks what to do.
const LISTEN: Duration = Duration::from_millis(50);

/// A watcher.
#[derive(Debug)]
pub struct Watcher {
    session: Session,
    /// The version last read of each node.
    seen: BTreeMap<String, i32>,
    /// Nodes to be read: their watch has fired, or never was set.
    stale: BTreeSet<String>,
}

impl Watcher {
    /// Watches the data of `paths`, and prefers the first of `members`.
    pub(super) fn new(members: &[SocketAddr], paths: impl Iterator<Item = String>) -> Watcher {
        let stale: BTreeSet<String> = paths.collect();
        let seen = stale.iter().map(|path| (path.clone(), 0)).collect();
        Watcher { session: Session::new(members, SESSION), seen, stale }
    }

    /// Watches until told to end.
    pub(super) fn run(mut self, control: &Control) {
        let mut rest = Rest::default();
        let mut checked: Option<Instant> = None;
        loop {
            let turn = control.turn();
            if turn == Turn::Abandon || (turn == Turn::End && self.session.close().is_ok()) {
                return;
            }
            let followed = self.follow(control);
            match (turn, followed) {
                (Turn::Rest, Ok(())) => {
                    let since = *checked.get_or_insert_with(Instant::now);
                    match self.is_current() {
                        Ok(true) => control.rests(&mut rest),
                        Ok(false) => assert!(
                            since.elapsed() < PATIENCE,
                            "session {:#x} was not told of a last change: it has seen {:?}",
                            self.session.id(),
                            self.seen
                        ),
                        Err(Lost) => {}
                    }
                }
                (Turn::Rest, Err(Lost)) => {}
                _ => checked = None,
            }
        }
    }

    /// Reads what is stale, and listens for a moment.
    fn follow(&mut self, control: &Control) -> Result<(), Lost> {
        if !self.session.is_connected() {
            self.reconnect(control)?;
        }
        while let Some(path) = self.stale.first().cloned() {
            let version = self.read(&path, true)?;
            let seen = self.seen.insert(path.clone(), version).expect("every node is in the table");
            assert!(version >= seen, "{path} went back from version {seen} to {version}");
            self.stale.remove(&path);
        }
        if let Some(event) = self.session.event(LISTEN)? {
            self.stale.insert(event.path);
        }
        self.session.keep_alive()
    }

    fn reconnect(&mut self, control: &Control) -> Result<(), Lost> {
        let zxid = self.session.zxid();
        match self.session.connect(control) {
            Reconnected::Abandoned => Err(Lost),
            Reconnected::Anew => {
                self.stale.extend(self.seen.keys().cloned());
                Ok(())
            }
            Reconnected::Resumed => {
                // What was notified of before, and is not yet taken note of, is notified of still.
                let armed: Vec<&str> =
                    self.seen.keys().map(String::as_str).filter(|path| !self.stale.contains(*path)).collect();
                let record = Record::new().long(zxid).strings(&armed).strings(&[]).strings(&[]).done();
                let reply = self.session.call_numbered(SET_WATCHES_XID, op::SET_WATCHES, &record)?;
                assert_eq!(reply.err, 0, "setWatches");
                Ok(())
            }
        }
    }

    /// Whether it knows the last version of every node. This looks, but does not learn.
    fn is_current(&mut self) -> Result<bool, Lost> {
        let reply = self.session.call(op::SYNC, &Record::new().string("/").done())?;
        assert_eq!(reply.err, 0, "sync");
        for (path, seen) in self.seen.clone() {
            if self.read(&path, false)? != seen {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read(&mut self, path: &str, watch: bool) -> Result<i32, Lost> {
        let reply = self.session.call(op::GET_DATA, &path_watch(path, watch))?;
        let mut body = reply.ok().unwrap_or_else(|code| panic!("getData {path}: {code}"));
        body.buffer();
        Ok(body.stat().version)
    }
}

/// The number under which clients customarily send setWatches.
const SET_WATCHES_XID: i32 = -8;
