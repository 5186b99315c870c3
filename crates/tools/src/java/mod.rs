//! What Java's library does without being asked, and the original's output shows.

mod hash;
mod options;
mod text;

pub(crate) use hash::{hash_of_long, hash_of_text, hash_order};
pub(crate) use options::{Opt, Parsed, parse};
pub(crate) use text::text_of;

/// `Long.decode`: decimal, `0x`, `0X` or `#` and hexadecimal, `0` and octal, with a sign in front.
pub(crate) fn decode_long(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = ["0x", "0X", "#"].iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (digits, radix) = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits, 10),
    };
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_three_notations() {
        let rows = [
            ("10", Some(10)),
            ("0x10", Some(16)),
            ("-0X1f", Some(-31)),
            ("#ff", Some(255)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("+5", Some(5)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("0x", None),
            ("09", None),
            ("--1", None),
            ("x", None),
            ("", None),
        ];
        for (text, number) in rows {
            assert_eq!(decode_long(text), number, "{text:?}");
        }
    }
}
