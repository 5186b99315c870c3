//! A subtree out of a file. The file is read through before anything is created, and where something is refused
//! nevertheless, what was created is deleted again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};

use serde_json::json;
use zoorum_client::{Client, Error, ErrorCode, ErrorKind, Multi, Version};

use super::record::{Line, Record};
use crate::commands::write::delete_in_batches;
use crate::fault::Fault;
use crate::options::Parsed;
use crate::paths;
use crate::shell::Shell;
use crate::signals::{Held, Signal};
use crate::walk::Walk;

/// The longest line; data of a znode is 1 MiB at most, unless servers are told otherwise.
const LINE_MAX: u64 = 64 << 20;
/// Znodes of one transaction.
const BATCH: usize = 100;
/// Bytes of one transaction, unless a single znode has more; servers take 1 MiB, unless they are told otherwise.
const BATCH_BYTES: usize = 256 << 10;
/// Znodes that are deleted at once when an import is undone.
const UNDO_BATCH: usize = 100;

pub(crate) async fn import(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let (file, target) = (parsed.argument(0), parsed.argument(1));
    paths::check(target)?;
    let mut source = Source::open(file)?;
    let znodes = source.check(target)?;
    let merges = parsed.has("f");
    if !merges && shell.ask(shell.client().exists(target)).await?.is_some() {
        let message =
            format!("Node already exists: {target}\nimport -f puts the znodes into it; nothing was done.");
        return Err(Fault::new(message));
    }
    source.rewind()?;
    match merges {
        true => merge(shell, &mut source, target).await?,
        false => create(shell, &mut source, target).await?,
    }
    shell.out.answer(
        || format!("Imported {znodes} znodes from {file} to {target}"),
        || json!({ "file": file, "path": target, "znodes": znodes }),
    );
    Ok(())
}

/// The path of a record in the tree.
fn placed(target: &str, relative: &str) -> String {
    match (target, relative) {
        (target, "") => target.to_owned(),
        ("/", relative) => relative.to_owned(),
        (target, relative) => format!("{target}{relative}"),
    }
}

/// Creates everything, or nothing.
async fn create(shell: &mut Shell, source: &mut Source, target: &str) -> Result<(), Fault> {
    let held = shell.signals().hold(Signal::ALL);
    let mut is_ours = false;
    match create_all(shell, &held, source, target, &mut is_ours).await {
        Ok(()) => Ok(()),
        Err(fault) => Err(undone(shell, target, is_ours, fault).await),
    }
}

/// Creates batch by batch. The target is ours once the first is created.
async fn create_all(
    shell: &mut Shell,
    held: &Held,
    source: &mut Source,
    target: &str,
    is_ours: &mut bool,
) -> Result<(), Fault> {
    let client = shell.client();
    let bytes_max = shell.invocation.request_bytes_max.map_or(BATCH_BYTES, |bytes| bytes.min(BATCH_BYTES));
    let mut batches = Batches { source, target, bytes_max, ahead: None };
    loop {
        let batch = batches.next()?;
        if batch.is_empty() {
            return Ok(held.release()?);
        }
        let multi = batch
            .iter()
            .fold(Multi::new(), |multi, (path, record)| multi.create(path, record.bytes(), record.how()));
        // A signal waits for the answer: what may have been created could not be deleted without knowing whose it is.
        shell.ask(client.multi(multi)).await?;
        *is_ours = true;
        held.check()?;
    }
}

/// The records of a file, in transactions that a server takes.
struct Batches<'a> {
    source: &'a mut Source,
    target: &'a str,
    /// Of one transaction, unless a single znode is larger.
    bytes_max: usize,
    /// Read, but too much for the batch before.
    ahead: Option<(String, Record)>,
}

impl Batches<'_> {
    /// The next one, with the paths in the tree; empty at the end.
    fn next(&mut self) -> Result<Vec<(String, Record)>, Fault> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH {
            let Some((path, record)) = self.take()? else { break };
            bytes += record.request_bytes(&path);
            if bytes > self.bytes_max && !batch.is_empty() {
                self.ahead = Some((path, record));
                break;
            }
            batch.push((path, record));
        }
        Ok(batch)
    }

    fn take(&mut self) -> Result<Option<(String, Record)>, Fault> {
        match self.ahead.take() {
            Some(ahead) => Ok(Some(ahead)),
            None => Ok(self.source.next()?.map(|record| (placed(self.target, &record.path), record))),
        }
    }
}

