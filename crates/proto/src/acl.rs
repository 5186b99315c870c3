//! Who may do what with a znode.

use std::borrow::Cow;

use zoorum_jute::{Decode, Encode};

/// A set of permissions. Any number is stored and returned as given; only the five bits are ever tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Permissions(pub i32);

impl Permissions {
    /// Read data and children; receive events.
    pub const READ: Self = Self(1);
    /// Set data.
    pub const WRITE: Self = Self(2);
    /// Create children.
    pub const CREATE: Self = Self(4);
    /// Delete children.
    pub const DELETE: Self = Self(8);
    /// Set the ACL.
    pub const ADMIN: Self = Self(16);
    /// All five.
    pub const ALL: Self = Self(31);

    /// Whether the two sets share a permission.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One entry of an access control list: who, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Acl<'a> {
    /// What is granted.
    pub perms: Permissions,
    /// How `id` is to be understood: `world`, `digest`, `ip`, …
    pub scheme: Cow<'a, str>,
    /// Who.
    pub id: Cow<'a, str>,
}

impl Acl<'_> {
    /// `world:anyone`, with these permissions.
    pub fn world(perms: Permissions) -> Acl<'static> {
        Acl { perms, scheme: "world".into(), id: "anyone".into() }
    }

    /// The same entry, borrowing nothing.
    pub fn into_owned(self) -> Acl<'static> {
        Acl { perms: self.perms, scheme: self.scheme.into_owned().into(), id: self.id.into_owned().into() }
    }
}

/// An entry as a request has it: clients can send nulls, which are refused as an invalid ACL.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RequestedAcl<'a> {
    /// What is granted.
    pub perms: Permissions,
    /// How `id` is to be understood.
    pub scheme: Option<Cow<'a, str>>,
    /// Who.
    pub id: Option<Cow<'a, str>>,
}

/// Somebody a connection has proved to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthId {
    /// How it was proved.
    pub scheme: Cow<'static, str>,
    /// Who, in that scheme's form.
    pub id: String,
}

impl AuthId {
    /// An id of this scheme.
    pub fn new(scheme: &'static str, id: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), id: id.into() }
    }

    /// Whether every ACL check passes for it.
    pub fn is_super(&self) -> bool {
        self.scheme == "super"
    }
}
