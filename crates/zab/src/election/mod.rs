//! Fast leader election: servers tell each other whom they vote for, change over to better votes, and settle
//! for the one on which a quorum agrees.
//!
//! ```text
//!  Silent ──look──▶ Looking ──a quorum agrees──▶ Finalizing ──nothing better for a while──▶ Settled
//!                    │ ▲  ▲──────a better vote─────┘                                        │   ▲
//!                    │ └───────────────────────────look─────────────────────────────────────┘   │
//!                    └──a quorum follows a leader already───────────────────────────────────────┘
//! ```
//!
//! A vote is better by epoch, then history, then server id, so a quorum settles for whoever of it has the
//! longest history. A server that looks while others have a leader joins them once a quorum says whom it
//! follows, and the leader says that it leads.
//!
//! **No promise of safety.** An election can have two winners, or one that is gone. It is the new epoch's quorum
//! that lets one leader rule; all that depends on the election is how soon there is one.
//!
//! Where there was a leader, nobody waits for a vote that cannot come: who refuses a call is down, and the election
//! ends as soon as all others agree. So a leader that is gone is replaced without the wait.
//!
//! [`Election`] only counts votes, [`Links`] only decides who dials whom, and [`ElectionPort`] joins them to
//! something that takes bytes and returns bytes.

mod ballot;
mod links;
mod port;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use zoorum_proto::quorum::election::NOTIFICATION_VERSION;
use zoorum_proto::quorum::{Joint, Notification, PeerState, QuorumConfig, Role, Vote};
use zoorum_proto::{Epoch, Monotonic, Round, ServerId, Zxid};

use self::ballot::{Ballot, Ballots};

pub use self::links::{LinkAction, LinkSettings, Links};
pub use self::port::{ElectionPort, PortAction};
pub use crate::link::LinkId;

/// The end of a history that may have lost what it once had. Such a server neither votes nor is voted for.
const SUSPICIOUS: Zxid = Zxid(-1);

/// What an election is held with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Who we are.
    pub server: ServerId,
    /// How long to wait for a notification before asking again, at first; it doubles each time.
    pub interval_min: Duration,
    /// The longest that we wait.
    pub interval_max: Duration,
    /// How long a winner must stand unbeaten.
    pub finalize_window: Duration,
    /// Whether a newer configuration in a notification is adopted.
    pub reconfig_enabled: bool,
    /// Whether a configuration may give a member several addresses.
    pub multi_address: bool,
}

impl ElectionSettings {
    /// The usual times, for this server.
    pub fn new(server: ServerId) -> Self {
        Self {
            server,
            interval_min: Duration::from_millis(200),
            interval_max: Duration::from_secs(60),
            finalize_window: Duration::from_millis(200),
            reconfig_enabled: false,
            multi_address: false,
        }
    }
}

/// What to do for an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionAction {
    /// Tell this server, who is never ourselves.
    Send {
        /// Whom.
        to: ServerId,
        /// What.
        notification: Notification,
    },
    /// Nothing gets through: dial everybody to whom something is to be said.
    Redial,
    /// The election is over.
    Elected(Elected),
    /// Keep this newer configuration across a crash, then say so with [`Election::set_config`]. Until then the
    /// election rests.
    Adopt(QuorumConfig),
}

/// How an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elected {
    /// What we do from now on; never [`PeerState::Looking`].
    pub state: PeerState,
    /// The vote that won. Its leader is whom to follow, unless we lead.
    pub vote: Vote,
    /// The round that it won.
    pub round: Round,
}

/// One server's part in elections, and its answers while it has a leader.
#[derive(Clone, Debug)]
pub struct Election {
    voter: Voter,
    phase: Phase,
}

/// What stays the same while votes change.
#[derive(Clone, Debug)]
struct Voter {
    settings: ElectionSettings,
    joint: Joint,
    /// The committed configuration, as every notification carries it.
    config_text: Arc<str>,
    round: Round,
}

/// The server's own history, which is its own vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct History {
    epoch: Epoch,
    zxid: Zxid,
}

