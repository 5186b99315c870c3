//! Limits of subtrees. They are kept in znodes below `/zookeeper/quota`, which servers read.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use zoorum_client::{Client, Create, CreateMode, ErrorCode, Version};
use zoorum_proto::path::{QUOTA, QUOTA_LIMITS, QUOTA_STATS};

use crate::fault::Fault;
use crate::options::Parsed;
use crate::paths;
use crate::shell::Shell;
use crate::walk::Walk;

/// Each option, the key of its limit, and what the limit counts.
const LIMITS: [(&str, &str, &str); 4] = [
    ("n", "count", "num"),
    ("b", "bytes", "bytes"),
    ("N", "countHardLimit", "num"),
    ("B", "byteHardLimit", "bytes"),
];
/// No limit.
const NONE: i64 = -1;

/// Numbers by name, in the text of a quota's znode: `count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=-1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Track(BTreeMap<String, i64>);

impl Track {
    fn of_text(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let pair = |piece: &str| {
            let mut sides = piece.split('=');
            let (key, value) = (sides.next()?, sides.next()?);
            Some((key.to_owned(), value.parse().ok()?))
        };
        Self(text.split([',', ';']).filter_map(pair).collect())
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(NONE)
    }

    fn set(&mut self, key: &str, value: i64) {
        self.0.insert(key.to_owned(), value);
    }

    fn json(&self) -> Value {
        json!(self.0)
    }
}

/// The odd sign after the bytes hides what follows from servers before 3.7.
impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.get("count"), self.get("bytes"))?;
        let others: Vec<_> =
            self.0.iter().filter(|(key, _)| !matches!(key.as_str(), "count" | "bytes")).collect();
        if !others.is_empty() {
            f.write_str("=")?;
        }
        others.iter().try_for_each(|(key, value)| write!(f, ";{key}={value}"))
    }
}

/// Where the quota of a path is. Of the whole tree there is none: that is no path, and is refused as the original does.
fn node_of(chroot: &str, path: &str) -> String {
    match path {
        "/" if !chroot.is_empty() => format!("{QUOTA}{chroot}"),
        path => format!("{QUOTA}{chroot}{path}"),
    }
}

/// The znodes of a quota, as the server names them.
struct Place {
    server: Client,
    node: String,
    limits: String,
    stats: String,
}

impl Place {
    fn of(shell: &Shell, path: &str) -> Self {
        let node = node_of(&shell.chroot(), path);
        let [limits, stats] = [QUOTA_LIMITS, QUOTA_STATS].map(|name| format!("{node}/{name}"));
        Self { server: shell.client().without_chroot(), node, limits, stats }
    }

    /// The path of which a znode here has the quota.
    fn owner(node: &str) -> &str {
        node.strip_prefix(QUOTA).unwrap_or(node)
    }

    async fn limits(&self, shell: &mut Shell) -> Result<Option<Track>, Fault> {
        match shell.settle(self.server.get(&self.limits)).await {
            Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
            node => Ok(Some(Track::of_text(&node?.data))),
        }
    }

    async fn write_limits(&self, shell: &mut Shell, limits: &Track) -> Result<(), Fault> {
        shell.ask(self.server.set(&self.limits, limits.to_string(), Version::ANY)).await.map(drop)
    }

    /// Creates what is not there yet.
    async fn create(&self, shell: &mut Shell, path: &str, data: Option<String>) -> Result<(), Fault> {
        let how = Create::new(CreateMode::Persistent);
        let created = match data {
            Some(data) => self.server.create(path, data, how),
            None => self.server.create(path, b"", how.null()),
        };
        match shell.settle(created).await {
            Err(error) if error.is(ErrorCode::NodeExists) => Ok(()),
            created => Ok(created.map(drop)?),
        }
    }
}

