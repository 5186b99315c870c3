//! Packets between a leader and its learners, one behind the other without anything in between.
//!
//! ```text
//! packet   type i32 · zxid i64 · data buffer · ids vector<scheme string · id string>
//! ```
//!
//! A whole snapshot follows [`PacketType::Snap`] without being a packet: see [`crate::snapshot`].

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use zoorum_jute::{Decode, DecodeError, Encode, Reader};

use crate::{AuthId, Epoch, Zxid};

/// The longest `data` of a packet, in bytes, that a peer with default settings accepts: twice
/// `jute.maxbuffer`.
pub const PACKET_DATA_MAX: usize = 2 * 0xf_ffff;

/// How much room the ids of a packet may take, in bytes. A server keeps fewer for a connection.
pub const PACKET_IDS_MAX: usize = 1 << 20;

/// Type and zxid, and the length of the data.
const HEAD: usize = 16;

macro_rules! packet_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What a packet is about. `L` is a learner, `M` whom it learns from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PacketType {
            $($(#[$doc])* $name,)*
            /// Something that we have never heard of, and ignore.
            Unknown(i32),
        }

        impl PacketType {
            /// The type of that number.
            pub fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    _ => Self::Unknown(number),
                }
            }

            /// Its number on the wire.
            pub fn number(self) -> i32 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Unknown(number) => number,
                }
            }
        }

        /// The name that ZooKeeper has for it.
        impl fmt::Display for PacketType {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    Self::Unknown(number) => write!(f, "type {number}"),
                }
            }
        }
    };
}

packet_types! {
    /// L→M: a client's request; data is a [`super::ForwardedRequest`].
    Request = 1, "REQUEST";
    /// M→L: a transaction is proposed; data is the transaction.
    Proposal = 2, "PROPOSAL";
    /// L→M: the transaction of this zxid is durable; with counter 0, the synchronization is.
    Ack = 3, "ACK";
    /// M→L: the transaction of this zxid may be obeyed.
    Commit = 4, "COMMIT";
    /// Both ways; a learner's data is its [`super::Touch`]es, one behind the other.
    Ping = 5, "PING";
    /// Both ways: may this client take up its session again? [`super::Revalidate`], [`super::Revalidated`].
    Revalidate = 6, "REVALIDATE";
    /// M→L: everything before the oldest `sync` that was forwarded has been sent.
    Sync = 7, "SYNC";
    /// M→observer: a transaction that may be obeyed; data is the transaction.
    Inform = 8, "INFORM";
    /// M→L: as COMMIT, for a reconfiguration; data is the [`super::DesignatedLeader`].
    CommitAndActivate = 9, "COMMITANDACTIVATE";
    /// M→L: the synchronization ends here; data is the text of the newest configuration.
    NewLeader = 10, "NEWLEADER";
    /// Follower→M: the first packet; the zxid carries the accepted epoch, data is a [`super::LearnerInfo`].
    FollowerInfo = 11, "FOLLOWERINFO";
    /// M→L: a quorum is synchronized, and clients may be served.
    UpToDate = 12, "UPTODATE";
    /// M→L: what follows continues the learner's history.
    Diff = 13, "DIFF";
    /// M→L: the learner's history behind this zxid never happened.
    Trunc = 14, "TRUNC";
    /// M→L: a whole snapshot follows.
    Snap = 15, "SNAP";
    /// Observer→M: as FOLLOWERINFO.
    ObserverInfo = 16, "OBSERVERINFO";
    /// M→L: the new epoch, in the zxid; data is the protocol's version.
    LeaderInfo = 17, "LEADERINFO";
    /// L→M: the epoch is accepted; the zxid ends the learner's history, data is an [`super::AckEpoch`].
    AckEpoch = 18, "ACKEPOCH";
    /// M→observer: as INFORM, for a reconfiguration; data is a [`super::DesignatedLeader`], then the
    /// transaction.
    InformAndActivate = 19, "INFORMANDACTIVATE";
}

/// One packet. Its data shares the buffer that it was received into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumPacket {
    /// What it is about.
    pub kind: PacketType,
    /// What its type says; −1 where it says nothing.
    pub zxid: Zxid,
    /// What its type says. Null and empty differ.
    pub data: Option<Bytes>,
    /// Who the client is, in a request only.
    pub auth_ids: Option<Vec<AuthId>>,
}

