//! Sessions in conversation with a scripted server.

mod chaos;
mod plays;
mod stage;
