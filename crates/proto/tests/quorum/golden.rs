//! The bytes on the election port and on the quorum port of Apache ZooKeeper, both ways.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use zoorum_proto::quorum::election::{FRAME_MAX, take_frame};
use zoorum_proto::quorum::packet::PACKET_DATA_MAX;
use zoorum_proto::quorum::{
    AckEpoch, ConfigVersion, DesignatedLeader, ForwardedRequest, Hello, HostPort, LeaderInfo, LearnerInfo,
    Notification, PacketType, PeerState, QuorumAuth, QuorumAuthStatus, QuorumPacket, Revalidate, Revalidated,
    Touch, Vote,
};
use zoorum_proto::{AuthId, Decode, Encode, Epoch, Round, ServerId, SessionId, Txn, TxnBody, Xid, Zxid};

use crate::bytes;

const SESSION: SessionId = SessionId(0x100_0016_6521_0000);

fn host_port(host: &str, port: u16) -> HostPort {
    HostPort { host: host.to_owned(), port }
}

#[test]
fn hellos() {
    let one = Hello { server: ServerId(2), addresses: vec![host_port("10.0.0.2", 3888)] };
    let two = Hello {
        server: ServerId(2),
        addresses: vec![host_port("10.0.0.2", 3888), host_port("fd00::2", 3888)],
    };
    let none = Hello { server: ServerId(2), addresses: vec![] };
    let v1 = bytes("ffffffff ffff0000 00000000 00000002 0000000d 31302e30 2e302e32 3a333838 38");
    let v2 = bytes(
        "ffffffff ffff0001 00000000 00000002 0000001c 31302e30 2e302e32 3a333838 387c5b66 6430303a 3a325d3a
         33383838",
    );
    assert_eq!((one.to_v1(), two.to_v1(), two.to_v2()), (v1.clone(), v1.clone(), v2.clone()));
    for (bytes, hello) in [(v1, one), (v2, two), (bytes("00000000 00000002"), none)] {
        for cut in 0..bytes.len() {
            assert_eq!(Hello::take(&mut BytesMut::from(&bytes[..cut])), Ok(None), "{cut} bytes");
        }
        assert_eq!(Hello::take(&mut BytesMut::from(&bytes[..])), Ok(Some(hello)));
    }
}

#[test]
fn notifications() {
    let vote = Vote { epoch: Epoch(1), zxid: Zxid(0x1_0000_0007), leader: ServerId(2) };
    let notification =
        |version, config| Notification { state: PeerState::Looking, vote, round: Round(4), version, config };
    let config: Arc<str> = "x".repeat(129).into();
    let head = bytes(
        "000000ad 00000000 00000000 00000002 00000001 00000007 00000000 00000004 00000000 00000001 00000002
         00000081",
    );
    let rows = [
        ([&head, config.as_bytes()].concat(), notification(2, Some(config))),
        (
            bytes(
                "00000028 00000000 00000000 00000002 00000001 00000007 00000000 00000004 00000000 00000001
                 00000001",
            ),
            notification(0, None),
        ),
    ];
    for (bytes, notification) in rows {
        let frame = take_frame(&mut BytesMut::from(&bytes[..])).expect("a length").expect("a whole frame");
        assert!(frame.len() < FRAME_MAX);
        assert_eq!(Notification::decode(&frame).as_ref(), Ok(&notification));
        assert_eq!(notification.to_frame(), bytes);
    }
}

