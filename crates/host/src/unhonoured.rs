//! What a configuration asks for and this release does not do: named at the start, never silently dropped.

use zoorum_config::{AuthProvider, MetricsProvider, ServerConfig};

/// One line for each feature that `config` asks for in vain.
pub fn unhonoured(config: &ServerConfig) -> Vec<String> {
    let default = ServerConfig::default();
    let has = |provider| config.auth.providers.contains(&provider);
    let features = [
        (has(AuthProvider::Sasl), "authProvider SASLAuthenticationProvider: clients get no sasl id"),
        (
            has(AuthProvider::X509),
            "authProvider X509AuthenticationProvider: there is no TLS to prove an id by",
        ),
        (has(AuthProvider::Key), "authProvider KeyAuthenticationProvider: clients get no key id"),
        (
            matches!(config.metrics.provider, MetricsProvider::Prometheus { .. }),
            "metricsProvider PrometheusMetricsProvider: the metrics are in mntr",
        ),
        (config.admin != default.admin, "admin.*: there is no admin server; use four-letter words"),
        (
            config.network.throttle != default.network.throttle,
            "connection_throttle_*: no connection is dropped",
        ),
        (config.requests.throttle_max_requests.is_some(), "request_throttle_max_requests"),
        (config.requests.throttled_op_wait_time.is_some(), "throttled_op_wait_time"),
        (config.requests.large_request_threshold.is_some(), "largeRequestThreshold"),
        (config.requests.stale_latency_check, "request_stale_latency_check"),
        (config.containers.emulate_353_ttl_nodes, "emulate353TTLNodes"),
    ];
    let asked = features.into_iter().filter(|(asked, _)| *asked);
    asked.map(|(_, what)| format!("not supported yet: {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_configuration_is_honoured_in_full() {
        assert_eq!(unhonoured(&ServerConfig::built_in("data")), [""; 0]);
    }

    #[test]
    fn what_is_asked_for_in_vain_is_named() {
        let mut config = ServerConfig::built_in("data");
        config.requests.throttle_max_requests = Some(5);
        config.network.throttle.tokens = Some(10);
        let named = unhonoured(&config);
        assert_eq!(named.len(), 2);
        assert!(named[0].contains("connection_throttle_"), "{named:?}");
        assert!(named[1].contains("request_throttle_max_requests"), "{named:?}");
    }
}
