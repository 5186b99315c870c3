//! What is typed, taken apart: words, `"…"` and `'…'`. There are no escapes, and quotes inside a word are part of it.

/// The words of a line.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' | '\'' => match rest[1..].find(first) {
                Some(end) => {
                    words.push(rest[1..=end].to_owned());
                    end + 2
                }
                // A quote that does not close is passed over.
                None => 1,
            },
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(rest[..end].to_owned());
                end
            }
        };
        rest = rest[taken..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_as_the_original_does() {
        let rows: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("  ls   /a ", &["ls", "/a"]),
            ("create /a \"two words\"", &["create", "/a", "two words"]),
            ("create /a 'it \"is\"' x", &["create", "/a", "it \"is\"", "x"]),
            ("set /a \"\"", &["set", "/a", ""]),
            ("set /a b\"c d\"", &["set", "/a", "b\"c", "d\""]),
            ("set /a 'open", &["set", "/a", "open"]),
            ("a\tb", &["a", "b"]),
        ];
        for (line, expected) in rows {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
