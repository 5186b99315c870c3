//! Bytes that clients read and wrote, told apart by the top-level znode: ZooKeeper's per-namespace metrics.
//!
//! A read counts the path, what is read, and the length of a Stat; a write the path and the data. What fails is not
//! counted.

use std::collections::BTreeMap;

use zoorum_proto::op::MultiReadOp;
use zoorum_proto::{OpCode, ReadOp};

use crate::histogram::Histogram;

/// So many namespaces are told apart. Any more are not counted: a client can make as many as it likes, and each is
/// kept for as long as the server runs.
pub const NAMESPACES_MAX: usize = 1_000;
/// A Stat on the wire.
const STAT: usize = 68;
/// A length, or a number of elements.
const LENGTH: usize = 4;
/// What precedes each result of a multi-read.
const MULTI_HEADER: usize = 9;

/// Sizes in bytes of what was read, or written, in each namespace.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    namespaces: Vec<(Box<str>, Histogram)>,
    /// Where each is.
    places: BTreeMap<Box<str>, usize>,
    /// Where the last one was, which is likely to be the next one, too.
    last: usize,
}

impl Traffic {
    /// Something of `bytes` bytes was read or written at `path`.
    fn observe(&mut self, path: &str, bytes: usize) {
        if let Some((last, sizes)) = self.namespaces.get_mut(self.last)
            && is_in(path, last)
        {
            return sizes.observe(bytes as u64);
        }
        if let Some(namespace) = namespace(path)
            && let Some(place) = self.place(namespace)
        {
            self.last = place;
            self.namespaces[place].1.observe(bytes as u64);
        }
    }

    fn place(&mut self, namespace: &str) -> Option<usize> {
        if let Some(place) = self.places.get(namespace) {
            return Some(*place);
        }
        let place = self.namespaces.len();
        (place < NAMESPACES_MAX).then(|| {
            self.namespaces.push((namespace.into(), Histogram::default()));
            self.places.insert(namespace.into(), place);
            place
        })
    }

    /// Data was written, or a znode deleted.
    pub fn on_write(&mut self, path: &str, bytes: usize) {
        self.observe(path, path.len() + bytes);
    }

    /// A read was answered with `reply`, the body without its header. Only reads of a znode's data, Stat or children
    /// count.
    pub(crate) fn on_read(&mut self, op: &ReadOp<'_>, reply: &[u8]) {
        match op {
            ReadOp::Exists(request) => self.observe(&request.path, request.path.len() + STAT),
            ReadOp::GetData(request) => {
                // The data behind its length, then the Stat.
                self.observe(&request.path, request.path.len() + reply.len().saturating_sub(LENGTH));
            }
            ReadOp::GetChildren(request) => {
                self.observe(&request.path, request.path.len() + names(reply) + STAT);
            }
            ReadOp::GetChildren2(request) => {
                // The Stat stands behind the names.
                self.observe(&request.path, request.path.len() + names(reply));
            }
            ReadOp::GetAcl(_)
            | ReadOp::GetAllChildrenNumber(_)
            | ReadOp::GetEphemerals(_)
            | ReadOp::MultiRead(_)
            | ReadOp::WhoAmI
            | ReadOp::Ping
            | ReadOp::SetWatches(_)
            | ReadOp::AddWatch(_)
            | ReadOp::CheckWatches(_)
            | ReadOp::RemoveWatches(_) => {}
        }
    }

    /// One of several reads was answered with `result`, its header included.
    pub(crate) fn on_read_of_many(&mut self, op: &MultiReadOp<'_>, result: &[u8]) {
        let (MultiReadOp::GetData(path) | MultiReadOp::GetChildren(path)) = op;
        if result.first_chunk() == Some(&(OpCode::Error as i32).to_be_bytes()) {
            return;
        }
        let body = result.get(MULTI_HEADER..).unwrap_or_default();
        let bytes = match op {
            MultiReadOp::GetData(_) => body.len().saturating_sub(LENGTH),
            MultiReadOp::GetChildren(_) => names(body) + STAT,
        };
        self.observe(path, path.len() + bytes);
    }

    /// Starts counting anew. What is known stays known, as in the original.
    pub(crate) fn reset(&mut self) {
        self.namespaces.iter_mut().for_each(|(_, sizes)| *sizes = Histogram::default());
    }

    /// Each namespace with the sizes of what was read or written in it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Histogram)> {
        self.places.iter().map(|(name, place)| (&**name, &self.namespaces[*place].1))
    }
}

/// The name of the top-level znode; none of the root.
fn namespace(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split('/').next().filter(|name| !name.is_empty())
}

/// Whether a path is of this namespace. One comparison: nearly every request is of the same as the last.
fn is_in(path: &str, namespace: &str) -> bool {
    let rest = path.as_bytes().get(1..).and_then(|path| path.strip_prefix(namespace.as_bytes()));
    rest.is_some_and(|rest| rest.first().is_none_or(|next| *next == b'/'))
}

/// The bytes of a list of names without the length of each and their number.
fn names(list: &[u8]) -> usize {
    let count = list.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
    list.len().saturating_sub(LENGTH + LENGTH * count)
}

#[cfg(test)]
mod tests {
    use zoorum_proto::Encode;
    use zoorum_proto::op::PathAndWatch;

    use super::*;

    fn told(traffic: &Traffic) -> Vec<(&str, u64, u64)> {
        traffic.iter().map(|(name, sizes)| (name, sizes.count(), sizes.sum())).collect()
    }

    fn at(path: &str) -> PathAndWatch<'_> {
        PathAndWatch { path: path.into(), watch: false }
    }

    #[test]
    fn what_is_below_a_top_level_znode_counts_for_it() {
        let mut traffic = Traffic::default();
        for (path, bytes) in
            [("/app", 5), ("/app/a/b", 0), ("/apple", 3), ("/", 7), ("/other", 1), ("/oth", 0), ("/app", 2)]
        {
            traffic.on_write(path, bytes);
        }
        let expected = [("app", 3, 23), ("apple", 1, 9), ("oth", 1, 4), ("other", 1, 7)];
        assert_eq!(told(&traffic), expected);
    }

    #[test]
    fn a_read_counts_the_path_what_is_read_and_a_stat() {
        let mut list = 2_i32.to_vec();
        ["a", "bcd"].iter().for_each(|name| name.encode(&mut list));
        let with_stat = [&list[..], &[0; STAT]].concat();
        let data = [&5_i32.to_vec()[..], &[0; 5 + STAT]].concat();
        let rows = [
            (ReadOp::Exists(at("/a")), vec![0; STAT], 70),
            (ReadOp::GetData(at("/a")), data, 75),
            (ReadOp::GetChildren(at("/a")), list, 74),
            (ReadOp::GetChildren2(at("/a")), with_stat, 74),
            (ReadOp::Ping, Vec::new(), 0),
        ];
        for (op, reply, bytes) in rows {
            let mut traffic = Traffic::default();
            traffic.on_read(&op, &reply);
            let sum: u64 = traffic.iter().map(|(_, sizes)| sizes.sum()).sum();
            assert_eq!(sum, bytes, "{op:?}");
        }
    }

    #[test]
    fn no_client_can_make_it_grow_without_bound() {
        let mut traffic = Traffic::default();
        for number in 0..NAMESPACES_MAX + 5 {
            traffic.on_write(&format!("/{number}"), 0);
        }
        assert_eq!(traffic.iter().count(), NAMESPACES_MAX);
        traffic.on_write("/0", 0);
        assert!(told(&traffic).contains(&("0", 2, 4)), "those that are known go on");
    }
}
