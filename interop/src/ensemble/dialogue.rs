//! What members say to each other, cut into messages: the election port's hello and notifications, the quorum
//! port's packets and the stream of a snapshot.
//!
//! ```text
//! hello         long −65536 (or −65535) · long id · int length · addresses   or, before 3.5, long id
//! notification  int length · message
//! packet        int type · long zxid · buffer data · vector of (ustring scheme, ustring id)
//! stream        what follows a SNAP packet, up to and with the string "BenWasHere"
//! ```

use std::fmt;

/// Which of a member's two ports for other members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// Where a leader awaits its learners.
    Quorum,
    /// Where votes arrive.
    Election,
}

/// Which end of a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// Who opened the connection; on a quorum port, the learner.
    Dialer,
    /// Who accepted it; on a quorum port, the leader.
    Target,
}

/// Types of packets on the quorum port.
pub mod packet {
    /// A learner passes on what a client asks for.
    pub const REQUEST: i32 = 1;
    /// A transaction proposed.
    pub const PROPOSAL: i32 = 2;
    /// A learner has it.
    pub const ACK: i32 = 3;
    /// A transaction is decided.
    pub const COMMIT: i32 = 4;
    /// Either end is there.
    pub const PING: i32 = 5;
    /// Whether a session is still alive.
    pub const REVALIDATE: i32 = 6;
    /// What was asked for before is decided.
    pub const SYNC: i32 = 7;
    /// A transaction decided, for observers.
    pub const INFORM: i32 = 8;
    /// The same as COMMIT, of a configuration.
    pub const COMMITANDACTIVATE: i32 = 9;
    /// The epoch begins here.
    pub const NEWLEADER: i32 = 10;
    /// A learner wants to follow.
    pub const FOLLOWERINFO: i32 = 11;
    /// The learner may serve.
    pub const UPTODATE: i32 = 12;
    /// Transactions follow that the learner lacks.
    pub const DIFF: i32 = 13;
    /// The learner has transactions to forget.
    pub const TRUNC: i32 = 14;
    /// A snapshot follows.
    pub const SNAP: i32 = 15;
    /// A learner wants to observe.
    pub const OBSERVERINFO: i32 = 16;
    /// The leader's epoch.
    pub const LEADERINFO: i32 = 17;
    /// The learner promises to follow no older one.
    pub const ACKEPOCH: i32 = 18;
    /// The same as INFORM, of a configuration.
    pub const INFORMANDACTIVATE: i32 = 19;

    /// Its name, unless there is no such type.
    pub fn name(kind: i32) -> Option<&'static str> {
        Some(match kind {
            REQUEST => "REQUEST",
            PROPOSAL => "PROPOSAL",
            ACK => "ACK",
            COMMIT => "COMMIT",
            PING => "PING",
            REVALIDATE => "REVALIDATE",
            SYNC => "SYNC",
            INFORM => "INFORM",
            COMMITANDACTIVATE => "COMMITANDACTIVATE",
            NEWLEADER => "NEWLEADER",
            FOLLOWERINFO => "FOLLOWERINFO",
            UPTODATE => "UPTODATE",
            DIFF => "DIFF",
            TRUNC => "TRUNC",
            SNAP => "SNAP",
            OBSERVERINFO => "OBSERVERINFO",
            LEADERINFO => "LEADERINFO",
            ACKEPOCH => "ACKEPOCH",
            INFORMANDACTIVATE => "INFORMANDACTIVATE",
            _ => return None,
        })
    }
}

/// One message, as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub content: Content,
    /// Every byte of it, with its length in front where it has one.
    pub bytes: Vec<u8>,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The first message on an election port.
    Hello,
    /// A vote.
    Notification,
    /// A packet on a quorum port.
    Packet {
        /// See [`packet`].
        kind: i32,
        /// Its second field.
        zxid: i64,
    },
    /// The snapshot behind a SNAP.
    Stream,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Hello => f.write_str("hello"),
            Content::Notification => f.write_str("notification"),
            Content::Packet { kind, .. } => f.write_str(packet::name(*kind).unwrap_or("unknown")),
            Content::Stream => f.write_str("stream"),
        }
    }
}

/// Bytes that no member may send, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense(pub String);

/// Cuts what one end of a connection says into messages, however the bytes arrive.
#[derive(Debug)]
pub struct Splitter {
    expected: Expected,
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Hello,
    Notification,
    Packet,
    Stream,
}

/// No message between members is longer, apart from a snapshot.
const LONGEST: i32 = 4 << 20;
/// The end of a snapshot's stream.
const SIGNATURE: &[u8] = b"\0\0\0\nBenWasHere";

impl Splitter {
    /// For what `speaker` says on a connection to `port`.
    pub fn new(port: Port, speaker: Speaker) -> Splitter {
        let expected = match (port, speaker) {
            (Port::Quorum, _) => Expected::Packet,
            (Port::Election, Speaker::Dialer) => Expected::Hello,
            (Port::Election, Speaker::Target) => Expected::Notification,
        };
        Splitter { expected, pending: Vec::new() }
    }

