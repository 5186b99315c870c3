use std::io::Write;
use std::net::Shutdown;
use std::thread;

use super::*;
use crate::mail::{ReplicaBox, ToReplica};

#[test]
fn both_sides_talk_in_order() {
    let mut scene = Scene::with_doors();
    let address = scene.open(Door::Election);
    let (mut peer, link) = scene.called_at(address);
    peer.write_all(b"who are you?").expect("a write");
    assert_eq!(scene.received(link, 12), b"who are you?");
    for word in ["a", " ", "member"] {
        scene.write(link, word);
    }
    assert_eq!(scene.read_by(&mut peer, 8), b"a member");
}

#[test]
fn a_peers_long_speech_comes_piece_by_piece_and_whole() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Quorum);
    let speech: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
    let told = speech.clone();
    let teller = thread::spawn(move || peer.write_all(&told).map(|()| peer));
    assert!(scene.received(LINK, speech.len()) == speech);
    drop(teller.join().expect("a thread").expect("a peer"));
    assert_eq!(scene.until_closed(LINK), "the peer has closed the connection");
}

#[test]
fn a_talkative_peer_leaves_turns_to_the_others() {
    let mut scene = Scene::with_doors();
    let address = scene.open(Door::Quorum);
    let ((mut loud, first), (mut quiet, second)) = (scene.called_at(address), scene.called_at(address));
    loud.set_nonblocking(true).expect("a mode");
    let mut said = 0;
    while let Ok(count) = loud.write(&[1; 64 << 10]) {
        said += count;
    }
    quiet.write_all(b"me too").expect("a write");
    scene.received(second, 6);
    let heard: usize = scene
        .events
        .iter()
        .map(|event| match event {
            LinkEvent::Received { bytes, .. } => bytes.len(),
            _ => 0,
        })
        .sum();
    assert!(heard <= 2 * (64 << 10), "{heard} bytes before the other had its turn");
    scene.received(first, said);
}

#[test]
fn a_slow_reader_gets_everything_in_order() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Quorum);
    let pieces = 32;
    for piece in 0..pieces {
        scene.write(LINK, vec![piece; 1 << 20]);
    }
    let all = scene.read_by(&mut peer, usize::from(pieces) << 20);
    assert!(all.chunks(1 << 20).zip(0..).all(|(chunk, piece)| chunk == vec![piece; 1 << 20]));
    assert!(!scene.sockets.links.has_turns());
}

#[test]
fn a_peer_that_says_no_more_is_gone_once_its_last_words_are_read() {
    let mut scene = Scene::with_doors();
    let address = scene.open(Door::Quorum);
    let (mut peer, link) = scene.called_at(address);
    peer.write_all(b"last").expect("a write");
    peer.shutdown(Shutdown::Write).expect("a half-closed connection");
    assert_eq!(scene.received(link, 4), b"last");
    assert_eq!(scene.until_closed(link), "the peer has closed the connection");
    assert_eq!(read_to_end(&mut peer), b"");
    scene.write(link, "nobody hears it, and it harms nobody");
    scene.sockets.flush();
    assert!(scene.sockets.events.is_empty());
}

#[test]
fn what_a_peer_said_before_it_broke_off_is_read() {
    let mut scene = Scene::with_doors();
    let address = scene.open(Door::Quorum);
    let (mut peer, link) = scene.called_at(address);
    scene.write(link, "what is never read makes the end a rough one");
    scene.sockets.flush();
    peer.write_all(b"last").expect("a write");
    drop(peer);
    // Written before the end is noticed: one of these fails.
    for _ in 0..2 {
        scene.write(link, "are you there?");
        scene.sockets.flush();
    }
    let reason = scene.until_closed(link);
    assert!(
        reason.contains("reset") || reason.contains("Broken pipe") || reason.contains("closed"),
        "{reason}"
    );
}

#[test]
fn what_is_said_right_before_closing_is_sent() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Election);
    scene.write(LINK, "call me");
    scene.perform(LinkAction::Close { link: LINK });
    assert_eq!(read_to_end(&mut peer), b"call me");
    assert!(scene.events.is_empty() && scene.sockets.events.is_empty(), "who closes knows it");
}

#[test]
fn mail_wakes_the_replica_from_among_its_sockets() {
    let (mut sockets, sleeper) = PeerSockets::new(PeerOptions::alone()).expect("sockets");
    let mailbox = Arc::new(ReplicaBox::woken_by(sleeper));
    let (mut mail, mut events) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let sender = Arc::clone(&mailbox);
        let writer = thread::spawn(move || sender.send(ToReplica::ResetCounters));
        let started = Instant::now();
        while mail.is_empty() {
            let patience = if mailbox.may_sleep() { PATIENCE } else { Duration::ZERO };
            sockets.poll(patience, &mut events).expect("a poll");
            mailbox.take(&mut mail, Duration::ZERO);
        }
        assert!(started.elapsed() < PATIENCE, "the mail was slept over");
        mail.clear();
        writer.join().expect("a thread");
    }
}
