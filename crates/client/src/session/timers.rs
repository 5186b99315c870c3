//! The lengths of time in a session, all of them derived from its timeout.

use std::time::Duration;

/// A pause before each new attempt, at random below this: not everybody comes at once after a server's end.
pub(super) const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(1000);
/// A pause after a connection is dropped.
pub(super) const DROP_PAUSE: Duration = Duration::from_millis(100);
/// A pause when all servers have been tried.
pub(super) const ROUND_PAUSE: Duration = Duration::from_millis(1000);
/// The pause between looking for a read-write server and looking again doubles from here …
pub(super) const PROBE_PAUSE_MIN: Duration = Duration::from_millis(200);
/// … to here.
pub(super) const PROBE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Something is sent at least as often, however long the timeout.
const PING_PAUSE_MAX: Duration = Duration::from_secs(10);
/// A ping is due so much earlier than it must be.
const PING_MARGIN: Duration = Duration::from_millis(1000);

/// A session timeout, requested or negotiated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeout(pub(super) Duration);

impl Timeout {
    /// How long connecting and the handshake may take: in one timeout every server can be tried.
    pub(super) fn connect(self, hosts: usize) -> Duration {
        self.0 / u32::try_from(hosts.max(1)).unwrap_or(u32::MAX)
    }

    /// How long a server may be silent.
    pub(super) fn read(self) -> Duration {
        self.0 * 2 / 3
    }

    /// How long we may be silent.
    pub(super) fn ping(self) -> Duration {
        let third = self.read() / 2;
        let early = if third <= PING_MARGIN { third } else { (third - PING_MARGIN).max(PING_MARGIN) };
        early.min(PING_PAUSE_MAX)
    }

    /// After so much silence the server has certainly ended the session.
    pub(super) fn expiry(self) -> Duration {
        self.0 * 4 / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_leave_time_for_another_server() {
        let rows =
            [(1000, 333), (3000, 1000), (4000, 1000), (12_000, 3000), (30_000, 9000), (90_000, 10_000)];
        for (timeout, ping) in rows {
            let timeout = Timeout(Duration::from_millis(timeout));
            assert_eq!(timeout.ping().as_millis(), ping, "{timeout:?}");
            assert!(timeout.ping() < timeout.read() && timeout.read() < timeout.0);
        }
        assert_eq!(Timeout(Duration::from_secs(6)).connect(3), Duration::from_secs(2));
    }
}
