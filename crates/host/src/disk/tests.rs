use zoorum_config::{Sources, Start, Storage, load};
use zoorum_proto::{Encode, SessionId, Txn, TxnBody, TxnHeader, WallClock, Xid, Zxid};
use zoorum_storage::{LogOptions, RecoverOptions, TxnLog, recover};

use super::*;

fn storage(data_dir: &Path, data_log_dir: &Path) -> Storage {
    let start = Start::Positional(vec!["2181".to_owned(), data_dir.to_str().unwrap().to_owned()]);
    let sources = Sources { start, flags: Vec::new() };
    let loaded = load(&sources, |_| Err(io::ErrorKind::NotFound.into())).unwrap();
    Storage { data_log_dir: data_log_dir.to_path_buf(), ..loaded.config.storage }
}

#[test]
fn what_was_logged_on_the_real_disk_is_recovered_from_it() {
    let temporary = tempfile::tempdir().unwrap();
    let storage = storage(&temporary.path().join("a/b"), &temporary.path().join("c"));
    let options = LogOptions { preallocate_bytes: 1 << 16, ..LogOptions::default() };
    for run in 1..=3 {
        let dirs = DataDirs::open(&storage).unwrap();
        let recovered = recover(&dirs.snapshots, &dirs.logs, &options_that_trust()).unwrap();
        assert_eq!(recovered.last_zxid, Zxid((run - 1) * 10));
        let mut log = TxnLog::open(dirs.logs.clone(), recovered.tail, options);
        for zxid in (recovered.last_zxid.0 + 1)..=run * 10 {
            let header = TxnHeader {
                session: SessionId(zxid),
                cxid: Xid(0),
                zxid: Zxid(zxid),
                time: WallClock(0),
                kind: -10,
            };
            let txn = Txn { header, body: TxnBody::CreateSession { timeout_ms: 4000 }, digest: None };
            log.append(Zxid(zxid), &txn.to_vec());
        }
        log.sync().unwrap();
        let length = fs::metadata(storage.data_log_dir.join("version-2/log.1")).unwrap().len();
        assert_eq!(length, if run == 1 { 65_552 } else { 16 + 10 * 49 });
        log.close().unwrap();
    }
}

fn options_that_trust() -> RecoverOptions {
    RecoverOptions { trust_empty: true, ..RecoverOptions::default() }
}

#[test]
fn two_servers_never_share_a_directory() {
    let temporary = tempfile::tempdir().unwrap();
    let (data, log) = (temporary.path().join("data"), temporary.path().join("log"));
    let first = DataDirs::open(&storage(&data, &log)).unwrap();
    let own = Some(std::process::id());
    for (data, log) in [(&data, &data), (&log, &log), (&log, &data)] {
        let Err(DataDirError::Locked { process, .. }) = DataDirs::open(&storage(data, log)) else {
            panic!("{data:?} and {log:?} are in use");
        };
        assert_eq!(process, own);
    }
    drop(first);
    DataDirs::open(&storage(&data, &log)).unwrap();
}

#[test]
fn one_directory_written_in_two_ways_is_locked_once() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("data");
    fs::create_dir(&data).unwrap();
    DataDirs::open(&storage(&data, &temporary.path().join("./data"))).unwrap();
}

#[test]
fn missing_directories_are_created_only_if_they_may_be() {
    let temporary = tempfile::tempdir().unwrap();
    let mut storage = storage(&temporary.path().join("data"), &temporary.path().join("log"));
    storage.data_dir_autocreate = false;
    let missing = |storage: &Storage| DataDirs::open(storage).unwrap_err().to_string();
    let sentence = |role, dir: &str| {
        format!(
            "Missing {role} directory {}, automatic data directory creation is disabled \
             (zookeeper.datadir.autocreate is false). Please create this directory manually.",
            temporary.path().join(dir).join("version-2").display()
        )
    };
    assert_eq!(missing(&storage), sentence("data", "log"), "the logs' directory comes first");
    fs::create_dir_all(temporary.path().join("log/version-2")).unwrap();
    assert_eq!(missing(&storage), sentence("snap", "data"));
    fs::create_dir_all(temporary.path().join("data/version-2")).unwrap();
    DataDirs::open(&storage).unwrap();
}

