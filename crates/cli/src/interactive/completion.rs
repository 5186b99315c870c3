//! What a half-typed word may become: a command's name, one of its options, or a child of the path so far.

use crate::table::{self, COMMANDS};

/// Where the word's end begins that candidates replace, and the candidates.
pub(super) fn complete(typed: &str, children: impl FnOnce(&str) -> Vec<String>) -> (usize, Vec<String>) {
    let begin = word_begin(typed);
    let word = &typed[begin..];
    if let Some(slash) = word.rfind('/').filter(|_| word.starts_with('/')) {
        let parent = if slash == 0 { "/" } else { &word[..slash] };
        return (begin + slash + 1, beginning(&word[slash + 1..], children(parent)));
    }
    let mut before = typed[..begin].split_whitespace();
    let names: Vec<String> = match before.next() {
        // Whom help is to explain.
        None | Some("help") => COMMANDS.iter().map(|command| command.name.to_owned()).collect(),
        Some(name) if word.starts_with('-') => {
            table::find(name).map(|command| command.option_names().collect()).unwrap_or_default()
        }
        Some(_) => Vec::new(),
    };
    (begin, beginning(word, names))
}

/// Where the last word begins, as words are taken apart; behind its quote, if that is still open.
fn word_begin(typed: &str) -> usize {
    let mut rest = typed.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_quoted = matches!(first, '"' | '\'');
        let end = match is_quoted {
            true => rest[1..].find(first).map(|end| end + 2),
            false => rest.find(char::is_whitespace),
        };
        match end {
            Some(end) => rest = rest[end..].trim_start(),
            None => return typed.len() - rest.len() + usize::from(is_quoted),
        }
    }
    typed.len()
}

fn beginning(word: &str, mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| name.starts_with(word));
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_by_what_may_stand_there() {
        let children = |path: &str| match path {
            "/" => vec!["b".to_owned(), "app".to_owned()],
            "/app" => vec!["one".to_owned(), "other".to_owned(), "x".to_owned()],
            _ => Vec::new(),
        };
        let rows: [(&str, usize, &[&str]); 11] = [
            ("se", 0, &["set", "setAcl", "setquota"]),
            ("ls /", 4, &["app", "b"]),
            ("ls /app/o", 8, &["one", "other"]),
            ("ls /none/", 9, &[]),
            ("get -", 4, &["-b", "-s", "-w", "-x"]),
            ("get se", 4, &[]),
            ("help redo", 5, &["redo"]),
            ("create /app/x wo", 14, &[]),
            ("ls \"/app/o", 9, &["one", "other"]),
            ("set '/a b' \"", 12, &[]),
            ("create 'a b' /app/x", 18, &["x"]),
        ];
        for (typed, begin, candidates) in rows {
            let expected = candidates.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            assert_eq!(complete(typed, children), (begin, expected), "{typed}");
        }
    }
}
