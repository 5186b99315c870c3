//! The offline tools: whatever the original's print of a file, ours print, byte for byte; and what a check finds.

mod checks;
mod logs;
mod scripts;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use tempfile::TempDir;
use zoorum_interop::server::{Kind, Server, Setup};
use zoorum_interop::wire::client::{create_record, path_int, set_data_record};
use zoorum_interop::wire::{Acl, flag, op, perm};

use support::{COMPARER, FORMATTER, PURGE, SUMMARY, TXN_LOG, Told, directory_with, golden};

/// A file with these bytes, in a directory that goes with it.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = directory_with(&[]);
    let path = directory.path().join(name);
    fs::write(&path, bytes).expect("write");
    (directory, path)
}

/// What Zoorum leaves after changes of many kinds: a log, and a snapshot packed like this.
fn written_by_zoorum(compression: &str) -> (TempDir, Vec<PathBuf>) {
    let setup = Setup::new()
        .property("zookeeper.extendedTypesEnabled", "true")
        .config("snapshot.compression.method", compression);
    let mut server = Server::start(Kind::Zoorum, setup);
    let mut client = server.client();
    for (path, data) in
        [("/a", &b"data"[..]), ("/a/größe", b""), ("/a/größe/語", &[0, 255, 0xe8]), ("/many", b"m")]
    {
        client.create(path, data, 0).expect("create");
    }
    for number in 0..200 {
        client.create(&format!("/many/{:x}", number * 7919), &vec![b'x'; number], 0).expect("create");
    }
    for _ in 0..3 {
        client.create("/a/n-", b"", flag::EPHEMERAL_SEQUENTIAL).expect("create");
    }
    client.create_container("/box", flag::CONTAINER).expect("createContainer");
    client.create_ttl("/ttl", b"t", flag::TTL, 3_600_000).expect("createTTL");
    client.set_data("/a", b"more", 0).expect("setData");
    client.set_acl("/a/größe", &[Acl::new(perm::READ, "world", "anyone")], 0).expect("setACL");
    assert!(client.delete("/none", -1).is_err(), "a refusal is logged, too");
    let ops = [
        (op::CREATE, create_record("/multi", b"m", &Acl::open(), 0)),
        (op::SET_DATA, set_data_record("/multi", b"n", 0)),
        (op::CHECK, path_int("/multi", 1)),
        (op::DELETE, path_int("/many/0", -1)),
    ];
    client.multi(&ops).expect("multi");
    // One session stays open, one ends.
    server.client().close();
    drop(client.hang_up());
    // A start that replays something takes a snapshot, in its own time.
    server.stop();
    server.restart();
    let version = server.directory().join("data/version-2");
    await_that("a second snapshot", || {
        names_in(&version).iter().filter(|name| name.starts_with("snapshot.")).count() > 1
    });
    server.stop();
    let directory = directory_with(&[]);
    let names = names_in(&version);
    for name in &names {
        fs::copy(version.join(name), directory.path().join(name)).expect("copy");
    }
    let newest = names
        .iter()
        .filter(|name| name.starts_with("snapshot."))
        .max_by_key(|name| (name.len(), (*name).clone()));
    let newest = newest.expect("a snapshot");
    assert!(newest.ends_with(compression), "{newest} is packed as {compression:?}");
    let paths = ["log.1", newest].map(|name| directory.path().join(name));
    (directory, paths.into())
}

