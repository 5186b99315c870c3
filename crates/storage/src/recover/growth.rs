//! A guess at how many znodes a replay ends with, so that the tree need not make room for them again and again.

use std::io;

use zoorum_proto::Zxid;
use zoorum_tree::Tree;

use crate::disk::{Disk, read_full_at};
use crate::name::LogFile;

/// Changes after which the first guess is made. The others follow after eight times as many each.
const FIRST_GUESS: u64 = 4096;
/// Bytes that are looked at to find the end of a file's records.
const PROBE: usize = 4096;

/// What a replay has done so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// The last change in the tree.
    pub applied: Zxid,
    /// Changes replayed.
    pub txns: u64,
    /// Bytes of their records.
    pub bytes: u64,
}

/// The guess.
#[derive(Debug)]
pub(super) struct Growth {
    /// Where the newest file begins.
    newest: Zxid,
    /// Bytes written to it.
    newest_bytes: u64,
    nodes_before: u64,
    guess_at: u64,
}

impl Growth {
    /// Of a replay of `files` that begins with `tree`.
    pub(super) fn new<D: Disk>(tree: &Tree, disk: &D, files: &[LogFile]) -> Self {
        let (newest, newest_bytes) = match files.last() {
            // If it cannot be read, that will be told when it must be.
            Some(file) => (file.zxid, written(disk, file).unwrap_or(0)),
            None => (Zxid::ZERO, 0),
        };
        Self { newest, newest_bytes, nodes_before: tree.node_count() as u64, guess_at: FIRST_GUESS }
    }

    /// One more change was replayed: it may be time for a guess.
    pub(super) fn applied(&mut self, tree: &mut Tree, progress: Progress) {
        if progress.txns == self.guess_at {
            self.guess_at *= 8;
            let grown = (tree.node_count() as u64).saturating_sub(self.nodes_before) as f64;
            let to_come = grown * self.txns_left(&progress) / progress.txns as f64;
            tree.expect(tree.node_count() as u64 + to_come as u64);
        }
    }

    /// Up to the newest file the zxids count them; that has about as many as fit into it.
    fn txns_left(&self, progress: &Progress) -> f64 {
        let Progress { applied, txns, bytes } = *progress;
        if applied.epoch() != self.newest.epoch() {
            return 0.0;
        }
        let up_to_newest = f64::from(self.newest.counter()) - f64::from(applied.counter());
        let in_newest = self.newest_bytes as f64 * txns as f64 / bytes as f64;
        (up_to_newest + in_newest).max(0.0)
    }
}

/// About how far a file was written: zeroes may stand behind, which were allocated ahead.
fn written<D: Disk>(disk: &D, file: &LogFile) -> io::Result<u64> {
    let open = disk.open(&file.name)?;
    let (mut written, mut zero) = (0, file.length);
    let mut probe = [0; PROBE];
    while zero - written > PROBE as u64 {
        let middle = written.midpoint(zero);
        let count = read_full_at(&open, &mut probe, middle)?;
        if probe[..count].iter().all(|&byte| byte == 0) {
            zero = middle;
        } else {
            written = middle;
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskFile;
    use crate::memory::MemoryDisk;

    #[test]
    fn zeroes_that_were_allocated_ahead_are_not_taken_for_changes() {
        let disk = MemoryDisk::new();
        let (name, zxid, length) = ("log.1".to_owned(), Zxid(1), 4 << 20);
        let mut file = disk.create_new(&name).unwrap();
        file.allocate(0, length).unwrap();
        for end in [0, 1, 100_000, 3 << 20, length] {
            file.write_all_at(&vec![b'x'; end as usize], 0).unwrap();
            let found = written(&disk, &LogFile { name: name.clone(), zxid, length }).unwrap();
            assert!(found.abs_diff(end) <= PROBE as u64, "{found} of {end}");
        }
    }
}
