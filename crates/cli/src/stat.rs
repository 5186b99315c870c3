//! A znode's Stat, as lines and as JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use zoorum_client::Stat;
use zoorum_proto::WallClock;

/// Eleven lines.
pub(crate) fn lines(stat: &Stat) -> String {
    [
        format!("cZxid = {}", stat.czxid),
        format!("ctime = {}", date(stat.ctime)),
        format!("mZxid = {}", stat.mzxid),
        format!("mtime = {}", date(stat.mtime)),
        format!("pZxid = {}", stat.pzxid),
        format!("cversion = {}", stat.cversion),
        format!("dataVersion = {}", stat.version.0),
        format!("aclVersion = {}", stat.aversion.0),
        format!("ephemeralOwner = {}", stat.ephemeral_owner),
        format!("dataLength = {}", stat.data_length),
        format!("numChildren = {}", stat.num_children),
    ]
    .join("\n")
}

/// The same with the protocol's names; times in milliseconds since 1970.
pub(crate) fn json(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid.to_string(),
        "mzxid": stat.mzxid.to_string(),
        "pzxid": stat.pzxid.to_string(),
        "ctime": stat.ctime.0,
        "mtime": stat.mtime.0,
        "cversion": stat.cversion,
        "version": stat.version.0,
        "aversion": stat.aversion.0,
        "ephemeralOwner": stat.ephemeral_owner.to_string(),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// In the local time zone, as Java prints a date; the bare number if no calendar reaches so far.
fn date(at: WallClock) -> String {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    match Timestamp::from_millisecond(at.0) {
        Ok(timestamp) => timestamp.to_zoned(zone).strftime("%a %b %d %H:%M:%S %Z %Y").to_string(),
        Err(_) => at.0.to_string(),
    }
}
