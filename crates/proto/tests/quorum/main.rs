//! What servers say to each other, as Apache ZooKeeper encodes it, and as nobody does.

mod dialogues;
mod golden;
mod random;

/// The bytes that hexadecimal digits, with blanks anywhere, stand for.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
