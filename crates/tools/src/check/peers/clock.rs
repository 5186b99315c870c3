//! Another server's clock, as far as it can be told: an admin server dates its answers, to the second.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822;
use zoorum_proto::ServerId;

use crate::check::finding::{Area, Report};
use crate::check::probe::ask;

/// What a second's rounding cannot explain.
const TOLERATED: Duration = Duration::from_secs(2);

/// How far a clock is from ours, at least.
pub(super) struct Lag {
    apart: Duration,
    is_behind: bool,
}

/// Asks the admin server at an address; `None` if there is none, or if it does not date its answers.
pub(super) fn lag(admin: &SocketAddr) -> Option<Lag> {
    let request = format!("GET /commands/ruok HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let before = SystemTime::now();
    let answer = ask(admin, &request).ok()?;
    let after = SystemTime::now();
    let dated = |line: &str| {
        line.split_once(':')
            .filter(|(name, _)| name.eq_ignore_ascii_case("date"))
            .map(|(_, date)| date.trim().to_owned())
    };
    let date = answer.lines().take_while(|line| !line.is_empty()).find_map(dated)?;
    let theirs = SystemTime::from(rfc2822::parse(&date).ok()?.timestamp());
    Some(apart(theirs, before, after))
}

/// The answer was dated, by cutting off the fraction, at some moment between these two.
fn apart(theirs: SystemTime, before: SystemTime, after: SystemTime) -> Lag {
    let second = Duration::from_secs(1);
    match (before.duration_since(theirs + second), theirs.duration_since(after)) {
        (Ok(apart), _) => Lag { apart, is_behind: true },
        (_, Ok(apart)) => Lag { apart, is_behind: false },
        _ => Lag { apart: Duration::ZERO, is_behind: false },
    }
}

impl Lag {
    pub(super) fn tell(&self, id: ServerId, report: &mut Report) {
        let seconds = self.apart.as_secs();
        let word = if self.is_behind { "behind" } else { "ahead of" };
        if self.apart > TOLERATED {
            report.add(Area::Peers).warning(
                format!("server {id}: its clock is {seconds} s {word} this one's"),
                "let the machines keep time (NTP): ctime and mtime come from whoever leads",
            );
        } else {
            report
                .add(Area::Peers)
                .ok(format!("server {id}: its clock is not more than 2 s from this one's"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_as_far_apart_as_is_certain() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let rows = [
            ((10_000, 10_400, 10_500), (0, false)),
            ((10_000, 11_000, 11_100), (0, true)),
            ((10_000, 16_000, 16_100), (5_000, true)),
            ((20_000, 10_000, 10_500), (9_500, false)),
        ];
        for ((theirs, before, after), (millis, is_behind)) in rows {
            let lag = apart(at(theirs), at(before), at(after));
            assert_eq!(
                (lag.apart.as_millis(), lag.is_behind),
                (millis, is_behind),
                "{theirs} {before} {after}"
            );
        }
    }
}
