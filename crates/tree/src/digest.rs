//! The digest of the tree, ZooKeeper's version 2: a sum over znodes, so that it can be kept up with.
//!
//! ```text
//! znode    CRC-32 (IEEE) of path · data, if not null · czxid · mzxid · pzxid · ctime · mtime · version ·
//!          creates · aversion · owner; the root's path is empty; nothing below /zookeeper/ counts
//! tree     sum of all znodes modulo 2⁶⁴
//! ```
//!
//! The CRC of path and data is kept with the znode: a change of its history alone hashes 60 bytes.

use crate::slab::History;

/// A CRC-32: of one znode, or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeDigest(pub u32);

/// Whether the digest covers `path`.
pub(crate) fn covers(path: &str) -> bool {
    !path.starts_with("/zookeeper/")
}

impl NodeDigest {
    /// Of a path and its data, which a znode's digest begins with.
    pub fn of_content(path: &str, data: Option<&[u8]>) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(if path == "/" { b"" } else { path.as_bytes() });
        hasher.update(data.unwrap_or_default());
        Self(hasher.finalize())
    }

    /// Of a whole znode that the tree's digest covers.
    pub fn of_node(history: &History) -> Self {
        let mut bytes = [0; 60];
        let longs = [history.czxid.0, history.mzxid.0, history.pzxid.0, history.ctime.0, history.mtime.0];
        for (place, value) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(longs) {
            *place = value.to_be_bytes();
        }
        bytes[40..44].copy_from_slice(&history.version.0.to_be_bytes());
        bytes[44..48].copy_from_slice(&history.creates.to_be_bytes());
        bytes[48..52].copy_from_slice(&history.aversion.0.to_be_bytes());
        bytes[52..60].copy_from_slice(&history.owner.to_be_bytes());
        let mut hasher = crc32fast::Hasher::new_with_initial(history.content.0);
        hasher.update(&bytes);
        Self(hasher.finalize())
    }
}

/// The tree's digest: a sum of znodes'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeDigest(u64);

impl TreeDigest {
    /// One znode's part is now `new` instead of `old`.
    pub fn replace(&mut self, old: NodeDigest, new: NodeDigest) {
        self.0 = self.0.wrapping_sub(old.0.into()).wrapping_add(new.0.into());
    }

    /// As it is stored and printed.
    pub fn value(self) -> i64 {
        self.0 as i64
    }
}
