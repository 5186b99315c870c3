//! What a server enforces beyond the tree itself: its configuration, as far as prep and reads depend on it.

mod ip;
mod names;

use std::collections::BTreeSet;

use zoorum_proto::{Acl, AuthId, ErrorCode, Permissions, RequestedAcl};

/// What prep and reads enforce.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Who gets past which ACL.
    pub acl: AclRules,
    /// Whether hard quotas refuse requests (`zookeeper.enforceQuota`).
    pub enforce_quota: bool,
    /// Whether TTL znodes may be created (`zookeeper.extendedTypesEnabled`).
    pub extended_types: bool,
    /// Whether transactions carry the tree's digest (`zookeeper.digest.enabled`).
    pub digest: bool,
    /// Whether closing a session lists the znodes that go (`zookeeper.closeSessionTxn.enabled`).
    pub close_session_paths: bool,
    /// Whether the membership may be changed (`reconfigEnabled`).
    pub reconfig_enabled: bool,
}

/// Who gets past which ACL, and which ACLs may be set. The schemes `world` and `ip` always exist.
#[derive(Clone, Debug)]
pub struct AclRules {
    /// Nothing is checked (`zookeeper.skipACL=yes`).
    pub skip: bool,
    /// Whether the digest scheme exists.
    pub digest: bool,
    /// Whether the x509 scheme exists.
    pub x509: bool,
    /// Whether the sasl scheme exists.
    pub sasl: bool,
    /// Whether the ensemble scheme exists. It is for connections: no ACL entry of it is valid or matches.
    pub ensemble: bool,
    /// Whether the sample scheme `key` exists.
    pub key: bool,
    /// An x509 id that matches every x509 entry.
    pub x509_super_user: Option<String>,
    /// A sasl entry of this id matches every sasl user (`zookeeper.letAnySaslUserDoX`).
    pub let_any_sasl_user_do: Option<String>,
}

impl Default for AclRules {
    fn default() -> Self {
        Self {
            skip: false,
            digest: true,
            x509: false,
            sasl: false,
            ensemble: false,
            key: false,
            x509_super_user: None,
            let_any_sasl_user_do: None,
        }
    }
}

/// A scheme that a server can have a provider for, and that ACL entries can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Digest,
    Ip,
    X509,
    Sasl,
    Ensemble,
    Key,
}

/// From this many entries on, duplicates are looked for in a set.
const MANY_ENTRIES: usize = 8;

/// Most bytes of ids that the `auth` entries of one request may stand for: each stands for all ids of the client, so a few
/// bytes that were sent could become megabytes.
const EXPANDED_LIMIT: usize = 1 << 19;

impl AclRules {
    fn scheme(&self, name: &str) -> Option<Scheme> {
        let (scheme, exists) = match name {
            "digest" => (Scheme::Digest, self.digest),
            "ip" => (Scheme::Ip, true),
            "x509" => (Scheme::X509, self.x509),
            "sasl" => (Scheme::Sasl, self.sasl),
            "ensemble" => (Scheme::Ensemble, self.ensemble),
            "key" => (Scheme::Key, self.key),
            _ => return None,
        };
        exists.then_some(scheme)
    }

