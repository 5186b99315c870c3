//! Anything that can be said is understood; anything else is refused without a panic, and bounded.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use zoorum_proto::quorum::election::take_frame;
use zoorum_proto::quorum::packet::{PACKET_DATA_MAX, PACKET_IDS_MAX};
use zoorum_proto::quorum::{
    AckEpoch, DesignatedLeader, ForwardedRequest, Hello, Hierarchy, HostPort, LearnerInfo, Member,
    MemberAddress, Notification, PacketError, PacketType, PeerState, QuorumAuth, QuorumConfig, QuorumPacket,
    Role, Touch, Vote,
};
use zoorum_proto::{AuthId, Decode, Encode, Epoch, Round, ServerId, Zxid};

fn packets() -> impl Strategy<Value = QuorumPacket> {
    let ids = vec(("[a-z]{0,9}", ".{0,20}"), 0..4);
    let ids = ids.prop_map(|ids| {
        let id = |(scheme, id): (String, String)| AuthId { scheme: scheme.into(), id };
        ids.into_iter().map(id).collect()
    });
    (-3..25_i32, any::<i64>(), option::of(vec(any::<u8>(), 0..200)), option::of(ids)).prop_map(
        |(kind, zxid, data, auth_ids)| QuorumPacket {
            kind: PacketType::from_number(kind),
            zxid: Zxid(zxid),
            data: data.map(Bytes::from),
            auth_ids,
        },
    )
}

fn host_ports() -> impl Strategy<Value = HostPort> {
    let host = prop_oneof!["[a-z0-9.-]{1,12}", Just("fd00::2".to_owned())];
    (host, any::<u16>()).prop_map(|(host, port)| HostPort { host, port })
}

fn members() -> impl Strategy<Value = Member> {
    let address = (host_ports(), any::<u16>());
    (vec(address, 1..4), any::<bool>(), option::of(host_ports())).prop_map(|(addresses, votes, client)| {
        let addresses = addresses.into_iter().map(|(quorum, port)| {
            let port = if port == quorum.port { port ^ 1 } else { port };
            MemberAddress { election: HostPort { host: quorum.host.clone(), port }, quorum }
        });
        Member {
            id: ServerId(0),
            addresses: addresses.collect(),
            role: if votes { Role::Participant } else { Role::Observer },
            client_address: client,
        }
    })
}

fn configs() -> impl Strategy<Value = QuorumConfig> {
    let members = btree_map(any::<i64>().prop_map(ServerId), members(), 1..7);
    (members, any::<bool>(), 0..i64::MAX, any::<u64>()).prop_map(|(mut members, flat, version, chance)| {
        members.iter_mut().for_each(|(id, member)| member.id = *id);
        members.first_entry().expect("one at least").get_mut().role = Role::Participant;
        let hierarchy = || {
            let ids = || members.keys().copied().enumerate();
            Hierarchy {
                group_of: ids().map(|(position, id)| (id, (chance >> (2 * position) & 3) as i64)).collect(),
                weight_of: ids()
                    .filter(|(position, _)| chance >> (32 + position) & 1 == 1)
                    .map(|(position, id)| (id, (chance >> (40 + position) & 3) as i64))
                    .collect(),
            }
        };
        let hierarchy = (!flat).then(hierarchy);
        QuorumConfig { members, hierarchy, version: zoorum_proto::quorum::ConfigVersion(version) }
    })
}