/// The names of a directory's files, in order.
fn names_in(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

#[test]
fn logs_are_shown_alike() {
    let told = TXN_LOG.same(&[golden("log.1")], "log.1");
    assert!(told.stdout.lines().count() > 80 && told.code == Some(0), "{told:?}");
    let (_kept, files) = written_by_zoorum("");
    assert!(TXN_LOG.same(&files, "-d log.1").stdout.lines().count() > 200);
    let (_kept, odd) = file("log.odd", &logs::of_all_types().bytes());
    let told = TXN_LOG.same(&[odd], "log.odd");
    assert!(told.stdout.ends_with("EOF reached after 19 txns.\n"), "{told:?}");
}

/// The bytes of the repaired copies, which must be alike, too.
fn repaired(bytes: &[u8], line: &str, answers: &str) -> (Told, Option<Vec<u8>>) {
    let (_kept, log) = file("log.1", bytes);
    let (told, directories) = TXN_LOG.compare(&[log], line, answers, str::to_owned);
    let [theirs, ours] = directories.map(|directory| {
        assert!(names_in(directory.path()).len() <= 2, "the log, and perhaps its copy");
        fs::read(directory.path().join("log.1.fixed")).ok()
    });
    if told.code == Some(0) && !told.stderr.contains("abort") {
        assert!(ours == theirs, "the repaired copies after {line:?} differ");
    } else {
        assert_eq!(ours, None, "what was given up leaves nothing behind");
    }
    (told, ours)
}

#[test]
fn checksums_are_mended_alike() {
    let mut log = logs::of_all_types();
    let bytes = log.spoil(2).spoil(9).spoil(18).bytes();
    let (_kept, shown) = file("log.1", &bytes);
    let told = TXN_LOG.same(&[shown], "log.1");
    assert_eq!(told.stdout.matches("CRC ERROR - ").count(), 3);
    let (told, copy) = repaired(&bytes, "-r -y log.1", "");
    assert_eq!(told.stdout.matches("CRC FIXED - ").count(), 3);
    assert_eq!(copy.map(|copy| copy.len()), Some(16 + (64 << 20)));
    repaired(&bytes, "-r log.1", "what?\nyes\nno Y\n");
    repaired(&bytes, "-rv log.1", "n n n");
    let (told, _) = repaired(&bytes, "-r log.1", "y abort");
    assert_eq!((told.stderr.as_str(), told.code), ("Recovery aborted.\n", Some(0)));
    repaired(&bytes, "-r log.1", "");
    let (_kept, copy) = file("log.1.fixed", b"somebody's");
    let told = TXN_LOG.same(&[golden("log.1"), copy], "-r -y log.1");
    assert_eq!(told.code, Some(1));
}

#[test]
fn broken_logs_are_told_alike() {
    let log = logs::of_all_types();
    let cut = |record, length| log.cut(record, length);
    let ends = [cut(0, 0), cut(3, 8), cut(3, 50)];
    for bytes in ends {
        let (_kept, log) = file("log.1", &bytes);
        assert_eq!(TXN_LOG.same(&[log], "log.1").code, Some(0));
    }
    let wrong_mark = logs::of_all_types().change(4, 0, 0).change(5, 8, 0x7f).bytes();
    let unknown_type = logs::Log::new().add(1234, b"").bytes();
    let no_end = {
        let bytes = cut(1, 0);
        bytes[..bytes.len() - 1].to_vec()
    };
    for bytes in [wrong_mark, unknown_type, no_end] {
        let (_kept, log) = file("log.1", &bytes);
        let told = TXN_LOG.same(&[log], "log.1");
        assert_eq!(told.code, Some(1), "{told:?}");
    }
    for bytes in [&b"ZKLG"[..], b"no log at all, but long enough"] {
        let (_kept, log) = file("log.1", bytes);
        assert!(TXN_LOG.same(&[log], "log.1").code > Some(0));
    }
}

#[test]
fn the_options_of_logs_are_read_alike() {
    for line in ["-h", "", "-q log.1", "none", "-c log.1"] {
        TXN_LOG.same(&[golden("log.1")], line);
    }
}

#[test]
fn logs_are_chopped_alike() {
    let mut gaps = logs::of_all_types();
    gaps.add_at(30, -1, &[0, 0, 0, 0]).add_at(0x1_0000_0002, -1, &[0, 0, 0, 0]).add_at(
        0x2_0000_0001,
        -1,
        &[0, 0, 0, 0],
    );
    let (_kept, gaps) = file("log.gaps", &gaps.bytes());
    for (name, zxid, is_chopped) in
        [("log.gaps", "4294967298", true), ("log.gaps", "031", false), ("log.1", "0xffff", false)]
    {
        let line = format!("-c -z {zxid} {name}");
        let arguments: Vec<&str> = line.split(' ').collect();
        let directories = [(); 2].map(|()| directory_with(&[golden("log.1"), gaps.clone()]));
        let theirs = TXN_LOG.original(directories[0].path(), &arguments, "");
        let ours = TXN_LOG.ours(directories[1].path(), &arguments, "");
        assert_eq!(ours.stdout, theirs.stdout, "{line}");
        // The original calls a failure a success, and leaves a part of the log behind.
        assert_eq!(ours.code, Some(i32::from(!is_chopped)), "{line}");
        let [theirs, ours] = directories.map(|directory| {
            let chopped = names_in(directory.path()).into_iter().find(|name| name.contains("chopped"));
            chopped.map(|name| (fs::read(directory.path().join(&name)).expect("read"), name))
        });
        assert_eq!(ours, theirs.filter(|_| is_chopped), "{line}");
    }
}

fn without_time(text: &str) -> String {
    let Some((before, after)) = text.split_once("\"timestamp\":") else { return text.to_owned() };
    format!("{before}\"timestamp\":{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn snapshots_are_shown_alike() {
    let all = ["snapshot.0", "snapshot.59", "snapshot.59.gz", "snapshot.59.snappy"].map(golden);
    for line in ["-d snapshot.59.gz", "snapshot.59.snappy"] {
        assert_eq!(FORMATTER.same(&all, line).code, Some(0));
    }
    FORMATTER.compare(&all, "-json snapshot.59", "", without_time);
    for (compression, option) in [("", "-json "), ("gz", "-d "), ("snappy", "")] {
        let (_kept, files) = written_by_zoorum(compression);
        let line = format!("{option}{}", name(&files[1]));
        let (told, _) = FORMATTER.compare(&files, &line, "", without_time);
        assert!(told.stdout.len() > 10_000, "{line}");
    }
}

#[test]
fn what_is_no_snapshot_is_told_alike() {
    let snapshot = fs::read(golden("snapshot.59")).expect("read");
    let mut odd = snapshot.clone();
    odd[..4].copy_from_slice(b"ZKLG");
    let (directory, _) = file("snapshot.1", &odd);
    let files = [("snapshot.1", &odd[..]), ("snapshot.3", &snapshot[..2000]), ("snapshot.4.gz", &snapshot)];
    let paths = files.map(|(name, bytes)| {
        fs::write(directory.path().join(name), bytes).expect("write");
        directory.path().join(name)
    });
    for line in ["snapshot.1", "-d snapshot.3", "-json snapshot.4.gz"] {
        let told = FORMATTER.same(&paths, line);
        assert_eq!((told.stdout.as_str(), told.code), ("", Some(1)), "{told:?}");
    }
    for line in ["-d", "-d -json snapshot.1", "none", "."] {
        assert_eq!(FORMATTER.same(&paths, line).code, Some(2), "{line}");
    }
}

#[test]
fn a_snapshot_with_a_wrong_seal_is_shown_and_called_damaged() {
    let mut snapshot = fs::read(golden("snapshot.59")).expect("read");
    let at = snapshot.len() - 100;
    snapshot[at] ^= 1;
    let (directory, _) = file("snapshot.59", &snapshot);
    let told = FORMATTER.ours(directory.path(), &["snapshot.59"], "");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("Last zxid") && told.stderr.contains("CRC corruption"), "{told:?}");
}

/// Times differ.
/// Behind the znodes come a seal of 13 bytes, the digest with its own, 33, and the last zxid with its own, 21. Older
/// releases do not write the last two: a file that ends right before one of them is whole.
#[test]
fn a_snapshot_that_ends_too_early_is_shown_as_by_the_original_and_called_unfinished() {
    let snapshot = fs::read(golden("snapshot.59")).expect("read");
    let whole = FORMATTER.ours(golden("").as_path(), &["snapshot.59"], "");
    for cut in [1, 5, 20, 22, 33, 53, 55, 66] {
        let (directory, path) = file("snapshot.59", &snapshot[..snapshot.len() - cut]);
        let theirs = FORMATTER.original(directory.path(), &["snapshot.59"], "");
        assert_eq!((&theirs.stdout, theirs.code), (&whole.stdout, Some(0)), "{cut}");
        let ours = FORMATTER.ours(directory.path(), &["snapshot.59"], "");
        assert_eq!((&ours.stdout, ours.code), (&whole.stdout, Some(1)), "{cut}: {}", ours.stderr);
        assert!(
            ours.stderr.contains(name(&path)) && ours.stderr.contains("a server does not use it"),
            "{cut}"
        );
        let summed = SUMMARY.ours(directory.path(), &["snapshot.59", "/", "0"], "");
        assert_eq!(summed.code, Some(1), "{cut}: {}", summed.stderr);
        let line = ["-l", "snapshot.59", "-r", "snapshot.59", "-b", "1", "-n", "1"];
        assert_eq!(COMPARER.ours(directory.path(), &line, "").code, Some(1), "{cut}");
    }
    for cut in [21, 54] {
        let (directory, _) = file("snapshot.59", &snapshot[..snapshot.len() - cut]);
        assert_eq!(FORMATTER.ours(directory.path(), &["snapshot.59"], "").code, Some(0), "{cut}");
    }
}

fn without_seconds(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" in ") {
        Some((before, after)) if after.ends_with(" seconds") => format!("{before} in … seconds\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn snapshots_are_compared_alike() {
    let all = ["snapshot.0", "snapshot.59", "snapshot.59.gz"].map(golden);
    let lines = [
        ("--left snapshot.59 --right=snapshot.0 -b2 -n 1 -d", ""),
        (
            "-l snapshot.59 -r snapshot.59.gz -b 0 -n 0 --interactive",
            "\n/\n/zookeeper\n/none\n-1\nx\n99\n1\n\n\n\n\n\n\n\n\n",
        ),
        ("-l snapshot.0 -r snapshot.59 -b 1 -n 1 -i", "\n"),
        ("-l snapshot.0", ""),
        ("-l snapshot.0 -r none -b 1 -n 1", ""),
    ];
    for (line, input) in lines {
        COMPARER.compare(&all, line, input, without_seconds);
    }
    let (_kept, mut files) = written_by_zoorum("");
    files.push(golden("snapshot.59"));
    let line = format!("-l snapshot.59 -r {} -b 10 -n 10 -d", name(&files[1]));
    assert!(COMPARER.compare(&files, &line, "", without_seconds).0.stdout.contains("All layers compared."));
}

#[test]
fn snapshots_are_summed_up_alike() {
    let (_kept, mut files) = written_by_zoorum("gz");
    let newest = name(&files[1]).to_owned();
    files.push(golden("snapshot.59"));
    for line in [format!("{newest} / 0"), "snapshot.59 / 1".to_owned()] {
        assert_eq!(SUMMARY.same(&files, &line).code, Some(0), "{line}");
    }
    for line in ["snapshot.59 / x", "snapshot.59 /none 0"] {
        assert!(SUMMARY.same(&files, line).code > Some(0), "{line}");
    }
}

#[test]
fn old_files_are_removed_alike() {
    let [theirs, ours] = [true, false].map(|is_original| {
        let directory = directory_with(&[]);
        let version = directory.path().join("data/version-2");
        fs::create_dir_all(&version).expect("create");
        for at in 1..=5_u64 {
            for (kind, content, zxid) in
                [("snapshot", "snapshot.59", at * 16), ("log", "log.1", at * 16 - 11)]
            {
                let path = version.join(format!("{kind}.{zxid:x}"));
                fs::copy(golden(content), &path).expect("copy");
                let file = fs::File::options().write(true).open(&path).expect("open");
                file.set_modified(UNIX_EPOCH + Duration::from_secs(1_795_235_107 + at * 100_000))
                    .expect("a time");
            }
        }
        fs::write(
            directory.path().join("zoo.cfg"),
            format!("dataDir={}", directory.path().join("data").display()),
        )
        .expect("write");
        let data = directory.path().join("data").display().to_string();
        let config = directory.path().display().to_string();
        let told = if is_original {
            PURGE.original(directory.path(), &[&data, &data, "-n", "3"], "")
        } else {
            PURGE.ours(directory.path(), &["--config", &config, "-n", "3"], "")
        };
        // The original takes them as the directory has them.
        let mut lines: Vec<String> = told.stdout.lines().map(|line| line.replace(&config, "HERE")).collect();
        lines.sort();
        (lines, told.stderr, told.code, names_in(&version))
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours.3.len(), 6, "three snapshots, and the logs that the oldest needs: {ours:?}");
}