/// Every packet, and its bytes.
fn packets() -> Vec<(&'static str, QuorumPacket)> {
    use PacketType as Type;
    let zxid = |epoch, counter| Zxid::new(Epoch(epoch), counter);
    let info =
        |kind, server, config| LearnerInfo::packet(kind, Epoch(3), ServerId(server), ConfigVersion(config));
    let request = |xid, op, body: &'static [u8]| ForwardedRequest {
        session: SESSION,
        xid: Xid(xid),
        op,
        body: Bytes::from_static(body),
    };
    let ids = Some(vec![AuthId::new("ip", "127.0.0.1")]);
    let touch = Touch { session: SESSION, timeout_ms: 30_000 };
    let revalidate = Revalidate { session: SESSION, timeout_ms: 30_000 };
    vec![
        (
            "0000000b 00000003 00000000 00000014 00000000 00000001 00010000 00000000 00000000 ffffffff",
            info(Type::FollowerInfo, 1, 0),
        ),
        (
            "00000010 00000003 00000000 00000014 00000000 00000004 00010000 00000003 00000000 ffffffff",
            info(Type::ObserverInfo, 4, 0x3_0000_0000),
        ),
        ("00000011 00000004 00000000 00000004 00010000 ffffffff", LeaderInfo::packet(Epoch(4))),
        (
            "00000012 00000003 00000002 00000004 00000003 ffffffff",
            AckEpoch(Some(Epoch(3))).packet(zxid(3, 2)),
        ),
        ("00000012 00000003 00000002 00000004 ffffffff ffffffff", AckEpoch(None).packet(zxid(3, 2))),
        ("0000000d 00000003 00000005 ffffffff ffffffff", QuorumPacket::bare(Type::Diff, zxid(3, 5))),
        ("0000000e 00000003 00000001 ffffffff ffffffff", QuorumPacket::bare(Type::Trunc, zxid(3, 1))),
        ("0000000f 00000003 00000005 ffffffff ffffffff", QuorumPacket::bare(Type::Snap, zxid(3, 5))),
        ("0000000a 00000004 00000000 ffffffff ffffffff", QuorumPacket::bare(Type::NewLeader, zxid(4, 0))),
        (
            "0000000a 00000004 00000000 00000009 76657273 696f6e3d 30ffffff ff",
            QuorumPacket::with_data(Type::NewLeader, zxid(4, 0), "version=0"),
        ),
        ("00000003 00000004 00000000 ffffffff ffffffff", QuorumPacket::bare(Type::Ack, zxid(4, 0))),
        ("0000000c ffffffff ffffffff ffffffff ffffffff", QuorumPacket::bare(Type::UpToDate, Zxid(-1))),
        ("00000005 00000004 00000001 ffffffff ffffffff", QuorumPacket::bare(Type::Ping, zxid(4, 1))),
        ("00000005 00000004 00000001 00000000 ffffffff", Touch::packet(zxid(4, 1), &[])),
        (
            "00000005 00000004 00000001 0000000c 01000016 65210000 00007530 ffffffff",
            Touch::packet(zxid(4, 1), &[touch]),
        ),
        (
            "00000001 ffffffff ffffffff 00000014 01000016 65210000 00000000 fffffff6 00007530 ffffffff",
            request(0, -10, b"\0\0\x75\x30").packet(None),
        ),
        (
            "00000001 ffffffff ffffffff 00000010 01000016 65210000 00000002 fffffff5 00000001 00000002
             69700000 00093132 372e302e 302e31",
            request(2, -11, b"").packet(ids),
        ),
        (
            "00000001 ffffffff ffffffff 00000016 01000016 65210000 00000006 00000009 00000002 2f61ffff ffff",
            request(6, 9, b"\0\0\0\x02/a").packet(None),
        ),
        ("00000007 00000000 00000000 ffffffff ffffffff", QuorumPacket::bare(Type::Sync, Zxid::ZERO)),
        ("00000006 ffffffff ffffffff 0000000c 01000016 65210000 00007530 ffffffff", revalidate.packet()),
        (
            "00000006 ffffffff ffffffff 00000009 01000016 65210000 01ffffff ff",
            Revalidated { session: SESSION, valid: true }.packet(),
        ),
        ("00000004 00000001 00000001 ffffffff ffffffff", QuorumPacket::bare(Type::Commit, zxid(1, 1))),
        (
            "00000009 00000001 00000008 00000008 00000000 00000001 ffffffff",
            DesignatedLeader(ServerId(1)).commit_packet(zxid(1, 8)),
        ),
    ]
}

#[test]
fn packets_are_encoded_and_decoded() {
    for (hex, packet) in packets() {
        assert_eq!(packet.to_vec(), bytes(hex), "{}", packet.kind);
        let mut buffer = BytesMut::from(&bytes(hex)[..]);
        assert_eq!(QuorumPacket::take(&mut buffer, PACKET_DATA_MAX), Ok(Some(packet)));
        assert!(buffer.is_empty());
    }
}

#[test]
fn packets_wait_for_their_last_byte() {
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for (hex, _) in packets() {
        for byte in bytes(hex) {
            buffer.extend_from_slice(&[byte]);
            found.extend(QuorumPacket::take(&mut buffer, PACKET_DATA_MAX).expect("well-formed"));
        }
    }
    assert_eq!(found, packets().into_iter().map(|(_, packet)| packet).collect::<Vec<_>>());
}

