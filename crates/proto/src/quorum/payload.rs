//! What the packets' data is.

use std::borrow::Cow;

use bytes::Bytes;
use zoorum_jute::{Decode, DecodeError, Encode, Reader};

use super::config::ConfigVersion;
use super::packet::{PacketError, PacketType, QuorumPacket};
use crate::{AuthId, Epoch, ServerId, SessionId, Xid, Zxid};

/// The version of the protocol that LEADERINFO, and learners that know it, announce.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// Who a learner is: the data of FOLLOWERINFO and OBSERVERINFO, which grew over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Its number; a learner without data has none.
    pub server: Option<ServerId>,
    /// The protocol that it speaks: [`PROTOCOL_VERSION`], or less before 3.4.
    pub protocol_version: i32,
    /// The version of its committed configuration; nothing before 3.5.
    pub config_version: Option<ConfigVersion>,
}

impl LearnerInfo {
    /// Reads what a learner says of itself.
    ///
    /// # Errors
    /// There is something, but not even a number.
    pub fn of(packet: &QuorumPacket) -> Result<Self, PacketError> {
        let mut info = Self { server: None, protocol_version: 1, config_version: None };
        let Some(data) = &packet.data else { return Ok(info) };
        let mut input = Reader::new(data);
        let server = ServerId::decode(&mut input);
        info.server = Some(server.map_err(|source| PacketError::Record { kind: packet.kind, source })?);
        if let Ok(version) = i32::decode(&mut input) {
            info.protocol_version = version;
            info.config_version = ConfigVersion::decode(&mut input).ok();
        }
        Ok(info)
    }

    /// The first packet of a learner that has accepted this epoch; `kind` is FOLLOWERINFO or OBSERVERINFO.
    pub fn packet(
        kind: PacketType,
        accepted: Epoch,
        server: ServerId,
        config: ConfigVersion,
    ) -> QuorumPacket {
        let mut data = Vec::with_capacity(20);
        server.encode(&mut data);
        PROTOCOL_VERSION.encode(&mut data);
        config.encode(&mut data);
        QuorumPacket::with_data(kind, Zxid::new(accepted, 0), data)
    }
}

/// The data of LEADERINFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LeaderInfo {
    /// The protocol that the leader speaks.
    pub protocol_version: i32,
}

impl LeaderInfo {
    /// Announces a new epoch.
    pub fn packet(epoch: Epoch) -> QuorumPacket {
        let info = Self { protocol_version: PROTOCOL_VERSION };
        QuorumPacket::with_data(PacketType::LeaderInfo, Zxid::new(epoch, 0), info.to_vec())
    }
}

/// The data of ACKEPOCH: the learner's current epoch, or nothing if it has promised the new epoch to somebody
/// before and is not to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckEpoch(pub Option<Epoch>);

impl AckEpoch {
    /// The packet of a learner whose history ends with `last`.
    pub fn packet(self, last: Zxid) -> QuorumPacket {
        QuorumPacket::with_data(PacketType::AckEpoch, last, self.to_vec())
    }
}

impl Encode for AckEpoch {
    fn encode(&self, out: &mut Vec<u8>) {
        let number = self.0.map_or(-1, |epoch| i32::try_from(epoch.0).expect("our own epoch is usable"));
        number.encode(out);
    }
}

impl Decode<'_> for AckEpoch {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match i32::decode(input)? {
            -1 => Ok(Self(None)),
            number if Epoch(number.into()).is_usable() => Ok(Self(Some(Epoch(number.into())))),
            number => Err(DecodeError::Unknown { what: "epoch", value: number.into() }),
        }
    }
}

/// A client's request on its way to the leader: the data of REQUEST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// The client's number for it.
    pub xid: Xid,
    /// The operation's number; see [`crate::OpCode`].
    pub op: i32,
    /// The request's own record.
    pub body: Bytes,
}

impl ForwardedRequest {
    /// Reads what a learner forwarded; the body shares the packet's buffer.
    ///
    /// # Errors
    /// Less than a session, an xid and an operation.
    pub fn of(packet: &QuorumPacket) -> Result<Self, PacketError> {
        let data = packet.data.as_ref().ok_or(PacketError::NoData { kind: packet.kind })?;
        let mut input = Reader::new(data);
        let head =
            (|| Ok((SessionId::decode(&mut input)?, Xid::decode(&mut input)?, i32::decode(&mut input)?)))();
        let (session, xid, op) = head.map_err(|source| PacketError::Record { kind: packet.kind, source })?;
        Ok(Self { session, xid, op, body: data.slice_ref(input.rest()) })
    }

    /// The packet, with what the client has proved to be.
    pub fn packet(&self, auth_ids: Option<Vec<AuthId>>) -> QuorumPacket {
        let mut data = Vec::with_capacity(16 + self.body.len());
        self.session.encode(&mut data);
        self.xid.encode(&mut data);
        self.op.encode(&mut data);
        data.extend_from_slice(&self.body);
        QuorumPacket { auth_ids, ..QuorumPacket::with_data(PacketType::Request, Zxid(-1), data) }
    }
}

/// A learner asks whether a session is alive: the data of its REVALIDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Revalidate {
    /// The session.
    pub session: SessionId,
    /// The timeout that its client has now, in ms.
    pub timeout_ms: i32,
}

