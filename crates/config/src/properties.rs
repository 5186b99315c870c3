//! The syntax of zoo.cfg: Java's `.properties` format.
//!
//! ```text
//! # comment            ! also a comment
//! tickTime=2000        tickTime : 2000        tickTime 2000
//! ssl.ciphersuites=A,\
//!                  B                          one logical line: "A,B"
//! dataDir=C\:\\zk      \t \n \r \f \uXXXX     any other escaped character is itself
//! ```
//!
//! The bytes are ISO-8859-1. Lines end with LF, CR or CR LF.
//!
//! **Source.** The grammar that the documentation of `java.util.Properties.load` describes.

use crate::error::{ConfigError, Problem};
use crate::settings::Origin;
use std::path::Path;

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

/// Reads every property of `text`. Duplicates are all returned; for them the last one counts.
///
/// # Errors
/// Only a `\u` that is not followed by four hexadecimal digits; `path` is named in that error.
pub fn parse(path: &Path, text: &[u8]) -> Result<Vec<Property>, ConfigError> {
    let mut properties = Vec::new();
    for logical in LogicalLines::new(text) {
        let (key, value) = split(&logical.text);
        let unescaped = |part| {
            unescape(part).ok_or_else(|| {
                ConfigError::at(
                    Origin::File { path: path.to_path_buf(), line: logical.line },
                    Problem::MalformedUnicode,
                )
            })
        };
        properties.push(Property { key: unescaped(key)?, value: unescaped(value)?, line: logical.line });
    }
    Ok(properties)
}

struct LogicalLine {
    line: u32,
    text: Vec<u8>,
}

/// Natural lines joined at their continuations, without comments and blank lines.
struct LogicalLines<'a> {
    rest: &'a [u8],
    line: u32,
}

impl<'a> LogicalLines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 0 }
    }

    fn natural_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.line = self.line.saturating_add(1);
        let end = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(end) = end else {
            return Some(std::mem::take(&mut self.rest));
        };
        let terminator = if self.rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
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
            if first.is_empty() || matches!(first[0], b'#' | b'!') {
                continue;
            }
            let line = self.line;
            let mut text = first.to_vec();
            while continues(&text) {
                text.pop();
                match self.natural_line() {
                    Some(next) => text.extend_from_slice(trim_start(next)),
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
fn continues(text: &[u8]) -> bool {
    text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    &text[blanks..]
}

/// Splits at the first unescaped `=`, `:` or blank; blanks around one separator belong to nobody.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let key_end = text
        .iter()
        .position(|&byte| {
            let ends = !escaped && (is_blank(byte) || matches!(byte, b'=' | b':'));
            escaped = !escaped && byte == b'\\';
            ends
        })
        .unwrap_or(text.len());
    let rest = trim_start(&text[key_end..]);
    let value = match rest {
        [b'=' | b':', after @ ..] => trim_start(after),
        _ => rest,
    };
    (&text[..key_end], value)
}

/// `None` when a `\u` lacks its four digits. Unpaired surrogates become U+FFFD.
fn unescape(text: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            units.push(byte.into());
            continue;
        }
        match bytes.next() {
            None => {}
            Some(b't') => units.push(b'\t'.into()),
            Some(b'n') => units.push(b'\n'.into()),
            Some(b'r') => units.push(b'\r'.into()),
            Some(b'f') => units.push(0x0c),
            Some(b'u') => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(bytes.next()?).to_digit(16)?;
                    unit = unit << 4 | digit as u16;
                }
                units.push(unit);
            }
            Some(other) => units.push(other.into()),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let properties = parse(Path::new("zoo.cfg"), text.as_bytes()).expect("well-formed");
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
        let text = b"# one\n\ra=1\r\nb=\\\n 2\nc=3";
        let properties = parse(Path::new("zoo.cfg"), text).expect("well-formed");
        let lines: Vec<_> = properties.iter().map(|p| (p.key.as_str(), p.value.as_str(), p.line)).collect();
        assert_eq!(lines, [("a", "1", 3), ("b", "2", 4), ("c", "3", 6)]);
    }

    #[test]
    fn bytes_above_ascii_are_latin_1() {
        let properties = parse(Path::new("zoo.cfg"), b"a=\xe9").expect("well-formed");
        assert_eq!(properties[0].value, "é");
    }

    #[test]
    fn a_broken_unicode_escape_names_its_line() {
        for text in [&b"a=1\nb=\\u12"[..], b"a=1\nb=\\u12x4", b"a=1\n\\u=3"] {
            let error = parse(Path::new("zoo.cfg"), text).expect_err("broken escape");
            assert_eq!(error.to_string(), "zoo.cfg:2: Malformed \\uxxxx encoding.");
        }
    }
}
