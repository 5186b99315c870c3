//! What systemd is told, if it wants to know: that this server is up, what it does, and that it stops.
//!
//! Up it is once its files are read and its ports open. A member of an ensemble does not wait for a leader with that:
//! whoever starts the members one after the other would wait for ever at the first.
//!
//! **Source.** sd_notify(3): a datagram of lines `NAME=value` to the socket that `NOTIFY_SOCKET` names; a leading `@`
//! stands for the abstract namespace.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use zoorum_server::replica::Mode;

/// The files are being read.
pub(crate) fn on_recovering() {
    tell("STATUS=reading the data");
}

/// Clients and other servers can connect.
pub(crate) fn on_ready(mode: Mode) {
    tell(&format!("READY=1\nSTATUS={}", describe(mode)));
}

/// This server has another part now.
pub(crate) fn on_mode(mode: Mode) {
    tell(&format!("STATUS={}", describe(mode)));
}

/// A signal was received.
pub(crate) fn on_stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

fn describe(mode: Mode) -> &'static str {
    match mode {
        Mode::Waiting => "looking for a leader, and serving nobody",
        Mode::Standalone => "serving, alone",
        Mode::Leader => "leading",
        Mode::Follower => "following",
        Mode::Observer => "observing",
        Mode::ReadOnly => "serving reads: there is no leader",
    }
}

/// Nobody depends on it but whoever looks, so a failure is no more than a warning.
fn tell(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!("cannot tell systemd at {} how this server is: {error}", name.display());
    }
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_arrives_at_sockets_with_a_path_and_without() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let hidden = format!("@{}", path.display());
        let heard = |socket: &UnixDatagram| {
            let mut buffer = [0; 100];
            let length = socket.recv(&mut buffer).expect("a datagram");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };

        let socket = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str(), "READY=1\nSTATUS=leading").expect("told");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=leading");

        let address = SocketAddr::from_abstract_name(&hidden.as_bytes()[1..]).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        send(OsStr::new(&hidden), "STOPPING=1").expect("told");
        assert_eq!(heard(&socket), "STOPPING=1");

        let gone = directory.path().join("gone");
        assert_eq!(send(gone.as_os_str(), "READY=1").expect_err("nobody").kind(), io::ErrorKind::NotFound);
    }
}