    /// Whether somebody with these ids may do any of `wanted` with a znode of this ACL.
    pub fn allows(&self, acl: &[Acl<'_>], wanted: Permissions, ids: &[AuthId]) -> bool {
        self.skip
            || acl.is_empty()
            || acl.iter().any(|entry| {
                entry.perms.intersects(wanted) && entry.scheme == "world" && entry.id == "anyone"
            })
            || ids.iter().any(AuthId::is_super)
            || acl.iter().any(|entry| entry.perms.intersects(wanted) && self.is_one_of(entry, ids))
    }

    fn is_one_of(&self, entry: &Acl<'_>, ids: &[AuthId]) -> bool {
        let Some(scheme) = self.scheme(&entry.scheme) else { return false };
        ids.iter().any(|id| id.scheme == entry.scheme && self.matches(scheme, &id.id, &entry.id))
    }

    fn matches(&self, scheme: Scheme, id: &str, entry: &str) -> bool {
        match scheme {
            Scheme::Digest | Scheme::Key => id == entry,
            Scheme::Ip => ip::matches(id, entry),
            Scheme::X509 => id == entry || self.x509_super_user.as_deref() == Some(id),
            Scheme::Sasl => {
                id == entry || id == "super" || self.let_any_sasl_user_do.as_deref() == Some(entry)
            }
            Scheme::Ensemble => false,
        }
    }

    /// The list to store for a requested one: duplicates dropped, `auth` replaced by the requester's ids. `expanded` counts
    /// the bytes of those, over all lists of one request.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::InvalidAcl`] if the list is null or empty, an entry is not valid, or these are too many bytes.
    pub fn fix_up(
        &self,
        requested: Option<&[RequestedAcl<'_>]>,
        ids: &[AuthId],
        expanded: &mut usize,
    ) -> Result<Vec<Acl<'static>>, ErrorCode> {
        let requested = requested.filter(|list| !list.is_empty()).ok_or(ErrorCode::InvalidAcl)?;
        let stand_ins = requested.iter().filter(|entry| entry.scheme.as_deref() == Some("auth")).count();
        let bytes: usize = ids.iter().map(|id| size_of_val(id) + id.id.len()).sum();
        *expanded += stand_ins * bytes;
        if *expanded > EXPANDED_LIMIT {
            return Err(ErrorCode::InvalidAcl);
        }
        let mut fixed = Vec::with_capacity(requested.len());
        let mut seen = BTreeSet::new();
        for (index, entry) in requested.iter().enumerate() {
            let is_repeated = if requested.len() < MANY_ENTRIES {
                requested[..index].contains(entry)
            } else {
                !seen.insert((entry.perms.0, entry.scheme.as_deref(), entry.id.as_deref()))
            };
            if !is_repeated {
                self.fix_up_entry(entry, ids, &mut fixed)?;
            }
        }
        Ok(fixed)
    }

    fn fix_up_entry(
        &self,
        entry: &RequestedAcl<'_>,
        ids: &[AuthId],
        fixed: &mut Vec<Acl<'static>>,
    ) -> Result<(), ErrorCode> {
        let perms = entry.perms;
        let scheme = entry.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
        // The id of an `auth` entry is ignored, and some clients (kazoo) send none.
        let id = entry.id.as_deref().or((scheme == "auth").then_some("")).ok_or(ErrorCode::InvalidAcl)?;
        let is_valid = match scheme {
            "world" if id == "anyone" => {
                fixed.push(Acl::world(perms));
                return Ok(());
            }
            "world" => false,
            "auth" => {
                let proved = ids.iter().filter(|id| self.is_authenticated(id));
                let before = fixed.len();
                fixed.extend(proved.map(|id| Acl {
                    perms,
                    scheme: id.scheme.clone(),
                    id: id.id.clone().into(),
                }));
                return if fixed.len() > before { Ok(()) } else { Err(ErrorCode::InvalidAcl) };
            }
            _ => self.scheme(scheme).is_some_and(|scheme| is_valid_id(scheme, id)),
        };
        if !is_valid {
            return Err(ErrorCode::InvalidAcl);
        }
        fixed.push(Acl { perms, scheme: scheme.to_owned().into(), id: id.to_owned().into() });
        Ok(())
    }

    /// Whether an `auth` entry stands for this id. Where somebody connects from proves nothing.
    fn is_authenticated(&self, id: &AuthId) -> bool {
        let scheme = self.scheme(&id.scheme);
        matches!(scheme, Some(Scheme::Digest | Scheme::Sasl | Scheme::X509 | Scheme::Key))
    }

    /// The list as getACL shows it: whoever may not change it does not see the hashes of passwords.
    pub fn masked<'a>(&self, acl: &'a [Acl<'static>], ids: &[AuthId]) -> Vec<Acl<'a>> {
        let sees_all = self.allows(acl, Permissions::ADMIN, ids);
        let mask = |entry: &'a Acl<'static>| {
            let id = match entry.id.split_once(':') {
                Some((user, _)) if !sees_all && entry.scheme == "digest" => format!("{user}:x").into(),
                _ => (&*entry.id).into(),
            };
            Acl { perms: entry.perms, scheme: (&*entry.scheme).into(), id }
        };
        acl.iter().map(mask).collect()
    }
}

/// Whether an ACL entry of the scheme may have this id.
fn is_valid_id(scheme: Scheme, id: &str) -> bool {
    match scheme {
        Scheme::Digest => names::is_digest(id),
        Scheme::Ip => ip::is_valid(id),
        Scheme::X509 => names::is_distinguished(id),
        Scheme::Sasl => names::is_kerberos(id),
        Scheme::Ensemble => false,
        Scheme::Key => true,
    }
}

#[cfg(test)]
mod tests;
