//! Moments as ZooKeeper prints them, in local time.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// `2026-11-21 01:15:28,432`, as in log lines.
pub fn log_date(moment: SystemTime) -> String {
    format(&local(moment), "%Y-%m-%d %H:%M:%S,%3f")
}

/// `Sat Nov 21 01:53:02 UTC 2026`, Java's form of a date.
pub fn java_date(moment: SystemTime) -> String {
    format(&local(moment), "%a %b %d %H:%M:%S %Z %Y")
}

/// `Nov 21, 2026, 4:26:07 AM`, the medium form of an English locale.
pub fn medium_date(moment: SystemTime) -> String {
    format(&local(moment), "%b %-d, %Y, %-I:%M:%S %p")
}

/// `11/21/26, 4:26:07 AM UTC`: the short date and the long time of an English locale.
pub fn short_date(moment: SystemTime) -> String {
    format(&local(moment), "%-m/%-d/%y, %-I:%M:%S %p %Z")
}

/// So many milliseconds after 1970.
pub fn moment(millis: i64) -> SystemTime {
    let length = Duration::from_millis(millis.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let moment = if millis < 0 { epoch.checked_sub(length) } else { epoch.checked_add(length) };
    moment.unwrap_or(epoch)
}

fn local(moment: SystemTime) -> Zoned {
    // Only a clock beyond the year 9999 is no timestamp.
    let timestamp = Timestamp::try_from(moment).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::system())
}

fn format(moment: &Zoned, form: &str) -> String {
    moment.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_look_as_zookeeper_prints_them() {
        let morning = Timestamp::from_millisecond(1_795_235_107_042).expect("a moment");
        let morning = morning.to_zoned(TimeZone::UTC);
        assert_eq!(format(&morning, "%Y-%m-%d %H:%M:%S,%3f"), "2026-11-21 04:25:07,042");
        assert_eq!(format(&morning, "%a %b %d %H:%M:%S %Z %Y"), "Sat Nov 21 04:25:07 UTC 2026");
        assert_eq!(format(&morning, "%b %-d, %Y, %-I:%M:%S %p"), "Nov 21, 2026, 4:25:07 AM");
        assert_eq!(format(&morning, "%-m/%-d/%y, %-I:%M:%S %p %Z"), "11/21/26, 4:25:07 AM UTC");
    }
}
