//! Names that mean nothing here: the JVM's, what is not built yet, and the unknown.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use crate::settings::{Origin, Setting, is_membership};

/// Names, without `zookeeper.`, that tune Java's threads, pools and debug aids. A trailing `*` stands
/// for every name that begins so.
const IGNORED: [&str; 42] = [
    "admin.httpVersion",
    "advancedFlowControlEnabled",
    "audit.impl.class",
    "bitHashCacheSize",
    "client.secure",
    "clientCnxnSocket",
    "commitProcessor.*",
    "controllerPort",
    "disableAutoWatchReset",
    "fips-mode",
    "intBufferStartingSizeBytes",
    "jmx.log4j.*",
    "jvm.pause.*",
    "learner.asyncSending",
    "learner.closeSocketAsync",
    "leader.closeSocketAsync",
    "maxGetChildrenResponseCacheSize",
    "maxInProcessingDeadWatchers",
    "maxResponseCacheSize",
    "messageTracker.*",
    "netty.advancedFlowControl.enabled",
    "nio.directBufferBytes",
    "nio.numSelectorThreads",
    "nio.numWorkerThreads",
    "nio.shutdownTimeout",
    "quorum.cnxn.threads.size",
    "request.timeout",
    "requireClientAuthScheme",
    "sasl.client",
    "sasl.client.*",
    "sasl.clientconfig",
    "server.principal",
    "server.realm",
    "ssl.context.supplier.class",
    "ssl.quorum.context.supplier.class",
    "ssl.sslProvider",
    "test.allowDiscontinuousProposals",
    "testingonly.initialZxid",
    "version",
    "watcherCleanIntervalInSeconds",
    "watcherCleanThreadsNum",
    "watcherCleanThreshold",
];

/// Names that ask for something which would be missed.
const NOT_SUPPORTED: [&str; 1] = ["pathStats.*"];

/// Names that are read and checked, and say how to do what is not done.
const WITHOUT_EFFECT: [(&str, &[&str]); 2] = [
    (
        "there is no SASL",
        &[
            "SASLAuthenticationProvider.superPassword",
            "allowSaslFailedClients",
            "java.security.auth.login.config",
            "java.security.krb5.conf",
            "java.security.login.auth.config",
            "kerberos.*",
            "kinit",
            "letAnySaslUserDoX",
            "requireKerberosConfig",
            "sasl.serverconfig",
            "security.auth_to_local",
            "sun.security.krb5.debug",
            "superUser*",
        ],
    ),
    (
        "there is no TLS",
        &[
            "X509AuthenticationProvider.superUser",
            "client.certReload",
            "netty.server.earlyDropSecureConnectionHandshakes",
            "netty.server.outstandingHandshake.limit",
            "outstandingHandshake.limit",
            "secureClientPortAddress",
            "ssl.*",
            "sslQuorumReloadCertFiles",
        ],
    ),
];

/// Truth values and ports that ask for TLS.
const TLS_SWITCHES: [&str; 7] = [
    "secureClientPort",
    "sslQuorum",
    "portUnification",
    "zookeeper.client.portUnification",
    "zookeeper.admin.portUnification",
    "zookeeper.admin.forceHttps",
    "zookeeper.admin.needClientAuth",
];

/// Refuses what Java refuses although it only chooses between Java's own parts.
pub(crate) fn check_choices(r: &mut Reader<'_>) -> Result<(), ConfigError> {
    let selectors = &["zookeeper.nio.numSelectorThreads"];
    if r.int(selectors)?.is_some_and(|threads| threads < 1) {
        return Err(r.wrong(selectors, Problem::NoSelectorThreads, "1 or more"));
    }
    let manager = &["zookeeper.watchManagerName"];
    match r.text_filled(manager).as_deref() {
        None
        | Some("org.apache.zookeeper.server.watch.WatchManager")
        | Some("org.apache.zookeeper.server.watch.WatchManagerOptimized") => Ok(()),
        Some(class) => {
            const EXPECTED: &str = "org.apache.zookeeper.server.watch.WatchManager or …WatchManagerOptimized";
            Err(r.wrong(manager, Problem::UnknownClass { class: class.to_owned() }, EXPECTED))
        }
    }
}

/// Says once about each setting without effect why it has none.
pub(crate) fn notice_ineffective(r: &mut Reader<'_>) {
    for name in TLS_SWITCHES {
        let asked_for =
            |setting: &&Setting| setting.value != "0" && !setting.value.eq_ignore_ascii_case("false");
        if let Some(setting) = r.settings().get(name).filter(asked_for) {
            r.notice_at(Level::Warn, setting, format!("not supported yet: {}", setting.name_as_written()));
        }
    }
    for setting in r.settings().iter() {
        let key = setting.name_as_written();
        let name = setting.name.strip_prefix("zookeeper.").unwrap_or(&setting.name);
        if matches_any(&IGNORED, name) && !is_membership(&setting.name) {
            r.notice_at(Level::Info, setting, format!("ignored on this implementation: {key}"));
        } else if let Some((why, _)) = WITHOUT_EFFECT.iter().find(|(_, names)| matches_any(names, name)) {
            r.notice_at(Level::Warn, setting, format!("not supported yet: {key} ({why})"));
        } else if r.was_asked(&setting.name) || is_membership(&setting.name) {
            continue;
        } else if matches_any(&NOT_SUPPORTED, name) {
            r.notice_at(Level::Warn, setting, format!("not supported yet: {key}"));
        } else if matches!(setting.origin, Origin::File { .. }) || setting.name.starts_with("zookeeper.") {
            // Properties of the JVM's own, such as java.io.tmpdir, are nobody's mistake.
            r.notice_at(Level::Warn, setting, format!("unknown configuration key '{key}' (ignored)"));
        }
    }
}

/// All names here; a trailing `*` stands for every name that begins so.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let without_effect = WITHOUT_EFFECT.iter().flat_map(|(_, names)| names.iter().copied());
    IGNORED.into_iter().chain(NOT_SUPPORTED).chain(TLS_SWITCHES).chain(without_effect)
}

fn matches_any(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *pattern == name,
    })
}
