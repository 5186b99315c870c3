//! Paths as the original's client checks them before it asks a server, with its messages.

use crate::fault::Fault;

/// Refuses what is no path of a znode.
pub(crate) fn check(path: &str) -> Result<(), Fault> {
    match complaint(path) {
        Some(message) => Err(Fault::new(message)),
        None => Ok(()),
    }
}

/// The same for a znode whose name is going to end in a number.
pub(crate) fn check_sequential(path: &str) -> Result<(), Fault> {
    check(&format!("{path}1"))
}

/// A child's path.
pub(crate) fn join(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        parent => format!("{parent}/{name}"),
    }
}

fn complaint(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("Path length must be > 0".to_owned());
    }
    if !path.starts_with('/') {
        return Some("Path must start with / character".to_owned());
    }
    if path.len() > 1 && path.ends_with('/') {
        return Some("Path must not end with / character".to_owned());
    }
    // Positions are counted as Java counts characters.
    let units: Vec<u16> = path.encode_utf16().collect();
    let reason = (1..units.len()).find_map(|at| Some((bad(&units, at)?, at)));
    reason.map(|(reason, at)| format!("Invalid path string \"{path}\" caused by {reason} @{at}"))
}

/// What is wrong at a position, if anything.
fn bad(units: &[u16], at: usize) -> Option<&'static str> {
    let [slash, dot] = ['/', '.'].map(|c| c as u16);
    let ends_name = units.get(at + 1).is_none_or(|&unit| unit == slash);
    match units[at] {
        0 => Some("null character not allowed"),
        unit if unit == slash => (units[at - 1] == slash).then_some("empty node name specified"),
        unit if unit == dot && ends_name => {
            let before = units[..at].iter().rev().take_while(|&&unit| unit == dot).count();
            let begins_name = before <= 1 && units[at - 1 - before] == slash;
            begins_name.then_some("relative paths not allowed")
        }
        0x01..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff => Some("invalid character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_the_originals() {
        let rows = [
            ("/", None),
            ("/a/b", None),
            ("/...", None),
            ("/a..b/.c", None),
            ("", Some("Path length must be > 0")),
            ("a", Some("Path must start with / character")),
            ("/a/", Some("Path must not end with / character")),
            ("/a//b", Some("Invalid path string \"/a//b\" caused by empty node name specified @3")),
            ("/a/.", Some("Invalid path string \"/a/.\" caused by relative paths not allowed @3")),
            ("/../a", Some("Invalid path string \"/../a\" caused by relative paths not allowed @2")),
            ("/a\u{1}", Some("Invalid path string \"/a\u{1}\" caused by invalid character @2")),
            ("/\u{1f600}", Some("Invalid path string \"/\u{1f600}\" caused by invalid character @1")),
        ];
        for (path, expected) in rows {
            assert_eq!(complaint(path).as_deref(), expected, "{path:?}");
        }
    }
}