#[test]
fn a_file_in_the_place_of_a_directory_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("data");
    fs::write(&data, "").unwrap();
    let error = DataDirs::open(&storage(&data, &data)).unwrap_err();
    assert!(error.to_string().starts_with("Unable to create data directory "), "{error}");
}

#[test]
fn files_in_the_wrong_directory_stop_the_start() {
    let temporary = tempfile::tempdir().unwrap();
    let (data, log) = (temporary.path().join("data"), temporary.path().join("log"));
    let split = storage(&data, &log);
    drop(DataDirs::open(&split).unwrap());
    let place = |name: &str| fs::write(temporary.path().join(name), "").unwrap();

    place("log/version-2/snapshot.0");
    assert!(matches!(DataDirs::open(&split), Err(DataDirError::SnapshotAmongLogs { .. })));
    fs::remove_file(log.join("version-2/snapshot.0")).unwrap();
    place("data/version-2/log.1");
    assert!(matches!(DataDirs::open(&split), Err(DataDirError::LogAmongSnapshots { .. })));
    DataDirs::open(&storage(&data, &data)).unwrap();
}

#[test]
fn the_operators_word_is_found_in_either_directory() {
    let temporary = tempfile::tempdir().unwrap();
    let (data, log) = (temporary.path().join("data"), temporary.path().join("log"));
    let dirs = DataDirs::open(&storage(&data, &log)).unwrap();
    assert!(!dirs.may_initialize());
    for dir in [data, log] {
        fs::write(dir.join("initialize"), "").unwrap();
        assert!(dirs.may_initialize());
        dirs.remove_initialize().unwrap();
        assert!(!dirs.may_initialize());
    }
}

#[test]
fn a_pid_file_without_its_java_server_is_no_obstacle() {
    let temporary = tempfile::tempdir().unwrap();
    for text in ["", "1\n", "99999999", "nonsense", &std::process::id().to_string()] {
        fs::write(temporary.path().join("zookeeper_server.pid"), text).unwrap();
        DataDirs::open(&storage(temporary.path(), temporary.path())).unwrap();
    }
}

#[test]
fn room_that_was_given_back_changes_neither_length_nor_content() {
    let temporary = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(temporary.path()).unwrap();
    let mut file = disk.create_new("log.1").unwrap();
    file.write_all_at(&[7; 5000], 0).unwrap();
    file.allocate(5000, 1 << 20).unwrap();
    file.release(5000, 1 << 20).unwrap();
    assert_eq!(file.length().unwrap(), 5000 + (1 << 20));
    let content = fs::read(temporary.path().join("log.1")).unwrap();
    assert!(content[..5000].iter().all(|&byte| byte == 7));
    assert!(content[5000..].iter().all(|&byte| byte == 0));
    file.sync_data().unwrap();
    let blocks = fs::metadata(temporary.path().join("log.1")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks are still taken");
}

#[test]
fn what_was_written_is_found_in_the_room_that_was_not() {
    let temporary = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(temporary.path()).unwrap();
    let mut file = disk.create_new("log.1").unwrap();
    file.allocate(0, 1 << 20).unwrap();
    file.write_all_at(b"here", 300_000).unwrap();
    // However coarsely a file system knows it, nothing that was written is passed over.
    for from in [0, 1, 299_999, 300_000, 300_003] {
        let found = file.next_data(from).unwrap().expect("there is data behind");
        assert!((from..=from.max(300_000)).contains(&found), "{found} from {from}");
    }
    let behind = file.next_data(1 << 20).unwrap();
    assert!(behind.is_none_or(|at| at == 1 << 20), "{behind:?}");
}
