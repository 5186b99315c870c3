use std::sync::Arc;

use zoorum_proto::quorum::{PeerState, Vote};
use zoorum_proto::{Epoch, Round, Zxid};

use super::*;

/// One server's connections, and what they asked for since the last time.
struct Host {
    links: Links,
    now: Monotonic,
}

fn config(ids: &[i64], version: u32) -> Arc<QuorumConfig> {
    let lines = ids.iter().map(|id| format!("server.{id}=host{id}:1:{}\n", 3000 + version));
    let text = lines.collect::<String>() + &format!("version={version}");
    Arc::new(QuorumConfig::parse(&text, false).expect("a configuration"))
}

fn host(id: i64) -> Host {
    let handshake_timeout = Duration::from_secs(5);
    let settings = LinkSettings { server: ServerId(id), multi_address: false, handshake_timeout };
    Host { links: Links::new(settings, Joint::stable(config(&[1, 2, 3], 0))), now: Monotonic::default() }
}

fn hello(id: i64) -> Vec<u8> {
    let addresses = vec![HostPort { host: format!("called{id}"), port: 9 }];
    Hello { server: ServerId(id), addresses }.to_v1()
}

fn write(link: u64, bytes: &'static str) -> LinkAction {
    LinkAction::Write { link: LinkId(link), bytes: bytes.into() }
}

fn close(link: u64) -> LinkAction {
    LinkAction::Close(LinkId(link))
}

/// Just this connection is closed, for a reason in which these words are.
#[track_caller]
fn assert_refused(actions: &[LinkAction], wanted: u64, words: &str) {
    let [LinkAction::Refuse { link, reason }] = actions else { panic!("{actions:?}") };
    assert!(*link == LinkId(wanted) && reason.contains(words), "{actions:?}");
}

fn dial(id: i64, address: &str, port: u16) -> LinkAction {
    LinkAction::Dial { peer: ServerId(id), addresses: vec![HostPort { host: address.to_owned(), port }] }
}

impl Host {
    fn asks(&mut self, act: impl FnOnce(&mut Links, Monotonic, &mut Vec<LinkAction>)) -> Vec<LinkAction> {
        let mut out = Vec::new();
        act(&mut self.links, self.now, &mut out);
        out
    }

    fn send(&mut self, to: i64, what: &'static str) -> Vec<LinkAction> {
        self.asks(|links, _, out| links.send(ServerId(to), what, out))
    }

    fn dialed(&mut self, to: i64, link: u64) -> Vec<LinkAction> {
        self.asks(|links, now, out| links.on_dialed(now, ServerId(to), LinkId(link), out))
    }

    fn accepted(&mut self, link: u64, bytes: &[u8]) -> Vec<LinkAction> {
        self.asks(|links, now, out| {
            links.on_accepted(now, LinkId(link), out);
            links.on_received(LinkId(link), bytes, &mut Vec::new(), out);
        })
    }

    fn written(&mut self, link: u64) -> Vec<LinkAction> {
        self.asks(|links, _, out| links.on_written(LinkId(link), out))
    }

    fn hears(&mut self, link: u64, bytes: &[u8]) -> (Vec<(ServerId, Notification)>, Vec<LinkAction>) {
        let mut said = Vec::new();
        let out = self.asks(|links, _, out| links.on_received(LinkId(link), bytes, &mut said, out));
        (said, out)
    }
}

/// What is written first on a connection that server 2 dials.
fn own_hello(link: u64) -> LinkAction {
    let addresses = vec![HostPort { host: "host2".to_owned(), port: 3000 }];
    LinkAction::Write { link: LinkId(link), bytes: Hello { server: ServerId(2), addresses }.to_v1().into() }
}

#[test]
fn the_larger_id_dials_and_keeps_the_connection() {
    let mut two = host(2);
    assert_eq!(two.send(1, "a"), [dial(1, "host1", 3000)]);
    assert_eq!(two.dialed(1, 10), [own_hello(10)]);
    assert_eq!(two.written(10), [write(10, "a")], "the hello leaves alone");
}