#[test]
fn payloads_are_read_back() {
    let read: Vec<QuorumPacket> = packets().into_iter().map(|(_, packet)| packet).collect();
    let of = |kind| read.iter().filter(move |packet| packet.kind == kind).collect::<Vec<_>>();
    let info = LearnerInfo::of(of(PacketType::ObserverInfo)[0]);
    let expected = LearnerInfo {
        server: Some(ServerId(4)),
        protocol_version: 0x10000,
        config_version: Some(ConfigVersion(0x3_0000_0000)),
    };
    assert_eq!(info, Ok(expected));
    assert_eq!(of(PacketType::ObserverInfo)[0].epoch(), Ok(Epoch(3)));
    assert_eq!(of(PacketType::LeaderInfo)[0].read(), Ok(LeaderInfo { protocol_version: 0x10000 }));
    assert_eq!(of(PacketType::AckEpoch)[0].read(), Ok(AckEpoch(Some(Epoch(3)))));
    assert_eq!(of(PacketType::AckEpoch)[1].read(), Ok(AckEpoch(None)));
    let touches: Vec<usize> =
        of(PacketType::Ping).into_iter().map(|ping| Touch::all_of(ping).expect("touches").len()).collect();
    assert_eq!(touches, [0, 0, 1]);
    let request = ForwardedRequest::of(of(PacketType::Request)[2]).expect("a request");
    assert_eq!(
        (request.session, request.xid, request.op, &request.body[..]),
        (SESSION, Xid(6), 9, &b"\0\0\0\x02/a"[..])
    );
    assert_eq!(of(PacketType::Revalidate)[0].read(), Ok(Revalidate { session: SESSION, timeout_ms: 30_000 }));
    assert_eq!(of(PacketType::Revalidate)[1].read(), Ok(Revalidated { session: SESSION, valid: true }));
    assert_eq!(of(PacketType::CommitAndActivate)[0].read(), Ok(DesignatedLeader(ServerId(1))));
    let inform = DesignatedLeader(ServerId(1)).inform_packet(Zxid(8), b"txn");
    let (leader, txn) = DesignatedLeader::and_txn(&inform).expect("both");
    assert_eq!((leader, &txn[..]), (DesignatedLeader(ServerId(1)), &b"txn"[..]));
}

#[test]
fn learners_before_3_5_say_less_of_themselves() {
    let whole = LearnerInfo::packet(PacketType::FollowerInfo, Epoch(3), ServerId(1), ConfigVersion(7));
    let cut =
        |length| QuorumPacket { data: whole.data.as_ref().map(|data| data.slice(..length)), ..whole.clone() };
    let info = |server: Option<i64>, protocol_version, version: Option<i64>| LearnerInfo {
        server: server.map(ServerId),
        protocol_version,
        config_version: version.map(ConfigVersion),
    };
    assert_eq!(LearnerInfo::of(&cut(8)), Ok(info(Some(1), 1, None)));
    assert_eq!(LearnerInfo::of(&cut(12)), Ok(info(Some(1), 0x10000, None)));
    assert_eq!(LearnerInfo::of(&cut(20)), Ok(info(Some(1), 0x10000, Some(7))));
    assert_eq!(LearnerInfo::of(&QuorumPacket { data: None, ..whole.clone() }), Ok(info(None, 1, None)));
    assert!(LearnerInfo::of(&cut(7)).is_err());
}

#[test]
fn proposals_carry_transactions() {
    let rows = [
        (
            "00000002 00000001 00000001 00000030 01000016 65210000 00000000 00000001 00000001 000001a1 fbadbc29
             fffffff6 00007530 00000002 00000000 51c6d660 ffffffff",
            "createSession",
        ),
        (
            "00000002 00000001 00000002 0000005b 01000016 65210000 00000002 00000001 00000002 000001a1 fbadbc29
             00000001 00000002 2f610000 00056865 6c6c6f00 00000100 00001f00 00000577 6f726c64 00000006 616e796f
             6e650000 00000100 00000200 000001cb 94bc54ff ffffff",
            "create",
        ),
        (
            "00000002 00000001 00000005 00000024 01000016 65210000 00000005 00000001 00000005 000001a1 fbadbc29
             ffffffff ffffff9b ffffffff",
            "error",
        ),
        (
            "00000002 00000001 00000007 00000036 01000016 65210000 00000002 00000001 00000007 000001a1 fbadbc29
             fffffff5 00000001 00000002 2f650000 00020000 000269a9 318bffff ffff",
            "closeSession",
        ),
    ];
    for (hex, what) in rows {
        let packet = QuorumPacket::take(&mut BytesMut::from(&bytes(hex)[..]), PACKET_DATA_MAX);
        let packet = packet.expect("well-formed").expect("whole");
        assert_eq!((packet.kind, packet.to_vec()), (PacketType::Proposal, bytes(hex)));
        let data = packet.data.as_deref().expect("a transaction");
        let txn = Txn::from_bytes(data).expect(what);
        assert_eq!((txn.header.zxid, txn.to_vec()), (packet.zxid, data.to_vec()));
        let found = match txn.body {
            TxnBody::CreateSession { .. } => "createSession",
            TxnBody::Create { .. } => "create",
            TxnBody::Error { .. } => "error",
            TxnBody::CloseSession { .. } => "closeSession",
            _ => "another",
        };
        assert_eq!(found, what);
    }
}

#[test]
fn sasl_begins_with_an_empty_token() {
    let step = QuorumAuth { status: QuorumAuthStatus::InProgress, token: b"".as_slice().into() };
    let bytes = bytes("5f243501 3501edcc 00000000 00000000");
    assert_eq!(step.to_vec(), bytes);
    assert_eq!(QuorumAuth::from_bytes(&bytes), Ok(step));
    let lengths: Vec<_> = (0..=bytes.len()).map(|cut| QuorumAuth::length(&bytes[..cut])).collect();
    assert!(lengths[..16].iter().all(|length| *length == Ok(None)));
    assert_eq!(lengths[16], Ok(Some(16)));
}
