//! Whole dialogues between servers of Apache ZooKeeper, recorded by `interop`'s `capture-quorum`: every message
//! is read, and what was read makes the same bytes again.

use bytes::BytesMut;
use zoorum_proto::quorum::election::take_frame;
use zoorum_proto::quorum::packet::PACKET_DATA_MAX;
use zoorum_proto::quorum::{
    AckEpoch, ForwardedRequest, Hello, LeaderInfo, LearnerInfo, Notification, PacketType, QuorumConfig,
    QuorumPacket, Revalidate, Revalidated, Touch,
};
use zoorum_proto::{Decode, Encode, Txn};

use crate::bytes;

const DIALOGUES: [&str; 16] = [
    include_str!("../../testdata/golden/quorum/diff-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/diff-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/election-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/election-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/first-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/first-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/observer-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/observer-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/rejoin-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/rejoin-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/serving-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/serving-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/snap-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/snap-3.9.5.txt"),
    include_str!("../../testdata/golden/quorum/trunc-3.8.0.txt"),
    include_str!("../../testdata/golden/quorum/trunc-3.9.5.txt"),
];

/// The end of a snapshot's stream.
const SIGNATURE: &[u8] = b"\0\0\0\nBenWasHere";

#[test]
fn every_message_of_a_dialogue_is_read_and_written_as_it_was() {
    for line in DIALOGUES.iter().flat_map(|dialogue| dialogue.lines()) {
        let Some((by_learner, said)) = line
            .strip_prefix("> ")
            .map(|said| (true, said))
            .or_else(|| line.strip_prefix("< ").map(|said| (false, said)))
        else {
            continue;
        };
        let (name, hex) = said.split_once(' ').expect("a name and a message");
        let message = bytes(hex);
        match name {
            "hello" => hello(&message),
            "notification" => notification(&message),
            "stream" => assert!(message.ends_with(SIGNATURE), "{line}"),
            _ => packet(name, by_learner, &message),
        }
    }
}

fn hello(message: &[u8]) {
    let hello = Hello::take(&mut BytesMut::from(message)).expect("a hello").expect("all of it");
    assert_eq!(hello.to_v1(), message, "{hello:?}");
}

fn notification(message: &[u8]) {
    let frame = take_frame(&mut BytesMut::from(message)).expect("a frame").expect("all of it");
    let notification = Notification::decode(&frame).expect("a notification");
    assert_eq!(notification.to_frame(), message, "{notification:?}");
    let config = QuorumConfig::parse(notification.config.as_deref().expect("a configuration"), false);
    assert_eq!(config.expect("a configuration").members.len(), 4, "{notification:?}");
}

fn packet(name: &str, by_learner: bool, message: &[u8]) {
    let mut buffer = BytesMut::from(message);
    let packet = QuorumPacket::take(&mut buffer, PACKET_DATA_MAX).expect("a packet").expect("all of it");
    assert!(buffer.is_empty(), "{packet:?} is all of the message");
    assert_eq!(packet.kind.to_string(), name);
    assert_eq!(packet.to_vec(), message, "{packet:?}");
    assert_eq!(rebuilt(&packet, by_learner).to_vec(), message, "{packet:?}");
}

/// The packet, made of what its data says.
fn rebuilt(packet: &QuorumPacket, by_learner: bool) -> QuorumPacket {
    let zxid = packet.zxid;
    match packet.kind {
        PacketType::FollowerInfo | PacketType::ObserverInfo => {
            let info = LearnerInfo::of(packet).expect("a learner");
            let (server, config) =
                (info.server.expect("its number"), info.config_version.expect("its configuration"));
            LearnerInfo::packet(packet.kind, packet.epoch().expect("an epoch"), server, config)
        }
        PacketType::LeaderInfo => LeaderInfo::packet(packet.epoch().expect("an epoch")),
        PacketType::AckEpoch => packet.read::<AckEpoch>().expect("an epoch").packet(zxid),
        PacketType::Request => {
            ForwardedRequest::of(packet).expect("a request").packet(packet.auth_ids.clone())
        }
        PacketType::Revalidate if by_learner => packet.read::<Revalidate>().expect("a question").packet(),
        PacketType::Revalidate => packet.read::<Revalidated>().expect("an answer").packet(),
        PacketType::Ping if by_learner => Touch::packet(zxid, &Touch::all_of(packet).expect("touches")),
        PacketType::Proposal | PacketType::Inform => {
            let data = packet.data.as_deref().expect("a transaction");
            let txn = Txn::from_bytes(data).expect("a transaction");
            assert_eq!(txn.header.zxid, zxid, "the zxid of the packet is that of the transaction");
            QuorumPacket::with_data(packet.kind, zxid, txn.to_vec())
        }
        PacketType::NewLeader => {
            let text = str::from_utf8(packet.data.as_deref().expect("a configuration")).expect("a text");
            assert_eq!(QuorumConfig::parse(text, false).expect("a configuration").members.len(), 4);
            packet.clone()
        }
        _ => QuorumPacket::bare(packet.kind, zxid),
    }
}
