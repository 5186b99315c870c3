//! Who may ask for what not everybody may: `Authorization: <scheme> [<what the scheme wants>]`, as clients prove it
//! by an auth packet, and every permission on the root.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};
use zoorum_proto::{AuthId, Permissions};
use zoorum_server::auth::{Authenticated, authenticate};

use crate::shared::Shared;

/// What a request must be allowed, each of them.
const WANTED: [Permissions; 5] =
    [Permissions::READ, Permissions::WRITE, Permissions::CREATE, Permissions::DELETE, Permissions::ADMIN];
/// Schemes that a request over HTTP can prove an id of.
const SCHEMES: [&str; 2] = ["digest", "ip"];

/// Why a request is turned away, as the original says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnedAway {
    Missing,
    NotAuthenticated,
    NotAuthorized,
}

impl TurnedAway {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::NotAuthenticated => StatusCode::UNAUTHORIZED,
            Self::NotAuthorized => StatusCode::FORBIDDEN,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Missing => "Auth info is missing for the command",
            Self::NotAuthenticated => "Not authenticated",
            Self::NotAuthorized => "Not authorized",
        }
    }
}

/// Lets a request in, or says why not.
pub(super) fn admit(shared: &Shared, headers: &HeaderMap, from: IpAddr) -> Result<(), TurnedAway> {
    let claim = headers.get(header::AUTHORIZATION).ok_or(TurnedAway::Missing)?;
    let ids = identify(shared, claim.as_bytes(), from).ok_or(TurnedAway::NotAuthenticated)?;
    let tree = shared.tree.read();
    let root = tree.node("/").ok_or(TurnedAway::NotAuthorized)?;
    let rules = &shared.settings.rules.acl;
    let may = |wanted: &Permissions| rules.allows(root.acl(), *wanted, &ids);
    if WANTED.iter().all(may) { Ok(()) } else { Err(TurnedAway::NotAuthorized) }
}

/// The ids that a claim proves; `None` if it proves none.
fn identify(shared: &Shared, claim: &[u8], from: IpAddr) -> Option<Vec<AuthId>> {
    let text = String::from_utf8_lossy(claim);
    let (scheme, data) = match text.trim_end_matches(' ').split_once(' ') {
        None => (text.trim_end_matches(' '), None),
        Some((_, data)) if data.contains(' ') => return None,
        Some((scheme, data)) => (scheme, Some(data.as_bytes())),
    };
    if !SCHEMES.contains(&scheme) {
        return None;
    }
    match authenticate(&shared.settings.auth, scheme, data, from) {
        Authenticated::As(ids) if !ids.is_empty() => Some(ids),
        Authenticated::As(_) | Authenticated::Refused => None,
    }
}

/// Where a request comes from: as the connection says, or, if that is believed, the header of a proxy.
pub(super) fn origin(headers: &HeaderMap, connected: IpAddr, believes_proxies: bool) -> IpAddr {
    let forwarded = headers.get("x-forwarded-for").filter(|_| believes_proxies);
    let first = forwarded.and_then(|value| value.to_str().ok()?.split(',').next());
    first.and_then(|address| address.trim().parse().ok()).unwrap_or(connected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_proxy_counts_only_where_it_is_believed() {
        let connected: IpAddr = [10, 0, 0, 1].into();
        let mut headers = HeaderMap::new();
        assert_eq!(origin(&headers, connected, true), connected);
        headers.insert("x-forwarded-for", "192.0.2.7 , 10.0.0.9".parse().expect("a value"));
        assert_eq!(origin(&headers, connected, false), connected);
        assert_eq!(origin(&headers, connected, true), IpAddr::from([192, 0, 2, 7]));
    }
}
