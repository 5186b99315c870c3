//! Keys, certificates and protocols: one family of names for clients, one between servers.

use crate::auth::Secret;
use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use std::path::PathBuf;
use std::time::Duration;

/// Everything about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `ssl.…`: for the client port.
    pub client: TlsFamily,
    /// `ssl.quorum.…`: between servers.
    pub quorum: TlsFamily,
    /// `client.portUnification`: the client port takes TLS and plaintext, false.
    pub client_port_unification: bool,
    /// `client.certReload`: read the client port's stores again when their files change, false.
    pub client_cert_reload: bool,
    /// `sslQuorum`: TLS between servers, false.
    pub ssl_quorum: bool,
    /// `portUnification`: the quorum ports take TLS and plaintext, false.
    pub quorum_port_unification: bool,
    /// `sslQuorumReloadCertFiles`: read the quorum's stores again when their files change, false.
    pub quorum_cert_reload: bool,
    /// `ssl.authProvider`: the scheme of ids made from client certificates, `x509`.
    pub auth_provider: String,
}

/// One family of `ssl.` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFamily {
    /// `keyStore.…`: private key and certificate.
    pub key_store: Option<TlsStore>,
    /// `trustStore.…`: whom to believe; `None` is the platform's default.
    pub trust_store: Option<TlsStore>,
    /// `protocol`: `TLSv1.3` unless set.
    pub protocol: String,
    /// `enabledProtocols`: just `protocol` unless set.
    pub enabled_protocols: Vec<String>,
    /// `ciphersuites`, by their IANA names; empty is the built-in choice.
    pub cipher_suites: Vec<String>,
    /// `hostnameVerification`: whoever connects checks the other's name, true.
    pub hostname_verification: bool,
    /// `clientHostnameVerification`: whoever is connected to checks it too; false for clients, true
    /// between servers.
    pub client_hostname_verification: bool,
    /// `allowReverseDnsLookup`; false for clients, true between servers.
    pub allow_reverse_dns_lookup: bool,
    /// `crl`: revocation lists, false.
    pub crl: bool,
    /// `ocsp`: ask for revocation, false.
    pub ocsp: bool,
    /// `clientAuth`: need.
    pub client_auth: ClientAuth,
    /// `handshakeDetectionTimeoutMillis`: to tell TLS from plaintext, 5 s.
    pub handshake_detection_timeout: Duration,
}

/// A file with keys or certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsStore {
    /// The file.
    pub location: PathBuf,
    /// Its format.
    pub kind: TlsStoreKind,
    /// Its password, empty unless set.
    pub password: Secret,
    /// A file whose first line is the password; it beats `password`.
    pub password_path: Option<PathBuf>,
}

/// Formats of store files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the format's name")]
pub enum TlsStoreKind {
    Jks,
    Pem,
    Pkcs12,
}

/// Whether whoever connects must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the configured word")]
pub enum ClientAuth {
    None,
    Want,
    Need,
}

impl Tls {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            client: TlsFamily::read(r, "ssl", false)?,
            quorum: TlsFamily::read(r, "ssl.quorum", true)?,
            client_port_unification: r.flag(&["zookeeper.client.portUnification"], false),
            client_cert_reload: r.flag(&["zookeeper.client.certReload"], false),
            ssl_quorum: r.explicit_flag("sslQuorum", false)?,
            quorum_port_unification: r.explicit_flag("portUnification", false)?,
            quorum_cert_reload: r.explicit_flag("sslQuorumReloadCertFiles", false)?,
            auth_provider: auth_provider(r)?,
        })
    }
}

fn auth_provider(r: &mut Reader<'_>) -> Result<String, ConfigError> {
    let names = &["zookeeper.ssl.authProvider"];
    let scheme = r.text_filled(names).unwrap_or_else(|| "x509".to_owned());
    let provider = format!("zookeeper.authProvider.{scheme}");
    if scheme != "x509" && r.setting(&[&provider]).is_none() {
        let problem = Problem::SslAuthProvider { scheme };
        return Err(r.wrong(names, problem, "x509, or the <n> of an authProvider.<n>"));
    }
    Ok(scheme)
}

