//! Subtrees, drawn or searched.

use serde_json::json;
use zoorum_client::ErrorCode;

use super::read::with_json;
use crate::fault::Fault;
use crate::options::Parsed;
use crate::reads::answered;
use crate::shell::Shell;
use crate::walk::{Visit, Walk};
use crate::{data, paths};

pub(crate) async fn tree(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let root = parsed.argument(0);
    paths::check(root)?;
    let depth_max = parsed.number("d", usize::MAX, "a positive int")?;
    let client = shell.client();
    let mut walk = Walk::new(&client, root).past_unreadable().down_to(depth_max);
    let mut unreadable = Unreadable::default();
    // For each level above the znode, whether a sibling follows there.
    let mut open: Vec<bool> = Vec::new();
    while let Some(visit) = shell.settle(walk.next()).await {
        let visit = visit?;
        unreadable.note(shell, &visit);
        let bytes = match parsed.has("v") && visit.is_readable() {
            false => None,
            true => readable(shell, &visit.path).await?,
        };
        open.truncate(visit.depth.saturating_sub(1));
        let line = || drawn(&visit, &open, bytes.as_deref());
        let json = || {
            let object = json!({ "path": visit.path, "depth": visit.depth });
            let mut object = with_json(object, visit.stat.as_ref());
            if let Some(bytes) = &bytes {
                object["data"] = data::json(bytes);
            }
            object
        };
        shell.out.answer(line, json);
        if visit.depth > 0 {
            open.push(!visit.is_last);
        }
    }
    unreadable.told()
}

/// Znodes that may not be read. Each is told of where it stands, and in the end the command has failed.
#[derive(Default)]
struct Unreadable(u64);

impl Unreadable {
    fn note(&mut self, shell: &Shell, visit: &Visit) {
        if !visit.is_readable() {
            self.0 += 1;
            shell.report(&Fault::new(format!("Insufficient permission : {}", visit.path)));
        }
    }

    fn told(&self) -> Result<(), Fault> {
        match self.0 {
            0 => Ok(()),
            count => Err(Fault::new(format!(
                "Not all is shown: the data of {count} znodes, and what is below them, may not be read."
            ))),
        }
    }
}

fn drawn(visit: &Visit, open: &[bool], data: Option<&[u8]>) -> String {
    let mut line: String = open.iter().map(|&follows| if follows { "│   " } else { "    " }).collect();
    match visit.depth {
        0 => line.push_str(&visit.path),
        _ => {
            line.push_str(if visit.is_last { "└── " } else { "├── " });
            line.push_str(visit.path.rsplit('/').next().unwrap_or_default());
        }
    }
    if let Some(owner) = visit.ephemeral_owner() {
        line.push_str(&format!("  (ephemeral, {owner})"));
    }
    if !visit.is_readable() {
        line.push_str("  (may not be read)");
    }
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        line.push_str("  ");
        line.push_str(&data::preview(data));
    }
    line
}

/// A znode's data; nothing if it is gone or may not be read.
async fn readable(shell: &mut Shell, path: &str) -> Result<Option<bytes::Bytes>, Fault> {
    let client = shell.client();
    let get = || client.get(path);
    match shell.settle(answered(get(), get)).await {
        Ok(node) => Ok(Some(node.data)),
        Err(error) if error.is(ErrorCode::NoNode) || error.is(ErrorCode::NoAuth) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn find(shell: &mut Shell, parsed: Parsed) -> Result<(), Fault> {
    let root = parsed.argument(0);
    paths::check(root)?;
    let depth_max = parsed.number("m", usize::MAX, "a positive int")?;
    let pattern: Option<Vec<char>> = parsed.value("n").map(|pattern| pattern.chars().collect());
    let client = shell.client();
    let mut walk = Walk::new(&client, root).past_unreadable().down_to(depth_max);
    let mut unreadable = Unreadable::default();
    while let Some(visit) = shell.settle(walk.next()).await {
        let visit = visit?;
        unreadable.note(shell, &visit);
        let name: Vec<char> = visit.path.rsplit('/').next().unwrap_or_default().chars().collect();
        let is_named = pattern.as_ref().is_none_or(|pattern| matches(pattern, &name));
        let is_owned = !parsed.has("e") || visit.ephemeral_owner().is_some();
        if !is_named || !is_owned {
            continue;
        }
        if let Some(text) = parsed.value("d") {
            let bytes = match visit.is_readable() {
                false => continue,
                true => readable(shell, &visit.path).await?.unwrap_or_default(),
            };
            if !contains(&bytes, text.as_bytes()) {
                continue;
            }
        }
        shell
            .out
            .answer(|| visit.path.clone(), || with_json(json!({ "path": visit.path }), visit.stat.as_ref()));
    }
    unreadable.told()
}

fn contains(data: &[u8], text: &[u8]) -> bool {
    text.is_empty() || data.windows(text.len()).any(|part| part == text)
}

/// Whether a name has the form of a pattern, in which `?` is any character and `*` any number of them.
fn matches(pattern: &[char], name: &[char]) -> bool {
    // Where to go on if what follows the last `*` does not fit.
    let mut again: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                again = Some((p + 1, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match again {
                Some((after, from)) => {
                    again = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        let rows = [
            ("lock-*", "lock-0000000001", true),
            ("*-1", "a-1-1", true),
            ("*a*b", "xaayb", true),
            ("?", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("a", "ab", false),
            ("é?", "éx", true),
        ];
        for (pattern, name, fits) in rows {
            let [pattern_chars, name_chars] = [pattern, name].map(|text| text.chars().collect::<Vec<_>>());
            assert_eq!(matches(&pattern_chars, &name_chars), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn data_is_searched_for_text() {
        assert!(contains(b"\xff key=1", b"key") && contains(b"", b"") && !contains(b"ke", b"key"));
    }
}