#[test]
fn the_smaller_id_dials_to_be_dialed_back() {
    let mut two = host(2);
    assert_eq!(two.send(3, "a"), [dial(3, "host3", 3000)]);
    assert_eq!(two.dialed(3, 10), [own_hello(10)]);
    assert_eq!(two.send(3, "b"), [], "it has been called");
    two.links.on_closed(LinkId(10));
    assert_eq!(two.accepted(11, &hello(3)), [write(11, "b")]);
}

#[test]
fn a_call_ends_when_it_is_answered_or_after_a_while() {
    let mut two = host(2);
    two.send(3, "a");
    assert_eq!(two.dialed(3, 10), [own_hello(10)]);
    assert_eq!(two.hears(10, b"nothing is said here"), (vec![], vec![]));
    assert_eq!(two.accepted(11, &hello(3)), [close(10), write(11, "a")]);
    two.links.on_closed(LinkId(11));

    assert_eq!(two.send(3, "b"), [dial(3, "host3", 3000)]);
    assert_eq!(two.accepted(12, &hello(3)), [write(12, "b")]);
    assert_eq!(two.dialed(3, 13), [close(13)], "it was faster");
    two.links.on_closed(LinkId(12));

    assert_eq!(two.send(3, "c"), [dial(3, "host3", 3000)]);
    assert_eq!(two.dialed(3, 14), [own_hello(14)]);
    two.now = two.links.next_wakeup().expect("it may never hang up");
    assert_eq!(two.asks(|links, now, out| links.on_tick(now, out)), [close(14)]);
    assert_eq!(two.send(3, "d"), [dial(3, "host3", 3000)]);
}

#[test]
fn a_smaller_id_is_dialed_back_where_it_says_and_its_old_connection_is_closed() {
    let mut two = host(2);
    assert_eq!(two.accepted(10, &hello(1)), [close(10), dial(1, "called1", 9)]);
    assert_eq!(two.dialed(1, 11), [own_hello(11)]);
    assert_eq!(two.accepted(12, &hello(1)), [close(12), close(11), dial(1, "called1", 9)]);
    // One that does not say where, as before 3.5, is dialed where the configuration says.
    two.asks(|links, _, _| links.on_dial_failed(ServerId(1)));
    assert_eq!(two.accepted(13, &1_i64.to_be_bytes()), [close(13), dial(1, "host1", 3000)]);
}

#[test]
fn the_newest_connection_counts() {
    let mut two = host(2);
    two.send(3, "a");
    assert_eq!(two.accepted(10, &hello(3)), [write(10, "a")]);
    assert_eq!(two.accepted(11, &hello(3)), [close(10), write(11, "a")], "nobody knows whether it arrived");
    assert_eq!(two.written(10), [], "the old one is forgotten");
    two.links.on_closed(LinkId(10));
    assert_eq!(two.send(3, "b"), [], "the new one is still busy");
    assert_eq!(two.written(11), [write(11, "b")]);
}

#[test]
fn only_the_latest_word_waits() {
    let mut two = host(2);
    two.send(1, "a");
    assert!(!two.links.has_delivered());
    two.send(1, "b");
    two.dialed(1, 10);
    assert_eq!(two.written(10), [write(10, "b")]);
    assert!(two.links.has_delivered());
    two.send(1, "c");
    two.send(1, "d");
    assert!(!two.links.has_delivered());
    assert_eq!(two.written(10), [write(10, "d")]);
    assert_eq!(two.written(10), []);
    assert_eq!(two.send(1, "e"), [write(10, "e")]);
}

#[test]
fn something_got_through_if_nothing_waits_for_one_of_them() {
    let mut two = host(2);
    assert!(!two.links.has_delivered(), "there is nobody");
    two.send(1, "a");
    two.send(3, "a");
    assert!(!two.links.has_delivered());
    two.accepted(10, &hello(3));
    assert!(two.links.has_delivered());
}

#[test]
fn a_peer_is_dialed_once_at_a_time_and_again_when_asked() {
    let mut two = host(2);
    assert_eq!(two.send(1, "a"), [dial(1, "host1", 3000)]);
    assert_eq!(two.send(1, "b"), []);
    assert_eq!(two.asks(|links, _, out| links.redial(out)), []);
    two.asks(|links, _, _| links.on_dial_failed(ServerId(1)));
    assert_eq!(two.asks(|links, _, out| links.redial(out)), [dial(1, "host1", 3000)]);
    two.dialed(1, 10);
    assert_eq!(two.asks(|links, _, out| links.redial(out)), [], "it is connected");
    two.links.on_closed(LinkId(10));
    assert_eq!(two.send(1, "c"), [dial(1, "host1", 3000)]);
}

