use std::thread;

use super::*;
use crate::peers::FeedClosed;
use crate::peers::feed::FEED_LIMIT;

#[test]
fn a_snapshot_takes_its_place_among_what_is_sent() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Quorum);
    scene.write(LINK, "before ");
    let order = scene.order_snapshot(LINK).expect("a link");
    scene.write(LINK, "after");
    assert_eq!(scene.read_by(&mut peer, 7), b"before ");
    order.feed.send("snap".into()).expect("a link");
    scene.events.clear();
    assert_eq!(scene.read_by(&mut peer, 4), b"snap");
    assert!(scene.events.iter().any(|event| matches!(event, LinkEvent::Taken { link: LINK })));
    order.feed.send("shot ".into()).expect("a link");
    order.feed.finish();
    assert_eq!(scene.read_by(&mut peer, 10), b"shot after");
}

#[test]
fn the_maker_of_a_snapshot_wakes_the_sockets() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Quorum);
    let order = scene.order_snapshot(LINK).expect("a link");
    scene.write(LINK, "after");
    let reader = thread::spawn(move || read(&mut peer, 40 + 5));
    let maker = thread::spawn(move || {
        (0..10).try_for_each(|_| order.feed.send("snap".into())).map(|()| order.feed.finish())
    });
    while !reader.is_finished() {
        // Ended by the bell alone as long as there is something to send, and by this when there is not.
        scene.sockets.poll(Duration::from_millis(100), &mut scene.events).expect("a poll");
        scene.sockets.flush();
    }
    assert_eq!(maker.join().expect("a thread"), Ok(()));
    assert!(reader.join().expect("a thread").ends_with(b"snapafter"));
}

#[test]
fn a_snapshot_waits_for_a_slow_reader() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Quorum);
    let order = scene.order_snapshot(LINK).expect("a link");
    let (chunk, chunks) = (Bytes::from(vec![7; 1 << 20]), 64);
    let maker = thread::spawn(move || {
        (0..chunks).try_for_each(|_| order.feed.send(chunk.clone())).map(|()| order.feed.finish())
    });
    let size = chunks << 20;
    let mut received = 0;
    while received < size {
        received += scene.read_by(&mut peer, 1 << 20).len();
        let (_, queued) = scene.sockets.links.queued(LINK);
        assert!(queued <= FEED_LIMIT, "{queued} bytes wait on the link besides the feed's");
    }
    assert_eq!(maker.join().expect("a thread"), Ok(()));
}

#[test]
fn what_waits_behind_a_snapshot_counts() {
    let mut scene = Scene::new();
    let _peer = scene.dialed(Door::Quorum);
    let order = scene.order_snapshot(LINK).expect("a link");
    let piece = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..257 {
        scene.write(LINK, piece.clone());
    }
    scene.until_closed(LINK);
    assert_eq!(order.feed.send("more".into()), Err(FeedClosed));
}

#[test]
fn the_maker_of_a_snapshot_is_told_when_the_link_goes_while_it_waits() {
    let mut scene = Scene::new();
    let _peer = scene.dialed(Door::Quorum);
    let order = scene.order_snapshot(LINK).expect("a link");
    let maker = thread::spawn(move || {
        loop {
            if let Err(closed) = order.feed.send(Bytes::from(vec![0; 1 << 20])) {
                return closed;
            }
        }
    });
    while scene.sockets.links.queued(LINK).1 == 0 {
        scene.turn();
    }
    scene.perform(LinkAction::Close { link: LINK });
    assert_eq!(maker.join().expect("a thread"), FeedClosed);
}

#[test]
fn a_snapshot_that_breaks_off_takes_the_link_with_it() {
    let mut scene = Scene::new();
    let mut peer = scene.dialed(Door::Quorum);
    let order = scene.order_snapshot(LINK).expect("a link");
    scene.write(LINK, "never sent");
    order.feed.send("half".into()).expect("a link");
    drop(order);
    assert_eq!(scene.until_closed(LINK), "the snapshot that was being sent broke off");
    assert_eq!(read_to_end(&mut peer), b"half");
}

#[test]
fn nobody_makes_a_snapshot_for_a_link_that_is_gone() {
    let mut scene = Scene::new();
    let _peer = scene.dialed(Door::Quorum);
    scene.perform(LinkAction::Close { link: LINK });
    assert!(scene.order_snapshot(LINK).is_none());
}
