//! What players believe, held against what is: whether the recipes keep their promises.
//!
//! No player can know what happens elsewhere at the same moment, so nothing is asked of moments. What is asked is that
//! history has the order that was promised: whoever gets a lock gets it when the znode of every holder before is gone,
//! whatever that holder still believes.

use std::collections::{BTreeMap, BTreeSet};

use zoorum_proto::{SessionId, Zxid};

use super::{Checked, ensure};
use crate::model::Model;
use crate::plays::{Claim, Mode, Play};

/// Who claims something: which player, in which session, and the newest change that it has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant {
    pub(crate) player: usize,
    pub(crate) session: SessionId,
    pub(crate) seen: Zxid,
}

/// Somebody was granted something.
#[derive(Clone, Copy, Debug)]
struct Hold {
    session: SessionId,
    mode: Mode,
    is_believed: bool,
}

/// Znodes, each with the changes that created it and that set its data.
type Seen = BTreeMap<String, (Zxid, Zxid)>;

/// A meeting at the double barrier.
#[derive(Debug, Default)]
struct Round {
    came: BTreeSet<usize>,
    inside: BTreeMap<usize, SessionId>,
    leaving: BTreeSet<usize>,
}

/// The judge of a play.
#[derive(Debug, Default)]
pub(crate) struct Recipes {
    path: String,
    holds: BTreeMap<Zxid, Hold>,
    leases: BTreeMap<(usize, u64), SessionId>,
    /// Elements, and whether they are surely in the queue, or were.
    offered: BTreeMap<String, bool>,
    taken: BTreeSet<String>,
    maybe_taken: usize,
    added: BTreeSet<i64>,
    maybe_added: usize,
    waits_since: BTreeMap<usize, Zxid>,
    rounds: BTreeMap<u64, Round>,
    sees: BTreeMap<usize, (SessionId, Seen)>,
    /// How many claims were judged.
    pub(crate) claims: u64,
}

impl Recipes {
    pub(crate) fn new(play: Play) -> Self {
        Self { path: play.path(), ..Self::default() }
    }

    /// A player takes something for true.
    pub(crate) fn judge(&mut self, model: &Model, who: Claimant, claim: Claim) -> Checked {
        self.claims += 1;
        let said = format!("player {}: {claim:?}", who.player);
        let judged = match claim {
            Claim::Granted { token, mode } => self.on_granted(model, who, token, mode),
            Claim::Used { token, knows_better } => self.on_used(token, knows_better),
            Claim::Ended { token } => self.on_ended(token),
            Claim::Gone { token } => self.on_gone(model, token),
            Claim::Leased { lease, of } => self.on_leased(model, who, lease, of),
            Claim::Returned { lease } => {
                self.leases.remove(&(who.player, lease));
                Ok(())
            }
            Claim::Offered { element } => self.on_offered(element, true),
            Claim::MaybeOffered { element } => self.on_offered(element, false),
            Claim::Taken { element } => self.on_taken(model, &element),
            Claim::MaybeTaken => {
                self.maybe_taken += 1;
                Ok(())
            }
            Claim::Added { before, after } => self.on_added(before, after),
            Claim::MaybeAdded => {
                self.maybe_added += 1;
                Ok(())
            }
            Claim::Waits => {
                self.waits_since.insert(who.player, who.seen);
                Ok(())
            }
            Claim::Passed => self.on_passed(model, who),
            Claim::Comes { round } => {
                self.rounds.entry(round).or_default().came.insert(who.player);
                Ok(())
            }
            Claim::Inside { round, members } => self.on_inside(who, round, members),
            Claim::Leaves { round } => {
                self.rounds.entry(round).or_default().leaving.insert(who.player);
                Ok(())
            }
            Claim::Left { round } => self.on_left(model, round),
            Claim::Joined { name } | Claim::Quit { name } => self.on_member(model, who, &name),
            Claim::Sees { nodes } => self.on_seen(who, nodes),
        };
        judged.map_err(|error| format!("{said}: {error}"))
    }

    /// Whether what has this token still exists.
    fn exists(&self, model: &Model, token: Zxid) -> bool {
        model.all_now().any(|(path, node)| node.czxid == token && path.starts_with(&self.path))
    }