impl Revalidate {
    /// The packet.
    pub fn packet(&self) -> QuorumPacket {
        QuorumPacket::with_data(PacketType::Revalidate, Zxid(-1), self.to_vec())
    }
}

/// The answer to [`Revalidate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Revalidated {
    /// The session.
    pub session: SessionId,
    /// Whether it is alive.
    pub valid: bool,
}

impl Revalidated {
    /// The packet.
    pub fn packet(&self) -> QuorumPacket {
        QuorumPacket::with_data(PacketType::Revalidate, Zxid(-1), self.to_vec())
    }
}

/// A session that was heard from since the last ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Touch {
    /// The session.
    pub session: SessionId,
    /// Its timeout, in ms.
    pub timeout_ms: i32,
}

impl Touch {
    /// A learner's answer to a ping of this zxid.
    pub fn packet(zxid: Zxid, touches: &[Self]) -> QuorumPacket {
        let mut data = Vec::with_capacity(12 * touches.len());
        touches.iter().for_each(|touch| touch.encode(&mut data));
        QuorumPacket::with_data(PacketType::Ping, zxid, data)
    }

    /// Reads all that a learner's ping says.
    ///
    /// # Errors
    /// The last one is cut short.
    pub fn all_of(packet: &QuorumPacket) -> Result<Vec<Self>, PacketError> {
        let data = packet.data.as_deref().unwrap_or_default();
        let touches = data.chunks(12).map(Self::from_bytes).collect::<Result<_, _>>();
        touches.map_err(|source| PacketError::Record { kind: packet.kind, source })
    }
}

/// Whom the leader of a reconfiguration wants to lead after it: the data of COMMITANDACTIVATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DesignatedLeader(pub ServerId);

impl DesignatedLeader {
    /// Tells a follower to obey the reconfiguration of this zxid.
    pub fn commit_packet(self, zxid: Zxid) -> QuorumPacket {
        QuorumPacket::with_data(PacketType::CommitAndActivate, zxid, self.to_vec())
    }

    /// Tells an observer to obey the reconfiguration that this is the transaction of.
    pub fn inform_packet(self, zxid: Zxid, txn: &[u8]) -> QuorumPacket {
        let mut data = self.to_vec();
        data.extend_from_slice(txn);
        QuorumPacket::with_data(PacketType::InformAndActivate, zxid, data)
    }

    /// Reads INFORMANDACTIVATE: the designated leader, and the transaction, which shares the packet's buffer.
    ///
    /// # Errors
    /// Less than a number.
    pub fn and_txn(packet: &QuorumPacket) -> Result<(Self, Bytes), PacketError> {
        let leader = packet.read()?;
        let data = packet.data.as_ref().ok_or(PacketError::NoData { kind: packet.kind })?;
        Ok((leader, data.slice(8..)))
    }
}

/// One step of SASL between servers, on both ports, before anything that needs to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumAuth<'a> {
    /// How it stands.
    pub status: QuorumAuthStatus,
    /// What the mechanism has to say.
    pub token: Cow<'a, [u8]>,
}

/// How far SASL has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuorumAuthStatus {
    /// It failed.
    Error,
    /// It goes on.
    InProgress,
    /// The acceptor is content.
    Success,
}

impl QuorumAuth<'_> {
    /// The first eight bytes of every such packet, which nothing else on either port begins with.
    pub const MAGIC: i64 = 0x5f24_3501_3501_edcc;
    /// The longest token, in bytes; those of the mechanisms take some hundreds, or some thousands with
    /// Kerberos.
    pub const TOKEN_MAX: usize = 64 << 10;

    /// The length of the packet at the front of `bytes`; `None` if that has not arrived yet.
    ///
    /// # Errors
    /// The token's length is none, or more than [`Self::TOKEN_MAX`].
    pub fn length(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some(length) = bytes.get(12..).and_then(|rest| i32::from_bytes(rest).ok()) else {
            return Ok(None);
        };
        match usize::try_from(length) {
            Ok(length) if length <= Self::TOKEN_MAX => Ok(Some(16 + length)),
            Err(_) if length == -1 => Ok(Some(16)),
            Ok(_) => Err(DecodeError::Unknown { what: "token of length", value: length.into() }),
            Err(_) => Err(DecodeError::NegativeLength(length)),
        }
    }
}

impl Encode for QuorumAuth<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        Self::MAGIC.encode(out);
        let status: i32 = match self.status {
            QuorumAuthStatus::Error => -1,
            QuorumAuthStatus::InProgress => 0,
            QuorumAuthStatus::Success => 1,
        };
        status.encode(out);
        self.token[..].encode(out);
    }
}

impl<'a> Decode<'a> for QuorumAuth<'a> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match i64::decode(input)? {
            QuorumAuth::MAGIC => {}
            value => return Err(DecodeError::Unknown { what: "magic number", value }),
        }
        let status = match i32::decode(input)? {
            -1 => QuorumAuthStatus::Error,
            0 => QuorumAuthStatus::InProgress,
            1 => QuorumAuthStatus::Success,
            status => return Err(DecodeError::Unknown { what: "SASL status", value: status.into() }),
        };
        let token = Option::<&[u8]>::decode(input)?.unwrap_or_default().into();
        Ok(Self { status, token })
    }
}
