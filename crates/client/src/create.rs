//! How a znode is to be created.

use std::time::Duration;

use zoorum_proto::mode::TTL_MAX;
use zoorum_proto::op::{CreateOp, CreateRequest};
use zoorum_proto::{Acl, CreateMode, Permissions, RequestedAcl, Stat, path};

use crate::chroot::Chroot;

/// How a znode is to be created: its mode, its ACL, its time to live. A [`CreateMode`] alone will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    mode: CreateMode,
    acl: Vec<Acl<'static>>,
    ttl: Option<Duration>,
    is_null: bool,
}

/// What was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its path, with its number if it is sequential.
    pub path: String,
    /// Its Stat.
    pub stat: Stat,
}

/// Anybody may do anything.
pub fn open_acl() -> Vec<Acl<'static>> {
    vec![Acl::world(Permissions::ALL)]
}

/// Whoever created it may do anything, by the credentials of its session, and nobody else.
pub fn creator_acl() -> Vec<Acl<'static>> {
    vec![Acl { perms: Permissions::ALL, scheme: "auth".into(), id: "".into() }]
}

/// Anybody may read, nobody may change.
pub fn read_only_acl() -> Vec<Acl<'static>> {
    vec![Acl::world(Permissions::READ)]
}

impl Create {
    /// This mode, and an open ACL.
    pub fn new(mode: CreateMode) -> Self {
        Self { mode, acl: open_acl(), ttl: None, is_null: false }
    }

    /// This ACL instead of the open one.
    pub fn acl(mut self, acl: Vec<Acl<'static>>) -> Self {
        self.acl = acl;
        self
    }

    /// The time to live of the modes that have one: 1 ms to 2⁴⁰ − 1 ms, about 34 years. The servers need
    /// `zookeeper.extendedTypesEnabled`.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Null instead of data: whatever data comes with it is left out.
    pub fn null(mut self) -> Self {
        self.is_null = true;
        self
    }

    /// The request, or what is wrong with it.
    pub(crate) fn request<'a>(
        &'a self,
        path: &str,
        data: &'a [u8],
        chroot: &Chroot,
    ) -> Result<CreateRequest<'a>, String> {
        let numbered = if self.mode.is_sequential() { format!("{path}1") } else { path.to_owned() };
        if !path::is_valid(&numbered) {
            return Err("the path is not valid".to_owned());
        }
        // Only a number follows: it is a child of the chroot that is meant.
        let path = match path {
            "/" if self.mode.is_sequential() => format!("{}/", chroot.0),
            path => chroot.absolute(path),
        };
        if self.acl.is_empty() {
            return Err("the ACL is empty, so that nobody could do anything".to_owned());
        }
        let ttl = self.ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let op = match (self.mode, ttl) {
            (mode, Some(ttl)) if mode.is_ttl() && (1..=TTL_MAX).contains(&ttl) => CreateOp::Ttl(ttl),
            (mode, Some(ttl)) if mode.is_ttl() => {
                return Err(format!("the time to live is {ttl} ms, and should be 1 to {TTL_MAX}"));
            }
            (mode, None) if mode.is_ttl() => return Err("the mode needs a time to live".to_owned()),
            (_, Some(_)) => return Err("the mode has no time to live".to_owned()),
            (CreateMode::Container, None) => CreateOp::Container,
            (_, None) => CreateOp::Create2,
        };
        let acl = Some(requested(&self.acl));
        Ok(CreateRequest {
            op,
            path: path.into(),
            data: (!self.is_null).then_some(data),
            acl,
            flags: self.mode as i32,
        })
    }
}

impl From<CreateMode> for Create {
    fn from(mode: CreateMode) -> Self {
        Self::new(mode)
    }
}

/// An ACL as requests have it.
pub(crate) fn requested<'a>(acl: &'a [Acl<'_>]) -> Vec<RequestedAcl<'a>> {
    acl.iter()
        .map(|entry| RequestedAcl {
            perms: entry.perms,
            scheme: Some(entry.scheme.as_ref().into()),
            id: Some(entry.id.as_ref().into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_put_below_the_chroot() {
        let app = Chroot("/app".to_owned());
        let rows = [
            (CreateMode::Persistent, "/", "/app"),
            (CreateMode::PersistentSequential, "/", "/app/"),
            (CreateMode::Persistent, "/a", "/app/a"),
        ];
        for (mode, path, absolute) in rows {
            let create = Create::new(mode);
            let request = create.request(path, b"", &app).expect("it is valid");
            assert_eq!(request.path, absolute, "{mode:?}");
        }
        assert!(Create::new(CreateMode::Persistent).request("", b"", &app).is_err());
    }

    #[test]
    fn what_cannot_be_created_is_refused_here() {
        let second = Duration::from_secs(1);
        let rows = [
            (Create::new(CreateMode::Persistent), "/a", true),
            (Create::new(CreateMode::Persistent), "/a/", false),
            (Create::new(CreateMode::PersistentSequential), "/a/", true),
            (Create::new(CreateMode::Persistent).acl(Vec::new()), "/a", false),
            (Create::new(CreateMode::Persistent).ttl(second), "/a", false),
            (Create::new(CreateMode::PersistentWithTtl), "/a", false),
            (Create::new(CreateMode::PersistentWithTtl).ttl(second), "/a", true),
            (Create::new(CreateMode::PersistentWithTtl).ttl(Duration::ZERO), "/a", false),
            (Create::new(CreateMode::PersistentWithTtl).ttl(Duration::MAX), "/a", false),
        ];
        for (create, path, is_right) in rows {
            assert_eq!(create.request(path, b"", &Chroot::default()).is_ok(), is_right, "{create:?} {path}");
        }
    }
}
