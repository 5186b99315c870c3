//! What a configuration asks for and this release does not do: named at the start, never silently dropped.

use zoorum_config::{AuthProvider, Mode, ServerConfig};

/// One line for each feature that `config` asks for in vain.
pub fn unhonoured(config: &ServerConfig) -> Vec<String> {
    let admin = &config.admin;
    let has = |provider| config.auth.providers.contains(&provider);
    let features = [
        (has(AuthProvider::Sasl), "authProvider SASLAuthenticationProvider: clients get no sasl id"),
        (
            has(AuthProvider::X509),
            "authProvider X509AuthenticationProvider: there is no TLS to prove an id by",
        ),
        (has(AuthProvider::Key), "authProvider KeyAuthenticationProvider: clients get no key id"),
        (
            admin.port_unification || admin.force_https || admin.need_client_auth,
            "admin.portUnification, forceHttps, needClientAuth: the admin server speaks HTTP without TLS",
        ),
    ];
    let of_member = if config.mode() == Mode::Distributed { of_member(config) } else { Vec::new() };
    let asked = features.into_iter().chain(of_member).filter(|(asked, _)| *asked);
    asked.map(|(_, what)| format!("not supported yet: {what}")).collect()
}

/// What only a member of an ensemble could do.
fn of_member(config: &ServerConfig) -> Vec<(bool, &'static str)> {
    let (quorum, sasl) = (&config.quorum, &config.quorum.sasl);
    vec![
        (
            quorum.reconfig_enabled,
            "reconfigEnabled: who is in the ensemble changes by configuration and restart",
        ),
        (quorum.oracle_path.is_some(), "oraclePath: one of two voters does not go on alone"),
        (sasl.enable, "quorum.auth.enableSasl: peers prove nothing; keep their ports from strangers"),
        (quorum.max_time_to_wait_for_epoch.is_some(), "leader.maxTimeToWaitForEpoch"),
    ]
}

#[cfg(test)]
mod tests {
    use zoorum_proto::quorum::QuorumConfig;

    use super::*;

    #[test]
    fn a_plain_configuration_is_honoured_in_full() {
        assert_eq!(unhonoured(&ServerConfig::built_in("data")), [""; 0]);
    }

    #[test]
    fn what_only_members_could_do_is_named_to_members() {
        let mut config = ServerConfig::built_in("data");
        config.quorum.oracle_path = Some("oracle".into());
        config.quorum.sasl.enable = true;
        assert_eq!(unhonoured(&config), [""; 0], "a server alone needs none of it");
        let text = "server.1=a:2888:3888\nserver.2=b:2888:3888\n";
        config.membership = Some(QuorumConfig::parse(text, false).expect("a configuration"));
        let named = unhonoured(&config);
        assert_eq!(named.len(), 2, "{named:?}");
        assert!(named[0].contains("oraclePath") && named[1].contains("quorum.auth"), "{named:?}");
    }

    #[test]
    fn what_is_asked_for_in_vain_is_named() {
        let mut config = ServerConfig::built_in("data");
        config.auth.providers.push(AuthProvider::Sasl);
        config.admin.force_https = true;
        let named = unhonoured(&config);
        assert_eq!(named.len(), 2);
        assert!(named[0].contains("SASLAuthenticationProvider"), "{named:?}");
        assert!(named[1].contains("forceHttps"), "{named:?}");
    }
}
