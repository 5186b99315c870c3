//! Errors planted in what servers say to each other.

use bytes::{Bytes, BytesMut};
use zoorum_proto::quorum::packet::PACKET_DATA_MAX;
use zoorum_proto::quorum::{PacketType, QuorumPacket};
use zoorum_proto::{Encode, Zxid};

use crate::faults::Bug;

/// What a server with this error says instead of `bytes`, which are whole packets; its history ends at `last`.
pub(super) fn say_instead(bug: Bug, bytes: Bytes, last: Zxid) -> Bytes {
    let said = match bug {
        Bug::EarlyAck => packets(&bytes).map(|packets| ack_early(packets, last)),
        Bug::EpochEndLeftOut => packets(&bytes).map(leave_out_epoch_end),
        _ => None,
    };
    said.map_or(bytes, |packets| packets.iter().flat_map(QuorumPacket::to_vec).collect())
}

fn packets(bytes: &Bytes) -> Option<Vec<QuorumPacket>> {
    let (mut rest, mut packets) = (BytesMut::from(&bytes[..]), Vec::new());
    while let Some(packet) = QuorumPacket::take(&mut rest, PACKET_DATA_MAX).ok()? {
        packets.push(packet);
    }
    rest.is_empty().then_some(packets)
}

/// Before the word that a server is in step, the acknowledgement of what it has.
fn ack_early(mut packets: Vec<QuorumPacket>, last: Zxid) -> Vec<QuorumPacket> {
    let is_beginning = |packet: &QuorumPacket| packet.kind == PacketType::Ack && packet.zxid.counter() == 0;
    if packets.first().is_some_and(is_beginning) && last.counter() > 0 {
        packets.insert(0, QuorumPacket::bare(PacketType::Ack, last));
    }
    packets
}

/// Without the last change before a later epoch.
fn leave_out_epoch_end(packets: Vec<QuorumPacket>) -> Vec<QuorumPacket> {
    let proposed = packets.iter().filter(|packet| packet.kind == PacketType::Proposal);
    let zxids: Vec<Zxid> = proposed.map(|packet| packet.zxid).collect();
    let ends = zxids.windows(2).filter(|pair| pair[0].epoch() < pair[1].epoch());
    let ends: Vec<Zxid> = ends.map(|pair| pair[0]).collect();
    let is_history = |packet: &QuorumPacket| matches!(packet.kind, PacketType::Proposal | PacketType::Commit);
    packets.into_iter().filter(|packet| !is_history(packet) || !ends.contains(&packet.zxid)).collect()
}
