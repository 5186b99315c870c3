//! A transaction as the original's toolkit prints it.
//!
//! ```text
//! 11/21/26, 1:52:51 AM UTC session 0x1 cxid 0x2 zxid 0x3 setData /app,data,1
//! ```
//!
//! Paths and data of creates and sets are printed bare; all else as jute prints records: strings behind an apostrophe,
//! with `,`, `}`, `%` and ends of lines escaped, and a new line at the end. What a multi holds is printed undecoded.

use std::fmt::Write as _;

use zoorum_host::logging::dates::{moment, short_date};
use zoorum_proto::txn::TxnHeader;
use zoorum_proto::{Decode, DecodeError, OpCode, Reader};

use crate::java::text_of;

/// The line of a transaction, its end included.
pub(crate) fn line(payload: &[u8]) -> Result<String, DecodeError> {
    let mut input = Reader::new(payload);
    let header = TxnHeader::decode(&mut input)?;
    let mut line = format!(
        "{} session {:#x} cxid {:#x} zxid {:#x} {} ",
        short_date(moment(header.time.0)),
        header.session.0,
        i64::from(header.cxid.0),
        header.zxid.0,
        name(header.kind),
    );
    line.push_str(&body(header.kind, input)?);
    if !line.ends_with('\n') {
        line.push('\n');
    }
    Ok(line)
}

/// The zxid of a transaction, if it can be decoded at all.
pub(crate) fn zxid(payload: &[u8]) -> Result<i64, DecodeError> {
    let mut input = Reader::new(payload);
    let header = TxnHeader::decode(&mut input)?;
    body(header.kind, input)?;
    Ok(header.zxid.0)
}

fn body(kind: i32, mut input: Reader<'_>) -> Result<String, DecodeError> {
    let unknown = DecodeError::Unknown { what: "transaction type", value: kind.into() };
    let input = &mut input;
    Ok(match OpCode::from_number(kind).ok_or(unknown.clone())? {
        OpCode::Create => create(input, true)?,
        OpCode::Create2 => create(input, false)?,
        OpCode::CreateContainer => {
            let (path, data, acl) = (bare(input)?, contents(input)?, acl(input)?);
            format!("{path},{data},{acl},{}", i32::decode(input)?)
        }
        OpCode::CreateTtl => {
            let (path, data, acl) = (bare(input)?, contents(input)?, acl(input)?);
            format!("{path},{data},{acl},{},{}", i32::decode(input)?, i64::decode(input)?)
        }
        OpCode::SetData | OpCode::Reconfig => {
            format!("{},{},{}", bare(input)?, contents(input)?, i32::decode(input)?)
        }
        OpCode::Delete | OpCode::DeleteContainer => format!("{}\n", string(input)?),
        OpCode::SetAcl => {
            let path = string(input)?;
            let acl = vector(input, |input| Ok(format!("s{{{}}}", entry(input)?)))?;
            format!("{path},{acl},{}\n", i32::decode(input)?)
        }
        OpCode::Check => format!("{},{}\n", string(input)?, i32::decode(input)?),
        OpCode::CreateSession | OpCode::Error => format!("{}\n", i32::decode(input)?),
        OpCode::CloseSession => match vector(input, string) {
            Ok(paths) => format!("{paths}\n"),
            // Releases before 3.6 do not list the paths.
            Err(_) => String::new(),
        },
        OpCode::Multi => multi(input)?,
        _ => return Err(unknown),
    })
}

/// Logs of release 3.3 and older lack the last field.
fn create(input: &mut Reader<'_>, can_be_old: bool) -> Result<String, DecodeError> {
    let (path, data, acl) = (bare(input)?, contents(input)?, acl(input)?);
    let ephemeral = bool::decode(input)?;
    let creates = match i32::decode(input) {
        Err(_) if can_be_old => -1,
        creates => creates?,
    };
    Ok(format!("{path},{data},{acl},{ephemeral},{creates}"))
}

