//! Sessions that come and go: each leaves an ephemeral node behind, which must go with it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::VISITS;
use super::control::{Control, Rest, Turn};
use super::session::{Lost, Reconnected, Session};
use crate::ensemble::PATIENCE;
use crate::wire::client::set_data_record;
use crate::wire::{flag, op};

/// Time between two visits.
const PACE: Duration = Duration::from_millis(150);
/// How long a visitor's session lives without it.
const TIMEOUT: Duration = Duration::from_millis(800);

/// A visitor.
#[derive(Debug)]
pub struct Visitor {
    members: Vec<SocketAddr>,
    visits: u64,
    /// The nodes of sessions that were left to expire.
    expiring: Vec<(String, Instant)>,
    /// When a session was lost before it was closed.
    lost: Option<Instant>,
}

impl Visitor {
    /// Visits these in turn.
    pub(super) fn new(members: &[SocketAddr]) -> Visitor {
        Visitor { members: members.into(), visits: 0, expiring: Vec::new(), lost: None }
    }

    /// Visits until told to end.
    pub(super) fn run(mut self, control: &Control) {
        let mut rest = Rest::default();
        loop {
            match control.pace(PACE) {
                Turn::Act => {
                    let visited = self.visit(control);
                    self.note(visited);
                }
                // Nothing may expire while the others rest: it would be a change.
                Turn::Rest | Turn::End if !self.expiring.is_empty() => {
                    let looked = self.await_expiries(control);
                    self.note(looked);
                }
                Turn::Rest => {
                    if self.lost.is_none_or(|lost| lost.elapsed() > 3 * TIMEOUT) {
                        control.rests(&mut rest);
                    }
                }
                Turn::End | Turn::Abandon => return,
            }
        }
    }

    fn note(&mut self, outcome: Result<(), Lost>) {
        if outcome.is_err() {
            self.lost = Some(Instant::now());
        }
    }

    /// One session with one node. Every second session is closed, the others end by themselves.
    fn visit(&mut self, control: &Control) -> Result<(), Lost> {
        let visit = self.visits;
        self.visits += 1;
        let path = format!("{VISITS}/{visit}");
        let mut session = self.session();
        if session.connect(control) == Reconnected::Abandoned {
            return Ok(());
        }
        self.expiring.push((path.clone(), Instant::now()));
        session.create(&path, flag::EPHEMERAL)?;
        control.acknowledge();
        if visit.is_multiple_of(2) {
            session.close()?;
            self.expiring.retain(|(other, _)| *other != path);
            self.expect_gone(control, &path)?;
        } else {
            session.hang_up();
            self.await_expiries(control)?;
        }
        Ok(())
    }

    /// What an acknowledged closeSession takes along is gone for everyone.
    fn expect_gone(&self, control: &Control, path: &str) -> Result<(), Lost> {
        let mut session = self.session();
        if session.connect(control) == Reconnected::Abandoned {
            return Ok(());
        }
        fence(&mut session)?;
        assert!(!session.exists(path)?, "{path} outlived the closing of its session");
        session.close()
    }

    /// Looks which nodes have expired.
    fn await_expiries(&mut self, control: &Control) -> Result<(), Lost> {
        let mut session = self.session();
        if session.connect(control) == Reconnected::Abandoned {
            return Ok(());
        }
        fence(&mut session)?;
        for (path, since) in self.expiring.clone() {
            if session.exists(&path)? {
                assert!(since.elapsed() < PATIENCE, "{path} has not expired in {PATIENCE:?}");
            } else {
                self.expiring.retain(|(other, _)| *other != path);
            }
        }
        session.close()
    }

    /// A session that has not begun, at the member whose turn it is.
    fn session(&self) -> Session {
        let mut order = self.members.clone();
        let first = self.visits as usize % order.len();
        order.rotate_left(first);
        Session::new(&order, TIMEOUT)
    }
}

/// Gets a write acknowledged, so that this member knows all that was acknowledged before.
fn fence(session: &mut Session) -> Result<(), Lost> {
    let reply = session.call(op::SET_DATA, &set_data_record(VISITS, b"", -1))?;
    assert_eq!(reply.err, 0, "set {VISITS} as a fence");
    Ok(())
}