    /// Takes the next bytes, and gives the messages that they complete.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Message>, Nonsense> {
        self.pending.extend(bytes);
        let mut messages = Vec::new();
        while let Some(length) = self.length()? {
            let rest = self.pending.split_off(length);
            let bytes = std::mem::replace(&mut self.pending, rest);
            messages.push(self.message(bytes));
        }
        Ok(messages)
    }

    /// How long the next message is, if all of it is there.
    fn length(&self) -> Result<Option<usize>, Nonsense> {
        let mut cursor = Cursor { bytes: &self.pending, at: 0 };
        let there = match self.expected {
            Expected::Hello => hello(&mut cursor)?,
            Expected::Notification => cursor.int().map(|length| cursor.skip(length)).transpose()?.flatten(),
            Expected::Packet => quorum_packet(&mut cursor)?,
            Expected::Stream => stream(&mut cursor),
        };
        Ok(there.map(|()| cursor.at))
    }

    fn message(&mut self, bytes: Vec<u8>) -> Message {
        let content = match self.expected {
            Expected::Hello => Content::Hello,
            Expected::Notification => Content::Notification,
            Expected::Stream => Content::Stream,
            Expected::Packet => {
                let mut cursor = Cursor { bytes: &bytes, at: 0 };
                let kind = cursor.int().expect("a packet begins with its type");
                Content::Packet { kind, zxid: cursor.long().expect("and its zxid") }
            }
        };
        self.expected = match content {
            Content::Hello | Content::Notification => Expected::Notification,
            Content::Packet { kind: packet::SNAP, .. } => Expected::Stream,
            Content::Packet { .. } | Content::Stream => Expected::Packet,
        };
        Message { content, bytes }
    }
}

fn hello(cursor: &mut Cursor<'_>) -> Result<Option<()>, Nonsense> {
    let Some(version) = cursor.long() else { return Ok(None) };
    if version >= 0 {
        return Ok(Some(()));
    }
    if version != -65536 && version != -65535 {
        return Err(Nonsense(format!("a hello of version {version}")));
    }
    let (Some(_), Some(length)) = (cursor.long(), cursor.int()) else { return Ok(None) };
    cursor.skip(length)
}

fn quorum_packet(cursor: &mut Cursor<'_>) -> Result<Option<()>, Nonsense> {
    let (Some(kind), Some(_), Some(length)) = (cursor.int(), cursor.long(), cursor.int()) else {
        return Ok(None);
    };
    if packet::name(kind).is_none() {
        return Err(Nonsense(format!("a packet of type {kind}")));
    }
    if cursor.skip(length.max(0))?.is_none() {
        return Ok(None);
    }
    let Some(ids) = cursor.int() else { return Ok(None) };
    for _ in 0..ids.saturating_mul(2) {
        let Some(length) = cursor.int() else { return Ok(None) };
        if cursor.skip(length.max(0))?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

fn stream(cursor: &mut Cursor<'_>) -> Option<()> {
    let begin = cursor.bytes.windows(SIGNATURE.len()).position(|window| window == SIGNATURE)?;
    cursor.at = begin + SIGNATURE.len();
    Some(())
}

/// Reads numbers as long as there are enough bytes.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*bytes)
    }

    fn int(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// Steps over `length` bytes; `None` when they are not all there yet.
    fn skip(&mut self, length: i32) -> Result<Option<()>, Nonsense> {
        if !(0..=LONGEST).contains(&length) {
            return Err(Nonsense(format!("a length of {length}")));
        }
        self.at += usize::try_from(length).expect("it is not negative");
        Ok((self.at <= self.bytes.len()).then_some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &[u8] = &[0, 0, 0, 13, 0, 0, 0, 3, 0, 0, 0, 5, 255, 255, 255, 255, 255, 255, 255, 255];

    #[test]
    fn messages_are_found_byte_by_byte() {
        let mut said = Vec::new();
        said.extend((-65536i64).to_be_bytes());
        said.extend(2i64.to_be_bytes());
        said.extend(b"\0\0\0\x0510.0:");
        said.extend(b"\0\0\0\x02ab");
        let mut splitter = Splitter::new(Port::Election, Speaker::Dialer);
        let found: Vec<Message> =
            said.iter().flat_map(|byte| splitter.take(&[*byte]).expect("sense")).collect();
        let contents: Vec<String> = found.iter().map(|message| message.content.to_string()).collect();
        assert_eq!(contents, ["hello", "notification"]);
        assert_eq!(found.concat_bytes(), said);
    }

    #[test]
    fn a_stream_follows_a_snap_and_ends_with_its_signature() {
        let mut snap = DIFF.to_vec();
        snap[3] = 15;
        let said = [&snap, &b"tree"[..], SIGNATURE, DIFF].concat();
        let found = Splitter::new(Port::Quorum, Speaker::Target).take(&said).expect("sense");
        let contents: Vec<String> = found.iter().map(|message| message.content.to_string()).collect();
        assert_eq!(contents, ["SNAP", "stream", "DIFF"]);
    }

    #[test]
    fn what_is_no_packet_is_nonsense() {
        let mut splitter = Splitter::new(Port::Quorum, Speaker::Target);
        assert!(splitter.take(&[7; 20]).is_err());
    }

    trait Bytes {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl Bytes for Vec<Message> {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter().flat_map(|message| message.bytes.clone()).collect()
        }
    }
}
