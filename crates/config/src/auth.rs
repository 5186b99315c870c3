//! Who a client may claim to be.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A password or the like: compared and used, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A class named by `authProvider.<n>`, as far as it means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthProvider {
    /// `SASLAuthenticationProvider`, scheme `sasl`.
    Sasl,
    /// `DigestAuthenticationProvider`, scheme `digest`; there without being named.
    Digest,
    /// `IPAuthenticationProvider`, scheme `ip`; there without being named.
    Ip,
    /// `X509AuthenticationProvider`, scheme `x509`.
    X509,
    /// `EnsembleAuthenticationProvider`, scheme `ensemble`.
    Ensemble,
    /// `KeyAuthenticationProvider`, scheme `key`: the sample.
    Key,
}

impl AuthProvider {
    fn of_class(class: &str) -> Option<Self> {
        Some(match class.strip_prefix("org.apache.zookeeper.server.auth.")? {
            "SASLAuthenticationProvider" => Self::Sasl,
            "DigestAuthenticationProvider" => Self::Digest,
            "IPAuthenticationProvider" => Self::Ip,
            "X509AuthenticationProvider" => Self::X509,
            "EnsembleAuthenticationProvider" => Self::Ensemble,
            "KeyAuthenticationProvider" => Self::Key,
            _ => return None,
        })
    }

    /// The word before the colon of an id.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Sasl => "sasl",
            Self::Digest => "digest",
            Self::Ip => "ip",
            Self::X509 => "x509",
            Self::Ensemble => "ensemble",
            Self::Key => "key",
        }
    }
}

/// Authentication of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// What is available: `digest` (unless disabled), `ip`, and what `authProvider.…` adds; sorted.
    pub providers: Vec<AuthProvider>,
    /// `DigestAuthenticationProvider.superDigest`: `super:<base64 of the digest>`.
    pub super_digest: Option<Secret>,
    /// `DigestAuthenticationProvider.digestAlg`: how passwords of scheme `digest` are hashed, SHA1.
    pub digest_algorithm: DigestAlgorithm,
    /// `IPAuthenticationProvider.usexforwardedfor`: the admin server believes that header, false.
    pub ip_use_x_forwarded_for: bool,
    /// `X509AuthenticationProvider.superUser`: the subject that may do anything.
    pub x509_super_user: Option<String>,
    /// `superUser` and `superUser.…`: SASL ids that may do anything.
    pub super_users: Vec<String>,
    /// `ensembleAuthName`: the names that clients may expect of this ensemble.
    pub ensemble_names: Vec<String>,
    /// `enforce.auth.schemes`, when `enforce.auth.enabled`: a session must authenticate with one of them.
    pub enforced_schemes: Vec<String>,
    /// `sessionRequireClientSASLAuth`: the same for `sasl` alone, false.
    pub session_require_client_sasl: bool,
    /// `allowSaslFailedClients`: keep a connection whose SASL exchange failed, false.
    pub allow_sasl_failed_clients: bool,
    /// `letAnySaslUserDoX`: the id that stands for any SASL user.
    pub let_any_sasl_user_do_x: Option<String>,
    /// `SASLAuthenticationProvider.superPassword`: of DIGEST-MD5's user `super`.
    pub sasl_super_password: Option<Secret>,
    /// `sasl.serverconfig`: the section of the JAAS file for clients, `Server`.
    pub sasl_server_section: String,
    /// `-Djava.security.auth.login.config`: the JAAS file.
    pub jaas_file: Option<PathBuf>,
    /// `kerberos.removeHostFromPrincipal`, false.
    pub kerberos_remove_host: bool,
    /// `kerberos.removeRealmFromPrincipal`, false.
    pub kerberos_remove_realm: bool,
    /// `kerberos.canonicalizeHostNames`, false.
    pub kerberos_canonicalize_host_names: bool,
    /// `kerberos.minReLoginTimeMs`, 60 s.
    pub kerberos_min_relogin_time: Duration,
    /// `security.auth_to_local`: rules from principal to short name, `DEFAULT`.
    pub auth_to_local: String,
}