#[test]
fn a_server_that_moves_is_dialed_at_both_addresses_and_the_one_in_force_first() {
    let mut two = host(2);
    two.links.set_config(Joint::new(config(&[1, 2, 3], 0), config(&[1, 2, 3], 7)));
    let [LinkAction::Dial { addresses, .. }] = &two.send(1, "a")[..] else { panic!("one dial") };
    let addresses: Vec<String> = addresses.iter().map(HostPort::to_string).collect();
    assert_eq!(addresses, ["host1:3000", "host1:3007"]);
}

#[test]
fn nobody_and_ourselves_are_closed() {
    let mut two = host(2);
    assert_refused(&two.accepted(10, &hello(2)), 10, "two have one myid");
    assert_refused(&two.accepted(11, &hello(i64::MAX)), 11, "no number");
    assert_refused(&two.accepted(12, b"GET / HTTP/1.1\r\n"), 12, "1414541105");
    assert_refused(&two.accepted(13, b"\xff\xff\xff\xff\xff\xff\0\x02"), 13, "-65534");
    assert_eq!(two.send(9, "a"), [], "nobody knows where it is");
    assert!(!two.links.has_delivered(), "and nothing is kept for it");
}

#[test]
fn who_does_not_say_who_it_is_is_closed_after_a_while() {
    let mut two = host(2);
    assert_eq!(two.accepted(10, &hello(3)[..20]), []);
    two.now = two.now + Duration::from_secs(1);
    assert_eq!(two.accepted(11, &[]), []);
    assert_eq!(two.links.next_wakeup(), Some(Monotonic(Duration::from_secs(5))));
    two.now = Monotonic(Duration::from_secs(5));
    assert_refused(&two.asks(|links, now, out| links.on_tick(now, out)), 10, "did not say within 5s");
    assert_eq!(two.hears(11, &hello(3)).1, []);
    assert_eq!(two.links.next_wakeup(), None);
}

#[test]
fn strangers_are_few() {
    let mut two = host(2);
    for id in 0..STRANGERS_MAX as i64 {
        assert_eq!(two.accepted(id as u64, &hello(100 + id)), []);
    }
    assert_refused(&two.accepted(1000, &hello(999)), 1000, "server 999 is in no configuration");
    assert_eq!(two.accepted(1001, &hello(3)), [], "members are none");
    assert_eq!(two.accepted(1002, &hello(100)), [close(0)], "one that is known comes again");
    two.links.on_closed(LinkId(1));
    assert_eq!(two.accepted(1003, &hello(999)), [], "one has left");
    for link in 2000..2000 + UNKNOWN_MAX as u64 {
        assert_eq!(two.accepted(link, &[]), []);
    }
    assert_eq!(two.accepted(5000, &[]), [close(5000)]);
}

#[test]
fn frames_are_heard_in_any_pieces_and_nonsense_is_ignored() {
    let vote = Vote { epoch: Epoch(1), zxid: Zxid(7), leader: ServerId(3) };
    let notification = Notification {
        state: PeerState::Looking,
        vote,
        round: Round(4),
        version: 2,
        config: Some("x".into()),
    };
    let frame = notification.to_frame();
    let nonsense = [0, 0, 0, 2, 0xff, 0xff];
    let bytes = [&hello(3)[..], &frame, &nonsense, &frame].concat();
    let mut two = host(2);
    assert_eq!(two.accepted(10, &[]), []);
    let said: Vec<_> = bytes.iter().flat_map(|byte| two.hears(10, &[*byte]).0).collect();
    assert_eq!(said, [(ServerId(3), notification.clone()), (ServerId(3), notification)]);
    assert_refused(&two.hears(10, &[0, 0x10, 0, 0]).1, 10, "1048576");
    assert_eq!(two.hears(10, &frame), (vec![], vec![]));
}
