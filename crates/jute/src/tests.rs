use super::*;

#[derive(Debug, PartialEq, Encode, Decode)]
struct Inner(i64);

#[derive(Debug, PartialEq, Encode, Decode)]
struct Record<'a> {
    flag: bool,
    number: i32,
    inner: Inner,
    name: Cow<'a, str>,
    data: Option<&'a [u8]>,
    list: Vec<i32>,
}

fn record() -> Record<'static> {
    Record { flag: true, number: -2, inner: Inner(3), name: "é".into(), data: None, list: vec![7] }
}

#[test]
fn a_record_is_its_fields_in_order() {
    let bytes = record().to_vec();
    let expected: &[u8] =
        b"\x01\xff\xff\xff\xfe\0\0\0\0\0\0\0\x03\0\0\0\x02\xc3\xa9\xff\xff\xff\xff\0\0\0\x01\0\0\0\x07";
    assert_eq!(bytes, expected);
    assert_eq!(Record::from_bytes(&bytes), Ok(record()));
}

#[test]
fn every_cut_of_a_record_is_an_error_and_never_a_panic() {
    let bytes = record().to_vec();
    for end in 0..bytes.len() {
        assert!(Record::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn null_and_empty_are_kept_apart() {
    assert_eq!(Option::<&[u8]>::from_bytes(b"\xff\xff\xff\xff"), Ok(None));
    assert_eq!(Option::<&[u8]>::from_bytes(b"\0\0\0\0"), Ok(Some(&b""[..])));
    assert_eq!(<&[u8]>::from_bytes(b"\xff\xff\xff\xff"), Err(DecodeError::Null));
}

#[test]
fn lengths_that_lie_are_errors_before_anything_is_reserved() {
    assert!(matches!(Vec::<i64>::from_bytes(b"\x7f\xff\xff\xff"), Err(DecodeError::UnexpectedEnd { .. })));
    assert_eq!(<&[u8]>::from_bytes(b"\xff\xff\xff\xfe"), Err(DecodeError::NegativeLength(-2)));
}

#[test]
fn javas_surrogate_pairs_are_joined_and_nonsense_is_replaced() {
    let rows: [(&[u8], &str); 4] = [
        (b"\0\0\0\x07a\xed\xa0\xbd\xed\xb8\x80", "a\u{1f600}"),
        (b"\0\0\0\x03\xed\xa0\xbd", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\0\0\0\x02a\xff", "a\u{fffd}"),
        (b"\0\0\0\x03abc", "abc"),
    ];
    for (bytes, text) in rows {
        assert_eq!(Cow::<str>::from_bytes(bytes).unwrap(), text);
    }
}
