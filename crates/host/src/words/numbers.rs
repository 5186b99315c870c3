//! Numbers and addresses in the forms that Java gives them.

use std::net::{IpAddr, SocketAddr};

/// A real number: always with a point, and with an exponent below 0.001 and from ten million on.
pub(crate) fn java_real(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    }
}

/// An average, rounded to four places; 0 of nothing.
pub(crate) fn average(total: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { (total as f64 / count as f64 * 10_000.0).round() / 10_000.0 }
}

/// `/127.0.0.1:2181`, or `/[0:0:0:0:0:0:0:1]:2181`.
pub(crate) fn java_address(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("/{ip}:{}", address.port()),
        IpAddr::V6(ip) => {
            let groups = ip.segments().map(|group| format!("{group:x}")).join(":");
            format!("/[{groups}]:{}", address.port())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_numbers_look_as_in_java() {
        let rows = [
            (0.0, "0.0"),
            (3.2857, "3.2857"),
            (77.0, "77.0"),
            (0.0001, "1.0E-4"),
            (0.0012, "0.0012"),
            (9_999_999.5, "9999999.5"),
            (12_345_678.25, "1.234567825E7"),
            (1e7, "1.0E7"),
        ];
        for (value, text) in rows {
            assert_eq!(java_real(value), text);
        }
        assert_eq!(java_real(average(10, 3)), "3.3333");
        assert_eq!(java_real(average(0, 0)), "0.0");
    }

    #[test]
    fn addresses_look_as_in_java() {
        let rows = [
            ("127.0.0.1:2181", "/127.0.0.1:2181"),
            ("[::ffff:10.0.0.1]:80", "/10.0.0.1:80"),
            ("[::1]:2181", "/[0:0:0:0:0:0:0:1]:2181"),
            ("[fe80::a:b]:1", "/[fe80:0:0:0:0:0:a:b]:1"),
        ];
        for (address, text) in rows {
            assert_eq!(java_address(address.parse().expect("an address")), text);
        }
    }
}
