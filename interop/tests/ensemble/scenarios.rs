//! What happens to every ensemble, whatever its members run.

use zoorum_interop::ensemble::SyncMode;
use zoorum_interop::ensemble::config::COMMIT_LOG_COUNT;
use zoorum_interop::ensemble::scenario::{Scenario, Step, Who};

/// In an order in which each leaves the ensemble well for the next.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a follower is killed, misses some transactions, and gets these",
        daily: true,
        steps: &[
            Step::Kill(Who::Follower),
            Step::AwaitProgress(30),
            Step::Launch,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Diff, &[]),
        ],
    },
    Scenario {
        name: "a follower misses more than the leader remembers, and gets a snapshot",
        daily: false,
        steps: &[
            Step::Kill(Who::Follower),
            Step::Burst(COMMIT_LOG_COUNT + 100),
            Step::Launch,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Snap, &[SyncMode::Diff]),
        ],
    },
    Scenario {
        name: "a follower loses its files, and gets a snapshot",
        daily: true,
        steps: &[
            Step::Stop(Who::Follower),
            Step::Wipe,
            Step::Launch,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Snap, &[SyncMode::Diff]),
        ],
    },
    Scenario {
        name: "a leader is killed",
        daily: true,
        steps: &[
            Step::Kill(Who::Leader),
            Step::AwaitNewLeader,
            Step::AwaitProgress(30),
            Step::Launch,
            Step::AwaitServing,
        ],
    },
    Scenario {
        name: "a leader stops when asked",
        daily: false,
        steps: &[Step::Stop(Who::Leader), Step::AwaitNewLeader, Step::Launch, Step::AwaitServing],
    },
    Scenario {
        name: "a leader with a tail that nobody else has comes back, and forgets it",
        daily: true,
        steps: &[
            Step::Greet(Who::Leader),
            Step::Quiet,
            Step::Isolate(Who::Leader),
            Step::Post(3),
            Step::AwaitNewLeader,
            Step::AwaitAbdication,
            Step::Heal,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Trunc, &[SyncMode::Snap]),
            Step::Busy,
        ],
    },
    Scenario {
        name: "a leader with a tail comes back when others have gone on, and gets a snapshot",
        daily: false,
        steps: &[
            Step::Greet(Who::Leader),
            Step::Isolate(Who::Leader),
            Step::Post(3),
            Step::AwaitNewLeader,
            Step::AwaitProgress(30),
            Step::AwaitAbdication,
            Step::Heal,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Snap, &[SyncMode::Trunc]),
        ],
    },
    Scenario {
        name: "a follower is paused for long",
        daily: false,
        steps: &[Step::Pause(Who::Follower), Step::AwaitProgress(150), Step::Resume, Step::AwaitServing],
    },
    Scenario {
        name: "a leader is paused until there is another",
        daily: true,
        steps: &[
            Step::Pause(Who::Leader),
            Step::AwaitNewLeader,
            Step::AwaitProgress(30),
            Step::Resume,
            Step::AwaitAbdication,
            Step::AwaitServing,
        ],
    },
    Scenario {
        name: "a leader is cut off",
        daily: true,
        steps: &[
            Step::CutOff(Who::Leader),
            Step::AwaitNewLeader,
            Step::AwaitProgress(30),
            Step::Heal,
            Step::AwaitServing,
        ],
    },
    Scenario {
        name: "a follower is cut off",
        daily: false,
        steps: &[Step::CutOff(Who::Follower), Step::AwaitProgress(100), Step::Heal, Step::AwaitServing],
    },
    Scenario {
        name: "what a leader sends is lost",
        daily: false,
        steps: &[Step::Mute(Who::Leader), Step::AwaitNewLeader, Step::Heal, Step::AwaitServing],
    },
    Scenario {
        name: "what is sent to a leader is lost",
        daily: false,
        steps: &[Step::Deafen(Who::Leader), Step::AwaitNewLeader, Step::Heal, Step::AwaitServing],
    },
    Scenario {
        name: "what is sent to a follower is lost",
        daily: false,
        steps: &[Step::Deafen(Who::Follower), Step::AwaitProgress(100), Step::Heal, Step::AwaitServing],
    },
    Scenario {
        name: "a leader's connections break",
        daily: false,
        steps: &[Step::Reset(Who::Leader), Step::AwaitServing, Step::AwaitProgress(30)],
    },
    Scenario {
        name: "an observer is killed, misses some transactions, and gets these",
        daily: true,
        steps: &[
            Step::Kill(Who::Observer),
            Step::AwaitProgress(30),
            Step::Launch,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Diff, &[]),
        ],
    },
    Scenario {
        name: "an observer loses its files, and gets a snapshot",
        daily: true,
        steps: &[
            Step::Stop(Who::Observer),
            Step::Wipe,
            Step::Launch,
            Step::AwaitServing,
            Step::ExpectSync(SyncMode::Snap, &[SyncMode::Diff]),
        ],
    },
    Scenario {
        name: "an observer is cut off",
        daily: false,
        steps: &[Step::Isolate(Who::Observer), Step::AwaitProgress(100), Step::Heal, Step::AwaitServing],
    },
    Scenario {
        name: "a leader is left with a minority",
        daily: true,
        steps: &[
            Step::Split,
            Step::AwaitNewLeader,
            Step::AwaitProgress(30),
            Step::AwaitAbdication,
            Step::Heal,
            Step::AwaitServing,
        ],
    },
    Scenario { name: "everybody crashes", daily: true, steps: &[Step::KillAll, Step::LaunchAll] },
    Scenario {
        name: "members become another implementation one by one, and come back",
        daily: true,
        steps: &[Step::Migrate, Step::MigrateBack],
    },
];
