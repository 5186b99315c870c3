//! The syntax of zoo.cfg and of a configuration on the wire: Java's `.properties` format.
//!
//! ```text
//! # comment            ! also a comment
//! tickTime=2000        tickTime : 2000        tickTime 2000
//! ssl.ciphersuites=A,\
//!                  B                          one logical line: "A,B"
//! dataDir=C\:\\zk      \t \n \r \f \uXXXX     any other escaped character is itself
//! ```
//!
//! Lines end with LF, CR or CR LF. A file of this format is ISO-8859-1: see [`from_latin_1`].
//!
//! **Source.** The grammar that the documentation of `java.util.Properties.load` describes.

/// One `key=value` of a file, in file order and unescaped, with blanks around the value's end kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The text before the separator.
    pub key: String,
    /// The text after the separator; empty when the line has only a key.
    pub value: String,
    /// The number, from 1, of the line on which the key stands.
    pub line: u32,
}

/// A `\u` that is not followed by four hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed \\uxxxx encoding.")]
pub struct MalformedUnicode {
    /// The number, from 1, of its line.
    pub line: u32,
}

/// Reads every property of `text`. Duplicates are all returned; for them the last one counts.
///
/// # Errors
/// Only a `\u` that is not followed by four hexadecimal digits.
pub fn parse(text: &str) -> Result<Vec<Property>, MalformedUnicode> {
    let mut properties = Vec::new();
    for logical in LogicalLines::new(text) {
        let (key, value) = split(&logical.text);
        let unescaped = |part| unescape(part).ok_or(MalformedUnicode { line: logical.line });
        properties.push(Property { key: unescaped(key)?, value: unescaped(value)?, line: logical.line });
    }
    Ok(properties)
}

/// The text that these bytes of a file mean.
pub fn from_latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

struct LogicalLine {
    line: u32,
    text: String,
}

/// Natural lines joined at their continuations, without comments and blank lines.
struct LogicalLines<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> LogicalLines<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, line: 0 }
    }

    fn natural_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        self.line = self.line.saturating_add(1);
        let Some(end) = self.rest.find(['\n', '\r']) else {
            return Some(std::mem::take(&mut self.rest));
        };
        let terminator = if self.rest[end..].starts_with("\r\n") { 2 } else { 1 };
        let line = &self.rest[..end];
        self.rest = &self.rest[end + terminator..];
        Some(line)
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        loop {
            let first = trim_start(self.natural_line()?);
            // A comment never continues, whatever it ends with.
            if first.is_empty() || first.starts_with(['#', '!']) {
                continue;
            }
            let line = self.line;
            let mut text = first.to_owned();
            while continues(&text) {
                text.pop();
                match self.natural_line() {
                    Some(next) => text.push_str(trim_start(next)),
                    None => break,
                }
            }
            if !text.is_empty() {
                return Some(LogicalLine { line, text });
            }
        }
    }
}

/// Whether the line ends with a backslash that is not itself escaped.
fn continues(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0c')
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

/// Splits at the first unescaped `=`, `:` or blank; blanks around one separator belong to nobody.
fn split(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let key_end = text.find(|character| {
        let ends = !escaped && (is_blank(character) || matches!(character, '=' | ':'));
        escaped = !escaped && character == '\\';
        ends
    });
    let (key, rest) = text.split_at(key_end.unwrap_or(text.len()));
    let rest = trim_start(rest);
    let value = rest.strip_prefix(['=', ':']).map_or(rest, trim_start);
    (key, value)
}

/// `None` when a `\u` lacks its four digits. Unpaired surrogates become U+FFFD.
fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let meant = match (character, characters.as_str().chars().next()) {
            ('\\', None) => continue,
            ('\\', Some('u')) => {
                characters.next();
                let mut unit = 0;
                for _ in 0..4 {
                    unit = unit << 4 | characters.next()?.to_digit(16)? as u16;
                }
                units.push(unit);
                continue;
            }
            ('\\', Some(escaped)) => {
                characters.next();
                control(escaped).unwrap_or(escaped)
            }
            (plain, _) => plain,
        };
        units.extend_from_slice(meant.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

/// The control character for which an escaped letter stands, if it does.
fn control(escaped: char) -> Option<char> {
    match escaped {
        't' => Some('\t'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        'f' => Some('\x0c'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let properties = parse(text).expect("well-formed");
        properties.into_iter().map(|property| (property.key, property.value)).collect()
    }

    #[test]
    fn one_line_reads_as_java_reads_it() {
        let rows = [
            ("tickTime=2000", "tickTime", "2000"),
            ("tickTime = 2000", "tickTime", "2000"),
            ("tickTime:2000", "tickTime", "2000"),
            ("tickTime 2000", "tickTime", "2000"),
            ("\t tickTime\t:\t2000", "tickTime", "2000"),
            ("a==b", "a", "=b"),
            ("a = = b", "a", "= b"),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("=a", "", "a"),
            ("a=b ", "a", "b "),
            ("a=b#c", "a", "b#c"),
            (r"a\=b=c", "a=b", "c"),
            (r"a\:b c", "a:b", "c"),
            (r"a\ b c", "a b", "c"),
            (r"dir=C\:\\zk", "dir", r"C:\zk"),
            (r"dir=C:\zk", "dir", "C:zk"),
            (r"a=\t\n\r\f\q", "a", "\t\n\r\u{c}q"),
            (r"a=\u0041\u00e9", "a", "Aé"),
            (r"a=\ud83d\ude00", "a", "😀"),
            ("a=b\\", "a", "b"),
            ("a=b\\\n   c", "a", "bc"),
            ("a=b\\\r\n\tc", "a", "bc"),
            ("a=b\\\n#c", "a", "b#c"),
            ("a=b\\\n\n", "a", "b"),
            ("a=b\\\\", "a", "b\\"),
        ];
        for (text, key, value) in rows {
            assert_eq!(pairs(text), [(key.to_owned(), value.to_owned())], "{text:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        for text in ["", "\n\r\n  \t\n", "# a=b", "  ! a=b", "# a \\", "\\"] {
            assert_eq!(pairs(text), [], "{text:?}");
        }
        assert_eq!(pairs("# a \\\nb=c"), [("b".to_owned(), "c".to_owned())], "a comment does not continue");
    }

    #[test]
    fn a_key_remembers_its_line() {
        let text = "# one\n\ra=1\r\nb=\\\n 2\nc=3";
        let properties = parse(text).expect("well-formed");
        let lines: Vec<_> = properties.iter().map(|p| (p.key.as_str(), p.value.as_str(), p.line)).collect();
        assert_eq!(lines, [("a", "1", 3), ("b", "2", 4), ("c", "3", 6)]);
    }

    #[test]
    fn bytes_above_ascii_are_latin_1_in_a_file_and_characters_themselves_elsewhere() {
        assert_eq!(pairs(&from_latin_1(b"a=\xe9")), [("a".to_owned(), "é".to_owned())]);
        assert_eq!(pairs("a=é\\t😀"), [("a".to_owned(), "é\t😀".to_owned())]);
    }

    #[test]
    fn a_broken_unicode_escape_names_its_line() {
        for text in ["a=1\nb=\\u12", "a=1\nb=\\u12x4", "a=1\n\\u=3"] {
            assert_eq!(parse(text), Err(MalformedUnicode { line: 2 }));
        }
    }
}
