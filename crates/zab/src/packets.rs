//! Packets out of the pieces in which a connection delivers them.

use bytes::{Bytes, BytesMut};
use zoorum_proto::quorum::packet::PacketError;
use zoorum_proto::quorum::{PacketType, QuorumPacket};
use zoorum_proto::{Encode, Zxid};

/// What has been received and not yet been dealt with.
#[derive(Debug)]
pub(crate) struct PacketBuffer {
    bytes: BytesMut,
    /// The longest data of a packet, in bytes.
    limit: usize,
}

impl PacketBuffer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: BytesMut::new(), limit }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if it is all there.
    pub(crate) fn next_packet(&mut self) -> Result<Option<QuorumPacket>, PacketError> {
        QuorumPacket::take(&mut self.bytes, self.limit)
    }

    /// Whatever is left, which is no packet: a snapshot follows.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }
}

/// A packet's bytes.
pub(crate) fn bytes(packet: &QuorumPacket) -> Bytes {
    packet.to_vec().into()
}

/// Appends a packet that carries an entry of history.
pub(crate) fn encode_entry(kind: PacketType, zxid: Zxid, payload: &[u8], out: &mut Vec<u8>) {
    kind.number().encode(out);
    zxid.encode(out);
    payload.encode(out);
    (-1_i32).encode(out); // no ids
}

/// Appends the packets by which a learner that gets in step is sent an entry that is committed.
pub fn encode_committed(zxid: Zxid, payload: &[u8], out: &mut Vec<u8>) {
    encode_entry(PacketType::Proposal, zxid, payload, out);
    encode_bare(PacketType::Commit, zxid, out);
}

/// Appends a packet with nothing in it.
pub(crate) fn encode_bare(kind: PacketType, zxid: Zxid, out: &mut Vec<u8>) {
    QuorumPacket::bare(kind, zxid).encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_long_as_the_configuration_says() {
        let packet = QuorumPacket::with_data(PacketType::Proposal, Zxid(1), vec![7; 3_000_000]);
        for (limit, is_taken) in [(4_000_000, true), (2_000_000, false)] {
            let mut buffer = PacketBuffer::new(limit);
            buffer.push(&bytes(&packet));
            assert_eq!(buffer.next_packet().is_ok_and(|taken| taken.is_some()), is_taken);
        }
    }
}