#[derive(Clone, Debug)]
enum Phase {
    /// It has never looked for a leader, and has nothing to say.
    Silent,
    Looking(Looking),
    /// A newer configuration is on its way to the disk.
    Adopting(History),
    /// It has a leader: the ballot is what others are told.
    Settled(Ballot),
}

#[derive(Clone, Debug)]
struct Looking {
    history: History,
    /// The vote that this round began with.
    own: Vote,
    proposal: Vote,
    /// What was said in this round.
    ballots: Ballots,
    /// What servers said that have a leader, in whatever round.
    established: Ballots,
    /// There was a leader before. If not, the ensemble may be starting, and who refuses a call may be about to.
    had_leader: bool,
    /// Voters that refused a call since they were last heard of.
    unreachable: BTreeSet<ServerId>,
    /// How long to wait for the next notification.
    interval: Duration,
    /// Whether a quorum agrees with the proposal.
    finalizing: bool,
    wakes_at: Monotonic,
}

impl Election {
    /// A server that takes part as `joint` says, and does not look for a leader yet.
    pub fn new(settings: ElectionSettings, joint: Joint) -> Self {
        let config_text = joint.committed().to_string().into();
        Self { voter: Voter { settings, joint, config_text, round: Round::ZERO }, phase: Phase::Silent }
    }

    /// What this server does at the moment.
    pub fn state(&self) -> PeerState {
        match &self.phase {
            Phase::Settled(ballot) => ballot.state,
            Phase::Silent | Phase::Looking(_) | Phase::Adopting(_) => PeerState::Looking,
        }
    }

    /// Whom it votes for, or by which vote its leader was elected.
    pub fn vote(&self) -> Option<Vote> {
        match &self.phase {
            Phase::Settled(ballot) => Some(ballot.vote),
            Phase::Looking(looking) => Some(looking.proposal),
            Phase::Silent | Phase::Adopting(_) => None,
        }
    }

    /// The round of voting that it has come to.
    pub fn round(&self) -> Round {
        self.voter.round
    }

    /// The configurations whose voters it asks.
    pub fn joint(&self) -> &Joint {
        &self.voter.joint
    }

