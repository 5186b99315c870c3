//! A counter that many change at once.

use zoorum_proto::{CreateMode, ErrorCode, Version};

use super::{attempt, ensure, parent, persist};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Cause;

/// A number of 64 bits; 0 as long as nobody has set it.
#[derive(Clone, Debug)]
pub struct Counter {
    client: Client,
    path: String,
}

/// What an addition did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The number before.
    pub before: i64,
    /// The number after.
    pub after: i64,
}

impl Counter {
    /// The counter of this name. Nothing happens yet.
    pub fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned() }
    }

    /// The number, as far as this server knows.
    ///
    /// # Errors
    ///
    /// When the session ends, the server refuses, or the znode holds no number.
    pub async fn get(&self) -> Result<i64> {
        Ok(self.read().await?.0)
    }

    /// Adds to the number; it wraps.
    ///
    /// # Errors
    ///
    /// An ambiguous one if the connection is lost before the answer: then it may have been added or not.
    pub async fn add(&self, difference: i64) -> Result<Added> {
        loop {
            let (before, version) = self.read().await?;
            let after = before.wrapping_add(difference);
            if self.write(after, version).await? {
                return Ok(Added { before, after });
            }
        }
    }

    /// Sets the number if it is the expected one; returns whether it was. It is not before it has seen every change that
    /// was confirmed to anybody.
    ///
    /// # Errors
    ///
    /// An ambiguous one if the connection is lost before the answer: then it may have been set or not.
    pub async fn compare_and_set(&self, expected: i64, value: i64) -> Result<bool> {
        let mut is_synced = false;
        loop {
            let (before, version) = self.read().await?;
            if before != expected {
                if is_synced {
                    return Ok(false);
                }
                persist(&self.client, || self.client.sync(&self.path)).await?;
                is_synced = true;
                continue;
            }
            if self.write(value, version).await? {
                return Ok(true);
            }
        }
    }

    /// The number, and the version of the znode if there is one.
    async fn read(&self) -> Result<(i64, Option<Version>)> {
        let node = match persist(&self.client, || self.client.get(&self.path)).await {
            Err(error) if error.is(ErrorCode::NoNode) => return Ok((0, None)),
            node => node?,
        };
        let number = match node.data.as_ref() {
            [] => Some(0),
            data => data.try_into().ok().map(i64::from_be_bytes),
        };
        let nonsense =
            || Error::new(zoorum_proto::OpCode::GetData, &self.path, ErrorKind::Unknown(Cause::Nonsense));
        Ok((number.ok_or_else(nonsense)?, Some(node.stat.version)))
    }

    /// Whether nobody else was faster.
    async fn write(&self, value: i64, version: Option<Version>) -> Result<bool> {
        let data = value.to_be_bytes();
        let written = match version {
            Some(version) => {
                attempt(&self.client, || self.client.set(&self.path, data, version)).await.map(drop)
            }
            None => {
                ensure(&self.client, parent(&self.path)).await?;
                attempt(&self.client, || self.client.create(&self.path, data, CreateMode::Persistent))
                    .await
                    .map(drop)
            }
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) => match error.code() {
                Some(ErrorCode::BadVersion | ErrorCode::NodeExists | ErrorCode::NoNode) => Ok(false),
                _ => Err(error),
            },
        }
    }
}
