//! The handshake: the only packets without a header.

use zoorum_jute::{Decode, DecodeError, Encode, Reader};

use crate::{SessionId, Zxid};

/// A client's first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest<'a> {
    /// Ignored by every server.
    pub protocol_version: i32,
    /// The newest change the client has heard of.
    pub last_zxid_seen: Zxid,
    /// The session timeout it would like, in ms.
    pub timeout_ms: i32,
    /// The session to take up again; [`SessionId::NONE`] for a new one.
    pub session: SessionId,
    /// That session's password.
    pub password: Option<&'a [u8]>,
    /// Whether a read-only server will do. Very old clients do not say, and want no such field in return.
    pub read_only: Option<ReadOnly>,
}

/// The optional last byte of both packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadOnly(pub bool);

impl<'a> Decode<'a> for ConnectRequest<'a> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: i32::decode(input)?,
            last_zxid_seen: Zxid::decode(input)?,
            timeout_ms: i32::decode(input)?,
            session: SessionId::decode(input)?,
            password: Option::decode(input)?,
            read_only: ReadOnly::decode(input).ok(),
        })
    }
}

impl Encode for ConnectRequest<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.protocol_version.encode(out);
        self.last_zxid_seen.encode(out);
        self.timeout_ms.encode(out);
        self.session.encode(out);
        self.password.encode(out);
        encode_read_only(self.read_only, out);
    }
}

/// The flag, if there is one: its absence takes no byte, unlike a null elsewhere.
fn encode_read_only(read_only: Option<ReadOnly>, out: &mut Vec<u8>) {
    if let Some(read_only) = read_only {
        read_only.encode(out);
    }
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// The negotiated session timeout in ms; 0 says that the session is gone.
    pub timeout_ms: i32,
    /// The session.
    pub session: SessionId,
    /// Its password.
    pub password: [u8; 16],
    /// Whether the server is read-only; absent if the request had no such field.
    pub read_only: Option<ReadOnly>,
}

impl ConnectResponse {
    /// Says that the session is gone; the server closes the connection after it.
    pub fn expired(read_only: Option<ReadOnly>) -> Self {
        Self { timeout_ms: 0, session: SessionId::NONE, password: [0; 16], read_only }
    }
}

impl Encode for ConnectResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        0_i32.encode(out); // the protocol version, which has never been another
        self.timeout_ms.encode(out);
        self.session.encode(out);
        self.password[..].encode(out);
        encode_read_only(self.read_only, out);
    }
}

impl Decode<'_> for ConnectResponse {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i32::decode(input)?;
        let timeout_ms = i32::decode(input)?;
        let session = SessionId::decode(input)?;
        let password = <&[u8]>::decode(input)?;
        let password = password
            .try_into()
            .map_err(|_| DecodeError::Unknown { what: "password length", value: password.len() as i64 })?;
        Ok(Self { timeout_ms, session, password, read_only: ReadOnly::decode(input).ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_send_no_read_only_flag_and_get_none() {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 6000,
            session: SessionId::NONE,
            password: Some(&[0; 16]),
            read_only: None,
        };
        let bytes = request.to_vec();
        assert_eq!(bytes.len(), 44);
        assert_eq!(ConnectRequest::from_bytes(&bytes), Ok(request));
        assert_eq!(ConnectResponse::expired(None).to_vec().len(), 36);
        assert_eq!(ConnectResponse::expired(Some(ReadOnly(false))).to_vec().len(), 37);
    }
}
