//! Votes, and the frames that carry them between election ports.
//!
//! ```text
//! frame         length i32 in 1..=524288 · notification
//! notification  state i32 · leader i64 · zxid i64 · round i64 · epoch i64 · version i32 · length i32 · text
//!               └ before 3.4, 28 bytes in all ─────────┘                     └ from version 2 on ┘
//!               └ 3.4.6 and later 3.4, 40 bytes in all ──────────────────────┘
//! ```
//!
//! The text is the sender's committed configuration. Bytes behind it mean nothing.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use zoorum_jute::{Decode, Encode, Reader};

use crate::{Epoch, Round, ServerId, Zxid};

/// The longest frame between election ports, without its length.
pub const FRAME_MAX: usize = 524_288;

/// The format that servers since 3.5 send.
pub const NOTIFICATION_VERSION: i32 = 2;

/// Takes a frame off the front of `buffer`; `None` if it has not arrived completely.
///
/// # Errors
/// The length is none that a server sends, and the connection is of no use.
pub fn take_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some((length, _)) = buffer.split_first_chunk() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    let bounded = usize::try_from(length).ok().filter(|length| (1..=FRAME_MAX).contains(length));
    let length = bounded.ok_or(FrameError { length })?;
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// A frame that no server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an election frame of {length} bytes, instead of 1 to {FRAME_MAX}")]
pub struct FrameError {
    /// The length that the frame announced.
    pub length: i32,
}

/// What a server does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerState {
    /// It looks for a leader.
    Looking,
    /// It follows one, and votes.
    Following,
    /// It leads.
    Leading,
    /// It follows one without a vote.
    Observing,
}

impl PeerState {
    fn from_number(number: i32) -> Option<Self> {
        [Self::Looking, Self::Following, Self::Leading, Self::Observing]
            .into_iter()
            .find(|state| *state as i32 == number)
    }
}

/// Whom to elect, and why. The fields stand in order of weight, so the derived `Ord` *is* the rule: a vote
/// beats another by epoch, then by history, then by server id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The epoch of the last leader whom the proposed one followed, or that it was itself.
    pub epoch: Epoch,
    /// The end of the proposed leader's history.
    pub zxid: Zxid,
    /// The proposed leader.
    pub leader: ServerId,
}

impl Vote {
    /// The vote of a server that only listens.
    pub const NONE: Self = Self { epoch: Epoch::NONE, zxid: Zxid(i64::MIN), leader: ServerId::NONE };
}

/// One server tells another what it votes for, or whom it follows already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What the sender does.
    pub state: PeerState,
    /// Whom it votes for, or which vote made its leader.
    pub vote: Vote,
    /// The round in which.
    pub round: Round,
    /// The format: [`NOTIFICATION_VERSION`], or 0 for servers before 3.5.
    pub version: i32,
    /// The text of the sender's committed configuration, unless the format has none.
    pub config: Option<Arc<str>>,
}

/// Bytes that are not a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// Its length is none of those that servers send.
    #[error("a notification of {length} bytes")]
    Length {
        /// The bytes in its frame.
        length: usize,
    },
    /// The state of a server that there is no such state of.
    #[error("a notification from a server in state {number}")]
    State {
        /// The number found.
        number: i32,
    },
    /// Its configuration does not fit into it.
    #[error("a notification of {length} bytes, said to have a configuration of {announced}")]
    Config {
        /// The bytes in its frame.
        length: usize,
        /// The bytes that the configuration should have.
        announced: i32,
    },
}

impl Notification {
    /// Reads a frame as servers since 3.5 do, whatever the release that sent it.
    ///
    /// # Errors
    /// The frame is to be ignored; the connection is as good as before.
    pub fn decode(frame: &[u8]) -> Result<Self, NotificationError> {
        let length = frame.len();
        let short = |_| NotificationError::Length { length };
        if length < 28 {
            return Err(NotificationError::Length { length });
        }
        let mut input = Reader::new(frame);
        let number = i32::decode(&mut input).map_err(short)?;
        let state = PeerState::from_number(number).ok_or(NotificationError::State { number })?;
        let leader = ServerId::decode(&mut input).map_err(short)?;
        let zxid = Zxid::decode(&mut input).map_err(short)?;
        let round = Round::decode(&mut input).map_err(short)?;
        let epoch = if length == 28 { zxid.epoch() } else { Epoch::decode(&mut input).map_err(short)? };
        let version = match length {
            28 => 0,
            // These do have a version in their format, which is 1 and stands for none.
            40 => 0,
            _ => i32::decode(&mut input).map_err(short)?,
        };
        let config = if version > 1 { Some(decode_config(&mut input, length)?) } else { None };
        Ok(Self { state, vote: Vote { epoch, zxid, leader }, round, version, config })
    }

