//! Showing a log's transactions, and writing a copy of it with right checksums.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use zoorum_config::{Flags, split_words};

use super::entry;
use super::raw::{HEADER_LENGTH, Header, RawLog, Record};
use crate::draft::Draft;
use crate::failure::Failure;

/// Prints every transaction.
pub(crate) fn dump(file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut log, header) = RawLog::open(file)?;
    announce(header, out)?;
    let mut count = 0;
    while let Some(record) = log.next()? {
        let line = decoded(&log, &record)?;
        if record.checksum != record.computed() {
            write!(out, "CRC ERROR - {line}")?;
        }
        out.write_all(line.as_bytes())?;
        log.end_of_record()?;
        count += 1;
    }
    Ok(writeln!(out, "EOF reached after {count} txns.")?)
}

/// How to mend.
pub(crate) struct Recovery {
    /// Whether each record is mended only if an answer says so.
    pub asks: bool,
    /// Whether sound transactions are printed, too.
    pub is_verbose: bool,
}

/// Writes a copy in which every record has the checksum that its content asks for.
pub(crate) fn recover(
    file: &Path,
    how: &Recovery,
    answers: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut name = file.as_os_str().to_owned();
    name.push(".fixed");
    let target = PathBuf::from(name);
    if target.exists() {
        let text = format!("Recovery file {} already exists or not writable", target.display());
        return Err(Failure::unexpected(text));
    }
    let (mut log, header) = RawLog::open(file)?;
    let mut copy = Draft::of(target.clone())?;
    announce(header, out)?;
    copy.write(&header.bytes)?;
    let mut padding = Padding::new();
    let (mut count, mut mended) = (0, 0);
    while let Some(record) = log.next()? {
        let line = decoded(&log, &record)?;
        let mut checksum = record.checksum;
        if checksum != record.computed() {
            write!(out, "CRC {} - {line}", if how.asks { "ERROR" } else { "FIXED" })?;
            if !how.asks || is_wanted(answers, out)? {
                checksum = record.computed();
                mended += 1;
            }
        }
        if how.is_verbose {
            out.write_all(line.as_bytes())?;
        }
        log.end_of_record()?;
        let bytes = record.encode(checksum);
        padding.before_append();
        padding.position += bytes.len() as u64;
        copy.write(&bytes)?;
        count += 1;
    }
    writeln!(out, "EOF reached after {count} txns.")?;
    copy.publish(Some(padding.length()))?;
    Ok(writeln!(out, "Recovery file {} has been written with {mended} fixed CRC error(s)", target.display())?)
}

fn announce(header: Header, out: &mut dyn Write) -> Result<(), Failure> {
    let Header { database, version, .. } = header;
    Ok(writeln!(
        out,
        "ZooKeeper Transactional Log File with dbid {database} txnlog format version {version}"
    )?)
}

fn decoded(log: &RawLog, record: &Record) -> Result<String, Failure> {
    entry::line(&record.payload).map_err(|error| log.broken(record.offset, &error.to_string()))
}

/// Asks until there is an answer.
fn is_wanted(answers: &mut dyn BufRead, out: &mut dyn Write) -> Result<bool, Failure> {
    loop {
        write!(out, "Would you like to fix it (Yes/No/Abort) ? ")?;
        out.flush()?;
        match next_word(answers)?.first().map(u8::to_ascii_uppercase) {
            Some(b'Y') => return Ok(true),
            Some(b'N') => return Ok(false),
            Some(b'A') => return Err(Failure::new(0, "Recovery aborted.")),
            Some(_) => {}
            None => {
                return Err(Failure::unexpected(
                    "There is no answer: nothing was written. -y repairs without asking",
                ));
            }
        }
    }
}

/// The next word of the input; empty at its end.
fn next_word(input: &mut dyn BufRead) -> Result<Vec<u8>, Failure> {
    let mut word = Vec::new();
    loop {
        let mut byte = [0];
        let count = input
            .read(&mut byte)
            .map_err(|error| Failure::unexpected(format!("cannot read the answer: {error}")))?;
        if count == 0 || (byte[0].is_ascii_whitespace() && !word.is_empty()) {
            return Ok(word);
        }
        if !byte[0].is_ascii_whitespace() {
            word.push(byte[0]);
        }
    }
}

/// How far the original's writer would have extended the file: in steps, before the end comes near.
struct Padding {
    step: u64,
    position: u64,
    size: u64,
}

impl Padding {
    /// Behind the header. The step is `preAllocSize`, which the scripts pass in JVMFLAGS.
    fn new() -> Self {
        const DEFAULT_KB: i64 = 65_536;
        let flags = Flags::parse(split_words(&std::env::var("JVMFLAGS").unwrap_or_default()));
        let set = flags.properties.iter().rev().find(|(name, _)| name == "zookeeper.preAllocSize");
        let kilobytes = set.and_then(|(_, value)| value.parse().ok()).unwrap_or(DEFAULT_KB);
        let step = u64::try_from(kilobytes).unwrap_or(0).saturating_mul(1024);
        Self { step, position: HEADER_LENGTH as u64, size: HEADER_LENGTH as u64 }
    }

    fn before_append(&mut self) {
        const CLOSE: u64 = 4096;
        if self.step == 0 || self.position + CLOSE < self.size {
            return;
        }
        self.size = if self.position > self.size {
            (self.position + self.step) / self.step * self.step
        } else {
            self.size + self.step
        };
    }

    fn length(&self) -> u64 {
        self.size.max(self.position)
    }
}
