use super::*;

const NOW: Monotonic = Monotonic(Duration::ZERO);

fn config(ids: &[i64], version: u32) -> QuorumConfig {
    let lines = ids.iter().map(|id| format!("server.{id}=host:1:2\n"));
    let text = lines.collect::<String>() + &format!("version={version}");
    QuorumConfig::parse(&text, false).expect("a configuration")
}

fn election(id: i64, reconfig_enabled: bool) -> Election {
    let settings = ElectionSettings { reconfig_enabled, ..ElectionSettings::new(ServerId(id)) };
    Election::new(settings, Joint::stable(Arc::new(config(&[1, 2, 3], 1))))
}

fn looking(id: i64, reconfig_enabled: bool) -> Election {
    let mut election = election(id, reconfig_enabled);
    asks(&mut election, |election, out| election.look(NOW, Epoch(1), Zxid(5), out));
    election
}

fn asks(
    election: &mut Election,
    act: impl FnOnce(&mut Election, &mut Vec<ElectionAction>),
) -> Vec<ElectionAction> {
    let mut out = Vec::new();
    act(election, &mut out);
    out
}

fn vote(epoch: i64, zxid: i64, leader: i64) -> Vote {
    Vote { epoch: Epoch(epoch), zxid: Zxid(zxid), leader: ServerId(leader) }
}

fn notification(state: PeerState, vote: Vote, round: i64, config: Option<&QuorumConfig>) -> Notification {
    let config = config.map(|config| config.to_string().into());
    Notification { state, vote, round: Round(round), version: 2, config }
}

#[test]
fn votes_weigh_by_epoch_then_history_then_server_id() {
    let weakest_first = [Vote::NONE, vote(1, 7, 1), vote(1, 7, 2), vote(1, 8, 1), vote(2, 0, 1)];
    assert!(weakest_first.is_sorted_by(|one, two| one < two));
}

#[test]
fn a_voter_alone_elects_itself_at_once() {
    let settings = ElectionSettings::new(ServerId(1));
    let mut alone = Election::new(settings, Joint::stable(Arc::new(config(&[1], 0))));
    let elected = asks(&mut alone, |election, out| election.look(NOW, Epoch(1), Zxid(5), out));
    let expected = Elected { state: PeerState::Leading, vote: vote(1, 5, 1), round: Round(1) };
    assert_eq!(elected, [ElectionAction::Elected(expected)]);
    assert_eq!((alone.state(), alone.next_wakeup()), (PeerState::Leading, None));
}

#[test]
fn without_an_answer_it_asks_less_and_less_often() {
    let mut one = looking(1, false);
    let mut intervals = Vec::new();
    let mut now = NOW;
    for asked in 0..10 {
        let at = one.next_wakeup().expect("it waits");
        intervals.push(at.since(now).as_millis());
        let early = asks(&mut one, |election, out| election.on_tick(now, true, out));
        assert_eq!(early, [], "not yet");
        now = at;
        let delivered = asked != 1;
        let said = asks(&mut one, |election, out| election.on_tick(now, delivered, out));
        assert_eq!(said.len(), if delivered { 2 } else { 1 });
        assert_eq!(said.contains(&ElectionAction::Redial), !delivered);
    }
    assert_eq!(intervals, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000]);
}

#[test]
fn the_window_begins_again_with_every_word() {
    let mut one = looking(1, false);
    let after = |millis| NOW + Duration::from_millis(millis);
    let mine = notification(PeerState::Looking, vote(1, 5, 1), 1, None);
    let worse = notification(PeerState::Looking, vote(0, 9, 3), 1, None);
    let say = |one: &mut Election, millis, from, what: &Notification| {
        asks(one, |election, out| election.on_notification(after(millis), ServerId(from), what, out))
    };
    assert_eq!(say(&mut one, 50, 2, &mine), []);
    assert_eq!(one.next_wakeup(), Some(after(250)));
    assert_eq!(say(&mut one, 100, 3, &worse), []);
    assert_eq!(one.next_wakeup(), Some(after(300)));
    assert_eq!(say(&mut one, 150, 2, &mine), []);
    assert_eq!(one.next_wakeup(), Some(after(350)));
    // Something better ends it, and we wait for a quorum again.
    let better = notification(PeerState::Looking, vote(1, 6, 3), 1, None);
    assert_eq!(say(&mut one, 200, 3, &better).len(), 2);
    assert_eq!(one.vote(), Some(vote(1, 6, 3)));
    assert_eq!(one.next_wakeup(), Some(after(400)), "server 3 and we are a quorum");
    // The last one changes over: nobody is left who could know better.
    let elected = say(&mut one, 250, 2, &better);
    let expected = Elected { state: PeerState::Following, vote: vote(1, 6, 3), round: Round(1) };
    assert_eq!(elected, [ElectionAction::Elected(expected)]);
}

