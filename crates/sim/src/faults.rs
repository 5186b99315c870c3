//! What goes wrong in a run, and under which settings the server runs.

use std::collections::BTreeMap;
use std::time::Duration;

use zoorum_proto::Zxid;
use zoorum_server::settings::EPOCH_CHANGES_MAX;
use zoorum_storage::Compression;

use crate::chance::Chance;
use crate::host;
use crate::plays::Play;

/// How much faster or slower than true time a clock goes at most, in millionths. Real ones are a hundred times better.
pub(crate) const DRIFT_MAX_PPM: u32 = 40_000;

/// Where histories begin: at nothing; just before the counter of an epoch ends, and at its very end; in an epoch
/// beyond which 31 bits leave little room.
const BEGINNINGS: [Zxid; 6] = [
    Zxid::ZERO,
    Zxid::ZERO,
    Zxid::ZERO,
    Zxid(3 << 32 | 0xffff_fff0),
    Zxid(5 << 32 | 0xffff_ffff),
    Zxid(0x7fff_f000 << 32 | 0xfeff_fff0),
];

/// A voter's part in a quorum.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Its group.
    pub group: usize,
    /// How much it counts there.
    pub weight: u32,
}

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
    /// Servers that vote. A server alone has no peers, and needs no vote.
    pub voters: usize,
    /// Servers that only learn.
    pub observers: usize,
    /// The voters' groups and weights; without any, each voter has one vote.
    pub shares: Vec<Share>,
    /// Where the history begins. Whatever came before is in every server's files.
    pub begins_at: Zxid,
    /// So many changes has an epoch.
    pub epoch_changes: u32,
    /// Followers let observers in, too.
    pub observer_masters: bool,
    /// Nothing gets from some servers to others for a while, one way or both, or only by way of one of them.
    pub partitions: bool,
    /// Connections between servers break, or go silent.
    pub wire_cuts: bool,
    /// Syncs take long for a while.
    pub slow_syncs: bool,
    /// A bit of what a server keeps changes by itself while the server is down.
    pub decay: bool,
    /// The servers' wall clocks differ by hours.
    pub skew: bool,
    /// Each server's clocks go at their own rate, some faster and some slower than others.
    pub drift: bool,
    /// Servers are emptied once the others can do without what they have, and come back with nothing.
    pub wipes: bool,
    /// Servers without a leader serve those who can do with reads, as some clients can.
    pub read_only: bool,
    /// Sessions are known to their own server alone, until they want to own something.
    pub local_sessions: bool,
    /// Changes that a server keeps in memory for those that lag behind.
    pub history_kept: usize,
    /// Workers of a server.
    pub workers: usize,
    /// Clients of another make than the library.
    pub clients: usize,
    /// Clients that are the library's session, asked at random.
    pub library: usize,
    /// Clients that are the whole library, and play with a recipe.
    pub players: usize,
    /// With which.
    pub play: Play,
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
    /// Requests of a worker that may be under way.
    pub requests_limit: Option<usize>,
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
    /// What a leader sends while a follower gets in step counts as synced before it is.
    InStepBeforeSync,
    /// A server says that it has a leader's history as soon as it has heard of its epoch.
    EpochBeforeHistory,
    /// Epochs are never written.
    ForgottenPromise,
    /// A tree from the leader is taken over in memory only.
    TreeInMemory,
    /// History that is to be cut stays.
    IgnoredTruncation,
    /// A change that a follower should log is obeyed and not logged.
    UnloggedChange,
    /// A tree from the leader is installed and not synced.
    TreeNotSynced,
    /// History is cut in files only.
    StaleTree,
    /// What a role that is over had for the log comes after the log was cut.
    LateAppend,
    /// A leader leaves out the last change of an epoch when it brings a learner into step.
    EpochEndLeftOut,
    /// A follower acknowledges proposals before it says that it is in step.
    EarlyAck,
    /// Every server believes that it alone is a quorum.
    LonelyQuorum,
    /// An epoch whose file could not be written counts as accepted.
    EpochInMemory,
    /// A lock that waits for the one before, and does not look again.
    HastyLock,
    /// Who has a lock goes on when its session is over.
    KeptHold,
    /// Who finds an element of a queue deleted believes to have done that.
    RepeatedTake,
    /// Who adds to a counter does not look whether it is still the same.
    BlindCounter,
    /// The library's watches are not set again on a new connection.
    ForgottenRestore,
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
            voters: 1,
            observers: 0,
            shares: Vec::new(),
            begins_at: Zxid::ZERO,
            epoch_changes: EPOCH_CHANGES_MAX,
            observer_masters: false,
            partitions: false,
            wire_cuts: false,
            slow_syncs: false,
            decay: false,
            skew: false,
            drift: false,
            wipes: false,
            read_only: false,
            local_sessions: false,
            history_kept: 1_000,
            workers: 2,
            clients: 4,
            library: 0,
            players: 0,
            play: Play::Lock,
            snapshot_every: 100,
            roll_bytes: None,
            preallocate_bytes: 4096,
            compression: Compression::None,
            close_session_paths: true,
            requests_limit: None,
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
            requests_limit: *chance.pick(&[None, None, Some(1), Some(3)]),
            bug: None,
            ..Self::none()
        }
        .with_library(seed)
    }

    /// Some of the clients are the library, and some play.
    fn with_library(mut self, seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x11b2_a27e);
        self.library = chance.below(4);
        self.players = *chance.pick(&[0, 2, 3, 4]);
        self.play = *chance.pick(&Play::ALL);
        self.clients = self.clients.saturating_sub(self.library).max(1);
        self.drift = chance.one_in(3);
        if self.has_peers() {
            self.wipes = chance.one_in(4);
            self.read_only = chance.one_in(3);
            self.local_sessions = chance.one_in(5);
        }
        self
    }

    /// The subset that belongs to a seed, for an ensemble of a size that belongs to it, too.
    pub fn of_ensemble(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x0dd5_10e5);
        let voters = *chance.pick(&[3, 3, 3, 3, 5, 5, 7, 4]);
        let shares = if chance.one_in(5) { shares(&mut chance, voters) } else { Vec::new() };
        Self {
            voters,
            shares,
            begins_at: *chance.pick(&BEGINNINGS),
            epoch_changes: *chance.pick(&[EPOCH_CHANGES_MAX, EPOCH_CHANGES_MAX, 1_000, 200]),
            decay: chance.one_in(4),
            skew: chance.one_in(3),
            observers: *chance.pick(&[0, 0, 0, 1, 2]),
            observer_masters: seed % 2 == 1,
            partitions: chance.one_in(2),
            wire_cuts: chance.one_in(2),
            slow_syncs: chance.one_in(3),
            history_kept: *chance.pick(&[3, 30, 1_000]),
            workers: 1 + chance.below(2),
            clients: 3 + chance.below(5),
            ..Self::of_seed(seed)
        }
        .with_library(seed)
    }

    /// Whether these voters, by their places, are a quorum: more than half of the weight, in more than half of the
    /// groups that weigh anything.
    pub(crate) fn is_quorum(&self, has: impl Fn(usize) -> bool) -> bool {
        if self.shares.is_empty() {
            return 2 * (0..self.voters).filter(|at| has(*at)).count() > self.voters;
        }
        let mut groups: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
        for (at, share) in self.shares.iter().enumerate() {
            let (all, present) = groups.entry(share.group).or_default();
            *all += share.weight;
            *present += if has(at) { share.weight } else { 0 };
        }
        let weighing = groups.values().filter(|(all, _)| *all > 0);
        let won = weighing.clone().filter(|(all, present)| 2 * present > *all).count();
        2 * won > weighing.count()
    }

    /// How many servers there are.
    pub(crate) fn servers(&self) -> usize {
        self.voters + self.observers
    }

    /// Whether the server has peers.
    pub(crate) fn has_peers(&self) -> bool {
        self.servers() > 1
    }

    /// The same with an error planted, and with what brings it to light.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        self.bug = Some(bug);
        match bug {
            Bug::HastyLock | Bug::KeptHold => self.play = Play::Lock,
            Bug::RepeatedTake => self.play = Play::Queue,
            Bug::BlindCounter => self.play = Play::Counter,
            Bug::ForgottenRestore => self.play = Play::Lock,
            // Errors of servers are found soonest by the rudest.
            _ => {
                self.clients += self.library;
                (self.library, self.players) = (0, 0);
                (self.drift, self.wipes, self.read_only, self.local_sessions) = (false, false, false, false);
            }
        }
        match bug {
            Bug::HastyLock
            | Bug::KeptHold
            | Bug::RepeatedTake
            | Bug::BlindCounter
            | Bug::ForgottenRestore => {
                (self.players, self.cuts, self.silence) = (4, true, true);
            }
            Bug::ReplyBeforeSync | Bug::NoDirectorySync | Bug::InStepBeforeSync => self.power_cuts = true,
            Bug::TreeNotSynced => (self.power_cuts, self.kills, self.history_kept) = (true, true, 3),
            Bug::EpochInMemory => (self.kills, self.full_disk, self.sync_failures) = (true, true, true),
            Bug::DropLastRecord
            | Bug::EpochBeforeHistory
            | Bug::ForgottenPromise
            | Bug::TreeInMemory
            | Bug::UnloggedChange => self.kills = true,
            Bug::IgnoredTruncation
            | Bug::StaleTree
            | Bug::LateAppend
            | Bug::EpochEndLeftOut
            | Bug::EarlyAck
            | Bug::LonelyQuorum => (self.kills, self.partitions) = (true, true),
            _ => {}
        }
        self
    }

    /// How much sooner than by true time a server may find that somebody's time is up.
    pub(crate) fn drift_max(&self) -> Duration {
        let timeout = Duration::from_millis(host::TIMEOUT_MAX_MS as u64);
        if self.drift { timeout * DRIFT_MAX_PPM / 1_000_000 } else { Duration::ZERO }
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

/// Groups of voters that weigh differently, some nothing at all.
fn shares(chance: &mut Chance, voters: usize) -> Vec<Share> {
    let groups = *chance.pick(&[1, 1, 3]);
    let share = |at: usize| Share {
        group: at % groups,
        // The first of each group weighs something, or nobody could ever lead.
        weight: if at < groups { 1 } else { *chance.pick(&[0, 1, 1, 2]) },
    };
    (0..voters).map(share).collect()
}
