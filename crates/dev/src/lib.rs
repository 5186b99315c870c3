//! A local ensemble in one terminal, to try things with: members that run, stand still, are cut off or are killed, as
//! one says.
//!
//! ```text
//! typed lines ─▶ Command ─▶ Ensemble ─▶ members, each a process of this same binary
//!                              └─────▶ links, through which members reach each other's ports
//! ```
//!
//! One thread does all that happens to members. It also looks what they say of themselves, several times a second, and
//! tells what has changed. Members end with it, however it ends.

mod command;
mod ensemble;
mod links;
mod member;
mod reserve;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use command::Command;
use ensemble::Ensemble;

/// How often members are asked what they are.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// More members than this are no use on one machine.
const MEMBERS_MAX: u8 = 15;

/// Which ensemble.
#[derive(Args, Clone, Debug)]
pub struct DevArgs {
    /// Members that vote
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(MEMBERS_MAX)))]
    voters: u8,
    /// Members that only observe
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=i64::from(MEMBERS_MAX)))]
    observers: u8,
    /// Client port of the first member; the others have the next ones. 0: any that are free
    #[arg(long, default_value_t = 2181)]
    port: u16,
    /// Keep the members' files here, and go on with what is there. Without it they are temporary
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What the thread that does everything waits for.
enum Event {
    Line(String),
    /// There will be no more lines, or a signal has come.
    End,
}

/// Runs an ensemble until it is told to quit, its input ends, or a signal comes. `member_flag` follows the word
/// `server` on a member's command line.
///
/// # Errors
///
/// If members cannot be started.
pub fn run(args: &DevArgs, member_flag: &str) -> anyhow::Result<()> {
    let (events, received) = mpsc::channel();
    listen_to_signals(events.clone()).context("cannot listen to signals")?;
    let mut ensemble = Ensemble::start(args, member_flag)?;
    println!("{}", ensemble.introduction());
    if io::stdin().is_terminal() {
        println!("{}", command::HELP);
    }
    thread::spawn(move || read_lines(&events));
    loop {
        match received.recv_timeout(LOOK_EVERY) {
            Ok(Event::Line(line)) => match line.parse() {
                Ok(Command::Quit) => break,
                Ok(command) => println!("{}", ensemble.carry_out(command)),
                Err(complaint) => println!("{complaint}"),
            },
            Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        ensemble.look().iter().for_each(|news| println!("{news}"));
    }
    println!("stopping");
    Ok(())
}

fn listen_to_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for _ in &mut signals {
            // Whoever would hear it is at the end already.
            let _ = events.send(Event::End);
        }
    });
    Ok(())
}

fn read_lines(events: &Sender<Event>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if !line.trim().is_empty() && events.send(Event::Line(line)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::End);
}
