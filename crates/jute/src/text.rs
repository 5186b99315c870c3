//! Strings off the wire: UTF-8, with Java's deviations understood and nonsense made visible.

use std::borrow::Cow;

/// Decodes text leniently. Well-formed UTF-8 is borrowed. Otherwise surrogates that a Java peer wrote one by
/// one (CESU-8) are joined to the character they mean, and whatever is still malformed becomes U+FFFD.
pub(crate) fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(join_surrogates(bytes)),
    }
}

fn join_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut plain = 0;
    let mut at = 0;
    while at < bytes.len() {
        match surrogate_pair(&bytes[at..]) {
            Some(character) => {
                text.push_str(&String::from_utf8_lossy(&bytes[plain..at]));
                text.push(character);
                at += 6;
                plain = at;
            }
            None => at += 1,
        }
    }
    text.push_str(&String::from_utf8_lossy(&bytes[plain..]));
    text
}

/// The character whose two surrogates, three bytes each, stand at the front of `bytes`.
fn surrogate_pair(bytes: &[u8]) -> Option<char> {
    let &[0xed, a @ 0xa0..=0xaf, b @ 0x80..=0xbf, 0xed, c @ 0xb0..=0xbf, d @ 0x80..=0xbf, ..] = bytes else {
        return None;
    };
    let high = (u32::from(a & 0x0f) << 6) | u32::from(b & 0x3f);
    let low = (u32::from(c & 0x0f) << 6) | u32::from(d & 0x3f);
    char::from_u32(0x1_0000 + (high << 10) + low)
}
