//! The first bytes on an election connection: who dials, and where to dial back.
//!
//! ```text
//! version 1, 2   version i64 (−65536, −65535) · server i64 · length i32 in 1..=2048 · addresses
//! addresses      host:port, in version 2 several with "|" between them; [IPv6]:port
//! before 3.5     server i64, not negative, and nothing else
//! ```

use bytes::{Buf, BytesMut};
use zoorum_jute::{Decode, Encode, Reader};

use super::address::{HostPort, host_and_rest};
use crate::ServerId;

/// The longest list of addresses in a hello, in bytes.
pub const HELLO_ADDRESSES_MAX: usize = 2048;

const VERSION_1: i64 = -65536;
const VERSION_2: i64 = -65535;

/// What a server says when it dials another's election port. The other says nothing in return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who dials; [`ServerId::ANONYMOUS`] for an observer without a number.
    pub server: ServerId,
    /// Where its election port is; nothing from servers before 3.5.
    pub addresses: Vec<HostPort>,
}

/// Why a connection cannot have come from a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Neither a server before 3.5, nor a version that we know.
    #[error("a hello of version {0}, of which only -65536 and -65535 are known")]
    Version(i64),
    /// A list of addresses that no server sends.
    #[error("a hello with {0} bytes of addresses, instead of 1 to {HELLO_ADDRESSES_MAX}")]
    Length(i32),
    /// One of the addresses is not a host and a port.
    #[error("a hello with the address \"{0}\", which is not a host and a port")]
    Address(String),
}

impl Hello {
    /// The hello that every server since 3.5 understands. It has room for one address only.
    pub fn to_v1(&self) -> Vec<u8> {
        self.encode(VERSION_1, &self.addresses[..self.addresses.len().min(1)])
    }

    /// The hello with all addresses, which servers before 3.6 refuse.
    pub fn to_v2(&self) -> Vec<u8> {
        self.encode(VERSION_2, &self.addresses)
    }

    fn encode(&self, version: i64, addresses: &[HostPort]) -> Vec<u8> {
        let addresses: Vec<String> = addresses.iter().map(HostPort::to_string).collect();
        let mut out = Vec::new();
        version.encode(&mut out);
        self.server.encode(&mut out);
        addresses.join("|").encode(&mut out);
        out
    }

    /// Takes a hello off the front of `buffer`; `None` if it has not arrived completely.
    ///
    /// # Errors
    /// The bytes are no hello, and the connection is of no use.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, HelloError> {
        let mut input = Reader::new(buffer);
        match i64::decode(&mut input) {
            Err(_) => return Ok(None),
            Ok(VERSION_1 | VERSION_2) => {}
            Ok(server) if server >= 0 => {
                buffer.advance(8);
                return Ok(Some(Self { server: ServerId(server), addresses: Vec::new() }));
            }
            Ok(version) => return Err(HelloError::Version(version)),
        }
        let (Ok(server), Ok(length)) = (ServerId::decode(&mut input), i32::decode(&mut input)) else {
            return Ok(None);
        };
        let bounded =
            usize::try_from(length).ok().filter(|length| (1..=HELLO_ADDRESSES_MAX).contains(length));
        let length = bounded.ok_or(HelloError::Length(length))?;
        let Ok(text) = input.take(length) else { return Ok(None) };
        let addresses = parse_addresses(&String::from_utf8_lossy(text))?;
        buffer.advance(20 + length);
        Ok(Some(Self { server, addresses }))
    }
}

/// Addresses that mean every interface say nothing about where to dial, and are left out.
fn parse_addresses(text: &str) -> Result<Vec<HostPort>, HelloError> {
    let addresses = text.split('|').map(|element| {
        let wrong = || HelloError::Address(element.to_owned());
        match host_and_rest(element).map_err(|_| wrong())?[..] {
            [host, port] => Ok(HostPort { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? }),
            _ => Err(wrong()),
        }
    });
    let addresses: Vec<HostPort> = addresses.collect::<Result<_, _>>()?;
    Ok(addresses.into_iter().filter(|address| !address.is_any_host()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Result<Option<Hello>, HelloError> {
        Hello::take(&mut BytesMut::from(bytes))
    }

    fn with_addresses(text: &str) -> Vec<u8> {
        let mut out = [VERSION_1.to_be_bytes(), 2_i64.to_be_bytes()].concat();
        text.encode(&mut out);
        out
    }

    #[test]
    fn addresses_are_hosts_and_ports() {
        let rows = [
            ("a:1", Ok("a:1")),
            ("a:1|b:2|[::1]:3", Ok("a:1 b:2 [::1]:3")),
            ("0.0.0.0:3888|a:1|[::]:1", Ok("a:1")),
            ("0.0.0.0:3888", Ok("")),
            ("a", Err("a")),
            ("a:1:2", Err("a:1:2")),
            ("a:b", Err("a:b")),
            ("a:70000", Err("a:70000")),
            ("[::1:3", Err("[::1:3")),
            ("a:1||b:2", Err("")),
        ];
        for (text, expected) in rows {
            let found = take(&with_addresses(text));
            match expected {
                Ok(addresses) => {
                    let hello = found.expect("a hello").expect("a whole one");
                    let found: Vec<String> = hello.addresses.iter().map(HostPort::to_string).collect();
                    assert_eq!(found.join(" "), addresses, "{text}");
                }
                Err(element) => assert_eq!(found, Err(HelloError::Address(element.to_owned())), "{text}"),
            }
        }
    }

    #[test]
    fn what_no_server_says_is_refused_as_soon_as_it_is_seen() {
        assert_eq!(take(&(-65534_i64).to_be_bytes()), Err(HelloError::Version(-65534)));
        for length in [-1, 0, 2049, i32::MAX] {
            let mut bytes = [VERSION_1.to_be_bytes(), 2_i64.to_be_bytes()].concat();
            length.encode(&mut bytes);
            assert_eq!(take(&bytes), Err(HelloError::Length(length)));
        }
    }

    #[test]
    fn what_follows_a_hello_stays_in_the_buffer() {
        for hello in [&with_addresses("a:1")[..], &2_i64.to_be_bytes()] {
            let mut buffer = BytesMut::from(hello);
            buffer.extend_from_slice(b"vote");
            assert!(Hello::take(&mut buffer).is_ok_and(|hello| hello.is_some()));
            assert_eq!(&buffer[..], b"vote");
        }
    }
}