/// Deletes what was created, and says so.
async fn undone(shell: &mut Shell, target: &str, is_ours: bool, fault: Fault) -> Fault {
    let client = shell.client();
    let what = match is_ours {
        // Whose the target is, if there is one, nobody knows.
        false => "Nothing else was sent.".to_owned(),
        true => match shell.settle(delete_all(&client, target)).await {
            true => "What had been created is deleted again.".to_owned(),
            false => format!("What had been created could not be deleted again: deleteall {target} does it."),
        },
    };
    Fault { message: format!("{}\n{what}", fault.message), ..fault }
}

async fn delete_all(client: &Client, target: &str) -> bool {
    let mut found = Vec::new();
    let mut walk = Walk::new(client, target);
    while let Some(visit) = walk.next().await {
        let Ok(visit) = visit else { return false };
        found.push(visit.path);
    }
    delete_in_batches(client, found, UNDO_BATCH).await
}

/// Creates what is not there, and sets the data of what is.
async fn merge(shell: &mut Shell, source: &mut Source, target: &str) -> Result<(), Fault> {
    let held = shell.signals().hold(Signal::ALL);
    let mut done = 0;
    merge_all(shell, &held, source, target, &mut done).await.map_err(|fault| Fault {
        message: format!(
            "{}\nThe first {done} znodes of the file are imported, the others are not.",
            fault.message
        ),
        ..fault
    })
}

async fn merge_all(
    shell: &mut Shell,
    held: &Held,
    source: &mut Source,
    target: &str,
    done: &mut u64,
) -> Result<(), Fault> {
    let client = shell.client();
    while let Some(record) = source.next()? {
        held.check()?;
        let path = placed(target, &record.path);
        shell.settle(put(&client, &path, &record)).await?;
        *done += 1;
    }
    Ok(())
}

async fn put(client: &Client, path: &str, record: &Record) -> Result<(), Error> {
    if path != "/" {
        match client.create(path, record.bytes(), record.how()).await {
            Err(error) if error.is(ErrorCode::NodeExists) => {}
            created => return created.map(drop),
        }
    }
    match client.set(path, record.bytes(), Version::ANY).await {
        // The root of a tree in which nobody may write it need not be written.
        Err(Error { kind: ErrorKind::Refused(ErrorCode::NoAuth), .. })
            if path == "/" && record.bytes().is_empty() =>
        {
            Ok(())
        }
        set => set.map(drop),
    }
}

/// A file of records, read twice.
struct Source {
    file: String,
    reader: BufReader<File>,
    line: u64,
    /// Whether the export's last line has been read.
    has_ended: bool,
}

impl Source {
    fn open(file: &str) -> Result<Self, Fault> {
        let fault = |reason: String| Fault::new(format!("cannot read {file}: {reason}"));
        let opened = File::open(file).map_err(|error| fault(error.to_string()))?;
        let is_file = opened.metadata().map_err(|error| fault(error.to_string()))?.is_file();
        if !is_file {
            return Err(fault("it is no plain file, and must be read twice".to_owned()));
        }
        Ok(Self { file: file.to_owned(), reader: BufReader::new(opened), line: 0, has_ended: false })
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        self.line = 0;
        self.reader.rewind().map_err(|error| self.fault(&error.to_string()))
    }

    fn fault(&self, reason: &str) -> Fault {
        Fault::new(format!("{}, line {}: {reason}", self.file, self.line))
    }