pub(crate) async fn set(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    if path.starts_with(QUOTA) {
        shell.out.warn(&format!("cannot set a quota under the path: {QUOTA}"));
        return Ok(());
    }
    let Some((key, limit)) = wanted(shell, &parsed) else { return Ok(()) };
    paths::check(path)?;
    let place = Place::of(shell, path);
    paths::check(&place.node)?;
    if shell.ask(shell.client().exists(path)).await?.is_none() {
        return Err(Fault::new(format!("{path} does not exist.")));
    }
    refuse_nesting(shell, path, &place).await?;
    let limits = match place.limits(shell).await? {
        Some(mut limits) => {
            limits.set(key, limit);
            place.write_limits(shell, &limits).await?;
            limits
        }
        None => begin(shell, &place, key, limit).await?,
    };
    warn(shell, &place, &limits).await
}

/// Creates the znodes of a quota.
async fn begin(shell: &mut Shell, place: &Place, key: &str, limit: i64) -> Result<Track, Fault> {
    let ends = place.node.match_indices('/').map(|(at, _)| at).chain([place.node.len()]);
    for end in ends.filter(|&end| end > QUOTA.len()) {
        place.create(shell, &place.node[..end], None).await?;
    }
    let mut limits = Track::default();
    LIMITS.iter().for_each(|(_, key, _)| limits.set(key, NONE));
    limits.set(key, limit);
    place.create(shell, &place.limits, Some(limits.to_string())).await?;
    // Its creation makes the server count.
    place.create(shell, &place.stats, Some("count=0,bytes=0".to_owned())).await?;
    Ok(limits)
}

/// Says what is exceeded from the beginning.
async fn warn(shell: &mut Shell, place: &Place, limits: &Track) -> Result<(), Fault> {
    let used = match shell.settle(place.server.get(&place.stats)).await {
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(()),
        node => Track::of_text(&node?.data),
    };
    for (key, hard) in [("count", "countHardLimit"), ("bytes", "byteHardLimit")] {
        let used = used.get(key);
        if [key, hard].iter().any(|key| limits.get(key) > NONE && limits.get(key) < used) {
            shell.out.answer(
                || format!("[Warning]: the {key} quota you create is less than the existing {key}:{used}"),
                || json!({ "warning": format!("the {key} quota is less than the existing {key}"), "used": used }),
            );
        }
    }
    Ok(())
}

/// Which limit is set, and to what. The original takes a bad number for a success that does nothing.
fn wanted(shell: &Shell, parsed: &Parsed) -> Option<(&'static str, i64)> {
    let (text, key, unit) =
        LIMITS.iter().find_map(|(option, key, unit)| Some((parsed.value(option)?, *key, *unit)))?;
    let number = match unit {
        "num" => text.parse::<i32>().map(i64::from),
        _ => text.parse::<i64>(),
    };
    let complaint = match (number, unit) {
        (Err(_), _) => "NumberFormatException happens when parsing the option value",
        (Ok(number), "num") if number <= 0 => "the num quota must be greater than zero",
        (Ok(number), _) if number < 0 => "the bytes quota must be greater than or equal to zero",
        (Ok(number), _) => return Some((key, number)),
    };
    shell.out.warn(complaint);
    None
}

