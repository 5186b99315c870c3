//! Whole configurations: text in, typed value or refusal out.

mod common;
mod merging;
mod no_panic;
mod startup_messages;
