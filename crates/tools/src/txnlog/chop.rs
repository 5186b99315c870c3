//! Copying a log up to a zxid.

use std::io::Write;
use std::path::{Path, PathBuf};

use zoorum_proto::Zxid;

use super::entry;
use super::raw::{Header, RawLog};
use crate::draft::Draft;
use crate::failure::{Failure, UNEXPECTED};

/// Writes `<file>.chopped<zxid>` with everything up to and including that zxid. The log must go on behind it:
/// else there is nothing to chop.
pub(crate) fn chop(file: &Path, zxid: i64, out: &mut dyn Write) -> Result<(), Failure> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".chopped{zxid}"));
    let result = Draft::of(PathBuf::from(name)).and_then(|mut copy| {
        let is_chopped = copy_until(file, zxid, &mut copy, out)?;
        if is_chopped {
            return copy.publish(None);
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Err(Failure::unexpected(format!("Failed to chop {name}")))
    });
    if let Err(Failure { message, .. }) = result {
        // Where the original says so. It ends with 0 then, as if all had gone well, and leaves part of a file.
        writeln!(out, "Got exception: {message}")?;
        return Err(Failure::new(UNEXPECTED, ""));
    }
    Ok(())
}

/// Whether there was something to chop off.
fn copy_until(file: &Path, zxid: i64, copy: &mut Draft, out: &mut dyn Write) -> Result<bool, Failure> {
    let (mut log, header) = RawLog::open(file)?;
    let Header { database, version, bytes } = header;
    writeln!(out, "ZooKeeper Transactional Log File with dbid {database} txnlog format version {version}")?;
    copy.write(&bytes)?;
    let (mut count, mut has_zxid, mut previous) = (0, false, None);
    while let Some(record) = log.next()? {
        let (found, computed) = (record.checksum, record.computed());
        if found != computed {
            return Err(Failure::unexpected(format!("CRC doesn't match {found} vs {computed}")));
        }
        let this = entry::zxid(&record.payload);
        let this = this.map_err(|error| log.broken(record.offset, &error.to_string()))?;
        if log.end_of_record().is_err() {
            writeln!(out, "Last transaction was partial.")?;
            return Err(Failure::unexpected("Last transaction was partial."));
        }
        has_zxid |= this == zxid;
        if let Some(previous) = previous.replace(this) {
            tell_gap(previous, this, out)?;
        }
        if this > zxid {
            if has_zxid {
                writeln!(out, "Chopping at {zxid:x} new log has {count} records")?;
            } else {
                writeln!(out, "This log does not contain zxid {zxid:x}")?;
            }
            return Ok(has_zxid);
        }
        copy.write(&record.encode(found))?;
        count += 1;
    }
    writeln!(out, "EOF reached after {count} txns.")?;
    Ok(false)
}

fn tell_gap(previous: i64, this: i64, out: &mut dyn Write) -> Result<(), Failure> {
    if this == previous.wrapping_add(1) {
        return Ok(());
    }
    let kind = if Zxid(this).epoch() == Zxid(previous).epoch() {
        "intra-epoch"
    } else if Zxid(this).counter() != 1 {
        "inter-epoch"
    } else {
        return Ok(());
    };
    Ok(writeln!(out, "There is {kind} gap between {previous:x} and {this:x}")?)
}
