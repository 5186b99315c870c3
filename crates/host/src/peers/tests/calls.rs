use std::io;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use socket2::{Domain, Socket, Type};

use super::*;

const SHORT: Duration = Duration::from_millis(100);

fn call(scene: &mut Scene, addresses: Vec<PeerAddress>, timeout: Duration) {
    scene.perform(LinkAction::Dial { link: LINK, door: Door::Quorum, addresses, timeout });
}

/// A listener that answers no call any more, with the calls that fill it up.
fn deaf() -> (Socket, SocketAddr, Vec<Socket>) {
    deaf_at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn deaf_at(address: SocketAddr) -> (Socket, SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&address.into()).expect("a port");
    listener.listen(0).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let calls = (0..4).map(|_| {
        let call = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        call.set_nonblocking(true).expect("a mode");
        let _ = call.connect(&address);
        call
    });
    let calls = calls.collect();
    (listener, address.as_socket().expect("an address"), calls)
}

#[test]
fn a_call_that_is_answered_is_told_of() {
    let (mut scene, (listener, address)) = (Scene::new(), listener());
    scene.dial(LINK, Door::Election, &[address], PATIENCE);
    assert_eq!(scene.until_dialed(), LINK);
    scene.write(LINK, "hello");
    scene.turn_without_waiting();
    assert_eq!(read(&mut accept(&listener), 5), b"hello");
}

#[test]
fn a_call_that_is_refused_ends_with_the_reason() {
    let mut scene = Scene::new();
    let address = nobody();
    scene.dial(LINK, Door::Election, &[address], PATIENCE);
    let reason = scene.until_closed(LINK);
    assert!(reason.contains(&address.to_string()) && reason.contains("refused"), "{reason}");
}

#[test]
fn a_call_that_nobody_answers_ends_in_time() {
    let (mut scene, (_listener, address, _calls)) = (Scene::new(), deaf());
    scene.dial(LINK, Door::Election, &[address], SHORT);
    let reason = scene.until_closed(LINK);
    assert_eq!(reason, format!("cannot connect within 100 ms to {address}: no answer"));
    assert!(scene.sockets.patience(PATIENCE) > SHORT, "nothing is left to wait for");
}

#[test]
fn the_first_address_that_answers_is_taken() {
    let mut scene = Scene::new();
    let (_deaf, unanswered, _calls) = deaf();
    let (listener, address) = listener();
    scene.dial(LINK, Door::Quorum, &[nobody(), unanswered, address], PATIENCE);
    assert_eq!(scene.until_dialed(), LINK);
    scene.write(LINK, "hello");
    scene.turn_without_waiting();
    assert_eq!(read(&mut accept(&listener), 5), b"hello");
    assert!(scene.events.is_empty(), "{:?}", scene.events);
}

#[test]
fn a_call_without_addresses_fails() {
    let mut scene = Scene::new();
    call(&mut scene, Vec::new(), PATIENCE);
    assert_eq!(scene.until_closed(LINK), "cannot connect: no address to call");
}

#[test]
fn a_name_is_looked_up_at_every_call() {
    let (listener, address) = listener();
    let moves = Mutex::new(vec![address.ip(), [127, 0, 0, 9].into()]);
    let lookup = move |host: &str| {
        assert_eq!(host, "zk2");
        Ok(vec![SocketAddr::new(moves.lock().expect("a list").pop().expect("two calls"), 0)])
    };
    let mut scene = Scene::looking_up(PeerOptions::alone(), Arc::new(lookup));
    call(&mut scene, vec![name("zk2", address.port())], PATIENCE);
    let reason = scene.until_closed(LINK);
    assert!(reason.contains("127.0.0.9"), "{reason}");
    let link = LinkId(2);
    let addresses = vec![name("zk2", address.port())];
    scene.perform(LinkAction::Dial { link, door: Door::Quorum, addresses, timeout: PATIENCE });
    assert_eq!(scene.until_dialed(), link);
    drop(accept(&listener));
}

#[test]
fn another_address_of_a_name_is_tried_when_one_refuses() {
    let (listener, address) = listener();
    // At 127.0.0.8 nobody listens.
    let found = vec![SocketAddr::from(([127, 0, 0, 8], 0)), SocketAddr::new(address.ip(), 0)];
    let mut scene = Scene::looking_up(PeerOptions::alone(), Arc::new(move |_: &str| Ok(found.clone())));
    call(&mut scene, vec![name("zk2", address.port())], PATIENCE);
    assert_eq!(scene.until_dialed(), LINK);
    drop(accept(&listener));
}

#[test]
fn another_address_of_a_name_is_tried_when_one_does_not_answer() {
    let (listener, address) = listener();
    let (_deaf, unanswered, _calls) = deaf_at(SocketAddr::from(([127, 0, 0, 8], address.port())));
    let found = vec![unanswered, address];
    let mut scene = Scene::looking_up(PeerOptions::alone(), Arc::new(move |_: &str| Ok(found.clone())));
    call(&mut scene, vec![name("zk2", address.port())], PATIENCE);
    assert_eq!(scene.until_dialed(), LINK);
    drop(accept(&listener));
}

#[test]
fn a_name_that_is_not_found_is_a_reason() {
    let lookup = |_: &str| Err(io::Error::other("no such name"));
    let mut scene = Scene::looking_up(PeerOptions::alone(), Arc::new(lookup));
    call(&mut scene, vec![name("zk2", 3888)], PATIENCE);
    assert_eq!(scene.until_closed(LINK), "cannot connect to zk2:3888: no such name");
}

#[test]
fn a_name_that_takes_long_delays_nobody_else() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let lookup = move |host: &str| {
        if host == "slow" {
            let _ = released.lock().expect("alone").recv();
        }
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
    };
    let mut scene = Scene::looking_up(PeerOptions::alone(), Arc::new(lookup));
    let (listener, address) = listener();
    call(&mut scene, vec![name("slow", address.port())], SHORT);
    let link = LinkId(2);
    let addresses = vec![name("fast", address.port())];
    scene.perform(LinkAction::Dial { link, door: Door::Quorum, addresses, timeout: PATIENCE });
    scene.until("dialed", |event| matches!(event, LinkEvent::Dialed { link: LinkId(2) }).then_some(()));
    drop(accept(&listener));
    let reason = scene.until_closed(LINK);
    assert!(reason.ends_with(": the name is still being looked up"), "{reason}");
    drop(release);
}

#[test]
fn a_call_that_is_given_up_is_not_told_of() {
    let (mut scene, (_listener, address, _calls)) = (Scene::new(), deaf());
    scene.dial(LINK, Door::Election, &[address], SHORT);
    scene.perform(LinkAction::Close { link: LINK });
    let link = LinkId(2);
    scene.dial(link, Door::Election, &[address], 2 * SHORT);
    scene.until_closed(link);
    assert!(scene.events.is_empty(), "{:?}", scene.events);
}

impl Scene {
    fn turn_without_waiting(&mut self) {
        self.sockets.flush();
        self.sockets.poll(Duration::ZERO, &mut self.events).expect("a poll");
    }
}