#[test]
fn nobody_waits_for_the_vote_of_who_cannot_be_reached() {
    let mine = notification(PeerState::Looking, vote(1, 5, 1), 1, None);
    let says = |one: &mut Election, from| {
        asks(one, |election, out| election.on_notification(NOW, ServerId(from), &mine, out))
    };
    let refuses =
        |one: &mut Election, id| asks(one, |election, out| election.on_unreachable(ServerId(id), out));
    let expected = Elected { state: PeerState::Leading, vote: vote(1, 5, 1), round: Round(1) };
    let expected = [ElectionAction::Elected(expected)];

    let parted = || {
        let mut one = election(1, false);
        one.designate(ServerId(3), Zxid(5));
        asks(&mut one, |election, out| election.look(NOW, Epoch(1), Zxid(5), out));
        one
    };
    let mut one = parted();
    assert_eq!(refuses(&mut one, 3), [], "one server is no quorum");
    assert_eq!(says(&mut one, 2), expected, "nobody is left who could know better");

    let mut one = parted();
    assert_eq!(says(&mut one, 2), []);
    assert_eq!(refuses(&mut one, 3), expected);

    let mut one = parted();
    refuses(&mut one, 3);
    let other = notification(PeerState::Looking, vote(1, 4, 3), 1, None);
    asks(&mut one, |election, out| election.on_notification(NOW, ServerId(3), &other, out));
    assert_eq!(says(&mut one, 2), [], "it is back, and is waited for");

    let mut starting = looking(1, false);
    assert_eq!(says(&mut starting, 2), []);
    assert_eq!(refuses(&mut starting, 3), [], "it may be about to start");
}

#[test]
fn who_lags_is_told_our_vote_and_counts_for_nothing() {
    let mut one = looking(1, false);
    asks(&mut one, |election, out| election.look(NOW, Epoch(1), Zxid(5), out));
    let late = notification(PeerState::Looking, vote(9, 9, 2), 1, None);
    let said = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(2), &late, out));
    let [ElectionAction::Send { to, notification }] = &said[..] else { panic!("one answer: {said:?}") };
    assert_eq!((*to, notification.vote, notification.round), (ServerId(2), vote(1, 5, 1), Round(2)));
    assert_eq!(one.vote(), Some(vote(1, 5, 1)));
}

#[test]
fn a_later_round_is_joined_with_the_better_of_both_votes() {
    for (theirs, expected) in [(vote(1, 6, 2), vote(1, 6, 2)), (vote(1, 4, 2), vote(1, 5, 1))] {
        let mut one = looking(1, false);
        let said = notification(PeerState::Looking, theirs, 7, None);
        let out = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(2), &said, out));
        assert_eq!((one.round(), one.vote(), out.len()), (Round(7), Some(expected), 2));
    }
}

#[test]
fn a_newer_configuration_is_ignored_unless_reconfiguration_is_enabled() {
    let newer = config(&[1, 2, 4], 2);
    let (same, older) = (config(&[1, 2, 3], 1), config(&[1, 2, 4], 0));
    let rows = [(true, &newer, true), (false, &newer, false), (true, &same, false), (true, &older, false)];
    for (enabled, config, adopts) in rows {
        let mut one = looking(1, enabled);
        let said = notification(PeerState::Looking, vote(1, 5, 2), 1, Some(config));
        let out = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(2), &said, out));
        assert_eq!(out.contains(&ElectionAction::Adopt(config.clone())), adopts);
        assert_eq!(one.vote().is_none(), adopts, "meanwhile the election rests");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_does_not_spoil_the_vote() {
    let mut one = looking(1, true);
    let said = Notification {
        config: Some("server.x=".into()),
        ..notification(PeerState::Looking, vote(1, 6, 2), 1, None)
    };
    asks(&mut one, |election, out| election.on_notification(NOW, ServerId(2), &said, out));
    assert_eq!(one.vote(), Some(vote(1, 6, 2)));
}

#[test]
fn whoever_has_a_leader_keeps_it_when_the_ensemble_changes() {
    let mut one = looking(1, true);
    one.designate(ServerId(2), Zxid(8));
    assert_eq!((one.state(), one.vote()), (PeerState::Following, Some(vote(-1, 8, 2))));
    one.refresh_vote(Epoch(3));
    let out = asks(&mut one, |election, out| {
        election.set_config(NOW, Joint::stable(Arc::new(config(&[1, 2, 4], 2))), out);
    });
    assert_eq!((out, one.round()), (vec![], Round::ZERO));
    let asks_us = notification(PeerState::Looking, vote(1, 5, 4), 1, None);
    let out = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(4), &asks_us, out));
    let [ElectionAction::Send { notification, .. }] = &out[..] else { panic!("one answer: {out:?}") };
    assert_eq!((notification.state, notification.vote), (PeerState::Following, vote(3, 8, 2)));
}

#[test]
fn who_never_looked_has_nothing_to_say() {
    let mut one = election(1, true);
    for from in [2, 9] {
        let said = notification(PeerState::Looking, vote(1, 5, 2), 1, Some(&config(&[1], 9)));
        let out = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(from), &said, out));
        assert_eq!(out, []);
    }
}

#[test]
fn a_stranger_is_answered_unless_it_would_answer_in_turn() {
    use PeerState::{Following, Looking};
    let mut one = looking(1, false);
    asks(&mut one, |election, out| election.look(NOW, Epoch(1), Zxid(5), out));
    let rows = [(Looking, 1, 1), (Looking, 2, 1), (Looking, 3, 0), (Following, 2, 0)];
    for (state, round, answers) in rows {
        let said = notification(state, vote(1, 5, 9), round, None);
        let out = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(9), &said, out));
        assert_eq!(out.len(), answers, "{state:?} in round {round}");
    }
    one.designate(ServerId(2), Zxid(8));
    for (state, answers) in [(Looking, 1), (Following, 0)] {
        let said = notification(state, vote(1, 5, 9), 7, None);
        let out = asks(&mut one, |election, out| election.on_notification(NOW, ServerId(9), &said, out));
        assert_eq!(out.len(), answers, "{state:?}");
    }
}
