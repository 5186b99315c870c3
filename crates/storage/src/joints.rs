//! Where one epoch of the log meets the next with no change missing between them.
//!
//! Within an epoch zxids are consecutive, so that a hole shows. Between two epochs it does not: nobody can tell
//! from a log how many changes the earlier epoch had. A log that was written behind a received snapshot, as
//! Java's is, can have such a hole, and a server that was fed from it would lack changes without knowing. So
//! only joints that this server made itself are trusted: it noted them when it appended the one change behind
//! the other.
//!
//! That one change follows another is a fact about the whole ensemble's history, which nothing can make
//! untrue: not a crash before either is durable, nor a truncation. A joint that is not noted only costs a
//! snapshot. ZooKeeper leaves the file alone and adds nothing to it.
//!
//! ```text
//! <dataDir>/zoorum/joints    a line for each: zxid before · zxid after, in hex
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zoorum_proto::Zxid;

use crate::disk::Disk;
use crate::small;

/// The file.
const NAME: &str = "joints";
/// So many are kept; the oldest are forgotten.
const KEPT: usize = 4096;

/// Two changes of different epochs, the second right behind the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The last change before.
    pub before: Zxid,
    /// The first one of the later epoch.
    pub after: Zxid,
}

impl Joint {
    /// The joint of two changes, if they are of different epochs and none can be missing.
    pub(crate) fn between(before: Zxid, after: Zxid) -> Option<Self> {
        let is_joint = before.may_precede(after) && after.epoch() > before.epoch();
        is_joint.then_some(Self { before, after })
    }
}

/// Why the joints cannot be read or kept. Nothing depends on it but how laggards are synchronized.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{file}: cannot {doing}: {source}; servers that lag behind will be sent more than they need")]
pub struct JointsError {
    /// The file.
    pub file: PathBuf,
    /// What was tried: read, write.
    pub doing: &'static str,
    /// The system's reason.
    pub source: Arc<io::Error>,
}

/// The joints that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joints {
    /// By the change after.
    before: BTreeMap<Zxid, Zxid>,
}

impl Joints {
    /// Reads what was noted; `own` is the directory of what is Zoorum's own. Lines that are no joints are passed
    /// over.
    ///
    /// # Errors
    ///
    /// If the file is there and cannot be read.
    pub fn read<D: Disk>(own: &D) -> Result<Self, JointsError> {
        let text = small::read(own, NAME).map_err(failed(own, "read"))?.unwrap_or_default();
        let mut joints = Self::default();
        joints.add(text.lines().filter_map(joint));
        Ok(joints)
    }

    /// Adds joints, and notes them durably.
    ///
    /// # Errors
    ///
    /// If they cannot be noted. Until a restart they are known all the same.
    pub fn note<D: Disk>(&mut self, own: &D, joints: &[Joint]) -> Result<(), JointsError> {
        if joints.is_empty() {
            return Ok(());
        }
        self.add(joints.iter().copied());
        let mut text = String::new();
        for (after, before) in &self.before {
            writeln!(text, "{:x} {:x}", before.0, after.0).expect("a string takes all that is written");
        }
        small::replace(own, NAME, text.as_bytes()).map_err(failed(own, "write"))
    }

    /// Whether `after` is known to be the very next change behind `before`.
    pub fn joins(&self, before: Zxid, after: Zxid) -> bool {
        after == before.next() || self.before.get(&after) == Some(&before)
    }

    fn add(&mut self, joints: impl Iterator<Item = Joint>) {
        self.before.extend(joints.map(|joint| (joint.after, joint.before)));
        while self.before.len() > KEPT {
            self.before.pop_first();
        }
    }
}

fn joint(line: &str) -> Option<Joint> {
    let (before, after) = line.split_once(' ')?;
    let zxid = |digits| i64::from_str_radix(digits, 16).ok().map(Zxid);
    Joint::between(zxid(before)?, zxid(after)?)
}

fn failed<D: Disk>(own: &D, doing: &'static str) -> impl Fn(io::Error) -> JointsError {
    let file = own.path(NAME);
    move |source| JointsError { file: file.clone(), doing, source: Arc::new(source) }
}
