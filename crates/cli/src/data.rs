//! Data for people: JSON, text, or bytes.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::{Value, json};

/// Bytes of a row of a dump.
const ROW: usize = 16;
/// How many characters of data fit beside a path.
const PREVIEW: usize = 60;

/// What data looks like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape<'a> {
    /// An object or a list.
    Json(Value),
    /// Text without control characters but for line ends and tabs.
    Text(&'a str),
    /// Anything else.
    Binary(&'a [u8]),
}

/// What data looks like.
pub(crate) fn shape(data: &[u8]) -> Shape<'_> {
    let Ok(text) = std::str::from_utf8(data) else { return Shape::Binary(data) };
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Shape::Binary(data);
    }
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Shape::Json(value),
        _ => Shape::Text(text),
    }
}

/// Data in an answer as JSON: `text` or `base64`, and `json` besides where it is that.
pub(crate) fn json(data: &[u8]) -> Value {
    match shape(data) {
        Shape::Json(value) => json!({ "text": String::from_utf8_lossy(data), "json": value }),
        Shape::Text(text) => json!({ "text": text }),
        Shape::Binary(bytes) => json!({ "base64": base64(bytes) }),
    }
}

/// Data in one short line.
pub(crate) fn preview(data: &[u8]) -> String {
    let (whole, count) = match shape(data) {
        Shape::Json(value) => (value.to_string(), data.len()),
        Shape::Text(text) => {
            (text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"), data.len())
        }
        Shape::Binary(bytes) => {
            let hex =
                bytes.iter().take(PREVIEW / 3 + 1).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
            (hex.join(" "), bytes.len())
        }
    };
    match whole.char_indices().nth(PREVIEW) {
        Some((end, _)) => format!("{}… ({count} bytes)", &whole[..end]),
        None => whole,
    }
}

/// As standard base64.
pub(crate) fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// Reads base64 as Java does: signs that only fill up may be left out, and bits, too many by then, are not looked at.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Of standard base64; nothing if it is none.
pub(crate) fn of_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

/// Rows of sixteen bytes, in hex and as ASCII, in a frame.
pub(crate) fn hexdump(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    let dashes = "-".repeat(ROW * 3 + 1);
    let columns: String = (0..ROW).map(|column| format!(" {column:2x}")).collect();
    let edge = format!("+--------+{dashes}+{}+", "-".repeat(ROW));
    let mut lines = vec![format!("         +{dashes}+"), format!("         |{columns} |"), edge.clone()];
    for (number, row) in data.chunks(ROW).enumerate() {
        let hex: String = row.iter().map(|byte| format!(" {byte:02x}")).collect();
        let ascii: String =
            row.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { byte as char } else { '.' }).collect();
        lines.push(format!("|{:08x}|{hex:width$} |{ascii:ROW$}|", number * ROW, width = ROW * 3));
    }
    lines.push(edge);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_told_apart() {
        assert!(matches!(shape(b"{\"a\": [1]}"), Shape::Json(_)));
        assert_eq!(shape(b"12"), Shape::Text("12"), "a number is text as well, and nobody would indent it");
        assert_eq!(shape("línea\n".as_bytes()), Shape::Text("línea\n"));
        assert_eq!(shape(b"\x00\x01"), Shape::Binary(b"\x00\x01"));
        assert_eq!(shape(b"\xff"), Shape::Binary(b"\xff"));
    }

    #[test]
    fn previews_are_one_short_line() {
        assert_eq!(preview(b"{\"a\" :\n 1}"), "{\"a\":1}");
        assert_eq!(preview(b"two\nlines"), "two\\nlines");
        assert_eq!(preview(b"\x00\x1f"), "00 1f");
        let long = preview(&[b'x'; 100]);
        assert!(long.starts_with("xxxx") && long.ends_with("… (100 bytes)"), "{long}");
    }

    #[test]
    fn base64_is_read_as_java_reads_it() {
        for (text, bytes) in [("aGk=", "hi"), ("aGk", "hi"), ("aGl", "hi"), ("aG==", "h"), ("", "")] {
            assert_eq!(of_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["a", "aGk==", "aGk=aa", "*"] {
            assert_eq!(of_base64(text), None, "{text}");
        }
    }

    #[test]
    fn a_dump_has_rows_of_sixteen() {
        let dump = "         +-------------------------------------------------+\n         \
                    |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n\
                    +--------+-------------------------------------------------+----------------+\n\
                    |00000000| 68 65 6c 6c 6f 20 77 6f 72 6c 64 20 74 68 69 73 |hello world this|\n\
                    |00000010| 20 69 73 20 61 20 6c 6f 6e 67                   | is a long      |\n\
                    +--------+-------------------------------------------------+----------------+";
        assert_eq!(hexdump(b"hello world this is a long"), dump);
    }
}
