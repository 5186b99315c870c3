//! The other world around a server, or an ensemble: seeded network, disk and clock; clients, faults, and checkers.
//!
//! ```text
//! simulation   whose turn it is                          trouble  what goes wrong
//! host         the loops of the real host, a step at a time, around the same server
//! client       the library's sessions and recipes, and clients of another make
//! plays        what is done with recipes, and what is believed of it
//! network      bytes in order, late, cut anywhere; wires: the same between servers
//! disk         what one process can do to a disk
//! model        every state that the tree should have had
//! check        history, replies, watches, sessions, recipes; what servers keep, and say to each other
//! ```
//!
//! One thread, virtual time, and one seed from which all chance is drawn: the same seed is the same run, so a
//! failure is a number that anybody can run again. Nothing here is a mock of the server: it runs the code that
//! ships, from recovery on.

mod chance;
mod check;
mod client;
mod disk;
mod faults;
mod ground;
mod host;
mod meeting;
mod model;
mod network;
mod plant;
mod plays;
mod simulation;
mod sum;
mod trace;
mod trouble;
mod wires;

pub use faults::{Bug, Faults};
pub use plays::Play;
pub use simulation::{Report, Simulation};
pub use sum::Sum;