/// Hash functions for the passwords of scheme `digest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the algorithm's name")]
pub enum DigestAlgorithm {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

impl Auth {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let providers = providers(r);
        let session_require_client_sasl = r.flag(&["zookeeper.sessionRequireClientSASLAuth"], false);
        let enforced_schemes = enforced_schemes(r, &providers, session_require_client_sasl)?;
        let superdigest = "zookeeper.DigestAuthenticationProvider.superDigest";
        let jaas = ["java.security.auth.login.config", "java.security.login.auth.config"];
        Ok(Self {
            providers,
            super_digest: r.text_filled(&[superdigest]).map(Secret),
            digest_algorithm: digest_algorithm(r)?,
            ip_use_x_forwarded_for: r.flag(&["zookeeper.IPAuthenticationProvider.usexforwardedfor"], false),
            x509_super_user: r.text_filled(&["zookeeper.X509AuthenticationProvider.superUser"]),
            super_users: super_users(r),
            ensemble_names: r.list(&["zookeeper.ensembleAuthName"]).unwrap_or_default(),
            enforced_schemes,
            session_require_client_sasl,
            allow_sasl_failed_clients: r.flag(&["zookeeper.allowSaslFailedClients"], false),
            let_any_sasl_user_do_x: r.text_filled(&["zookeeper.letAnySaslUserDoX"]),
            sasl_super_password: r
                .text_filled(&["zookeeper.SASLAuthenticationProvider.superPassword"])
                .map(Secret),
            sasl_server_section: r
                .text_filled(&["zookeeper.sasl.serverconfig"])
                .unwrap_or_else(|| "Server".to_owned()),
            jaas_file: r.text_filled(&jaas).map(PathBuf::from),
            kerberos_remove_host: r.flag(&["zookeeper.kerberos.removeHostFromPrincipal"], false),
            kerberos_remove_realm: r.flag(&["zookeeper.kerberos.removeRealmFromPrincipal"], false),
            kerberos_canonicalize_host_names: r.flag(&["zookeeper.kerberos.canonicalizeHostNames"], false),
            kerberos_min_relogin_time: r.millis(&["zookeeper.kerberos.minReLoginTimeMs"], 60_000)?,
            auth_to_local: r
                .text_filled(&["zookeeper.security.auth_to_local"])
                .unwrap_or_else(|| "DEFAULT".to_owned()),
        })
    }
}

fn providers(r: &mut Reader<'_>) -> Vec<AuthProvider> {
    let mut providers = vec![AuthProvider::Ip];
    if r.flag(&["zookeeper.DigestAuthenticationProvider.enabled"], true) {
        providers.push(AuthProvider::Digest);
    }
    for setting in r.settings().properties() {
        if !setting.name.starts_with("zookeeper.authProvider.") {
            continue;
        }
        r.ask(&setting.name);
        match AuthProvider::of_class(&setting.value) {
            Some(provider) => providers.push(provider),
            None => r.notice_at(Level::Warn, setting, format!("Problems loading {}", setting.value)),
        }
    }
    providers.sort_unstable();
    providers.dedup();
    providers
}

fn super_users(r: &mut Reader<'_>) -> Vec<String> {
    let mut users = Vec::new();
    for setting in r.settings().properties() {
        if setting.name.starts_with("zookeeper.superUser") {
            r.ask(&setting.name);
            users.push(setting.value.clone());
        }
    }
    users
}

fn enforced_schemes(
    r: &mut Reader<'_>,
    providers: &[AuthProvider],
    sasl_required: bool,
) -> Result<Vec<String>, ConfigError> {
    let enabled = r.flag(&["zookeeper.enforce.auth.enabled"], false);
    let names = &["zookeeper.enforce.auth.schemes"];
    let listed = r.list(names).unwrap_or_default();
    if sasl_required {
        return available("sasl", providers).map(|()| vec!["sasl".to_owned()]).map_err(|problem| {
            r.wrong(
                &["zookeeper.sessionRequireClientSASLAuth"],
                problem,
                "authProvider.<n> with org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
            )
        });
    }
    if !enabled {
        return Ok(Vec::new());
    }
    if listed.is_empty() {
        return Err(r.wrong(
            &["zookeeper.enforce.auth.enabled"],
            Problem::EnforceAuthWithoutSchemes,
            "a list of schemes in enforce.auth.schemes",
        ));
    }
    for scheme in &listed {
        if let Err(problem) = available(scheme, providers) {
            return Err(r.wrong(names, problem, "schemes of configured authentication providers"));
        }
    }
    Ok(listed)
}

fn available(scheme: &str, providers: &[AuthProvider]) -> Result<(), Problem> {
    if providers.iter().any(|provider| provider.scheme() == scheme) {
        Ok(())
    } else {
        Err(Problem::AuthSchemeNotAvailable { scheme: scheme.to_owned() })
    }
}

fn digest_algorithm(r: &mut Reader<'_>) -> Result<DigestAlgorithm, ConfigError> {
    let names = &["zookeeper.DigestAuthenticationProvider.digestAlg"];
    let Some(value) = r.text_filled(names) else { return Ok(DigestAlgorithm::Sha1) };
    Ok(match value.to_ascii_uppercase().as_str() {
        "SHA1" | "SHA-1" | "SHA" => DigestAlgorithm::Sha1,
        "SHA-224" | "SHA224" => DigestAlgorithm::Sha224,
        "SHA-256" | "SHA256" => DigestAlgorithm::Sha256,
        "SHA-384" | "SHA384" => DigestAlgorithm::Sha384,
        "SHA-512" | "SHA512" => DigestAlgorithm::Sha512,
        "SHA3-224" => DigestAlgorithm::Sha3_224,
        "SHA3-256" => DigestAlgorithm::Sha3_256,
        "SHA3-384" => DigestAlgorithm::Sha3_384,
        "SHA3-512" => DigestAlgorithm::Sha3_512,
        _ => {
            let problem = Problem::NotRecognised { value };
            return Err(r.wrong(names, problem, "SHA1, SHA-224, SHA-256, SHA-384, SHA-512 or SHA3-…"));
        }
    })
}
