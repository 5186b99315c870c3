//! The hint that only a snapshot of a leader's can make this server's history right again.
//!
//! ```text
//! <dataDir>/zoorum/forceSnap    the word "digest", "truncation" or "damage"
//! ```
//!
//! It is set, durably, before the server goes on with a history that cannot be repaired in the usual ways, and
//! cleared once a received state is installed. A crash in between only costs one snapshot more.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::Disk;
use crate::small;

/// The file.
const NAME: &str = "forceSnap";

/// Why a snapshot is needed. The later one is the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForceSnap {
    /// The history is whole, but the tree is not what the leader's digests say. The same holds as for the next.
    Digest,
    /// The history is whole, but a leader wanted it truncated and that was not possible. The server votes on,
    /// and tells new leaders truthfully how far its history goes.
    Truncation,
    /// The history is damaged: changes that were acknowledged may be lost. The server must not vote, nor be
    /// counted, until it has another one.
    Damage,
}

/// Why the hint cannot be read or kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ForceSnapError {
    /// The system does not let us.
    #[error("{file}: cannot {doing}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried: read, write, remove.
        doing: &'static str,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// There is something else than a reason in it.
    #[error(
        "{file}: Found {text:?} in it, which is no reason for a snapshot; write damage into it if you do not know \
         better: the server then takes its data from the others before it votes"
    )]
    Unknown {
        /// The file.
        file: PathBuf,
        /// What stands there, or the front of it.
        text: String,
    },
}

impl ForceSnap {
    /// The hint, if there is one. `own` is the directory of what is Zoorum's own.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or makes no sense.
    pub fn read<D: Disk>(own: &D) -> Result<Option<Self>, ForceSnapError> {
        let text = small::read(own, NAME).map_err(failed(own, "read"))?;
        match text.as_deref().map(str::trim) {
            None => Ok(None),
            Some("digest") => Ok(Some(Self::Digest)),
            Some("truncation") => Ok(Some(Self::Truncation)),
            Some("damage") => Ok(Some(Self::Damage)),
            Some(text) => {
                let text = text.chars().take(40).collect();
                Err(ForceSnapError::Unknown { file: own.path(NAME), text })
            }
        }
    }

    /// Leaves the hint, durably. A graver one stays.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or the one that is there makes no sense.
    pub fn set<D: Disk>(self, own: &D) -> Result<(), ForceSnapError> {
        if Self::read(own)? >= Some(self) {
            return Ok(());
        }
        let word = match self {
            Self::Digest => "digest",
            Self::Truncation => "truncation",
            Self::Damage => "damage",
        };
        small::replace(own, NAME, word.as_bytes()).map_err(failed(own, "write"))
    }

    /// Removes the hint, durably, once a received state is installed.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn clear<D: Disk>(own: &D) -> Result<(), ForceSnapError> {
        small::remove(own, NAME).map_err(failed(own, "remove"))
    }
}

fn failed<D: Disk>(own: &D, doing: &'static str) -> impl Fn(io::Error) -> ForceSnapError {
    let file = own.path(NAME);
    move |source| ForceSnapError::Io { file: file.clone(), doing, source: Arc::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryDisk;

    #[test]
    fn the_graver_reason_stays_until_it_is_cleared() {
        use ForceSnap::{Damage, Digest, Truncation};
        let own = MemoryDisk::new();
        assert_eq!(ForceSnap::read(&own).unwrap(), None);
        let steps = [(Digest, Digest), (Truncation, Truncation), (Damage, Damage), (Truncation, Damage)];
        for (set, found) in steps {
            set.set(&own).unwrap();
            own.crash_hard();
            assert_eq!(ForceSnap::read(&own).unwrap(), Some(found));
        }
        ForceSnap::clear(&own).unwrap();
        own.crash_hard();
        assert_eq!(ForceSnap::read(&own).unwrap(), None);
        ForceSnap::clear(&own).unwrap();
    }

    #[test]
    fn what_is_no_reason_is_not_passed_over() {
        let own = MemoryDisk::new();
        own.place(NAME, b"because\n".to_vec());
        let error = ForceSnap::read(&own).unwrap_err().to_string();
        assert!(error.contains("memory/forceSnap") && error.contains("because"), "{error}");
    }
}
