//! Every kept input, fed to its target.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use zoorum_fuzz::TARGETS;

/// Into so many pieces an input is cut, to be tried without the last ones.
const CUTS: usize = 16;

/// The names and contents of what is kept for a target.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = files
        .map(|file| file.expect("a listed file").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a readable file")))
        .collect();
    files.sort();
    files
}

#[test]
fn every_kept_input_is_survived_whatever_it_is_cut_to() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for (file, bytes) in files {
            for length in (0..=CUTS).map(|cut| bytes.len() * cut / CUTS) {
                if catch_unwind(|| target(&bytes[..length])).is_err() {
                    broken.push(format!("{file}, its first {length} bytes"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "targets panicked (reasons above) at\n{}", broken.join("\n"));
}
