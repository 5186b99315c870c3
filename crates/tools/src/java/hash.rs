//! The order in which a `HashSet` or `HashMap` of Java's is walked.
//!
//! The original keeps children and sessions in such tables, and its tools print them in that order. Their output is
//! compared with `diff`, so the order is worth the arithmetic: it follows from the hashes and from the order of
//! insertion alone. **Left out:** the trees into which Java turns a place of the table that more than eight entries
//! share, which takes names made for the purpose.

/// `String.hashCode`.
pub(crate) fn hash_of_text(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// `Long.hashCode`.
pub(crate) fn hash_of_long(value: i64) -> u32 {
    (value ^ (value as u64 >> 32) as i64) as u32
}

/// The places of the entries with these hashes, in the order of a walk. They were put one after the other into a table
/// that began with `room` places, a power of two.
pub(crate) fn hash_order(hashes: &[u32], room: usize) -> Vec<usize> {
    // A table is doubled as soon as more than three quarters of it are taken; entries of one place keep their order.
    let mut table = room;
    while hashes.len() > table / 4 * 3 {
        table *= 2;
    }
    let place = |&entry: &usize| (hashes[entry] ^ (hashes[entry] >> 16)) as usize & (table - 1);
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(place);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(hash_of_text(""), 0);
        assert_eq!(hash_of_text("zookeeper"), 1_600_681_804);
        assert_eq!(hash_of_long(-1), 0);
        assert_eq!(hash_of_long(0x1_0000_0002), 3);
    }

    #[test]
    fn entries_of_one_place_keep_their_order_and_the_table_grows() {
        assert_eq!(hash_order(&[9, 1, 0], 8), [2, 0, 1]);
        let seven = [9, 1, 0, 2, 3, 4, 5];
        assert_eq!(hash_order(&seven, 8), [2, 1, 3, 4, 5, 6, 0], "in sixteen places 9 is behind 5");
    }
}
