//! What an operator should read of a server's part, and what it can tell of itself.

use super::{Peer, Role};
use crate::action::{Action, Notice, Part};
use crate::elector::Elected;
use crate::master::ObserverMaster;
use crate::report::PeerReport;

impl Peer {
    /// What it can tell of itself.
    pub fn report(&self) -> PeerReport {
        let (learners, pending_syncs) = match &self.role {
            Role::Leading(leader) => (leader.report(&self.ensemble), leader.pending_syncs()),
            Role::Looking | Role::Learning(_) => {
                (self.master.iter().flat_map(ObserverMaster::report).collect(), 0)
            }
        };
        PeerReport {
            part: self.part,
            since: self.since,
            accepted: self.accepted,
            current: self.current,
            voters: self.ensemble.joint.voters().len(),
            learners,
            pending_syncs,
            counters: self.counters,
        }
    }

    /// Starts counting anew what passes on the connections of observers.
    pub fn reset_observers(&mut self) {
        if let Role::Leading(leader) = &mut self.role {
            leader.reset_observers();
        }
        if let Some(master) = &mut self.master {
            master.reset_observers();
        }
    }

    pub(super) fn tell_of_election(&mut self, elected: Elected) {
        let took = self.now.since(self.looking_since);
        let (leader, ms) = (elected.leader, took.as_millis());
        if elected.observes {
            return self.tell(format!("OBSERVING: server {leader} leads, as was found out in {ms} ms"));
        }
        self.counters.elections.observe(took);
        let role = if leader == self.settings.me { "LEADING" } else { "FOLLOWING" };
        self.tell(format!("{role} - LEADER ELECTION TOOK - {ms} MS; server {leader} was elected"));
    }

    /// What an operator should know of where this server stands now.
    pub(super) fn tell_of_part(&mut self) {
        let took = self.now.since(self.since);
        let ms = took.as_millis();
        let text = match (self.part, &self.role) {
            (Part::Leading(epoch), Role::Leading(leader)) => {
                format!(
                    "LEADING in epoch {epoch}, with servers {} in step, after {ms} ms",
                    leader.names_in_step()
                )
            }
            (Part::Following(leader, epoch), _) => {
                format!("FOLLOWING server {leader} in epoch {epoch}, in step with it after {ms} ms")
            }
            (Part::Observing(leader, epoch), _) => {
                format!("OBSERVING server {leader} in epoch {epoch}, in step with it after {ms} ms")
            }
            _ => return,
        };
        self.tell(text);
        self.counters.unavailable.observe(took);
        if let Part::Leading(_) = self.part {
            self.counters.leader_unavailable.observe(took);
        }
    }

    pub(super) fn tell(&mut self, text: String) {
        self.actions.push(Action::Tell(Notice::Info(text)));
    }
}