/// A subtree with a quota has none above it or below it.
async fn refuse_nesting(shell: &mut Shell, path: &str, place: &Place) -> Result<(), Fault> {
    let is_limited = |children: &[String]| children.iter().any(|name| name == QUOTA_LIMITS);
    let mut walk = Walk::new(&place.server, &place.node);
    while let Some(visit) = shell.settle(walk.next()).await {
        match visit {
            Ok(visit) if visit.path != place.node && is_limited(&visit.children) => {
                let child = Place::owner(&visit.path);
                return Err(Fault::new(format!("{path} has a child {child} which has a quota")));
            }
            Ok(_) => {}
            Err(error) if error.is(ErrorCode::NoNode) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let ends = place.node.match_indices('/').map(|(at, _)| at);
    for end in ends.filter(|&end| end > QUOTA.len()) {
        match shell.settle(place.server.children(&place.node[..end])).await {
            Ok(children) if is_limited(&children.names) => {
                let parent = Place::owner(&place.node[..end]);
                return Err(Fault::new(format!("{path} has a parent {parent} which has a quota")));
            }
            Ok(_) => {}
            Err(error) if error.is(ErrorCode::NoNode) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(crate) async fn list(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    paths::check(path)?;
    let place = Place::of(shell, path);
    if !shell.out.is_json() {
        shell.out.complain(&format!("absolute path is {}", place.limits));
    }
    paths::check(&place.limits)?;
    let Some(limits) = place.limits(shell).await? else {
        shell.out.note(
            || format!("quota for {path} does not exist."),
            || json!({ "path": path, "quota": Value::Null }),
        );
        return Ok(());
    };
    let used = Track::of_text(&shell.ask(place.server.get(&place.stats)).await?.data);
    shell.out.answer(
        || format!("Output quota for {path} {limits}\nOutput stat for {path} {used}"),
        || json!({ "path": path, "quota": limits.json(), "used": used.json() }),
    );
    Ok(())
}

pub(crate) async fn delete(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let path = parsed.argument(0);
    paths::check(path)?;
    let place = Place::of(shell, path);
    paths::check(&place.limits)?;
    let Some(mut limits) = place.limits(shell).await? else {
        shell.out.answer(
            || format!("Quota does not exist for {path}"),
            || json!({ "path": path, "quota": Value::Null }),
        );
        return Ok(());
    };
    if let Some((_, key, _)) = LIMITS.iter().find(|(option, ..)| parsed.has(option)) {
        limits.set(key, NONE);
        return place.write_limits(shell, &limits).await;
    }
    for node in [&place.limits, &place.stats] {
        remove(shell, &place.server, node).await?;
    }
    // What only led there goes, too.
    let mut node = place.node.as_str();
    while node.len() > QUOTA.len() && remove(shell, &place.server, node).await? {
        node = node.rfind('/').map_or(QUOTA, |at| &node[..at]);
    }
    Ok(())
}

/// Deletes a znode that may be gone, unless it has children; says whether it is gone.
async fn remove(shell: &mut Shell, server: &Client, node: &str) -> Result<bool, Fault> {
    match shell.settle(server.delete(node, Version::ANY)).await {
        Err(error) if error.is(ErrorCode::NotEmpty) => Ok(false),
        Err(error) if error.is(ErrorCode::NoNode) => Ok(true),
        deleted => Ok(deleted.map(|()| true)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_kept_where_servers_look_and_of_the_whole_tree_there_is_none() {
        let rows = [
            ("", "/a", "/zookeeper/quota/a", None),
            ("/app", "/a", "/zookeeper/quota/app/a", None),
            ("/app", "/", "/zookeeper/quota/app", None),
            ("", "/", "/zookeeper/quota/", Some("Path must not end with / character")),
        ];
        for (chroot, path, node, complaint) in rows {
            assert_eq!(node_of(chroot, path), node);
            let fault = paths::check(&node_of(chroot, path)).err().map(|fault| fault.message);
            assert_eq!(fault.as_deref(), complaint, "{chroot} {path}");
        }
    }

    #[test]
    fn numbers_are_written_as_the_original_does() {
        let mut track = Track::of_text(b"count=5,bytes=7");
        assert_eq!(track.to_string(), "count=5,bytes=7");
        track.set("countHardLimit", 3);
        track.set("byteHardLimit", -1);
        let text = "count=5,bytes=7=;byteHardLimit=-1;countHardLimit=3";
        assert_eq!(track.to_string(), text);
        assert_eq!(Track::of_text(text.as_bytes()), track);
        assert_eq!(Track::of_text(b"\xff nonsense").get("count"), NONE);
    }
}