    /// When [`Self::on_tick`] is due.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        match &self.phase {
            Phase::Looking(looking) => Some(looking.wakes_at),
            Phase::Silent | Phase::Adopting(_) | Phase::Settled(_) => None,
        }
    }

    /// There is no leader, or not any more: a round of voting begins. Epoch and zxid are those that a crash
    /// would leave.
    pub fn look(&mut self, now: Monotonic, epoch: Epoch, zxid: Zxid, out: &mut Vec<ElectionAction>) {
        let had_leader = matches!(self.phase, Phase::Settled(_));
        self.begin_round(now, History { epoch, zxid }, had_leader, out);
    }

    fn begin_round(
        &mut self,
        now: Monotonic,
        history: History,
        had_leader: bool,
        out: &mut Vec<ElectionAction>,
    ) {
        let voter = &mut self.voter;
        voter.round = voter.round.next();
        let own = voter.own_vote(history);
        let mut looking = Looking {
            history,
            own,
            proposal: own,
            ballots: Ballots::new(),
            established: Ballots::new(),
            had_leader,
            unreachable: BTreeSet::new(),
            interval: voter.settings.interval_min,
            finalizing: false,
            wakes_at: now + voter.settings.interval_min,
        };
        looking.announce(voter, out);
        let won = looking.judge(voter, now);
        self.phase = Phase::Looking(looking);
        self.settle_if(won, out);
    }

    /// A server says something.
    pub fn on_notification(
        &mut self,
        now: Monotonic,
        from: ServerId,
        notification: &Notification,
        out: &mut Vec<ElectionAction>,
    ) {
        if self.adopt_config_of(notification, out) {
            return;
        }
        if !self.voter.joint.is_voter(from) {
            out.extend(self.answer_to_stranger(from, notification));
            return;
        }
        match &mut self.phase {
            Phase::Looking(looking) => {
                let won = looking.on_notification(&mut self.voter, now, from, notification, out);
                self.settle_if(won, out);
            }
            Phase::Settled(ballot) if notification.state == PeerState::Looking => {
                out.push(self.voter.tell(from, ballot.state, ballot.vote, ballot.round));
            }
            Phase::Settled(_) | Phase::Silent | Phase::Adopting(_) => {}
        }
    }

    /// A server was called and did not answer: if there was a leader before, nobody waits for its vote until it is
    /// heard of again.
    pub fn on_unreachable(&mut self, server: ServerId, out: &mut Vec<ElectionAction>) {
        let Phase::Looking(looking) = &mut self.phase else { return };
        if !looking.had_leader {
            return;
        }
        looking.unreachable.insert(server);
        let won = looking.finalizing && looking.is_undisputed(&self.voter);
        let won = won.then_some((looking.proposal, self.voter.round));
        self.settle_if(won, out);
    }

    /// Time passes. `delivered` says whether anything that was said has left for anybody.
    pub fn on_tick(&mut self, now: Monotonic, delivered: bool, out: &mut Vec<ElectionAction>) {
        let Phase::Looking(looking) = &mut self.phase else { return };
        if now < looking.wakes_at {
            return;
        }
        if looking.finalizing {
            let won = Some((looking.proposal, self.voter.round));
            return self.settle_if(won, out);
        }
        if delivered {
            self.voter.tell_all(looking.proposal, out);
        } else {
            out.push(ElectionAction::Redial);
        }
        looking.interval = (looking.interval * 2).min(self.voter.settings.interval_max);
        looking.wakes_at = now + looking.interval;
    }

    /// The next round is left out. Whoever votes in it, having lost its leader later than we did, lags by that, and so
    /// is told our vote when it tells its own; in a common round it would not be.
    pub fn skip_round(&mut self) {
        self.voter.round = self.voter.round.next();
    }

    /// The leader that we have, or are, is established in `epoch`. Who joins later compares epochs.
    pub fn refresh_vote(&mut self, epoch: Epoch) {
        if let Phase::Settled(ballot) = &mut self.phase {
            ballot.vote.epoch = epoch;
        }
    }

    /// The change of the ensemble at `zxid` names a leader without an election.
    pub fn designate(&mut self, leader: ServerId, zxid: Zxid) {
        let vote = Vote { epoch: Epoch(-1), zxid, leader };
        let state = self.voter.state_under(leader);
        self.phase = Phase::Settled(Ballot { vote, round: Round(-1), state, version: NOTIFICATION_VERSION });
    }

    /// Other configurations are in force, or proposed. If other servers are to be asked, voting begins anew.
    pub fn set_config(&mut self, now: Monotonic, joint: Joint, out: &mut Vec<ElectionAction>) {
        let changes = !self.voter.joint.committed().says_the_same_as(joint.committed());
        self.voter.config_text = joint.committed().to_string().into();
        self.voter.joint = joint;
        if changes {
            self.voter.round = Round::ZERO;
        }
        match &self.phase {
            Phase::Looking(Looking { history, .. }) if changes => self.begin_round(now, *history, false, out),
            Phase::Adopting(history) => self.begin_round(now, *history, false, out),
            Phase::Looking(_) | Phase::Settled(_) | Phase::Silent => {}
        }
    }

    /// Asks for a newer configuration to be kept. Returns whether the notification that brought it is void.
    fn adopt_config_of(&mut self, notification: &Notification, out: &mut Vec<ElectionAction>) -> bool {
        let Phase::Looking(looking) = &self.phase else { return false };
        let voter = &self.voter;
        let Some(text) = notification.config.as_deref().filter(|text| **text != *voter.config_text) else {
            return false;
        };
        if !voter.settings.reconfig_enabled {
            return false;
        }
        let Ok(config) = QuorumConfig::parse(text, voter.settings.multi_address) else { return false };
        if config.version <= voter.joint.committed().version {
            return false;
        }
        self.phase = Phase::Adopting(looking.history);
        out.push(ElectionAction::Adopt(config));
        true
    }

    /// What to tell a server that has no vote with us, so that it finds the leader.
    ///
    /// Only one that looks wants to know. If it is ahead of our round, it would answer our answer, and we its.
    fn answer_to_stranger(&self, from: ServerId, notification: &Notification) -> Option<ElectionAction> {
        if notification.state != PeerState::Looking {
            return None;
        }
        let round = self.voter.round;
        let (state, vote) = match &self.phase {
            Phase::Settled(ballot) => (ballot.state, ballot.vote),
            Phase::Looking(looking) if notification.round <= round => (PeerState::Looking, looking.proposal),
            Phase::Looking(_) | Phase::Silent | Phase::Adopting(_) => return None,
        };
        (vote.leader != ServerId::NONE).then(|| self.voter.tell(from, state, vote, round))
    }

    fn settle_if(&mut self, won: Option<(Vote, Round)>, out: &mut Vec<ElectionAction>) {
        let Some((vote, round)) = won else { return };
        assert_ne!(vote.leader, ServerId::NONE, "only voters' votes are counted, and only for voters");
        let state = self.voter.state_under(vote.leader);
        self.phase = Phase::Settled(Ballot { vote, round, state, version: NOTIFICATION_VERSION });
        out.push(ElectionAction::Elected(Elected { state, vote, round }));
    }
}

