//! A host and a port, as text.

use std::fmt;

/// A host, not resolved yet, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// Zero only in a `server.N` line that says so.
    pub port: u16,
}

impl HostPort {
    /// The address that means every interface of this machine.
    pub const ANY_HOST: &str = "0.0.0.0";

    /// Whether it listens on every interface.
    pub fn is_any_host(&self) -> bool {
        matches!(self.host.as_str(), Self::ANY_HOST | "::" | "0:0:0:0:0:0:0:0")
    }
}

/// `host:port`, with brackets around the host where it has colons itself.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Text that opens a bracket and does not close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnclosedBracket;

/// The host, out of its brackets, and what the colons after it divide.
pub(super) fn host_and_rest(text: &str) -> Result<Vec<&str>, UnclosedBracket> {
    let Some(bracketed) = text.strip_prefix('[') else { return Ok(split_like_java(text, ':')) };
    let (host, rest) = bracketed.split_once(']').ok_or(UnclosedBracket)?;
    let mut parts = vec![host];
    if let Some(rest) = rest.strip_prefix(':') {
        parts.extend(split_like_java(rest, ':'));
    }
    Ok(parts)
}

/// Splits and forgets empty parts at the end, which Java's `split` does not report.
pub(super) fn split_like_java(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

/// Whether a host can be written between colons, in a line of a properties file, and be read again.
pub(super) fn is_writable_host(host: &str) -> bool {
    !host.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '[' | ']' | '\\' | ';' | '|'))
}