/// Bytes that no peer sends. The connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Longer than the limit, or a length that is none.
    #[error("a {kind} packet with {length} bytes of data, of which {most} are allowed")]
    DataLength {
        /// The packet's type.
        kind: PacketType,
        /// The length found.
        length: i32,
        /// The limit.
        most: usize,
    },
    /// More ids than a server keeps.
    #[error("a {kind} packet with more than {PACKET_IDS_MAX} bytes of ids")]
    Ids {
        /// The packet's type.
        kind: PacketType,
    },
    /// An epoch that no leader can have.
    #[error("a {kind} packet with epoch {epoch}, which is out of range")]
    Epoch {
        /// The packet's type.
        kind: PacketType,
        /// The epoch found.
        epoch: Epoch,
    },
    /// It should have had data.
    #[error("a {kind} packet without data")]
    NoData {
        /// The packet's type.
        kind: PacketType,
    },
    /// Its parts are not what they should be.
    #[error("a {kind} packet that cannot be read: {source}")]
    Record {
        /// The packet's type.
        kind: PacketType,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl QuorumPacket {
    /// A packet with nothing in it but type and zxid.
    pub fn bare(kind: PacketType, zxid: Zxid) -> Self {
        Self { kind, zxid, data: None, auth_ids: None }
    }

    /// A packet with data.
    pub fn with_data(kind: PacketType, zxid: Zxid, data: impl Into<Bytes>) -> Self {
        Self { data: Some(data.into()), ..Self::bare(kind, zxid) }
    }

    /// Takes a packet off the front of `buffer`, without copying its data; `None` if it has not arrived
    /// completely. Data may be `data_max` bytes long.
    ///
    /// # Errors
    /// The bytes are no packet, and the connection is of no use.
    pub fn take(buffer: &mut BytesMut, data_max: usize) -> Result<Option<Self>, PacketError> {
        let Some((head, rest)) = buffer.split_first_chunk::<HEAD>() else { return Ok(None) };
        let (kind, zxid, length) = read_head(head);
        let data_length = match usize::try_from(length) {
            Ok(length) if length <= data_max => Some(length),
            Err(_) if length == -1 => None,
            _ => return Err(PacketError::DataLength { kind, length, most: data_max }),
        };
        let Some(rest) = rest.get(data_length.unwrap_or(0)..) else { return Ok(None) };
        let Some(Ids { ids: auth_ids, length: ids_length }) = take_ids(kind, rest)? else { return Ok(None) };
        let Some(data_length) = data_length else {
            buffer.advance(HEAD + ids_length);
            return Ok(Some(Self { kind, zxid, data: None, auth_ids }));
        };
        let mut packet = buffer.split_to(HEAD + data_length + ids_length).freeze();
        packet.advance(HEAD);
        packet.truncate(data_length);
        Ok(Some(Self { kind, zxid, data: Some(packet), auth_ids }))
    }

    /// The epoch in the zxid of FOLLOWERINFO, OBSERVERINFO, LEADERINFO and NEWLEADER.
    ///
    /// # Errors
    /// No server can be in that epoch.
    pub fn epoch(&self) -> Result<Epoch, PacketError> {
        let epoch = self.zxid.epoch();
        let error = PacketError::Epoch { kind: self.kind, epoch };
        if epoch.is_usable() { Ok(epoch) } else { Err(error) }
    }

    /// Reads the data as a record; what follows the record is ignored.
    ///
    /// # Errors
    /// There is no data, or it is no such record.
    pub fn read<'a, T: Decode<'a>>(&'a self) -> Result<T, PacketError> {
        let data = self.data.as_deref().ok_or(PacketError::NoData { kind: self.kind })?;
        T::from_bytes(data).map_err(|source| PacketError::Record { kind: self.kind, source })
    }
}

impl Encode for QuorumPacket {
    fn encode(&self, out: &mut Vec<u8>) {
        self.kind.number().encode(out);
        self.zxid.encode(out);
        self.data.as_deref().encode(out);
        self.auth_ids.encode(out);
    }
}

fn read_head(head: &[u8; HEAD]) -> (PacketType, Zxid, i32) {
    let [a, b, c, d, zxid @ .., e, f, g, h] = *head;
    let kind = PacketType::from_number(i32::from_be_bytes([a, b, c, d]));
    (kind, Zxid(i64::from_be_bytes(zxid)), i32::from_be_bytes([e, f, g, h]))
}

/// The ids at the end of a packet, and how many bytes they take there.
struct Ids {
    ids: Option<Vec<AuthId>>,
    length: usize,
}

/// Reads the ids at the front of `bytes`; `None` if they have not arrived completely.
fn take_ids(kind: PacketType, bytes: &[u8]) -> Result<Option<Ids>, PacketError> {
    // Almost every packet has none, and then there is nothing to bound.
    if bytes.starts_with(&(-1_i32).to_be_bytes()) {
        return Ok(Some(Ids { ids: None, length: 4 }));
    }
    let bounded = &bytes[..bytes.len().min(PACKET_IDS_MAX)];
    let mut input = Reader::new(bounded);
    match decode_ids(&mut input) {
        Ok(ids) => Ok(Some(Ids { ids, length: bounded.len() - input.rest().len() })),
        Err(DecodeError::UnexpectedEnd { .. }) if bounded.len() < PACKET_IDS_MAX => Ok(None),
        Err(DecodeError::UnexpectedEnd { .. }) => Err(PacketError::Ids { kind }),
        Err(source) => Err(PacketError::Record { kind, source }),
    }
}

/// Unlike a vector of jute at hand, this one may not have arrived yet: what is counted can still come.
fn decode_ids(input: &mut Reader<'_>) -> Result<Option<Vec<AuthId>>, DecodeError> {
    let Some(count) = input.length()? else { return Ok(None) };
    let mut ids = Vec::with_capacity(count.min(4));
    for _ in 0..count {
        ids.push(AuthId::decode(input)?);
    }
    Ok(Some(ids))
}

impl Encode for AuthId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.scheme.encode(out);
        self.id.encode(out);
    }
}

impl Decode<'_> for AuthId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let scheme = <Cow<'_, str>>::decode(input)?.into_owned().into();
        let id = <Cow<'_, str>>::decode(input)?.into_owned();
        Ok(Self { scheme, id })
    }
}
