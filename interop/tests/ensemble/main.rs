//! Ensembles of any mix of implementations, under load, through everything that may happen to them.
//!
//! `ZOORUM_ENSEMBLES=all` plays all scenarios, where some are enough for every day, and with more mixes;
//! `ZOORUM_ENSEMBLE_SCENARIOS=observer,tail` plays those with these words in their names, whichever.

mod scenarios;

use std::sync::Mutex;

use scenarios::SCENARIOS;
use zoorum_interop::ensemble::scenario::{Run, Scenario};
use zoorum_interop::ensemble::{Kind, Plan, ServerId};

/// Who is in an ensemble.
struct Mix {
    voters: &'static [Kind],
    observers: &'static [Kind],
    /// Who is made to lead in the beginning; otherwise whoever is elected.
    leader: Option<ServerId>,
    /// What the members become for a while.
    away: Kind,
}

use Kind::{Java380 as Old, Java395 as Java, Zoorum};

/// Ensembles for every day: nobody but Zoorum; Zoorum in the majority and in the minority, with either leading.
const DAILY: [Mix; 3] = [
    Mix { voters: &[Zoorum, Zoorum, Zoorum], observers: &[Zoorum], leader: None, away: Java },
    Mix { voters: &[Zoorum, Java, Java], observers: &[Zoorum], leader: Some(ServerId(1)), away: Java },
    Mix { voters: &[Old, Zoorum, Zoorum], observers: &[Java], leader: Some(ServerId(1)), away: Java },
];

/// Ensembles for when there is time. Those without Zoorum show that the scenarios ask for nothing that the
/// original does not do.
const LONG: [Mix; 10] = [
    Mix { voters: &[Java, Java, Java], observers: &[Java], leader: None, away: Old },
    Mix { voters: &[Old, Java, Java], observers: &[Old], leader: Some(ServerId(1)), away: Java },
    Mix { voters: &[Old, Old, Old], observers: &[Old], leader: None, away: Java },
    Mix { voters: &[Java, Old, Java], observers: &[Old, Java], leader: Some(ServerId(3)), away: Java },
    Mix { voters: &[Old, Old, Java], observers: &[Java], leader: Some(ServerId(3)), away: Java },
    Mix { voters: &[Java, Old, Java, Old, Java], observers: &[], leader: Some(ServerId(2)), away: Java },
    Mix {
        voters: &[Java, Java, Zoorum],
        observers: &[Zoorum, Java],
        leader: Some(ServerId(1)),
        away: Zoorum,
    },
    Mix { voters: &[Zoorum, Zoorum, Java], observers: &[Java], leader: Some(ServerId(2)), away: Old },
    Mix { voters: &[Old, Old, Zoorum], observers: &[Old], leader: Some(ServerId(3)), away: Zoorum },
    Mix {
        voters: &[Zoorum, Java, Zoorum, Old, Zoorum],
        observers: &[],
        leader: Some(ServerId(5)),
        away: Java,
    },
];

/// Members' timeouts are short, and a machine must not be busy with two ensembles.
static MACHINE: Mutex<()> = Mutex::new(());

#[test]
fn an_ensemble_of_zoorum_survives_everything() {
    play(&DAILY[0]);
}

#[test]
fn zoorum_in_the_minority_survives_everything_and_leads() {
    play(&DAILY[1]);
}

#[test]
fn zoorum_in_the_majority_survives_everything_and_follows() {
    play(&DAILY[2]);
}

#[test]
fn more_mixes_survive_everything_when_asked_for() {
    if everything() {
        LONG.iter().for_each(play);
    }
}

fn everything() -> bool {
    std::env::var("ZOORUM_ENSEMBLES").as_deref() == Ok("all")
}

fn is_wanted(scenario: &Scenario) -> bool {
    match std::env::var("ZOORUM_ENSEMBLE_SCENARIOS") {
        Ok(words) => words.split(',').any(|word| scenario.name.contains(word)),
        Err(_) => scenario.daily || everything(),
    }
}

fn play(mix: &Mix) {
    let _alone = MACHINE.lock().unwrap_or_else(|failed| failed.into_inner());
    let mut run = Run::begin(&Plan::new(mix.voters, mix.observers), mix.leader, mix.away);
    for scenario in SCENARIOS.iter().filter(|scenario| is_wanted(scenario)) {
        run.play(scenario);
    }
    run.finish();
}
