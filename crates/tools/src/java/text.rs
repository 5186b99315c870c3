//! Bytes as the text that Java makes of them.

/// `new String(bytes, UTF_8)`: what is malformed becomes U+FFFD, and a surrogate on its own becomes one, not three.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(3).position(is_surrogate) {
        text.push_str(&String::from_utf8_lossy(&rest[..at]));
        text.push(char::REPLACEMENT_CHARACTER);
        rest = &rest[at + 3..];
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf, 0x80..=0xbf])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_bytes_are_counted_as_java_counts_them() {
        let rows: [(&[u8], &str); 6] = [
            (b"plain", "plain"),
            ("größe 語".as_bytes(), "größe 語"),
            (&[b'a', 0xff, 0xfe, b'b'], "a\u{fffd}\u{fffd}b"),
            (&[0xe8, 0xaa, b'x'], "\u{fffd}x"),
            (&[b'a', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, b'b'], "a\u{fffd}\u{fffd}b"),
            (&[0xed, 0xa0], "\u{fffd}\u{fffd}"),
        ];
        for (bytes, text) in rows {
            assert_eq!(text_of(bytes), text, "{bytes:x?}");
        }
    }
}