    fn on_granted(&mut self, model: &Model, who: Claimant, token: Zxid, mode: Mode) -> Checked {
        let hold = Hold { session: who.session, mode, is_believed: true };
        for (&other, held) in &self.holds {
            if held.mode == Mode::Shared && mode == Mode::Shared {
                continue;
            }
            // Of two of whom one must wait for the other, the earlier one's znode is gone by now.
            let earlier = token.min(other);
            ensure(!self.exists(model, earlier), || {
                format!("{other} was granted to {held:?}, and {earlier} has not ended")
            })?;
        }
        let earlier = self.holds.insert(token, hold);
        ensure(earlier.is_none(), || format!("{token} was granted before, to {earlier:?}"))
    }

    fn on_used(&self, token: Zxid, knows_better: bool) -> Checked {
        let hold = self.holds.get(&token).filter(|hold| hold.is_believed);
        let hold = hold.ok_or_else(|| format!("{token} is used and was not granted"))?;
        ensure(!knows_better, || format!("{token} is used, though {hold:?} was told that it is lost"))
    }

    fn on_ended(&mut self, token: Zxid) -> Checked {
        let hold = self.holds.get_mut(&token).ok_or_else(|| format!("{token} was not granted"))?;
        hold.is_believed = false;
        Ok(())
    }

    fn on_gone(&self, model: &Model, token: Zxid) -> Checked {
        ensure(!self.exists(model, token), || {
            format!("{token} is said to be released, and its znode is there")
        })
    }

    fn on_leased(&mut self, model: &Model, who: Claimant, lease: u64, of: usize) -> Checked {
        self.leases.insert((who.player, lease), who.session);
        let live = self.leases.values().filter(|session| model.session_now(**session).is_some()).count();
        ensure(live <= of, || format!("{live} have leases, and {of} can: {:?}", self.leases))
    }

    fn on_offered(&mut self, element: String, is_sure: bool) -> Checked {
        *self.offered.entry(element).or_default() |= is_sure;
        Ok(())
    }

    fn on_taken(&mut self, model: &Model, element: &str) -> Checked {
        let place = element_of(model, &self.path, element);
        ensure(place.is_some(), || format!("nobody has offered {element}"))?;
        let is_first = self.taken.insert(element.to_owned());
        ensure(is_first, || format!("{element} was taken before"))?;
        let Some((path, number)) = place.filter(|(path, _)| path.contains("/qn-")) else { return Ok(()) };
        let mut waiting = model.all_now().filter(|(other, _)| other.starts_with(&self.path));
        let earlier =
            waiting.find(|(_, node)| node.czxid < number && node.czxid > Zxid::ZERO && is_element(node));
        ensure(model.now(&path).is_none(), || format!("{path} is taken, and is there"))?;
        ensure(earlier.is_none(), || format!("{path} is taken before {:?}", earlier.map(|(path, _)| path)))
    }

    fn on_added(&mut self, before: i64, after: i64) -> Checked {
        ensure(after == before + 1, || "this is not one more".to_owned())?;
        let is_first = self.added.insert(after);
        ensure(is_first, || format!("somebody else has made it {after}: one of both is lost"))
    }

    fn on_passed(&mut self, model: &Model, who: Claimant) -> Checked {
        let since = self.waits_since.remove(&who.player).unwrap_or_default();
        let was_gone = model.was_missing(&self.path, since);
        ensure(was_gone, || format!("the barrier has stood all the time since {since}"))
    }

    fn on_inside(&mut self, who: Claimant, round: u64, members: usize) -> Checked {
        let round = self.rounds.entry(round).or_default();
        round.inside.insert(who.player, who.session);
        ensure(round.came.len() >= members, || format!("{members} should have come: {round:?}"))
    }

    fn on_left(&self, model: &Model, round: u64) -> Checked {
        let Some(round) = self.rounds.get(&round) else { return Ok(()) };
        let mut inside = round.inside.iter();
        let stays = inside.find(|(player, session)| {
            !round.leaving.contains(player) && model.session_now(**session).is_some()
        });
        ensure(stays.is_none(), || format!("{stays:?} has not left: {round:?}"))
    }

