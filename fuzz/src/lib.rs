//! One fuzz target for each decoder: functions from arbitrary bytes to nothing, which panic when a promise is
//! broken.
//!
//! `fuzz/run.sh` lets libFuzzer look for such bytes. The tests feed what is kept in `corpus/`, so that a
//! mistake that was made once is not made again.
//!
//! **Promise asked for.** No byte from network, disk or configuration causes a panic, and what was written can
//! be read back.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod configuration;
pub mod conversation;
pub mod logs;
pub mod peers;
pub mod requests;
mod seal;
pub mod snapshots;
pub mod transactions;

/// A target: arbitrary bytes in, a panic if a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus too.
pub const TARGETS: [(&str, Target); 7] = [
    ("configuration", configuration::run),
    ("conversation", conversation::run),
    ("logs", logs::run),
    ("peers", peers::run),
    ("requests", requests::run),
    ("snapshots", snapshots::run),
    ("transactions", transactions::run),
];

/// Takes up to `count` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    front
}

/// Takes a byte off the front of `input`; 0 if there is none.
fn take_byte(input: &mut &[u8]) -> u8 {
    take(input, 1).first().copied().unwrap_or_default()
}

/// Takes a length of two bytes off the front of `input`, and so many bytes behind it, as far as there are any.
fn take_chunk<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let length = u16::from_be_bytes([take_byte(input), take_byte(input)]);
    take(input, length.into())
}
