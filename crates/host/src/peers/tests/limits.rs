use std::io::Write;

use super::*;

#[test]
fn a_learner_that_does_not_read_is_closed_before_it_takes_too_much_memory() {
    let mut scene = Scene::new();
    let _peer = scene.dialed(Door::Quorum);
    let piece = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..256 {
        scene.write(LINK, piece.clone());
    }
    assert!(scene.sockets.events.is_empty(), "as much as may wait");
    scene.write(LINK, piece);
    let reason = scene.until_closed(LINK);
    assert_eq!(reason, "the peer is too slow: more than 268435456 bytes wait for it");
}

#[test]
fn less_may_wait_where_votes_are_cast() {
    let mut scene = Scene::new();
    let _peer = scene.dialed(Door::Election);
    scene.write(LINK, vec![0; 1 << 20]);
    assert!(scene.sockets.events.is_empty());
    scene.write(LINK, "x");
    scene.until_closed(LINK);
}

#[test]
fn strangers_who_say_nothing_make_room_for_others() {
    let mut scene = Scene::with_doors();
    scene.sockets.options.members = 3;
    let address = scene.open(Door::Election);
    let (mut talker, heard) = scene.called_at(address);
    talker.write_all(b"hello").expect("a write");
    scene.received(heard, 5);
    let silent: Vec<_> = (0..67).map(|_| scene.called_at(address)).collect();
    assert!(scene.events.is_empty(), "there is room: {:?}", scene.events);
    let (mut late, link) = scene.called_at(address);
    late.write_all(b"hello").expect("a write");
    assert_eq!(scene.received(link, 5), b"hello");
    assert_eq!(scene.until_closed(silent[0].1), "it said nothing while others called");
    assert!(scene.events.is_empty(), "one is enough: {:?}", scene.events);
}