    /// The whole frame, length and all: of the current format if there is a configuration, else of that of
    /// 3.4.6.
    pub fn to_frame(&self) -> Vec<u8> {
        let config = self.config.as_deref();
        let length = config.map_or(40, |config| 44 + config.len());
        let mut out = Vec::with_capacity(4 + length);
        let length = i32::try_from(length).expect("a configuration is at most CONFIG_TEXT_MAX bytes long");
        length.encode(&mut out);
        (self.state as i32).encode(&mut out);
        self.vote.leader.encode(&mut out);
        self.vote.zxid.encode(&mut out);
        self.round.encode(&mut out);
        self.vote.epoch.encode(&mut out);
        match config {
            Some(config) => {
                NOTIFICATION_VERSION.encode(&mut out);
                config.encode(&mut out);
            }
            None => 1_i32.encode(&mut out),
        }
        out
    }
}

fn decode_config(input: &mut Reader<'_>, length: usize) -> Result<Arc<str>, NotificationError> {
    let announced = i32::decode(input).map_err(|_| NotificationError::Length { length })?;
    let text = usize::try_from(announced).ok().and_then(|announced| input.take(announced).ok());
    let text = text.ok_or(NotificationError::Config { length, announced })?;
    Ok(String::from_utf8_lossy(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(config: Option<&str>) -> Notification {
        Notification {
            state: PeerState::Leading,
            vote: Vote { epoch: Epoch(1), zxid: Zxid(0x2_0000_0007), leader: ServerId(2) },
            round: Round(4),
            version: if config.is_some() { 2 } else { 0 },
            config: config.map(Arc::from),
        }
    }

    #[test]
    fn every_size_is_read_as_servers_since_3_5_read_it() {
        let whole = &notification(Some("version=0")).to_frame()[4..];
        let vote = |epoch| Vote { epoch: Epoch(epoch), ..notification(None).vote };
        for length in 0..=whole.len() {
            let decoded = Notification::decode(&whole[..length]);
            match length {
                28 => assert_eq!(decoded, Ok(Notification { vote: vote(2), ..notification(None) })),
                40 => assert_eq!(decoded, Ok(notification(None))),
                53 => assert_eq!(decoded, Ok(notification(Some("version=0")))),
                44..53 => assert_eq!(decoded, Err(NotificationError::Config { length, announced: 9 })),
                _ => assert_eq!(decoded, Err(NotificationError::Length { length })),
            }
        }
        let longer = [whole, b"trailing"].concat();
        assert_eq!(Notification::decode(&longer), Ok(notification(Some("version=0"))));
    }

    #[test]
    fn a_version_below_two_has_no_configuration() {
        let mut bytes = notification(None).to_frame().split_off(4);
        bytes.push(0xff);
        assert_eq!(Notification::decode(&bytes), Ok(Notification { version: 1, ..notification(None) }));
    }

    #[test]
    fn a_state_that_there_is_not_is_refused() {
        for number in [-1, 4, i32::MAX] {
            let mut bytes = notification(None).to_frame().split_off(4);
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            assert_eq!(Notification::decode(&bytes), Err(NotificationError::State { number }));
        }
    }

    #[test]
    fn a_frame_waits_for_its_end_and_is_never_longer_than_allowed() {
        let frames = [notification(None).to_frame(), notification(Some("x")).to_frame()];
        let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
        for byte in frames.concat() {
            buffer.extend_from_slice(&[byte]);
            found.extend(take_frame(&mut buffer).expect("lengths are right"));
        }
        assert_eq!(found, frames.map(|frame| Bytes::from(frame).slice(4..)));
        assert!(buffer.is_empty());
        for length in [i32::MIN, -1, 0, 524_289] {
            let mut buffer = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(take_frame(&mut buffer), Err(FrameError { length }));
        }
        let mut buffer = BytesMut::from(&524_288_i32.to_be_bytes()[..]);
        assert_eq!(take_frame(&mut buffer), Ok(None));
    }
}