    fn on_member(&self, model: &Model, who: Claimant, name: &str) -> Checked {
        let path = format!("{}/{name}", self.path);
        let is_there = model.now(&path).is_some_and(|node| node.kind.session() == who.session);
        let is_over = model.session_now(who.session).is_none();
        ensure(is_there || is_over, || format!("{path} is not {}'s, which lives", who.session))
    }

    fn on_seen(&mut self, who: Claimant, nodes: Seen) -> Checked {
        if let Some((session, before)) = self.sees.get(&who.player)
            && *session == who.session
        {
            let mut both = nodes.iter().filter_map(|(path, now)| Some((path, before.get(path)?, now)));
            let back = both.find(|(_, before, now)| before > now);
            ensure(back.is_none(), || format!("a copy goes back: {back:?}"))?;
        }
        self.sees.insert(who.player, (who.session, nodes));
        Ok(())
    }

    /// Nothing has gone wrong for a while, everything is ended, and all are at rest.
    pub(crate) fn check_settled(&self, model: &Model, sessions: &[SessionId]) -> Checked {
        let held = self.holds.iter().find(|(_, hold)| hold.is_believed && sessions.contains(&hold.session));
        ensure(held.is_none(), || format!("{held:?} is never ended"))?;
        let below = |path: &str| path.starts_with(&self.path);
        let left = model.all_now().find(|(path, node)| below(path) && node.kind.session() != SessionId::NONE);
        ensure(left.is_none(), || format!("{:?} is left behind", left.map(|(path, _)| path)))?;
        self.check_queue(model)?;
        self.check_counter(model)?;
        self.check_copies(model, sessions)
    }

    fn check_queue(&self, model: &Model) -> Checked {
        let waits = |element: &str| {
            element_of(model, &self.path, element).is_some_and(|(path, _)| model.now(&path).is_some())
        };
        let sure = self.offered.iter().filter(|(_, is_sure)| **is_sure).map(|(element, _)| element);
        let lost: Vec<&String> =
            sure.filter(|element| !self.taken.contains(*element) && !waits(element)).collect();
        ensure(lost.len() <= self.maybe_taken, || {
            format!(
                "{lost:?} are lost, and {} may have been taken by somebody who knows nothing of it",
                self.maybe_taken
            )
        })
    }

    fn check_counter(&self, model: &Model) -> Checked {
        if self.added.is_empty() {
            return Ok(());
        }
        let data = model.now(&self.path).and_then(|node| node.data.clone()).unwrap_or_default();
        let value = data.as_ref().try_into().map_or(0, i64::from_be_bytes);
        let (sure, most) = (self.added.len() as i64, (self.added.len() + self.maybe_added) as i64);
        ensure((sure..=most).contains(&value), || {
            format!("the counter is {value}, and should be between {sure} and {most}")
        })
    }

    fn check_copies(&self, model: &Model, sessions: &[SessionId]) -> Checked {
        let tree = model.all_now().filter(|(path, _)| path.starts_with(&self.path));
        let tree: Seen = tree.map(|(path, node)| (path.to_owned(), (node.czxid, node.mzxid))).collect();
        let mut kept = self.sees.iter().filter(|(_, (session, _))| sessions.contains(session));
        let other = kept.find(|(_, (_, copy))| *copy != tree);
        ensure(other.is_none(), || format!("{other:?} is the copy of {tree:?}"))
    }
}

/// Where an element was put last, and by which change: who gives up taking it puts it back.
fn element_of(model: &Model, queue: &str, element: &str) -> Option<(String, Zxid)> {
    let holds = |data: &[u8]| data.windows(element.len()).any(|bytes| bytes == element.as_bytes());
    let ever = model.ever().filter(|(path, _)| path.starts_with(queue));
    let places = ever.filter(|(_, node)| node.data.as_deref().is_some_and(holds));
    places.max_by_key(|(_, node)| node.czxid).map(|(path, node)| (path.to_owned(), node.czxid))
}

fn is_element(node: &crate::model::node::Node) -> bool {
    node.data.as_deref().is_some_and(|data| data.first() == Some(&b'<'))
}
