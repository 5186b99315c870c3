//! Who a connection is: what an auth packet proves, and how ids are told to the client.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use zoorum_proto::AuthId;
use zoorum_proto::reply::ClientInfo;

use crate::settings::{AuthSettings, DigestAlgorithm};

/// What an auth packet came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authenticated {
    /// The connection gains these ids.
    As(Vec<AuthId>),
    /// The connection is told so and closed.
    Refused,
}

/// Judges the credentials that a connection from `peer` sent.
pub fn authenticate(
    settings: &AuthSettings,
    scheme: &str,
    data: Option<&[u8]>,
    peer: IpAddr,
) -> Authenticated {
    match scheme {
        "digest" if settings.digest => data.map_or(Authenticated::Refused, |data| digest(settings, data)),
        "ip" => Authenticated::As(vec![ip(peer)]),
        "ensemble" => ensemble(settings, data),
        _ => Authenticated::Refused,
    }
}

/// The id that every connection starts with.
pub fn ip(peer: IpAddr) -> AuthId {
    AuthId::new("ip", ip_text(peer))
}

/// An address as ZooKeeper writes it: IPv6 in eight groups, never shortened.
pub fn ip_text(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
            groups.join(":")
        }
    }
}

/// `user:password` gives the id `user:base64(hash(user:password))`. Any bytes give some id.
fn digest(settings: &AuthSettings, data: &[u8]) -> Authenticated {
    let text = String::from_utf8_lossy(data);
    let id = digest_id(settings.digest_algorithm, &text);
    let mut ids = Vec::new();
    if settings.super_digest.as_deref() == Some(id.as_str()) {
        ids.push(AuthId::new("super", ""));
    }
    ids.push(AuthId::new("digest", id));
    Authenticated::As(ids)
}

/// The digest id of `user:password`.
pub fn digest_id(algorithm: DigestAlgorithm, credentials: &str) -> String {
    let user = credentials.split(':').next().unwrap_or_default();
    let bytes = credentials.as_bytes();
    let hash = match algorithm {
        DigestAlgorithm::Sha1 => Sha1::digest(bytes).to_vec(),
        DigestAlgorithm::Sha224 => Sha224::digest(bytes).to_vec(),
        DigestAlgorithm::Sha256 => Sha256::digest(bytes).to_vec(),
        DigestAlgorithm::Sha384 => Sha384::digest(bytes).to_vec(),
        DigestAlgorithm::Sha512 => Sha512::digest(bytes).to_vec(),
        DigestAlgorithm::Sha3_224 => Sha3_224::digest(bytes).to_vec(),
        DigestAlgorithm::Sha3_256 => Sha3_256::digest(bytes).to_vec(),
        DigestAlgorithm::Sha3_384 => Sha3_384::digest(bytes).to_vec(),
        DigestAlgorithm::Sha3_512 => Sha3_512::digest(bytes).to_vec(),
    };
    format!("{user}:{}", STANDARD.encode(hash))
}

/// Guards against clients that were pointed at the wrong ensemble; it grants nothing.
fn ensemble(settings: &AuthSettings, data: Option<&[u8]>) -> Authenticated {
    let Some(names) = &settings.ensemble else { return Authenticated::Refused };
    let claimed = String::from_utf8_lossy(data.unwrap_or_default());
    let admitted = names.is_empty() || claimed.is_empty() || names.iter().any(|name| *name == claimed);
    if admitted { Authenticated::As(Vec::new()) } else { Authenticated::Refused }
}

/// An id as whoAmI tells it: without the hash of a digest, and empty for schemes without a provider.
pub fn client_info(id: &AuthId) -> ClientInfo<'_> {
    let user = match id.scheme.as_ref() {
        "digest" => id.id.split(':').next().unwrap_or_default(),
        "super" => "",
        _ => &id.id,
    };
    ClientInfo { auth_scheme: Cow::Borrowed(&id.scheme), user: user.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_ids_are_the_originals() {
        let rows = [
            ("u:p", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ="),
            ("super:admin", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="),
            ("user:", "user:kd7q5xGKLW+18xQTfO8iqRaFvsM="),
            ("nopass", "nopass:lzMveuimm4pmrQTpblPb5NTiZUY="),
        ];
        for (credentials, id) in rows {
            assert_eq!(digest_id(DigestAlgorithm::Sha1, credentials), id);
        }
    }

    #[test]
    fn addresses_are_written_in_full() {
        let rows = [("::1", "0:0:0:0:0:0:0:1"), ("::ffff:1.2.3.4", "1.2.3.4"), ("10.0.0.1", "10.0.0.1")];
        for (address, text) in rows {
            assert_eq!(ip_text(address.parse().unwrap()), text);
        }
    }
}
