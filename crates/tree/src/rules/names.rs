//! Which ids ACL entries of the digest, sasl and x509 schemes may have.

/// `user:hash`: two parts, of which only the first may be empty. Colons at the end do not count.
pub(super) fn is_digest(id: &str) -> bool {
    let id = id.trim_end_matches(':');
    id.bytes().filter(|&byte| byte == b':').count() == 1
}

/// Anything without an `@`, or `name[/host]@realm`.
pub(super) fn is_kerberos(id: &str) -> bool {
    match id.split_once('@') {
        None => true,
        Some((name, realm)) => {
            !realm.contains(['@', '/']) && name.bytes().filter(|&byte| byte == b'/').count() <= 1
        }
    }
}

/// Attribute types of a distinguished name that Java knows by a word.
const KEYWORDS: [&str; 26] = [
    "CN",
    "C",
    "L",
    "S",
    "ST",
    "O",
    "OU",
    "T",
    "IP",
    "STREET",
    "DC",
    "DNQUALIFIER",
    "DNQ",
    "SURNAME",
    "GIVENNAME",
    "INITIALS",
    "GENERATION",
    "EMAIL",
    "EMAILADDRESS",
    "UID",
    "SERIALNUMBER",
    "TITLE",
    "POSTALCODE",
    "SN",
    "GN",
    "E",
];

/// An X.500 name in text: `type=value` separated by `,` `;` or `+`, where a backslash or quotes make any
/// character part of a value. Empty is valid.
pub(super) fn is_distinguished(id: &str) -> bool {
    let (mut pairs, mut pair) = (Vec::new(), String::new());
    let (mut is_escaped, mut is_quoted) = (false, false);
    for c in id.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' | ';' | '+' if !is_quoted => {
                pairs.push(std::mem::take(&mut pair));
                continue;
            }
            _ => {}
        }
        pair.push(c);
    }
    pairs.push(pair);
    let is_empty = id.trim().is_empty();
    !is_escaped && !is_quoted && (is_empty || pairs.iter().all(|pair| is_attribute(pair)))
}

fn is_attribute(pair: &str) -> bool {
    let Some((kind, _)) = pair.split_once('=') else { return false };
    let kind = kind.trim();
    let number = kind.strip_prefix("OID.").or_else(|| kind.strip_prefix("oid.")).unwrap_or(kind);
    let is_number = number.contains('.')
        && number.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_number || KEYWORDS.iter().any(|keyword| kind.eq_ignore_ascii_case(keyword))
}