impl Voter {
    /// The vote that a round begins with: for ourselves, as far as we can be elected.
    fn own_vote(&self, history: History) -> Vote {
        if self.role() == Role::Observer {
            return Vote::NONE;
        }
        let leader = Some(self.settings.server).filter(|&id| self.joint.committed().is_voter(id));
        Vote { epoch: history.epoch, zxid: history.zxid, leader: leader.unwrap_or(ServerId::NONE) }
    }

    /// Who is not listed follows without a vote.
    fn role(&self) -> Role {
        let member = self.joint.committed().members.get(&self.settings.server);
        member.map_or(Role::Participant, |member| member.role)
    }

    fn state_under(&self, leader: ServerId) -> PeerState {
        match self.role() {
            _ if leader == self.settings.server => PeerState::Leading,
            Role::Participant => PeerState::Following,
            Role::Observer => PeerState::Observing,
        }
    }

    fn tell(&self, to: ServerId, state: PeerState, vote: Vote, round: Round) -> ElectionAction {
        let config = Some(Arc::clone(&self.config_text));
        let notification = Notification { state, vote, round, version: NOTIFICATION_VERSION, config };
        ElectionAction::Send { to, notification }
    }

    /// Tells all voters but ourselves what we vote for.
    fn tell_all(&self, proposal: Vote, out: &mut Vec<ElectionAction>) {
        let others = self.joint.voters().into_iter().filter(|&id| id != self.settings.server);
        out.extend(others.map(|to| self.tell(to, PeerState::Looking, proposal, self.round)));
    }

    /// Whether a vote is for somebody who can be elected, and beats another.
    fn is_better(&self, vote: Vote, than: Vote) -> bool {
        self.joint.weight_of(vote.leader) != 0 && vote > than
    }
}

impl Looking {
    /// Tells everybody the proposal, ourselves included.
    fn announce(&mut self, voter: &Voter, out: &mut Vec<ElectionAction>) {
        voter.tell_all(self.proposal, out);
        let own = voter.settings.server;
        if voter.joint.is_voter(own) && voter.joint.is_voter(self.proposal.leader) && !self.is_suspicious() {
            self.ballots.insert(own, self.ballot(voter.round));
        }
    }

    fn is_suspicious(&self) -> bool {
        self.own.zxid == SUSPICIOUS
    }

    fn ballot(&self, round: Round) -> Ballot {
        Ballot { vote: self.proposal, round, state: PeerState::Looking, version: 0 }
    }

