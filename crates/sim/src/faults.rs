//! What goes wrong in a run, and under which settings the server runs.

use std::time::Duration;

use zoorum_storage::Compression;

use crate::chance::Chance;

/// Which faults a run has. Each seed enables its own subset: with all of them at once, many would hide others.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The process is killed; the disk keeps what was written.
    pub kills: bool,
    /// The power is cut; the disk keeps what was synced, and pieces of the rest.
    pub power_cuts: bool,
    /// The process dies in the middle of an operation of the disk.
    pub deaths_in_disk: bool,
    /// Syncs fail for a while.
    pub sync_failures: bool,
    /// The disk is full for a while.
    pub full_disk: bool,
    /// The wall clock jumps.
    pub clock_jumps: bool,
    /// Threads of the server stand still for a while.
    pub pauses: bool,
    /// Connections are cut at any byte.
    pub cuts: bool,
    /// Connections go silent without being closed.
    pub half_open: bool,
    /// Clients stop reading for a while.
    pub slow_readers: bool,
    /// Clients stop sending for longer than their session lives.
    pub silence: bool,
    /// Old snapshots and logs are purged after each snapshot.
    pub purges: bool,
    /// Workers of the server.
    pub workers: usize,
    /// Clients.
    pub clients: usize,
    /// Transactions between snapshots.
    pub snapshot_every: u32,
    /// Bytes after which a log file is followed by another.
    pub roll_bytes: Option<u64>,
    /// Bytes that log files are extended by.
    pub preallocate_bytes: u64,
    /// How snapshots are packed.
    pub compression: Compression,
    /// Whether closing a session lists the znodes that go.
    pub close_session_paths: bool,
    /// An error planted in the simulated host, to be found.
    pub bug: Option<Bug>,
}

/// An error planted in the simulated host. The code that ships knows nothing of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The replica is told that the log is synced before it is.
    ReplyBeforeSync,
    /// The znodes of a snapshot are those of a later moment than it says.
    FuzzySnapshot,
    /// A worker looks at the tree before it has read the letters that came while it waited for it.
    LateMail,
    /// Recovery loses the newest record.
    DropLastRecord,
    /// Signs of life never reach the replica.
    DropHeard,
    /// The replica gets a worker's letter twice.
    RepeatedLetter,
    /// The log's directory is not synced.
    NoDirectorySync,
    /// The replica is told that nobody watches.
    ForgottenWatches,
}

impl Faults {
    /// No faults at all.
    pub fn none() -> Self {
        Self {
            kills: false,
            power_cuts: false,
            deaths_in_disk: false,
            sync_failures: false,
            full_disk: false,
            clock_jumps: false,
            pauses: false,
            cuts: false,
            half_open: false,
            slow_readers: false,
            silence: false,
            purges: false,
            workers: 2,
            clients: 4,
            snapshot_every: 100,
            roll_bytes: None,
            preallocate_bytes: 4096,
            compression: Compression::None,
            close_session_paths: true,
            bug: None,
        }
    }

    /// The subset that belongs to a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed_0ffa);
        Self {
            kills: chance.one_in(2),
            power_cuts: chance.one_in(2),
            deaths_in_disk: chance.one_in(3),
            sync_failures: chance.one_in(4),
            full_disk: chance.one_in(4),
            clock_jumps: chance.one_in(3),
            pauses: chance.one_in(4),
            cuts: chance.one_in(2),
            half_open: chance.one_in(3),
            slow_readers: chance.one_in(3),
            silence: chance.one_in(2),
            purges: chance.one_in(2),
            workers: 1 + chance.below(3),
            clients: 2 + chance.below(5),
            snapshot_every: *chance.pick(&[2, 10, 40, 200, 100_000]),
            roll_bytes: *chance.pick(&[None, None, Some(2_000), Some(20_000)]),
            preallocate_bytes: *chance.pick(&[0, 600, 4_096, 65_536]),
            compression: *chance.pick(&[
                Compression::None,
                Compression::None,
                Compression::Gz,
                Compression::Snappy,
            ]),
            close_session_paths: !chance.one_in(4),
            bug: None,
        }
    }

    /// The same with an error planted, and with what brings it to light.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        self.bug = Some(bug);
        match bug {
            Bug::ReplyBeforeSync | Bug::NoDirectorySync => self.power_cuts = true,
            Bug::DropLastRecord => self.kills = true,
            _ => {}
        }
        self
    }

    /// The longest that a thread of the server stands still.
    pub(crate) fn pause_max(&self) -> Duration {
        if self.pauses { Duration::from_secs(3) } else { Duration::ZERO }
    }

    /// Whether the disk may refuse something.
    pub(crate) fn disk_faults(&self) -> bool {
        self.sync_failures || self.full_disk || self.deaths_in_disk
    }
}
