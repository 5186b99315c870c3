//! The tree against a model so naive that it must be right: a sorted map of whole paths, changed at once by
//! every request. What prep decides, and what apply does later, must be what the model says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use zoorum_proto::mode::{NodeKind, TTL_MAX};
use zoorum_proto::op::CreateOp;
use zoorum_proto::{Acl, CreateMode, ErrorCode, SessionId, Stat, TxnBody, Version, WallClock, Zxid, path};
use zoorum_tree::{Outcome, Tree};

use crate::dump::{Seen, dump};
use crate::history::{PATHS, Request, Step, acl, history};
use crate::scene::Scene;

#[derive(Clone, Debug)]
struct Model {
    nodes: BTreeMap<String, Seen>,
    sessions: BTreeSet<SessionId>,
    zxid: Zxid,
    time: WallClock,
}

type Judged = Result<Outcome, ErrorCode>;

impl Model {
    fn new() -> Self {
        let nodes = dump(&Tree::new(0)).nodes;
        Self { nodes, sessions: BTreeSet::new(), zxid: Zxid::ZERO, time: WallClock(0) }
    }

    fn children(&self, parent: &str) -> impl Iterator<Item = &String> {
        let prefix = if parent == "/" { "/".to_owned() } else { format!("{parent}/") };
        self.nodes.keys().filter(move |path| {
            path.strip_prefix(&prefix).is_some_and(|name| !name.is_empty() && !name.contains('/'))
        })
    }

    fn stat(&self, path: &str) -> Stat {
        let node = &self.nodes[path];
        let children = self.children(path).count() as i32;
        Stat {
            cversion: node.creates.wrapping_mul(2).wrapping_sub(children),
            num_children: children,
            data_length: node.data.as_ref().map_or(0, Vec::len) as i32,
            ephemeral_owner: node.kind.session(),
            ..node.stat
        }
    }

    fn parent(path: &str) -> Result<&str, ErrorCode> {
        let (parent, _) = path.rsplit_once('/').ok_or(ErrorCode::BadArguments)?;
        Ok(if parent.is_empty() { "/" } else { parent })
    }

    fn run(&mut self, session: SessionId, request: &Request) -> Judged {
        match request {
            Request::Create { op, path, flags, data, .. } => {
                self.create(session, *op, PATHS[*path], *flags, data.clone())
            }
            Request::Delete { path, version } => self.delete(PATHS[*path], *version),
            Request::SetData { path, data, version } => {
                let path = Self::strict(PATHS[*path])?;
                let (zxid, time) = (self.zxid, self.time);
                let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
                Self::expect(node.stat.version, *version)?;
                node.stat.version = Version(node.stat.version.0 + 1);
                node.stat.mzxid = zxid;
                node.stat.mtime = time;
                node.data.clone_from(data);
                Ok(Outcome::Set(self.stat(path)))
            }
            Request::Check { path, version } => {
                let path = Self::strict(PATHS[*path])?;
                let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
                Self::expect(node.stat.version, *version)?;
                Ok(Outcome::Checked)
            }
        }
    }

    fn strict(path: &str) -> Result<&str, ErrorCode> {
        if path != "/" && path.ends_with('/') { Err(ErrorCode::BadArguments) } else { Ok(path) }
    }

    fn expect(current: Version, expected: i32) -> Result<(), ErrorCode> {
        if expected == -1 || expected == current.0 { Ok(()) } else { Err(ErrorCode::BadVersion) }
    }