    /// Counts what a voter said. Returns the vote that won, and its round, if the election is over.
    fn on_notification(
        &mut self,
        voter: &mut Voter,
        now: Monotonic,
        from: ServerId,
        notification: &Notification,
        out: &mut Vec<ElectionAction>,
    ) -> Option<(Vote, Round)> {
        self.unreachable.remove(&from);
        // Whatever is said, we wait for the next word again.
        let wait = if self.finalizing { voter.settings.finalize_window } else { self.interval };
        self.wakes_at = now + wait;
        let ballot = Ballot::of(notification);
        if ballot.state == PeerState::Looking && ballot.round < voter.round {
            // It lags: its vote counts for nothing, but it should hear ours and catch up, if ours counts.
            if voter.joint.is_voter(voter.settings.server) {
                out.push(voter.tell(from, PeerState::Looking, self.proposal, voter.round));
            }
            return None;
        }
        if !voter.joint.is_voter(ballot.vote.leader) {
            return None;
        }
        match ballot.state {
            PeerState::Looking if self.is_suspicious() || ballot.vote.zxid == SUSPICIOUS => None,
            PeerState::Looking => {
                self.on_candidate(voter, from, ballot, out);
                self.judge(voter, now)
            }
            PeerState::Following | PeerState::Leading => self.on_leadership(voter, from, ballot),
            PeerState::Observing => None,
        }
    }

    /// Somebody looks as we do, in our round or a later one: the better vote becomes ours.
    fn on_candidate(
        &mut self,
        voter: &mut Voter,
        from: ServerId,
        ballot: Ballot,
        out: &mut Vec<ElectionAction>,
    ) {
        if ballot.round > voter.round {
            // We lag: ballots of the old round say nothing about the new one.
            voter.round = ballot.round;
            self.ballots.clear();
            self.proposal = if voter.is_better(ballot.vote, self.own) { ballot.vote } else { self.own };
            self.announce(voter, out);
        } else if voter.is_better(ballot.vote, self.proposal) {
            self.proposal = ballot.vote;
            self.announce(voter, out);
        }
        self.ballots.insert(from, Ballot { version: 0, ..ballot });
    }

    /// Whether a quorum votes as we do. Then the vote wins once it has stood for a while, or at once if there is
    /// nobody left who could know a better one.
    fn judge(&mut self, voter: &Voter, now: Monotonic) -> Option<(Vote, Round)> {
        let is_quorum = voter.joint.is_quorum(self.agreeing(&self.ballots, self.ballot(voter.round)));
        self.finalizing = is_quorum;
        let wait = if is_quorum { voter.settings.finalize_window } else { self.interval };
        self.wakes_at = now + wait;
        (is_quorum && self.is_undisputed(voter)).then_some((self.proposal, voter.round))
    }

    /// Whether every voter votes as we do, but for those that cannot be reached.
    fn is_undisputed(&self, voter: &Voter) -> bool {
        let agree = self.agreeing(&self.ballots, self.ballot(voter.round));
        voter.joint.voters().into_iter().all(|id| agree(id) || self.unreachable.contains(&id))
    }

    /// Somebody has a leader already: if a quorum has the same, and it leads indeed, it is ours too.
    fn on_leadership(&mut self, voter: &mut Voter, from: ServerId, ballot: Ballot) -> Option<(Vote, Round)> {
        let won = Some((ballot.vote, ballot.round));
        if ballot.round == voter.round {
            // Without its format such a ballot agrees by its leader alone.
            self.ballots.insert(from, Ballot { version: 0, ..ballot });
            if self.is_led(voter, &self.ballots, ballot) {
                return won;
            }
        }
        self.established.insert(from, ballot);
        if self.is_led(voter, &self.established, ballot) {
            voter.round = ballot.round;
            return won;
        }
        None
    }

    fn is_led(&self, voter: &Voter, ballots: &Ballots, ballot: Ballot) -> bool {
        let leader = ballot.vote.leader;
        let leads = if leader == voter.settings.server {
            voter.round == ballot.round
        } else {
            ballots.get(&leader).is_some_and(|ballot| ballot.state == PeerState::Leading)
        };
        leads && voter.joint.is_quorum(self.agreeing(ballots, ballot))
    }

    fn agreeing<'a>(&self, ballots: &'a Ballots, with: Ballot) -> impl Fn(ServerId) -> bool + use<'a> {
        move |id| ballots.get(&id).is_some_and(|ballot| ballot.agrees_with(&with))
    }
}

#[cfg(test)]
mod tests;
