//! What a client does next, by chance: few paths, so that clients get into each other's way.

use std::rc::Rc;

use zoorum_proto::{CreateMode, SessionId, Version, Zxid};

use super::ask::{AclChoice, Ask, Flavour, NewNode};
use crate::chance::Chance;
use crate::model::Model;
use crate::model::node::Node;
use crate::plays::STAGE;

const PATHS: [&str; 14] = [
    "/a", "/b", "/c", "/a/x", "/a/y", "/b/x", "/b/y", "/c/x", "/a/x/m", "/a/x/n", "/b/x/m", "/c/x/m",
    "/a/x/m/z", "/",
];
/// With more znodes than these, clients rather delete.
const MANY: usize = 60;

/// A client that makes up its mind.
pub(super) struct Chooser<'a> {
    pub(super) chance: &'a mut Chance,
    pub(super) model: &'a Model,
    pub(super) session: SessionId,
    pub(super) xid: i32,
}

impl Chooser<'_> {
    pub(super) fn choose(&mut self) -> Ask {
        let count = self.others().count();
        if count > MANY && self.chance.one_in(2) {
            return self.delete();
        }
        match self.chance.below(100) {
            0..25 => self.create(false),
            25..37 => self.delete(),
            37..50 => self.set_data(),
            50..53 => self.set_acl(),
            53..58 => self.multi(),
            58..61 => Ask::Sync { path: self.path() },
            61 => Ask::Undecodable,
            62 if self.chance.one_in(3) => Ask::Close,
            62..70 => Ask::Exists { path: self.path(), watch: self.chance.one_in(2) },
            70..80 => Ask::GetData { path: self.path(), watch: self.chance.one_in(2) },
            80..88 => Ask::GetChildren { path: self.path(), watch: self.chance.one_in(2) },
            88..90 => Ask::GetAcl { path: self.path() },
            90..92 => Ask::GetEphemerals,
            92 => Ask::Count { path: self.path() },
            93..95 => Ask::MultiRead((0..self.chance.below(4)).map(|_| self.path()).collect()),
            95..97 => Ask::AddWatch { path: self.path(), recursive: self.chance.one_in(2) },
            97 => Ask::RemoveWatches { path: self.path(), kind: 1 + self.chance.below(5) as i32 },
            98 => Ask::CheckWatches { path: self.path(), kind: 1 + self.chance.below(5) as i32 },
            _ => Ask::Ping,
        }
    }

    /// Znodes, but for those that players play with.
    fn others(&self) -> impl Iterator<Item = (&str, &Rc<Node>)> {
        self.model.all_now().filter(|(path, _)| !path.starts_with(STAGE))
    }

    fn path(&mut self) -> String {
        if self.chance.one_in(3) {
            let count = self.others().count();
            let at = self.chance.below(count);
            if let Some((path, _)) = self.others().nth(at) {
                return path.to_owned();
            }
        }
        (*self.chance.pick(&PATHS)).to_owned()
    }

    /// Mostly any version; sometimes the right one, and sometimes a wrong one.
    fn version(&mut self, path: &str, of_acl: bool) -> Version {
        if self.chance.one_in(2) {
            return Version::ANY;
        }
        let stat = self.model.now(path).map(|node| node.stat()).unwrap_or_default();
        let version = if of_acl { stat.aversion } else { stat.version };
        if self.chance.one_in(4) { version.next() } else { version }
    }

    fn data(&mut self) -> Option<Vec<u8>> {
        let length = match self.chance.below(12) {
            0 => return None,
            1 => return Some(Vec::new()),
            2 => self.chance.below(6_000),
            _ => self.chance.below(200),
        };
        let mut data = format!("{} {}", self.session, self.xid).into_bytes();
        data.resize(data.len() + length, b'.');
        Some(data)
    }

    fn acl(&mut self) -> AclChoice {
        match self.chance.below(20) {
            0 => AclChoice::Own,
            1 => AclChoice::ReadOnly,
            _ => AclChoice::Open,
        }
    }

    fn create(&mut self, in_multi: bool) -> Ask {
        let mut path = self.path();
        let mode = match self.chance.below(12) {
            0..5 => CreateMode::Persistent,
            5..8 => CreateMode::Ephemeral,
            8 => CreateMode::PersistentSequential,
            9 => CreateMode::EphemeralSequential,
            10 if !in_multi => CreateMode::Container,
            11 if !in_multi => CreateMode::PersistentWithTtl,
            _ => CreateMode::Persistent,
        };
        let flavour = match mode {
            CreateMode::Container => Flavour::Container,
            CreateMode::PersistentWithTtl => Flavour::Ttl(self.chance.below(5_000) as i64),
            _ if self.chance.one_in(2) => Flavour::Create2,
            _ => Flavour::Create,
        };
        if path == "/" {
            path = "/r".to_owned();
        }
        if mode.is_sequential() {
            path.push_str(if self.chance.one_in(2) { "/s-" } else { "-" });
        }
        Ask::Create(NewNode { flavour, mode, path, data: self.data(), acl: self.acl() })
    }

    fn delete(&mut self) -> Ask {
        let mut path = self.path();
        let count = self.others().count();
        for _ in 0..8 {
            let at = self.chance.below(count);
            if let Some((found, node)) = self.others().nth(at)
                && node.children.is_empty()
                && node.czxid > Zxid::ZERO
            {
                path = found.to_owned();
                break;
            }
        }
        let version = self.version(&path, false);
        Ask::Delete { path, version }
    }

    fn set_data(&mut self) -> Ask {
        let path = self.path();
        let version = self.version(&path, false);
        Ask::SetData { path, data: self.data(), version }
    }

    /// Never of what all else depends upon.
    fn set_acl(&mut self) -> Ask {
        let path =
            Some(self.path()).filter(|path| path.matches('/').count() > 1).unwrap_or("/a/x".to_owned());
        let version = self.version(&path, true);
        Ask::SetAcl { path, acl: self.acl(), version }
    }

    fn multi(&mut self) -> Ask {
        let asks = (0..self.chance.below(5)).map(|_| match self.chance.below(5) {
            0 | 1 => self.create(true),
            2 => self.delete(),
            3 => self.set_data(),
            _ => {
                let path = self.path();
                let version = self.version(&path, false);
                Ask::Check { path, version }
            }
        });
        Ask::Multi(asks.collect())
    }
}