proptest! {
    #[test]
    fn a_packet_is_the_same_again(packet in packets(), behind in vec(any::<u8>(), 0..50)) {
        let bytes = packet.to_vec();
        let mut buffer = BytesMut::from(&[&bytes[..], &behind].concat()[..]);
        prop_assert_eq!(QuorumPacket::take(&mut buffer, PACKET_DATA_MAX), Ok(Some(packet)));
        prop_assert_eq!(&buffer[..], &behind[..]);
        for cut in 0..bytes.len() {
            prop_assert_eq!(QuorumPacket::take(&mut BytesMut::from(&bytes[..cut]), PACKET_DATA_MAX), Ok(None));
        }
    }

    #[test]
    fn a_notification_is_the_same_again(
        state in 0..4_usize,
        numbers in any::<[i64; 4]>(),
        config in option::of(".{0,99}"),
    ) {
        use PeerState::{Following, Leading, Looking, Observing};
        let [epoch, zxid, leader, round] = numbers;
        let notification = Notification {
            state: [Looking, Following, Leading, Observing][state],
            vote: Vote { epoch: Epoch(epoch), zxid: Zxid(zxid), leader: ServerId(leader) },
            round: Round(round),
            version: if config.is_some() { 2 } else { 0 },
            config: config.map(Arc::from),
        };
        let frame = take_frame(&mut BytesMut::from(&notification.to_frame()[..])).expect("a length");
        prop_assert_eq!(Notification::decode(&frame.expect("whole")), Ok(notification));
    }

    #[test]
    fn a_hello_is_the_same_again(server in any::<i64>(), addresses in vec(host_ports(), 1..9)) {
        let hello = Hello { server: ServerId(server), addresses };
        let taken = Hello::take(&mut BytesMut::from(&hello.to_v2()[..]));
        prop_assert_eq!(taken, Ok(Some(hello)));
    }

    #[test]
    fn a_configuration_is_the_same_again(config in configs()) {
        let again = QuorumConfig::parse(&config.to_string(), true).expect("our own text");
        prop_assert_eq!(again.to_string(), config.to_string());
        prop_assert_eq!(again.version, config.version);
        prop_assert!(again.says_the_same_as(&config));
    }

    #[test]
    fn two_quorums_of_one_configuration_share_a_voter(config in configs(), chance in any::<u64>()) {
        // However servers are divided in two, at most one part is a quorum.
        let part = |id: ServerId| chance.rotate_left(id.0.unsigned_abs() as u32 % 64) & 1 == 1;
        prop_assert!(!(config.is_quorum(part) && config.is_quorum(|id| !part(id))));
        prop_assert!(!config.is_quorum(|_| false));
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic(bytes in vec(any::<u8>(), 0..300), kind in 0..20_i32) {
        let _ = Hello::take(&mut BytesMut::from(&bytes[..]));
        let _ = take_frame(&mut BytesMut::from(&bytes[..]));
        let _ = Notification::decode(&bytes);
        let _ = QuorumAuth::from_bytes(&bytes);
        let _ = QuorumConfig::parse(&String::from_utf8_lossy(&bytes), true);
        let _ = QuorumPacket::take(&mut BytesMut::from(&bytes[..]), PACKET_DATA_MAX);
        let packet = QuorumPacket::with_data(PacketType::from_number(kind), Zxid::ZERO, bytes);
        let _ = LearnerInfo::of(&packet);
        let _ = packet.read::<AckEpoch>();
        let _ = ForwardedRequest::of(&packet);
        let _ = Touch::all_of(&packet);
        let _ = DesignatedLeader::and_txn(&packet);
    }

    #[test]
    fn nonsense_that_looks_like_a_configuration_is_refused_and_never_a_panic(
        lines in vec((
            "(server|group|weight|version)(\\.-?[0-9]{0,3})?",
            "[0-9a-c:|;\\[\\]]{0,20}(:participant|:observer)?[;0-9]{0,4}",
        ), 0..6),
    ) {
        let text: Vec<String> = lines.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        if let Ok(config) = QuorumConfig::parse(&text.join("\n"), true) {
            let again = QuorumConfig::parse(&config.to_string(), true).expect("our own text");
            prop_assert_eq!(again.to_string(), config.to_string());
        }
    }
}

#[test]
fn a_packet_is_never_longer_than_allowed() {
    let head = |length: i32| [&[0, 0, 0, 2][..], &[0; 8], &length.to_be_bytes()].concat();
    for length in [i32::MIN, -2, 11, i32::MAX] {
        let error = PacketError::DataLength { kind: PacketType::Proposal, length, most: 10 };
        assert_eq!(QuorumPacket::take(&mut BytesMut::from(&head(length)[..]), 10), Err(error));
    }
    let mut buffer = BytesMut::from(&head(-1)[..]);
    buffer.extend_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(QuorumPacket::take(&mut buffer, 10), Ok(None));
    buffer.resize(16 + PACKET_IDS_MAX, 0);
    assert_eq!(QuorumPacket::take(&mut buffer, 10), Err(PacketError::Ids { kind: PacketType::Proposal }));
}

#[test]
fn an_epoch_that_no_server_can_be_in_is_refused() {
    for (epoch, usable) in [(-2, false), (-1, true), (0, true), (0x7fff_fffe, true), (0x7fff_ffff, false)] {
        let packet = QuorumPacket::bare(PacketType::LeaderInfo, Zxid::new(Epoch(epoch), 0));
        assert_eq!(packet.epoch().is_ok(), usable, "{epoch}");
        let ack = QuorumPacket::with_data(PacketType::AckEpoch, Zxid::ZERO, (epoch as i32).to_vec());
        assert_eq!(ack.read::<AckEpoch>().is_ok(), usable, "{epoch}");
    }
}
