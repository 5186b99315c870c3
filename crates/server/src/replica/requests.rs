//! What workers ask, each thing handed to whoever deals with it: this server alone, or with its leader.

use std::sync::Arc;

use zoorum_tree::Tree;

use super::{Asker, Now, Read, Replica};
use crate::message::{Address, Request, Requests, WorkerId};

impl Replica {
    /// A worker asks.
    pub fn on_requests(&mut self, tree: &Tree, now: Now, worker: WorkerId, requests: &Requests) {
        if self.service().is_none_or(|service| service.era != requests.era) {
            return; // asked in a time of service that is over: the connections are closed
        }
        self.counters.letter_sizes.observe(requests.items.len() as u64);
        for request in &requests.items {
            match request {
                Request::Write { connection, session, xid, op, body, identity } => {
                    let address = Address { worker, connection: *connection };
                    let body = &requests.bytes[body.clone()];
                    let (session, op, xid) = (*session, *op, *xid);
                    let asker = Asker::Client { address, session, op, xid, is_denied: false };
                    self.reads.on_write(address);
                    if let Some(answer) = self.settle_locally(session, op) {
                        self.answer(address, xid, answer);
                    } else if self.passes_on() {
                        self.pass_on(now, asker, body, identity);
                    } else {
                        self.on_write(tree, now, asker, body, identity);
                    }
                }
                Request::Read { connection, xid, op, body, identity } => {
                    let address = Address { worker, connection: *connection };
                    let body = requests.bytes[body.clone()].into();
                    let identity = Arc::clone(identity);
                    self.reads.on_read(address, Read { xid: *xid, op: *op, body, identity });
                }
                Request::Connect { connection, session, timeout_ms, read_only } => {
                    let address = Address { worker, connection: *connection };
                    let (timeout_ms, read_only) = (*timeout_ms, *read_only);
                    match *session {
                        None if self.opens_locally() => {
                            self.open_locally(now, address, timeout_ms, read_only);
                        }
                        None if self.passes_on() => self.pass_on_open(now, address, timeout_ms, read_only),
                        None => self.open_session(tree, now, address, timeout_ms, read_only),
                        Some(session) if self.is_read_only() || self.sessions.is_local(session) => {
                            self.take_up_locally(now, address, session, timeout_ms, read_only);
                        }
                        Some(session) if self.passes_on() => {
                            self.ask_leader(now, address, session, timeout_ms, read_only);
                        }
                        Some(session) => self.take_up_session(now, address, session, timeout_ms, read_only),
                    }
                }
                Request::Heard(heard) => {
                    heard.iter().for_each(|(session, at)| self.heard(*session, *at));
                }
                Request::Gone { connection, session } => {
                    let address = Address { worker, connection: *connection };
                    self.sessions.leave(*session, address);
                    self.reads.on_gone(address);
                }
            }
        }
        self.act(tree, now);
    }
}
