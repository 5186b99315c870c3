//! `manifest.json`: what a backup holds, so that a restore can tell whether it is all there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zoorum_proto::{WallClock, Zxid};
use zoorum_storage::{Disk, Moments, Past};

/// The file's name.
pub(crate) const NAME: &str = "manifest.json";
/// What this release writes, and reads.
const FORMAT: u64 = 1;

/// Writes the manifest of a directory that holds nothing but a backup's files.
pub(crate) fn write(
    directory: &impl Disk,
    source: &str,
    past: &Past,
    moments: &Moments,
) -> anyhow::Result<()> {
    let mut entries = directory.list().context("cannot list the backup")?;
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut files = Vec::new();
    for entry in entries {
        let (size, sha256) = measure(&directory.path(&entry.name))?;
        files.push(json!({ "name": entry.name, "size": size, "sha256": sha256 }));
    }
    let manifest = json!({
        "format": FORMAT,
        "made_by": format!("zoorum {}", env!("CARGO_PKG_VERSION")),
        "made_at": Timestamp::now().to_string(),
        "source": source,
        "snapshot_zxid": past.snapshot.as_ref().map(|file| file.zxid.to_string()),
        "last_zxid": past.last_zxid.to_string(),
        "last_time": moments.last.filter(|last| last.zxid == past.last_zxid).map(|last| time_text(last.time)),
        "znodes": past.tree.node_count(),
        "sessions": past.tree.session_count(),
        "digest": past.tree.digest(),
        "files": files,
    });
    let path = directory.path(NAME);
    let text = format!("{manifest:#}\n");
    let written = fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all());
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Makes sure that a backup is as its manifest says: every file there, to the byte, and no other that would count.
pub(crate) fn verify(directory: &impl Disk) -> anyhow::Result<()> {
    let path = directory.path(NAME);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Value =
        serde_json::from_str(&text).with_context(|| format!("{}: no JSON", path.display()))?;
    if manifest["format"] != json!(FORMAT) {
        bail!("{}: format {} is not known to this release", path.display(), manifest["format"]);
    }
    let files = manifest["files"].as_array().with_context(|| format!("{}: no files", path.display()))?;
    let mut names = vec![NAME];
    for file in files {
        let (Some(name), Some(size), Some(sha256)) =
            (file["name"].as_str(), file["size"].as_u64(), file["sha256"].as_str())
        else {
            bail!("{}: a file without name, size and sha256", path.display());
        };
        if name.contains('/') {
            bail!("{}: {name} is no name of a backup's file", path.display());
        }
        let found = measure(&directory.path(name))?;
        if found != (size, sha256.to_owned()) {
            let file = directory.path(name);
            bail!(
                "{}: {} bytes with SHA-256 {}, should be {size} bytes with {sha256}: the backup is damaged",
                file.display(),
                found.0,
                found.1
            );
        }
        names.push(name);
    }
    let entries = directory.list().context("cannot list the backup")?;
    match entries.iter().find(|entry| !names.contains(&entry.name.as_str())) {
        Some(entry) => bail!("{}: not in {NAME}; move it away", directory.path(&entry.name).display()),
        None => Ok(()),
    }
}

/// A file's length and its SHA-256, in hex.
fn measure(path: &Path) -> anyhow::Result<(u64, String)> {
    let read = || -> io::Result<_> {
        let mut file = File::open(path)?;
        let (mut hash, mut length, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                count => {
                    hash.update(&chunk[..count]);
                    length += count as u64;
                }
            }
        }
        Ok((length, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// A moment for people and scripts.
pub(crate) fn time_text(time: WallClock) -> String {
    Timestamp::from_millisecond(time.0).map_or_else(|_| format!("{} ms", time.0), |at| at.to_string())
}

/// `0x…` or decimal.
pub(crate) fn parse_zxid(text: &str) -> Result<Zxid, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match number {
        Ok(number) if number >= 0 => Ok(Zxid(number)),
        _ => Err(format!("{text} is no zxid: expected hexadecimal with 0x, or decimal")),
    }
}

/// As RFC 3339 has it.
pub(crate) fn parse_time(text: &str) -> Result<WallClock, String> {
    let time = text.parse::<Timestamp>();
    time.map(|time| WallClock(time.as_millisecond()))
        .map_err(|error| format!("{error}; expected a time with its zone, such as 2026-01-31T12:00:00Z"))
}
