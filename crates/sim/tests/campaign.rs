//! Many runs of a server alone, each under the faults that its seed draws.
//!
//! `cargo run --release -p zoorum-sim -- --alone` runs as many more as one likes.

use zoorum_sim::{Faults, Sum};

/// So many seeds take less than a minute, lightly optimised as the workspace builds its tests.
const SEEDS: u64 = 250;

#[test]
fn whatever_happens_no_acknowledged_write_is_lost_and_no_client_is_lied_to() {
    println!("{}", Sum::of(0..SEEDS, Faults::of_seed));
}