    fn create(
        &mut self,
        session: SessionId,
        op: CreateOp,
        path: &str,
        flags: i32,
        data: Option<Vec<u8>>,
    ) -> Judged {
        let mode = CreateMode::from_flags(flags).ok_or(ErrorCode::BadArguments)?;
        let kind = match op {
            CreateOp::Ttl(ttl) if mode.is_ttl() && ttl > 0 && ttl <= TTL_MAX => NodeKind::Ttl(ttl),
            CreateOp::Ttl(_) => return Err(ErrorCode::BadArguments),
            _ if mode.is_ttl() => return Err(ErrorCode::BadArguments),
            CreateOp::Container => NodeKind::Container,
            _ if mode == CreateMode::Container => NodeKind::Container,
            _ if mode.is_ephemeral() && session != SessionId::NONE => NodeKind::Ephemeral(session),
            _ => NodeKind::Persistent,
        };
        let parent_path = Self::parent(path)?;
        let parent = self.nodes.get(parent_path).ok_or(ErrorCode::NoNode)?;
        let number = if mode.is_sequential() { format!("{:010}", parent.creates) } else { String::new() };
        let path = format!("{path}{number}");
        Self::strict(&path)?;
        if self.nodes.contains_key(&path) {
            return Err(ErrorCode::NodeExists);
        }
        if matches!(parent.kind, NodeKind::Ephemeral(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let stat = Stat {
            czxid: self.zxid,
            mzxid: self.zxid,
            pzxid: self.zxid,
            ctime: self.time,
            mtime: self.time,
            ..Stat::default()
        };
        let parent = self.nodes.get_mut(parent_path).expect("it was just there");
        parent.creates += 1;
        parent.stat.pzxid = self.zxid;
        let acl = vec![Acl::world(zoorum_proto::Permissions::ALL)];
        self.nodes.insert(path.clone(), Seen { data, stat, acl, kind, creates: 0 });
        Ok(Outcome::Created(self.stat(&path)))
    }

    fn delete(&mut self, path: &str, version: i32) -> Judged {
        if path::is_protected(path) {
            return Err(ErrorCode::BadArguments);
        }
        let parent = Self::parent(path)?;
        if !self.nodes.contains_key(parent) {
            return Err(ErrorCode::NoNode);
        }
        let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
        Self::expect(node.stat.version, version)?;
        if self.children(path).next().is_some() {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(path);
        Ok(Outcome::Deleted)
    }

    fn remove(&mut self, path: &str) {
        self.nodes.remove(path);
        let parent = Self::parent(path).expect("a znode's path has a slash");
        self.nodes.get_mut(parent).expect("a znode has a parent").stat.pzxid = self.zxid;
    }

    /// Judges a step and changes the model.
    fn step(&mut self, step: &Step) -> Judged {
        match step {
            Step::Apply(_) => unreachable!("it is no request"),
            Step::One(request) => self.run(step.session(), request),
            Step::Multi(requests) => Ok(self.multi(step.session(), requests)),
            Step::SetAcl { path, acl: choice, version } => {
                let path = Self::strict(PATHS[*path])?;
                let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
                Self::expect(node.stat.aversion, *version)?;
                node.stat.aversion = Version(node.stat.aversion.0 + 1);
                let stored = |entry: zoorum_proto::RequestedAcl<'static>| Acl {
                    perms: entry.perms,
                    scheme: entry.scheme.expect("tests send no nulls"),
                    id: entry.id.expect("tests send no nulls"),
                };
                node.acl = acl(*choice).into_iter().map(stored).collect();
                Ok(Outcome::Set(self.stat(path)))
            }
            Step::OpenSession(_) => {
                self.sessions.insert(step.session());
                Ok(Outcome::Session)
            }
            Step::CloseSession(_) => {
                let owner = NodeKind::Ephemeral(step.session());
                let gone: Vec<_> = self.nodes.iter().filter(|(_, node)| node.kind == owner).collect();
                let gone: Vec<_> = gone.into_iter().map(|(path, _)| path.clone()).collect();
                gone.iter().for_each(|path| self.remove(path));
                self.sessions.remove(&step.session());
                Ok(Outcome::Session)
            }
            Step::DeleteContainer(path) => {
                let path = PATHS[*path];
                if path::is_protected(path) {
                    return Err(ErrorCode::BadArguments);
                }
                let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
                if self.children(path).next().is_some() {
                    return Err(ErrorCode::NotEmpty);
                }
                match node.kind {
                    NodeKind::Container | NodeKind::Ttl(_) => self.remove(path),
                    _ => return Err(ErrorCode::BadVersion),
                }
                Ok(Outcome::Deleted)
            }
        }
    }

    fn multi(&mut self, session: SessionId, requests: &[Request]) -> Outcome {
        let before = self.nodes.clone();
        let mut outcomes = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            match self.run(session, request) {
                Ok(outcome) => outcomes.push(outcome),
                Err(code) => {
                    self.nodes = before;
                    let mut outcomes = vec![Outcome::Error(0); index];
                    outcomes.push(Outcome::Error(code.number()));
                    outcomes.resize(requests.len(), Outcome::Error(-2));
                    return Outcome::Multi(outcomes);
                }
            }
        }
        Outcome::Multi(outcomes)
    }

    /// The digest, by its definition.
    fn digest(&self) -> i64 {
        let counted = self.nodes.iter().filter(|(path, _)| !path.starts_with("/zookeeper/"));
        let sum = counted.fold(0_u64, |sum, (path, node)| {
            let stat = &node.stat;
            let mut bytes = path.trim_end_matches('/').as_bytes().to_vec();
            bytes.extend(node.data.iter().flatten());
            for long in [stat.czxid.0, stat.mzxid.0, stat.pzxid.0, stat.ctime.0, stat.mtime.0] {
                bytes.extend(long.to_be_bytes());
            }
            for int in [stat.version.0, node.creates, stat.aversion.0] {
                bytes.extend(int.to_be_bytes());
            }
            bytes.extend(node.kind.owner().to_be_bytes());
            sum.wrapping_add(crc32(&bytes).into())
        });
        sum as i64
    }
}

/// Bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn apply_never_surprises_prep(steps in history()) {
        let mut scene = Scene::new();
        scene.ids = vec![zoorum_proto::AuthId::new("super", "")];
        let mut model = Model::new();
        let mut proposed = VecDeque::new();
        for step in &steps {
            let Some(txn) = step.prep(&mut scene) else {
                if let Step::Apply(count) = step {
                    apply(&mut scene, &mut proposed, *count);
                }
                continue;
            };
            model.zxid = txn.header.zxid;
            model.time = txn.header.time;
            let expected = model.step(step).unwrap_or_else(|code| Outcome::Error(code.number()));
            if let Some(digest) = txn.digest {
                prop_assert_eq!(digest.value, model.digest());
            }
            proposed.push_back((txn, expected));
        }
        apply(&mut scene, &mut proposed, usize::MAX);
        prop_assert!(scene.pending.is_empty());
        let dump = dump(&scene.tree).without_usage();
        let stats: Vec<_> = model.nodes.keys().cloned().collect();
        for path in stats {
            model.nodes.get_mut(&path).unwrap().stat = model.stat(&path);
        }
        let digest = model.digest();
        for (_, usage) in model.nodes.iter_mut().filter(|(path, _)| path.ends_with("/zookeeper_stats")) {
            // It is rewritten when a change is applied, on nobody's request.
            usage.data = None;
            usage.stat.data_length = 0;
        }
        prop_assert_eq!(dump.digest, digest);
        prop_assert_eq!(dump.nodes, model.nodes);
        let sessions: BTreeSet<_> = dump.sessions.iter().map(|open| open.session).collect();
        prop_assert_eq!(sessions, model.sessions);
    }
}

fn apply(scene: &mut Scene, proposed: &mut VecDeque<(zoorum_proto::Txn<'_>, Outcome)>, count: usize) {
    for _ in 0..count.min(proposed.len()) {
        let (txn, expected) = proposed.pop_front().expect("there are that many");
        let outcome = scene.apply(&txn);
        match &txn.body {
            TxnBody::SetAcl(set) if set.path.ends_with("/zookeeper_stats") => {}
            _ => assert_eq!(outcome, expected),
        }
    }
}
