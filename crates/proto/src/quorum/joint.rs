//! The quorum while the ensemble changes: one of the old configuration and one of the new.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::config::QuorumConfig;
use crate::ServerId;

/// The configuration in force, and the one that is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    committed: Arc<QuorumConfig>,
    next: Option<Arc<QuorumConfig>>,
}

impl Joint {
    /// The configuration `committed`, while no other is proposed.
    pub fn stable(committed: Arc<QuorumConfig>) -> Self {
        Self { committed, next: None }
    }

    /// The configuration `committed`, with `last_seen` proposed. A proposal that is not newer asks for nothing.
    pub fn new(committed: Arc<QuorumConfig>, last_seen: Arc<QuorumConfig>) -> Self {
        let next = Some(last_seen).filter(|last_seen| last_seen.version > committed.version);
        Self { committed, next }
    }

    /// The configuration in force.
    pub fn committed(&self) -> &Arc<QuorumConfig> {
        &self.committed
    }

    /// The configuration that is proposed and not yet in force, if there is one.
    pub fn next(&self) -> Option<&Arc<QuorumConfig>> {
        self.next.as_ref()
    }

    /// The newest configuration that was proposed: the next one, or the one in force.
    pub fn last_seen(&self) -> &Arc<QuorumConfig> {
        self.next.as_ref().unwrap_or(&self.committed)
    }

    /// Whether those that `has` admits are a quorum of every configuration that counts.
    pub fn is_quorum(&self, has: impl Fn(ServerId) -> bool) -> bool {
        self.configs().all(|config| config.is_quorum(&has))
    }

    /// Whether this server votes in any of the two.
    pub fn is_voter(&self, id: ServerId) -> bool {
        self.configs().any(|config| config.is_voter(id))
    }

    /// Everybody who votes in any of the two, in ascending order.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        self.configs().flat_map(|config| config.voters()).collect()
    }

    /// What a server's vote weighs: as the configuration in force says, else the next; 0 if neither knows it.
    pub fn weight_of(&self, id: ServerId) -> i64 {
        self.configs().find_map(|config| config.weight_of(id)).unwrap_or(0)
    }

    fn configs(&self) -> impl Iterator<Item = &QuorumConfig> {
        [Some(&self.committed), self.next.as_ref()].into_iter().flatten().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Arc<QuorumConfig> {
        Arc::new(QuorumConfig::parse(text, false).expect("a configuration"))
    }

    #[test]
    fn while_the_ensemble_changes_both_configurations_must_agree() {
        let old = config("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nversion=1");
        let new = config("server.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2\nversion=2");
        let joint = Joint::new(Arc::clone(&old), Arc::clone(&new));
        let rows: [(&[i64], bool); 5] =
            [(&[1, 2], false), (&[3, 4], false), (&[4, 5], false), (&[1, 3, 4], true), (&[1, 2, 4, 5], true)];
        for (servers, quorum) in rows {
            assert_eq!(joint.is_quorum(|id| servers.contains(&id.0)), quorum, "{servers:?}");
        }
        assert_eq!(joint.voters().into_iter().map(|id| id.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(joint.last_seen(), &new);
        assert_eq!((joint.weight_of(ServerId(4)), joint.weight_of(ServerId(6))), (1, 0));
    }

    #[test]
    fn a_proposed_configuration_that_is_not_newer_asks_for_nothing() {
        let old = config("server.1=a:1:2\nversion=2");
        let older = config("server.2=b:1:2\nversion=2");
        let joint = Joint::new(Arc::clone(&old), older);
        assert!(joint.is_quorum(|id| id == ServerId(1)));
        assert_eq!(joint, Joint::stable(old));
    }
}
