//! A load generator for any ZooKeeper-compatible server.
//!
//! It shares the machine with the server that it measures, so it is built to cost little: one thread
//! with one epoll set, requests copied from templates in which only the xid and the digits of the
//! path are written, replies read no further than their header, one read and one write call for as
//! many frames as are there, and no allocation for an operation.
//!
//! ```text
//! load       get, set, create, delete, exists, children, and mixes of them
//! sessions   many sessions opened at once, then closed
//! watch      one change that many watchers are told of
//! fill       a tree of a given number of znodes
//! ```
//!
//! **Source.** The client protocol of Apache ZooKeeper; the few records needed are encoded in
//! [`wire`], on purpose apart from the server's own codec: the two check each other.

mod args;
mod bulk;
mod connection;
mod engine;
mod fill;
mod latency;
mod load;
mod process;
mod progress;
mod sessions;
mod watch;
pub mod wire;

pub use args::{BenchArgs, Command, ServerArgs};

/// Runs one measurement and prints its result on standard output.
///
/// # Errors
///
/// When the server cannot be reached, breaks the protocol, does not answer in time, or answers an
/// operation with an error that the measurement did not provoke. The result is printed even then,
/// if there is one.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    process::raise_open_file_limit();
    match args.command {
        Command::Get(args) => load::run(wire::Operation::Get.into(), &args),
        Command::Set(args) => load::run(wire::Operation::Set.into(), &args),
        Command::Create(args) => load::run(wire::Operation::Create.into(), &args),
        Command::Delete(args) => load::run(wire::Operation::Delete.into(), &args),
        Command::Exists(args) => load::run(wire::Operation::Exists.into(), &args),
        Command::Children(args) => load::run(wire::Operation::Children.into(), &args),
        Command::Mix(args) => load::run(args.mix, &args.load),
        Command::Sessions(args) => sessions::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Fill(args) => fill::run(&args),
    }
}