/// Parts as `name:bytes`, the bytes taken for text.
fn multi(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    let mut text = String::new();
    for part in 0..input.length()?.unwrap_or(0) {
        let kind = i32::decode(input)?;
        let separator = if part == 0 { "" } else { ";" };
        write!(text, "{separator}{}:{}", name(kind), contents(input)?)
            .expect("a string takes all that is written");
    }
    Ok(text)
}

/// A string without an apostrophe.
fn bare(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    Ok(Option::<&[u8]>::decode(input)?.map_or_else(|| "null".to_owned(), text_of))
}

fn contents(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    Ok(Option::<&[u8]>::decode(input)?.map(text_of).unwrap_or_default())
}

/// An ACL as Java prints a list of records.
fn acl(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    let Some(count) = input.length()? else { return Ok("null".to_owned()) };
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(input)? + "\n");
    }
    Ok(format!("[{}]", entries.join(", ")))
}

/// One entry of an ACL.
fn entry(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    let perms = i32::decode(input)?;
    Ok(format!("{perms},s{{{},{}}}", string(input)?, string(input)?))
}

/// A vector as jute prints it.
fn vector(
    input: &mut Reader<'_>,
    element: impl Fn(&mut Reader<'_>) -> Result<String, DecodeError>,
) -> Result<String, DecodeError> {
    let mut elements = Vec::new();
    for _ in 0..input.length()?.unwrap_or(0) {
        elements.push(element(input)?);
    }
    Ok(format!("v{{{}}}", elements.join(",")))
}

/// A string as jute prints it.
fn string(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    let Some(bytes) = Option::<&[u8]>::decode(input)? else { return Ok(String::new()) };
    let mut text = "'".to_owned();
    for character in text_of(bytes).chars() {
        match character {
            '\0' | '\n' | '\r' | ',' | '}' | '%' => {
                write!(text, "%{:02X}", u32::from(character)).expect("a string takes all that is written");
            }
            plain => text.push(plain),
        }
    }
    Ok(text)
}

/// The original's word for a type.
fn name(kind: i32) -> String {
    let name = match OpCode::from_number(kind) {
        Some(OpCode::Create) => "create",
        Some(OpCode::Create2) => "create2",
        Some(OpCode::CreateContainer) => "createContainer",
        Some(OpCode::CreateTtl) => "createTTL",
        Some(OpCode::Delete) => "delete",
        Some(OpCode::DeleteContainer) => "deleteContainer",
        Some(OpCode::SetData) => "setData",
        Some(OpCode::Reconfig) => "reconfig",
        Some(OpCode::SetAcl) => "setACL",
        Some(OpCode::Check) => "check",
        Some(OpCode::Multi) => "multi",
        Some(OpCode::CreateSession) => "createSession",
        Some(OpCode::CloseSession) => "closeSession",
        Some(OpCode::Error) => "error",
        _ => return format!("unknown {kind}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of the original's, with transactions of every type.
    const GOLDEN: &[u8] = include_bytes!("../../../storage/testdata/golden/log.1");

    /// The payloads in it.
    fn payloads() -> Vec<&'static [u8]> {
        let mut payloads = Vec::new();
        let mut at = 16;
        while let Some(length) = GOLDEN.get(at + 8..at + 12) {
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
            if length == 0 {
                break;
            }
            payloads.push(&GOLDEN[at + 12..at + 12 + length]);
            at += 13 + length;
        }
        payloads
    }

    #[test]
    fn a_whole_transaction_is_one_entry() {
        let payloads = payloads();
        assert_eq!(payloads.len(), 89);
        for payload in payloads {
            assert!(line(payload).is_ok_and(|line| line.ends_with('\n')));
            assert!(zxid(payload).is_ok());
        }
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_refused_in_peace() {
        for payload in payloads() {
            for length in 0..payload.len() {
                // Either an entry or an error, and no panic; a digest that is cut off is not missed.
                line(&payload[..length]).map_or_else(
                    |error| assert!(!error.to_string().is_empty()),
                    |line| assert!(line.ends_with('\n')),
                );
                let mut odd = payload.to_vec();
                odd[length] ^= 0xff;
                line(&odd).map_or_else(
                    |error| assert!(!error.to_string().is_empty()),
                    |line| assert!(line.ends_with('\n')),
                );
            }
        }
    }
}
