//! What users get, made by `deploy/build.sh` of the binary under test; and what `deploy/container/Dockerfile` says of a
//! container.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::room::succeeds;
use crate::server::{repository, zoorum_binary};

/// Any moment will do, if it is the same.
const EPOCH: &str = "1700000000";

/// The directory with everything.
#[derive(Clone, Debug)]
pub struct Dist(PathBuf);

impl Dist {
    /// Runs the command of the README, for a binary that is there already.
    pub fn build(output: &Path) -> Dist {
        let mut command = Command::new(repository().join("deploy/build.sh"));
        command.arg("--binary").arg(zoorum_binary()).arg("--output").arg(output);
        succeeds(command.env("SOURCE_DATE_EPOCH", EPOCH));
        Dist(output.to_owned())
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// The release archive.
    pub fn archive(&self) -> PathBuf {
        self.file(".tar.gz")
    }

    /// The Debian package.
    pub fn package(&self) -> PathBuf {
        self.file(".deb")
    }

    /// What the image adds to its base.
    pub fn image(&self) -> PathBuf {
        self.0.join("image")
    }

    /// The only file whose name ends like this.
    fn file(&self, suffix: &str) -> PathBuf {
        let entries = fs::read_dir(&self.0).expect("what was built");
        let mut files = entries.map(|entry| entry.expect("an entry").path());
        files
            .find(|file| file.to_string_lossy().ends_with(suffix))
            .unwrap_or_else(|| panic!("there is no {suffix}"))
    }
}

/// What an engine takes from the recipe besides the files.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// `ENV`.
    pub environment: BTreeMap<String, String>,
    /// `ENTRYPOINT` and `CMD`.
    pub command: Vec<String>,
    /// `USER`.
    pub user: String,
    /// `VOLUME`.
    pub volumes: Vec<String>,
    /// `EXPOSE`.
    pub ports: Vec<String>,
}

impl Recipe {
    /// Reads it, as far as it goes.
    pub fn read() -> Recipe {
        let text = fs::read_to_string(repository().join("deploy/container/Dockerfile")).expect("the recipe");
        let text = text.replace("\\\n", " ");
        // Of the last stage.
        let stage = text.rsplit("\nFROM ").next().expect("a stage");
        let words = |instruction: &str| -> Vec<String> {
            let rest = stage.lines().find_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
            let rest = rest.unwrap_or_else(|| panic!("the recipe has no {instruction}"));
            let word = |word: &str| word.trim_matches(['[', ']', ',', '"']).to_owned();
            rest.split_whitespace().map(word).collect()
        };
        let variable = |word: String| {
            let (name, value) = word.split_once('=').expect("NAME=value");
            (name.to_owned(), value.to_owned())
        };
        Recipe {
            environment: words("ENV").into_iter().map(variable).collect(),
            command: [words("ENTRYPOINT"), words("CMD")].concat(),
            user: words("USER").concat(),
            volumes: words("VOLUME"),
            ports: words("EXPOSE"),
        }
    }
}