impl TlsFamily {
    fn read(r: &mut Reader<'_>, family: &str, between_servers: bool) -> Result<Self, ConfigError> {
        let name = |suffix: &str| format!("zookeeper.{family}.{suffix}");
        let protocol = r.text_filled(&[&name("protocol")]).unwrap_or_else(|| "TLSv1.3".to_owned());
        let enabled = r.list(&[&name("enabledProtocols")]).filter(|list| !list.is_empty());
        Ok(Self {
            key_store: TlsStore::read(r, &name("keyStore"))?,
            trust_store: TlsStore::read(r, &name("trustStore"))?,
            enabled_protocols: enabled.unwrap_or_else(|| vec![protocol.clone()]),
            protocol,
            cipher_suites: r.list(&[&name("ciphersuites")]).unwrap_or_default(),
            hostname_verification: r.flag(&[&name("hostnameVerification")], true),
            client_hostname_verification: r.flag(&[&name("clientHostnameVerification")], between_servers),
            allow_reverse_dns_lookup: r.flag(&[&name("allowReverseDnsLookup")], between_servers),
            crl: r.flag(&[&name("crl")], false),
            ocsp: r.flag(&[&name("ocsp")], false),
            client_auth: client_auth(r, &name("clientAuth"))?,
            handshake_detection_timeout: detection_timeout(r, &name("handshakeDetectionTimeoutMillis"))?,
        })
    }
}

fn client_auth(r: &mut Reader<'_>, name: &str) -> Result<ClientAuth, ConfigError> {
    let value = r.text_filled(&[name]).unwrap_or_else(|| "need".to_owned());
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(ClientAuth::None),
        "want" => Ok(ClientAuth::Want),
        "need" => Ok(ClientAuth::Need),
        _ => Err(r.wrong(&[name], Problem::NotRecognised { value }, "none, want or need")),
    }
}

fn detection_timeout(r: &mut Reader<'_>, name: &str) -> Result<Duration, ConfigError> {
    const DEFAULT: Duration = Duration::from_millis(5000);
    match r.long(&[name])? {
        None => Ok(DEFAULT),
        Some(number) => match u64::try_from(number) {
            Ok(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
            _ => {
                r.notice(Level::Warn, format!("{name} should be above 0 and is {number}; it is 5000"));
                Ok(DEFAULT)
            }
        },
    }
}

impl TlsStore {
    fn read(r: &mut Reader<'_>, store: &str) -> Result<Option<Self>, ConfigError> {
        let location_name = format!("{store}.location");
        let type_name = format!("{store}.type");
        let password = r.text(&[&format!("{store}.password")]).unwrap_or_default();
        let password_path = r.text_filled(&[&format!("{store}.passwordPath")]);
        let kind = r.text_filled(&[&type_name]);
        let Some(location) = r.text_filled(&[&location_name]) else { return Ok(None) };
        let kind = match kind {
            Some(kind) => TlsStoreKind::of_word(&kind)
                .map_err(|problem| r.wrong(&[&type_name], problem, "JKS, PEM or PKCS12"))?,
            None => TlsStoreKind::of_file(&location).map_err(|problem| {
                r.wrong(
                    &[&location_name],
                    problem,
                    "a name ending in .jks, .pem or .p12, or a type beside it",
                )
            })?,
        };
        Ok(Some(Self {
            location: location.into(),
            kind,
            password: Secret(password),
            password_path: password_path.map(PathBuf::from),
        }))
    }
}

impl TlsStoreKind {
    fn of_word(word: &str) -> Result<Self, Problem> {
        match word.to_ascii_uppercase().as_str() {
            "JKS" => Ok(Self::Jks),
            "PEM" => Ok(Self::Pem),
            "PKCS12" => Ok(Self::Pkcs12),
            "BCFKS" => Err(Problem::BcfksNotSupported),
            _ => Err(Problem::NotRecognised { value: word.to_owned() }),
        }
    }

    fn of_file(file: &str) -> Result<Self, Problem> {
        match file.rsplit_once('.').map(|(_, extension)| extension) {
            Some("jks") => Ok(Self::Jks),
            Some("pem") => Ok(Self::Pem),
            Some("p12") => Ok(Self::Pkcs12),
            Some("bcfks") => Err(Problem::BcfksNotSupported),
            _ => Err(Problem::StoreTypeUnknown { file: file.to_owned() }),
        }
    }
}
