//! Zoorum against Apache ZooKeeper and its clients: same scenario, same outcome.
//!
//! Nothing here leans on the production crates: [`wire`] has an encoder and a decoder of its own, so that a
//! misreading of the protocol cannot be shared by the server and by what judges it. [`server`] starts either
//! server with the same configuration, [`ensemble`] whole ensembles of any mix, [`http`] asks their
//! admin servers, and [`tree`] reads a whole tree.
//! [`dist`] builds what users get, and a [`room`] is where it is run as they run it, on their ports and paths.
//! Test code calls this crate, so failures are panics with a message.

pub mod dist;
pub mod ensemble;
pub mod http;
pub mod room;
pub mod server;
pub mod tree;
pub mod wire;

/// Each run of digits, with a point, an exponent or as hex, is `N`.
pub fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut number = false;
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let hex = number && (next.is_ascii_hexdigit() || matches!(next, '.' | 'x' | 'E'));
        if next.is_ascii_digit() || hex {
            if !number {
                masked.push('N');
            }
            number = true;
        } else {
            number = false;
            // A sign belongs to the number.
            if next != '-' || !rest.peek().is_some_and(char::is_ascii_digit) {
                masked.push(next);
            }
        }
    }
    masked
}
