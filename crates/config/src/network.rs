//! Where clients connect, and how many of them may.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use std::time::Duration;
use zoorum_proto::quorum::HostPort;

/// The sockets on which clients are served.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// `clientPort` and `clientPortAddress`, or the client part of this server's own `server.N` line.
    /// `None`: no plaintext listener.
    pub client_address: Option<HostPort>,
    /// `secureClientPort` and `secureClientPortAddress`: the listener that speaks TLS.
    pub secure_client_address: Option<HostPort>,
    /// `clientPortListenBacklog`; `None` leaves it to the server.
    pub client_port_listen_backlog: Option<u32>,
    /// `maxClientCnxns`: connections from one IP address, 60; `None` is unlimited.
    pub max_client_cnxns: Option<u32>,
    /// `maxCnxns`: connections in all; `None`, the default, is unlimited.
    pub max_cnxns: Option<u32>,
    /// `clientTcpKeepAlive`: keepalive probes on client sockets, off.
    pub client_tcp_keep_alive: bool,
    /// `nio.sessionlessCnxnTimeout`: how long a connection may stay without a session, 10 s.
    pub sessionless_cnxn_timeout: Duration,
    /// `-Djute.maxbuffer`: the longest packet in bytes, 1,048,575.
    pub jute_max_buffer: u32,
    /// `-Dzookeeper.jute.maxbuffer.extrasize`: slack in bytes for records of files and peers.
    pub jute_max_buffer_extra: u32,
    /// `connection_throttle_…`: the token bucket that new connections draw from.
    pub throttle: ConnectionThrottle,
    /// `netty.server.outstandingHandshake.limit`: TLS handshakes at a time; `None` is unlimited.
    pub outstanding_handshake_limit: Option<u32>,
    /// `netty.server.earlyDropSecureConnectionHandshakes`: refuse TLS while nothing is served, off.
    pub early_drop_secure_handshakes: bool,
}

impl Network {
    /// The longest record in bytes that is taken from another server, as ZooKeeper bounds it.
    pub fn record_limit(&self) -> usize {
        self.jute_max_buffer as usize + self.jute_max_buffer_extra as usize
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let client_address = listener(r, "clientPort", "clientPortAddress")?;
        let secure_client_address = listener(r, "secureClientPort", "secureClientPortAddress")?;
        let backlog = r.int(&["clientPortListenBacklog"])?.unwrap_or(-1);
        let max_client_cnxns = match r.int(&["maxClientCnxns"])? {
            None => Some(60),
            Some(number) => u32::try_from(number).ok().filter(|&number| number > 0),
        };
        // The bare names can only be flags; the others are what zoo.cfg makes of the same words.
        let jute_max_buffer = r.count(&["jute.maxbuffer", "zookeeper.jute.maxbuffer"], 0xf_ffff)?;
        let extra = r.count(&["zookeeper.jute.maxbuffer.extrasize"], jute_max_buffer)?;
        let outstanding =
            &["zookeeper.netty.server.outstandingHandshake.limit", "zookeeper.outstandingHandshake.limit"];
        check_factory(r)?;
        Ok(Self {
            client_address,
            secure_client_address,
            client_port_listen_backlog: u32::try_from(backlog).ok().filter(|&backlog| backlog > 0),
            max_client_cnxns,
            max_cnxns: r.limit(&["zookeeper.maxCnxns"])?,
            client_tcp_keep_alive: r.flag(&["zookeeper.clientTcpKeepAlive"], false),
            sessionless_cnxn_timeout: r.millis(&["zookeeper.nio.sessionlessCnxnTimeout"], 10_000)?,
            jute_max_buffer,
            jute_max_buffer_extra: extra.max(1024),
            throttle: ConnectionThrottle::read(r)?,
            outstanding_handshake_limit: r.limit(outstanding)?,
            early_drop_secure_handshakes: r
                .flag(&["zookeeper.netty.server.earlyDropSecureConnectionHandshakes"], false),
        })
    }
}

/// Reads a port and its optional address, which needs the port.
fn listener(
    r: &mut Reader<'_>,
    port_key: &'static str,
    key: &'static str,
) -> Result<Option<HostPort>, ConfigError> {
    let port = r.port(port_key)?;
    let host = r.setting(&[key]).filter(|setting| !setting.value.is_empty());
    match (port, host) {
        (Some(port), None) => Ok(Some(HostPort { host: HostPort::ANY_HOST.to_owned(), port })),
        (Some(port), Some(host)) => {
            let host = host.value.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok(Some(HostPort { host, port }))
        }
        (None, Some(host)) => Err(ConfigError::of(host, Problem::AddressWithoutPort { key, port_key })),
        (None, None) => {
            r.notice(Level::Info, format!("{port_key} is not set"));
            Ok(None)
        }
    }
}