    fn line(&mut self) -> Result<Option<Line>, Fault> {
        self.line += 1;
        let mut text = Vec::new();
        let read = self.reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut text);
        match read.map_err(|error| self.fault(&error.to_string()))? {
            0 => Ok(None),
            _ if text.last() != Some(&b'\n') && text.len() as u64 == LINE_MAX => {
                Err(self.fault(&format!("it is longer than {LINE_MAX} bytes")))
            }
            _ => Line::parse(&text).map(Some).map_err(|reason| self.fault(&reason)),
        }
    }

    /// The next znode; none behind the last.
    fn next(&mut self) -> Result<Option<Record>, Fault> {
        while !self.has_ended {
            match self.line()? {
                Some(Line::Znode(record)) => return Ok(Some(record)),
                Some(Line::Head) => {}
                Some(Line::End(_)) => self.has_ended = true,
                None => return Err(self.fault("the file was whole a moment ago, and now ends here")),
            }
        }
        Ok(None)
    }

    /// Reads through all of it: whether it is whole, and whether each znode can be created behind those before it.
    /// Returns how many znodes there are.
    fn check(&mut self, target: &str) -> Result<u64, Fault> {
        if self.line()? != Some(Line::Head) {
            return Err(self.fault("it is no export: it should begin with {\"zoorum-export\":1,…}"));
        }
        let mut znodes = 0;
        // The znode before, and those above it.
        let mut open: Vec<String> = Vec::new();
        loop {
            match self.line()? {
                Some(Line::Znode(record)) => {
                    let parent = record.path.rfind('/').map(|at| &record.path[..at]);
                    open.truncate(
                        open.iter().position(|path| Some(path.as_str()) == parent).map_or(0, |at| at + 1),
                    );
                    if open.is_empty() != record.path.is_empty() || (znodes > 0) == record.path.is_empty() {
                        return Err(self.fault(&format!("{} does not stand behind its parent", record.path)));
                    }
                    paths::check(&placed(target, &record.path))
                        .map_err(|fault| self.fault(&fault.message))?;
                    open.push(record.path);
                    znodes += 1;
                }
                Some(Line::End(told)) if told == znodes => return Ok(znodes),
                Some(Line::End(told)) => {
                    return Err(self.fault(&format!("there should be {told} znodes, and there are {znodes}")));
                }
                Some(Line::Head) => return Err(self.fault("a second export begins here")),
                None => return Err(self.fault("the file ends before the export does: it was cut off")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn checked(lines: &[&str]) -> Result<u64, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(lines.join("\n").as_bytes()).expect("written");
        let path = file.path().to_str().expect("a name").to_owned();
        let mut source = Source::open(&path).map_err(|fault| fault.message)?;
        source.check("/to").map_err(|fault| fault.message.replace(&path, "FILE"))
    }

    /// The paths of each batch.
    fn batches(records: &[(&str, usize)], bytes_max: usize) -> Vec<Vec<String>> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        for &(path, bytes) in records {
            let data = "x".repeat(bytes);
            writeln!(file, "{{\"path\":\"{path}\",\"data\":{{\"text\":\"{data}\"}}}}").expect("written");
        }
        writeln!(file, "{}", Line::end(records.len() as u64)).expect("written");
        let mut source = Source::open(file.path().to_str().expect("a name")).expect("a file");
        let mut batches = Batches { source: &mut source, target: "/to", bytes_max, ahead: None };
        let next = || batches.next().expect("records").into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        std::iter::repeat_with(next).take_while(|batch| !batch.is_empty()).collect()
    }

    #[test]
    fn a_large_znode_behind_small_ones_has_a_transaction_of_its_own() {
        let [small, large] = [100, 5000];
        let told = batches(&[("", small), ("/a", small), ("/b", large), ("/c", small), ("/d", small)], 2000);
        assert_eq!(told, [&["/to", "/to/a"][..], &["/to/b"], &["/to/c", "/to/d"]]);
        let told = batches(&[("", 900), ("/a", 900), ("/b", 900)], 2000);
        assert_eq!(told, [&["/to"][..], &["/to/a"], &["/to/b"]], "paths and ACLs count, too");
        let many: Vec<_> = std::iter::repeat_n(("", 0), BATCH + 1).collect();
        assert_eq!(batches(&many, BATCH_BYTES).iter().map(Vec::len).collect::<Vec<_>>(), [BATCH, 1]);
    }

    #[test]
    fn files_are_judged_before_anything_is_created() {
        let head = "{\"zoorum-export\":1,\"root\":\"/a\"}";
        let znode = |path: &str| format!("{{\"path\":\"{path}\",\"data\":null}}");
        let [root, b, c, odd] = ["", "/b", "/b/c", "/b//c"].map(znode);
        let end = "{\"end\":true,\"znodes\":3}";
        assert_eq!(checked(&[head, &root, &b, &c, end]), Ok(3));
        let rows: [(&[&str], &str); 7] = [
            (&[], "FILE, line 1: it is no export: it should begin with {\"zoorum-export\":1,…}"),
            (&[head, &root, &b], "FILE, line 4: the file ends before the export does: it was cut off"),
            (&[head, &root, &b, end], "FILE, line 4: there should be 3 znodes, and there are 2"),
            (&[head, &root, &c, &b, end], "FILE, line 3: /b/c does not stand behind its parent"),
            (&[head, &b, end], "FILE, line 2: /b does not stand behind its parent"),
            (&[head, &root, &root, end], "FILE, line 3:  does not stand behind its parent"),
            (&[head, &root, &b, &odd, end], "FILE, line 4: /b//c does not stand behind its parent"),
        ];
        for (lines, reason) in rows {
            assert_eq!(checked(lines), Err(reason.to_owned()));
        }
    }
}
