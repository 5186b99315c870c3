//! Reads that stand between two writes of the same connection.
//!
//! A read waits for the writes before it, and must not see those behind it. Its worker answers it, unless another
//! write has followed meanwhile: then only the replica knows when that is applied. So such a read comes along with
//! the write behind it, and is answered here, as soon as the write before it is: nothing else is applied before.

use std::collections::{BTreeMap, VecDeque};

use zoorum_proto::{OpCode, Xid};

use crate::message::{Address, Identity};

/// A read that the replica has.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) xid: Xid,
    pub(super) op: OpCode,
    pub(super) body: Box<[u8]>,
    pub(super) identity: Identity,
}

/// The reads of all connections, and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Reads {
    lines: BTreeMap<Address, Line>,
    /// Connections whose first read waits for nothing any more.
    due: VecDeque<Address>,
}

/// A connection some of whose requests are unanswered.
#[derive(Debug, Default)]
struct Line {
    /// How many writes came.
    writes: u64,
    /// How many of them are answered.
    answered: u64,
    /// Each with the number of writes that came before it.
    reads: VecDeque<(u64, Read)>,
    /// The connection is closed: what its reads would say is of no interest.
    gone: bool,
}

impl Line {
    fn has_due(&self) -> bool {
        self.reads.front().is_some_and(|(behind, _)| *behind == self.answered)
    }

    fn is_done(&self) -> bool {
        self.reads.is_empty() && self.answered == self.writes
    }
}

impl Reads {
    /// A write has come.
    pub(super) fn on_write(&mut self, address: Address) {
        self.lines.entry(address).or_default().writes += 1;
    }

    /// A read has come.
    pub(super) fn on_read(&mut self, address: Address, read: Read) {
        let line = self.lines.entry(address).or_default();
        let was_due = line.has_due();
        line.reads.push_back((line.writes, read));
        if !was_due && line.has_due() {
            self.due.push_back(address);
        }
    }

    /// The oldest unanswered write of the connection is answered.
    pub(super) fn on_answered(&mut self, address: Address) {
        let Some(line) = self.lines.get_mut(&address) else { unreachable!("what is answered was asked") };
        line.answered += 1;
        if line.has_due() {
            self.due.push_back(address);
        } else if line.is_done() {
            self.lines.remove(&address);
        }
    }

    /// The connection is closed. Its requests are still to be answered, each once.
    pub(super) fn on_gone(&mut self, address: Address) {
        if let Some(line) = self.lines.get_mut(&address) {
            line.gone = true;
        }
    }

    /// Whether any read is to be answered before anything else is applied.
    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The next read to be answered; `None` instead of one of a connection that is gone.
    pub(super) fn take_due(&mut self) -> Option<(Address, Option<Read>)> {
        let address = *self.due.front()?;
        let Some(line) = self.lines.get_mut(&address) else { unreachable!("it has a read") };
        let (_, read) = line.reads.pop_front().expect("a line that is due has a read");
        let read = Some(read).filter(|_| !line.gone);
        if !line.has_due() {
            self.due.pop_front();
            if line.is_done() {
                self.lines.remove(&address);
            }
        }
        Some((address, read))
    }
}
