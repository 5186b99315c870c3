//! What servers say to each other: hellos, votes, packets and configurations.
//!
//! ```text
//! input    kind u8 · (length u16 · piece) …       the pieces arrive one by one
//! ```

use bytes::BytesMut;
use zoorum_proto::quorum::election::take_frame;
use zoorum_proto::quorum::{
    AckEpoch, DesignatedLeader, ForwardedRequest, Hello, LearnerInfo, Notification, QuorumAuth, QuorumConfig,
    QuorumPacket, Touch,
};
use zoorum_proto::{Decode, Encode};

use crate::{take_byte, take_chunk};

/// Shorter than what peers accept, so that the limit is met.
const DATA_MAX: usize = 4096;

/// Decodes the bytes as what the first of them says.
pub fn run(mut input: &[u8]) {
    match take_byte(&mut input) % 5 {
        0 => election(input),
        1 => packets(input),
        2 => configuration(&String::from_utf8_lossy(input)),
        3 => notification(input),
        _ => drop(QuorumAuth::from_bytes(input)),
    }
}

fn election(mut input: &[u8]) {
    let mut buffer = BytesMut::new();
    let mut hello = None;
    while !input.is_empty() {
        buffer.extend_from_slice(take_chunk(&mut input));
        if hello.is_none() {
            match Hello::take(&mut buffer) {
                Ok(taken) => hello = taken,
                Err(_) => return,
            }
        }
        if hello.is_some() {
            loop {
                match take_frame(&mut buffer) {
                    Ok(Some(frame)) => notification(&frame),
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }
    if let Some(hello) = hello.filter(|hello| !hello.addresses.is_empty()) {
        let again = Hello::take(&mut BytesMut::from(&hello.to_v2()[..]));
        // A host that has brackets of its own is not told apart from one without.
        assert!(again.is_err() || again.is_ok_and(|again| again.is_some()), "what we encode is whole");
    }
}

fn notification(frame: &[u8]) {
    let Ok(notification) = Notification::decode(frame) else { return };
    let again = Notification::decode(&notification.to_frame()[4..]).expect("what we encode, we decode");
    assert_eq!((again.vote, again.round), (notification.vote, notification.round));
    assert_eq!(again.config, notification.config);
    if let Some(text) = &notification.config {
        configuration(text);
    }
}

fn configuration(text: &str) {
    let Ok(config) = QuorumConfig::parse(text, true) else { return };
    let printed = config.to_string();
    let again = QuorumConfig::parse(&printed, true).expect("what we print, we parse");
    assert_eq!(again.to_string(), printed, "printing does not change what is meant");
    assert!(again.is_same_as(&config));
}

fn packets(mut input: &[u8]) {
    let mut buffer = BytesMut::new();
    while !input.is_empty() {
        buffer.extend_from_slice(take_chunk(&mut input));
        loop {
            match QuorumPacket::take(&mut buffer, DATA_MAX) {
                Ok(Some(packet)) => payload(packet),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn payload(packet: QuorumPacket) {
    let _ = LearnerInfo::of(&packet);
    let _ = packet.read::<AckEpoch>();
    let _ = Touch::all_of(&packet);
    let _ = DesignatedLeader::and_txn(&packet);
    if let Ok(request) = ForwardedRequest::of(&packet) {
        let again = request.packet(packet.auth_ids.clone());
        assert_eq!((again.data, again.auth_ids), (packet.data.clone(), packet.auth_ids.clone()));
    }
    let again = QuorumPacket::take(&mut BytesMut::from(&packet.to_vec()[..]), DATA_MAX);
    assert_eq!(again, Ok(Some(packet)), "what we encode, we decode");
}
