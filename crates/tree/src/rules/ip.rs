//! The ip scheme: `<address>` or `<address>/<bits>`.

/// An address, and how many bits one of its family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address {
    bits: u32,
    value: u128,
}

impl Address {
    /// Contains `:`: IPv6. Else dotted quad.
    fn parse(text: &str) -> Option<Self> {
        if text.contains(':') {
            Some(Self { bits: 128, value: parse_v6(text)? })
        } else {
            Some(Self { bits: 32, value: parse_v4(text)?.into() })
        }
    }

    /// The first `bits` of it.
    fn prefix(self, bits: u32) -> u128 {
        self.value.checked_shr(self.bits - bits).unwrap_or(0)
    }
}

/// Four decimal numbers up to 255; leading zeros are tolerated.
fn parse_v4(text: &str) -> Option<u32> {
    let mut parts = text.split('.');
    let mut value = 0;
    for _ in 0..4 {
        let part = parts.next().filter(|part| is_decimal(part))?;
        let digits = part.trim_start_matches('0');
        let number: u8 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        value = value << 8 | u32::from(number);
    }
    parts.next().is_none().then_some(value)
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Eight groups of up to four hex digits, of which one `::` may stand for one or more. No embedded IPv4, no
/// zone.
fn parse_v6(text: &str) -> Option<u128> {
    let Some((front, back)) = text.split_once("::") else {
        let groups = parse_groups(text)?;
        return (groups.len() == 8).then(|| join(&groups));
    };
    let (front, back) = (parse_groups(front)?, parse_groups(back)?);
    let missing = 8_usize.checked_sub(front.len() + back.len()).filter(|&missing| missing > 0)?;
    let groups: Vec<u16> = front.into_iter().chain(std::iter::repeat_n(0, missing)).chain(back).collect();
    Some(join(&groups))
}

fn parse_groups(text: &str) -> Option<Vec<u16>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let parse = |group: &str| {
        let is_group = (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_group.then(|| u16::from_str_radix(group, 16).ok()).flatten()
    };
    text.split(':').map(parse).collect()
}

fn join(groups: &[u16]) -> u128 {
    groups.iter().fold(0, |value, &group| value << 16 | u128::from(group))
}

/// An address and how many of its bits count.
fn parse_entry(entry: &str) -> Option<(Address, u32)> {
    let Some((address, bits)) = entry.split_once('/') else {
        let address = Address::parse(entry)?;
        return Some((address, address.bits));
    };
    let address = Address::parse(address)?;
    let bits = Some(bits).filter(|bits| is_decimal(bits))?.parse().ok()?;
    (bits <= address.bits).then_some((address, bits))
}

/// Whether an ACL entry may have this id.
pub(super) fn is_valid(entry: &str) -> bool {
    parse_entry(entry).is_some()
}

/// Whether the address is the entry's, or in its network.
pub(super) fn matches(address: &str, entry: &str) -> bool {
    let (Some(address), Some((network, bits))) = (Address::parse(address), parse_entry(entry)) else {
        return false;
    };
    address.bits == network.bits && address.prefix(bits) == network.prefix(bits)
}
