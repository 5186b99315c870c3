//! Checksums, so that what the fuzzer makes up gets past them.

use zoorum_proto::Encode;

/// Appends a seal over everything in `out`.
pub(crate) fn seal(out: &mut Vec<u8>) {
    i64::from(simd_adler32::adler32(&out.as_slice())).encode(out);
    out.extend_from_slice(b"\0\0\0\x01/");
}

/// Appends a log record around `payload`.
pub(crate) fn record(payload: &[u8], out: &mut Vec<u8>) {
    i64::from(simd_adler32::adler32(&payload)).encode(out);
    payload.encode(out);
    out.push(0x42);
}