/// There is one implementation; the names of Java's two are both accepted for it.
fn check_factory(r: &mut Reader<'_>) -> Result<(), ConfigError> {
    const EXPECTED: &str = "org.apache.zookeeper.server.NIOServerCnxnFactory or …NettyServerCnxnFactory";
    let names = &["zookeeper.serverCnxnFactory"];
    match r.text(names).as_deref() {
        None
        | Some("org.apache.zookeeper.server.NIOServerCnxnFactory")
        | Some("org.apache.zookeeper.server.NettyServerCnxnFactory") => Ok(()),
        Some(class) => Err(r.wrong(names, Problem::UnknownClass { class: class.to_owned() }, EXPECTED)),
    }
}

/// How new connections are slowed down: a bucket of tokens, and a dropper that grows with the load.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionThrottle {
    /// `connection_throttle_tokens`: the bucket's size; `None`, the default, is no throttle.
    pub tokens: Option<u32>,
    /// `connection_throttle_fill_time`: between two refills, 1 ms.
    pub fill_time: Duration,
    /// `connection_throttle_fill_count`: tokens a refill, 1.
    pub fill_count: u32,
    /// `connection_throttle_freeze_time`: how often the dropper adjusts itself; `None`, the default: never.
    pub freeze_time: Option<Duration>,
    /// `connection_throttle_drop_increase`: step up, 0.02, within 0..=1.
    pub drop_increase: f64,
    /// `connection_throttle_drop_decrease`: step down, 0.002, within 0..=1.
    pub drop_decrease: f64,
    /// `connection_throttle_decrease_ratio`: share of the bucket that must be full before it, 0.
    pub decrease_ratio: f64,
    /// `connection_throttle_weight_enabled`: sessions of different kinds cost different numbers of tokens.
    pub weight_enabled: bool,
    /// `connection_throttle_global_session_weight`, 3.
    pub global_session_weight: u32,
    /// `connection_throttle_local_session_weight`, 1.
    pub local_session_weight: u32,
    /// `connection_throttle_renew_session_weight`, 2.
    pub renew_session_weight: u32,
}

impl ConnectionThrottle {
    fn read(r: &mut Reader<'_>) -> Result<Self, ConfigError> {
        const EFFECTIVE: &str = "zookeeper.connection_throttle_";
        // Each is documented under a name that Java never reads.
        let mut ratio = |effective: &str, documented: &str, default| {
            let effective = format!("{EFFECTIVE}{effective}");
            let names = [effective.as_str(), documented];
            let ratio = r.real(&names, default)?;
            if (0.0..=1.0).contains(&ratio) {
                return Ok(ratio);
            }
            let value = r.text(&names).unwrap_or_default();
            Err(r.wrong(&names, Problem::NotRecognised { value }, "a number from 0 to 1"))
        };
        let drop_increase = ratio("drop_increase", "zookeeper.connectionDropIncrease", 0.02)?;
        let drop_decrease = ratio("drop_decrease", "zookeeper.connectionDropDecrease", 0.002)?;
        let decrease_ratio = ratio("decrease_ratio", "zookeeper.connectionDecreaseRatio", 0.0)?;
        let local_session_weight = weight(r, "local", 1)?;
        Ok(Self {
            tokens: r.limit(&["zookeeper.connection_throttle_tokens", "zookeeper.connectionMaxTokens"])?,
            fill_time: r.millis(
                &["zookeeper.connection_throttle_fill_time", "zookeeper.connectionTokenFillTime"],
                1,
            )?,
            fill_count: r.count(
                &["zookeeper.connection_throttle_fill_count", "zookeeper.connectionTokenFillCount"],
                1,
            )?,
            freeze_time: r.millis_or_off(&[
                "zookeeper.connection_throttle_freeze_time",
                "zookeeper.connectionFreezeTime",
            ])?,
            drop_increase,
            drop_decrease,
            decrease_ratio,
            weight_enabled: r.flag(&["zookeeper.connection_throttle_weight_enabled"], false),
            global_session_weight: weight_at_least(r, "global", 3, local_session_weight)?,
            local_session_weight,
            renew_session_weight: weight_at_least(r, "renew", 2, local_session_weight)?,
        })
    }
}

/// A weight above zero; what is not gives way to the default, as in Java.
fn weight(r: &mut Reader<'_>, kind: &str, default: u32) -> Result<u32, ConfigError> {
    let name = format!("zookeeper.connection_throttle_{kind}_session_weight");
    let Some(number) = r.int(&[&name])? else { return Ok(default) };
    match u32::try_from(number) {
        Ok(weight) if weight > 0 => Ok(weight),
        _ => {
            r.notice(
                Level::Warn,
                format!("Invalid {kind} session weight {number}. It should be larger than 0"),
            );
            Ok(default)
        }
    }
}

/// A weight that is no less than a local session's.
fn weight_at_least(r: &mut Reader<'_>, kind: &str, default: u32, local: u32) -> Result<u32, ConfigError> {
    let weight = weight(r, kind, default)?;
    if weight < local {
        let text = format!(
            "The {kind} session weight {weight} is less than the local session weight {local}. \
             Use the local session weight."
        );
        r.notice(Level::Warn, text);
    }
    Ok(weight.max(local))
}
