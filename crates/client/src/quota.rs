//! Quotas: how many znodes and bytes a subtree may have.

use zoorum_proto::path::{QUOTA, QUOTA_LIMITS, QUOTA_STATS};
use zoorum_proto::{CreateMode, ErrorCode, OpCode, Version};

use crate::client::Client;
use crate::error::{Error, Result};

/// Limits of a subtree; none where there is no number. Servers log when a soft limit is exceeded, and refuse with
/// [`ErrorCode::QuotaExceeded`] what would exceed a hard one if `zookeeper.enforceQuota` is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Znodes, the subtree's root included.
    pub count: Option<i64>,
    /// Bytes of data.
    pub bytes: Option<i64>,
    /// Znodes, enforced.
    pub count_hard: Option<i64>,
    /// Bytes of data, enforced.
    pub bytes_hard: Option<i64>,
}

/// What a subtree with a quota has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Znodes, the subtree's root included.
    pub count: i64,
    /// Bytes of data.
    pub bytes: i64,
}

impl Client {
    /// Sets the quota of a subtree, or another one than before.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the connection is lost: it may be set again.
    pub async fn set_quota(&self, path: &str, quota: Quota) -> Result<()> {
        self.must_be_node(path).await?;
        let server = self.without_chroot();
        let node = self.quota_node(path);
        let (limits, stats) = (format!("{node}/{QUOTA_LIMITS}"), format!("{node}/{QUOTA_STATS}"));
        let ends = node.match_indices('/').map(|(at, _)| at).chain([node.len()]);
        for end in ends.filter(|&end| end > QUOTA.len()) {
            exists(server.create(&node[..end], b"", CreateMode::Persistent).await.map(drop))?;
        }
        let text = quota.to_text();
        match server.create(&limits, &text, CreateMode::Persistent).await {
            Err(error) if error.is(ErrorCode::NodeExists) => {
                server.set(&limits, &text, Version::ANY).await?;
            }
            created => drop(created?),
        }
        // Its creation makes the server count; the number is the server's from then on.
        exists(server.create(&stats, b"count=0,bytes=0", CreateMode::Persistent).await.map(drop))
    }

    /// The quota of a subtree, if it has one, and what it has of that.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the connection is lost.
    pub async fn quota(&self, path: &str) -> Result<Option<(Quota, Usage)>> {
        must_be_path(OpCode::GetData, path)?;
        let node = self.quota_node(path);
        let server = self.without_chroot();
        let limits = server.get(&format!("{node}/{QUOTA_LIMITS}"));
        let stats = server.get(&format!("{node}/{QUOTA_STATS}"));
        match (limits.await, stats.await) {
            (Err(error), _) | (_, Err(error)) if error.is(ErrorCode::NoNode) => Ok(None),
            (limits, stats) => {
                let (limits, stats) = (limits?.data, stats?.data);
                let usage = Usage {
                    count: number(&stats, "count").unwrap_or(0),
                    bytes: number(&stats, "bytes").unwrap_or(0),
                };
                Ok(Some((Quota::of_text(&limits), usage)))
            }
        }
    }

    /// Takes a subtree's quota away.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the connection is lost: it may be taken away again.
    pub async fn remove_quota(&self, path: &str) -> Result<()> {
        must_be_path(OpCode::Delete, path)?;
        let node = self.quota_node(path);
        for gone in [format!("{node}/{QUOTA_LIMITS}"), format!("{node}/{QUOTA_STATS}"), node] {
            match self.without_chroot().delete(&gone, Version::ANY).await {
                // Others below may have quotas of their own.
                Err(error) if matches!(error.code(), Some(ErrorCode::NoNode | ErrorCode::NotEmpty)) => {}
                deleted => deleted?,
            }
        }
        Ok(())
    }

    async fn must_be_node(&self, path: &str) -> Result<()> {
        if path == "/" && self.commands.chroot.0.is_empty() {
            return Err(Error::invalid(OpCode::Create2, path, "the root cannot have a quota"));
        }
        self.get(path).await.map(drop)
    }

    fn quota_node(&self, path: &str) -> String {
        format!("{QUOTA}{}", self.absolute(path))
    }
}

/// Paths of quotas are made of others, which must be some.
fn must_be_path(op: OpCode, path: &str) -> Result<()> {
    match zoorum_proto::path::is_valid(path) {
        true => Ok(()),
        false => Err(Error::invalid(op, path, "this is no path")),
    }
}

/// That it exists already is as good.
fn exists(created: Result<()>) -> Result<()> {
    match created {
        Err(error) if !error.is(ErrorCode::NodeExists) => Err(error),
        _ => Ok(()),
    }
}

impl Quota {
    /// The odd sign after the bytes hides the hard limits from servers before 3.7.
    fn to_text(self) -> String {
        let mut text = format!("count={},bytes={}", self.count.unwrap_or(-1), self.bytes.unwrap_or(-1));
        if self.count_hard.is_some() || self.bytes_hard.is_some() {
            text.push('=');
        }
        for (key, limit) in [("byteHardLimit", self.bytes_hard), ("countHardLimit", self.count_hard)] {
            if let Some(limit) = limit {
                text.push_str(&format!(";{key}={limit}"));
            }
        }
        text
    }

    fn of_text(text: &[u8]) -> Self {
        let limit = |key| number(text, key).filter(|&limit| limit >= 0);
        Self {
            count: limit("count"),
            bytes: limit("bytes"),
            count_hard: limit("countHardLimit"),
            bytes_hard: limit("byteHardLimit"),
        }
    }
}

/// The number of a key in a quota's text.
fn number(text: &[u8], key: &str) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut pairs = text.split([',', ';']).map(|piece| piece.split('='));
    pairs.find_map(|mut pair| (pair.next() == Some(key)).then(|| pair.next()?.parse().ok())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_written_as_the_original_does() {
        let soft = Quota { count: Some(3), bytes: None, ..Quota::default() };
        let hard = Quota { count: Some(3), bytes: Some(100), count_hard: Some(3), bytes_hard: Some(100) };
        let rows =
            [(soft, "count=3,bytes=-1"), (hard, "count=3,bytes=100=;byteHardLimit=100;countHardLimit=3")];
        for (quota, text) in rows {
            assert_eq!(quota.to_text(), text);
            assert_eq!(Quota::of_text(text.as_bytes()), quota);
        }
        assert_eq!(Quota::of_text(b"\xff nonsense"), Quota::default());
    }
}
