//! The original's tools and ours, on the same files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use zoorum_interop::server::zoorum_binary;

/// Options that make a Java program start faster, print UTF-8, and log nothing.
const JAVA_FLAGS: &str = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xmx256m -Dstdout.encoding=UTF-8 \
     -Dfile.encoding=UTF-8 -Dslf4j.provider=org.slf4j.helpers.NOP_FallbackServiceProvider \
     -Dslf4j.internal.verbosity=ERROR";

/// A tool under both of its names.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The original's main class, without its package.
    pub class: &'static str,
    /// Our script.
    pub script: &'static str,
}

pub const TXN_LOG: Tool = Tool { class: "server.persistence.TxnLogToolkit", script: "zkTxnLogToolkit.sh" };
pub const PURGE: Tool = Tool { class: "server.PurgeTxnLog", script: "zkCleanup.sh" };
pub const FORMATTER: Tool = Tool { class: "server.SnapshotFormatter", script: "zkSnapShotToolkit.sh" };
pub const COMPARER: Tool = Tool { class: "server.SnapshotComparer", script: "zkSnapshotComparer.sh" };
pub const SUMMARY: Tool =
    Tool { class: "server.SnapshotRecursiveSummary", script: "zkSnapshotRecursiveSummaryToolkit.sh" };

/// What a program printed, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl Told {
    /// Whether the original died of an exception instead of saying what is wrong.
    pub fn is_crash(&self) -> bool {
        self.stderr.contains("Exception in thread")
    }
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository").into()
}

/// Files written by the original.
pub fn golden(name: &str) -> PathBuf {
    repository().join("crates/storage/testdata/golden").join(name)
}

/// A directory with copies of these files.
pub fn directory_with(files: &[PathBuf]) -> TempDir {
    let directory = tempfile::Builder::new().prefix("zoorum-tools-").tempdir().expect("a directory");
    for file in files {
        let name = file.file_name().expect("a file");
        fs::copy(file, directory.path().join(name)).unwrap_or_else(|e| panic!("copy {file:?}: {e}"));
    }
    directory
}

impl Tool {
    /// Runs the original.
    pub fn original(self, directory: &Path, arguments: &[&str], input: &str) -> Told {
        let mut command = Command::new(repository().join("bench/original.sh"));
        command.arg("java").arg(format!("org.apache.zookeeper.{}", self.class));
        tell(command.env("JVMFLAGS", JAVA_FLAGS), directory, arguments, input)
    }

    /// Runs ours.
    pub fn ours(self, directory: &Path, arguments: &[&str], input: &str) -> Told {
        let mut command = Command::new(repository().join("bin").join(self.script));
        command.env("ZOORUM_BIN", zoorum_binary()).env_remove("JVMFLAGS");
        tell(&mut command, directory, arguments, input)
    }

    /// Runs both, each in a directory of its own with copies of the files, and compares all that they say. What was
    /// said, and the two directories.
    pub fn compare(
        self,
        files: &[PathBuf],
        line: &str,
        input: &str,
        mask: fn(&str) -> String,
    ) -> (Told, [TempDir; 2]) {
        let arguments: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let directories = [directory_with(files), directory_with(files)];
        let theirs = self.original(directories[0].path(), &arguments, input);
        let ours = self.ours(directories[1].path(), &arguments, input);
        let here = |told: &str, directory: &TempDir| {
            mask(&told.replace(&directory.path().display().to_string(), "HERE"))
        };
        let what = format!("{} {line}", self.script);
        assert_eq!(
            here(&ours.stdout, &directories[1]),
            here(&theirs.stdout, &directories[0]),
            "the output of {what}"
        );
        assert_eq!(ours.code, theirs.code, "the exit code of {what}: {}{}", ours.stderr, theirs.stderr);
        if theirs.is_crash() {
            assert!(!ours.stderr.is_empty(), "{what} says what is wrong");
            assert!(!ours.stderr.contains("panicked"), "{what}: {}", ours.stderr);
        } else {
            let (ours, theirs) = (here(&ours.stderr, &directories[1]), here(&theirs.stderr, &directories[0]));
            assert_eq!(ours, theirs, "the error output of {what}");
        }
        (ours, directories)
    }

    /// The same without input, and with nothing to be masked.
    pub fn same(self, files: &[PathBuf], line: &str) -> Told {
        self.compare(files, line, "", str::to_owned).0
    }
}

fn tell(command: &mut Command, directory: &Path, arguments: &[&str], input: &str) -> Told {
    let mut process = command
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "Europe/Berlin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    // Who does not want the input may be gone already.
    let _ = process.stdin.take().expect("an input").write_all(input.as_bytes());
    let Output { status, stdout, stderr } = process.wait_with_output().expect("an output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Told { stdout: text(stdout), stderr: text(stderr), code: status.code() }
}
