//! The records of a snapshot between header and seals, as they arrive: in pieces of any length.

use zoorum_proto::snapshot::{SnapshotAcl, SnapshotNode, SnapshotSession};
use zoorum_proto::{Decode, DecodeError, Reader};

use super::TERMINATOR;

/// A record.
pub(super) enum Record<'a> {
    Session(SnapshotSession),
    Acl(SnapshotAcl<'a>),
    Node(SnapshotNode<'a>),
}

/// Why bytes are no records.
pub(super) enum Bad<E> {
    /// They cannot be decoded.
    Undecodable(DecodeError),
    /// A record is longer than it may be.
    TooLong,
    /// Whoever took the record refused it.
    Refused(E),
}

/// Splits a stream into records. Memory is taken for one record at most, as far as it has really arrived.
pub(super) struct Records {
    state: State,
    /// The front of a record that goes on in the next piece.
    partial: Vec<u8>,
    /// So long must it become before looking at it again makes sense.
    wanted: usize,
    /// No record may be longer.
    limit: usize,
    /// Position of the next record in the stream.
    position: u64,
}

#[derive(Clone, Copy)]
enum State {
    SessionCount,
    Sessions(i32),
    AclCount,
    Acls(i32),
    Nodes,
    Ended,
}

impl Records {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: State::SessionCount, partial: Vec::new(), wanted: 0, limit, position: 0 }
    }

    /// Whether the end of the nodes has come.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Where in the stream the record stands that is being looked at.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next bytes and hands on each record that is whole. Says how many bytes were taken: all of
    /// them, unless the records end among them.
    pub(super) fn feed<E>(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<usize, Bad<E>> {
        let mut taken = 0;
        while !self.has_ended() && taken < bytes.len() {
            if self.partial.is_empty() {
                taken += self.look(&bytes[taken..], take)?;
                if self.wanted > 0 {
                    self.partial.extend_from_slice(&bytes[taken..]);
                    taken = bytes.len();
                }
                continue;
            }
            // Only as much as the record needs, so that the rest is looked at where it lies. But a list says no more
            // than what its next entry needs, and is looked at from its front: twice as much as there was, so that
            // this is not done for each of its entries.
            let ahead = match self.state {
                State::Acls(_) => self.wanted.max(2 * self.partial.len()),
                _ => self.wanted,
            };
            let missing = (ahead - self.partial.len()).min(bytes.len() - taken);
            self.partial.extend_from_slice(&bytes[taken..taken + missing]);
            taken += missing;
            if self.partial.len() >= self.wanted {
                let mut partial = std::mem::take(&mut self.partial);
                let looked_over = self.look(&partial, take)?;
                partial.drain(..looked_over);
                self.partial = partial;
            }
            if self.has_ended() {
                // What lies behind the end came with these bytes.
                taken -= self.partial.len();
                self.partial.clear();
            }
        }
        Ok(taken)
    }

    /// Hands on the records at the front of `bytes`; says how many bytes they have. Afterwards `wanted` is how
    /// long the rest must become, or 0 if there is none.
    fn look<E>(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<usize, Bad<E>> {
        let mut at = 0;
        self.wanted = 0;
        while !self.has_ended() && at < bytes.len() {
            let mut input = Reader::new(&bytes[at..]);
            match decode(self.state, &mut input) {
                Ok((state, record)) => {
                    record.map_or(Ok(()), &mut *take).map_err(Bad::Refused)?;
                    let length = bytes.len() - at - input.rest().len();
                    self.state = state;
                    self.position += length as u64;
                    at += length;
                }
                Err(DecodeError::UnexpectedEnd { needed, left }) => {
                    let there = bytes.len() - at;
                    self.wanted = there.saturating_add(needed.saturating_sub(left).max(1));
                    if self.wanted > self.limit {
                        return Err(Bad::TooLong);
                    }
                    break;
                }
                Err(error) => return Err(Bad::Undecodable(error)),
            }
        }
        Ok(at)
    }
}

/// What stands at the front of `input`, and what comes after it.
fn decode<'a>(state: State, input: &mut Reader<'a>) -> Result<(State, Option<Record<'a>>), DecodeError> {
    Ok(match state {
        State::SessionCount => (State::sessions(count(input)?), None),
        State::Sessions(left) => {
            (State::sessions(left - 1), Some(Record::Session(SnapshotSession::decode(input)?)))
        }
        State::AclCount => (State::acls(count(input)?), None),
        State::Acls(left) => (State::acls(left - 1), Some(Record::Acl(SnapshotAcl::decode(input)?))),
        State::Nodes if input.rest().starts_with(&TERMINATOR) => {
            input.take(TERMINATOR.len())?;
            (State::Ended, None)
        }
        State::Nodes => (State::Nodes, Some(Record::Node(SnapshotNode::decode(input)?))),
        State::Ended => (State::Ended, None),
    })
}

fn count(input: &mut Reader<'_>) -> Result<i32, DecodeError> {
    let count = i32::decode(input)?;
    if count < 0 { Err(DecodeError::NegativeLength(count)) } else { Ok(count) }
}

impl State {
    fn sessions(left: i32) -> Self {
        if left == 0 { Self::AclCount } else { Self::Sessions(left) }
    }

    fn acls(left: i32) -> Self {
        if left == 0 { Self::Nodes } else { Self::Acls(left) }
    }
}
