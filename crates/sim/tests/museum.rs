//! What docs/robustness.md names as proof is there.

use std::fs;
use std::path::{Path, PathBuf};

/// All sources below a directory, one behind the other.
fn sources(directory: &Path, text: &mut String) {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(&path).expect("a source");
        }
    }
}

/// The proofs of a row: what stands between backticks in its last column, each with what follows it.
fn proofs(row: &str) -> impl Iterator<Item = (&str, &str)> {
    let column = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    let mut parts = column.split('`').skip(1);
    std::iter::from_fn(move || Some((parts.next()?, parts.next().unwrap_or_default())))
}

#[test]
fn every_proof_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/robustness.md")).expect("the page");
    let planted = fs::read_to_string(root.join("crates/sim/tests/planted.rs")).expect("the tests");
    let planted: String = planted.split_whitespace().collect();
    let mut tests = String::new();
    sources(&root.join("crates"), &mut tests);
    let (mut plants, mut others) = (0, 0);
    let table = page.split("## The table").nth(1).expect("a table");
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        for (name, after) in proofs(row) {
            let is_plant = name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric);
            if name.ends_with(".txt") {
                let play = root.join("crates/zab/testdata/election").join(name);
                assert!(play.is_file(), "there is no play {name}");
                others += 1;
            } else if is_plant {
                let seeds = after.strip_prefix(" within ").unwrap_or_default();
                let seeds: String = seeds.chars().take_while(char::is_ascii_digit).collect();
                let calls = format!("(Bug::{name},");
                let mut ranges = planted.split(&calls).skip(1).filter_map(|call| call.split(',').next());
                let is_so = ranges.any(|range| range.rsplit("..").next() == Some(&seeds));
                assert!(is_so, "{name} is not looked for within {seeds:?} seeds");
                plants += 1;
            } else if name.contains('_') {
                let function = tests.contains(&format!("fn {name}("));
                assert!(function, "there is no test {name}");
                others += 1;
            }
        }
    }
    assert!(plants > 20 && others > 20, "{plants} planted errors and {others} tests are named");
}
