//! `zoorum digest`: the ids of scheme `digest`, as ACLs and `superDigest` name them.

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::failure::end;

/// Prints the id of each `user:password`, in the original's words.
pub fn run(credentials: &[String]) -> ExitCode {
    end(|out| {
        for given in credentials {
            writeln!(out, "{given}->{}", id(given))?;
        }
        Ok(())
    })
}

/// The user's name, and the hash of everything.
fn id(credentials: &str) -> String {
    let user = credentials.split(':').next().unwrap_or_default();
    format!("{user}:{}", STANDARD.encode(Sha1::digest(credentials.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_originals() {
        let rows = [
            ("super:secret", "super:lK75jTNcA+U9vtVEw5vB51mj/w4="),
            ("super", "super:hFG6ihTXl1PTTLM7UbpGtLAl64E="),
            ("a:b:c", "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0="),
            (":", ":BaefBs8/Z/cm2uaNGKIpD2yaUMk="),
            ("größe:ü", "größe:7vkfdiNfUJItivDXNs1FUVFr2VA="),
        ];
        for (credentials, expected) in rows {
            assert_eq!(id(credentials), expected, "{credentials}");
        }
    }
}
