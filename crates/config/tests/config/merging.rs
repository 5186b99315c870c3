//! Which of several settings of one name counts, and under which names a setting may be given.

use crate::common::{Files, files, quorum, standalone, start};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zoorum_config::{AuthProvider, Level, Loaded, MetricsProvider, Mode, ServerConfig, SnapshotCompression};
use zoorum_proto::ServerId;
use zoorum_proto::quorum::{ConfigVersion, HostPort, Role};

fn runs(lines: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Loaded {
    let mut all = arguments.to_vec();
    all.push("./zoo.cfg");
    start(&files(&standalone(lines), None), &all, environment).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_file_beats_arguments_which_beat_jvmflags_which_beat_server_jvmflags() {
    let server = ("SERVER_JVMFLAGS", "-Xmx1g -Dzookeeper.snapCount=10");
    let jvm = ("JVMFLAGS", "-Dzookeeper.snapCount=20 -Dzookeeper.snapCount=21");
    let argument = "-Dzookeeper.snapCount=30";
    let snap_count = |lines, arguments: &[&str], environment: &[(&str, &str)]| {
        runs(lines, arguments, environment).config.storage.snap_count
    };
    assert_eq!(snap_count("", &[], &[]), 100_000);
    assert_eq!(snap_count("", &[], &[server]), 10);
    assert_eq!(snap_count("", &[], &[server, jvm]), 21);
    assert_eq!(snap_count("", &[argument], &[server, jvm]), 30);
    assert_eq!(snap_count("snapCount=40", &[argument], &[server, jvm]), 40);
}

#[test]
fn a_flag_does_not_reach_an_explicit_key() {
    let loaded = runs("", &["-Dzookeeper.tickTime=1", "-DtickTime=1"], &[]);
    assert_eq!(loaded.config.sessions.tick_time, Duration::from_secs(3));
    let text = "unknown configuration key 'zookeeper.tickTime' (ignored)";
    assert!(loaded.notices.iter().any(|notice| notice.text == text));
}

#[test]
fn every_documented_spelling_works_and_the_effective_one_wins() {
    type Look = fn(&ServerConfig) -> u128;
    let rows: [(&str, &str, Look); 23] = [
        ("connectionMaxTokens", "connection_throttle_tokens", |c| {
            c.network.throttle.tokens.unwrap_or(0).into()
        }),
        ("connectionTokenFillTime", "connection_throttle_fill_time", |c| {
            c.network.throttle.fill_time.as_millis()
        }),
        ("connectionTokenFillCount", "connection_throttle_fill_count", |c| {
            c.network.throttle.fill_count.into()
        }),
        ("connectionFreezeTime", "connection_throttle_freeze_time", |c| {
            c.network.throttle.freeze_time.unwrap_or_default().as_millis()
        }),
        ("requestThrottleLimit", "request_throttle_max_requests", |c| {
            c.requests.throttle_max_requests.unwrap_or(0).into()
        }),
        ("requestThrottleStallTime", "request_throttle_stall_time", |c| {
            c.requests.throttle_stall_time.as_millis()
        }),
        ("throttledOpWaitTime", "throttled_op_wait_time", |c| {
            c.requests.throttled_op_wait_time.unwrap_or_default().as_millis()
        }),
        ("maxConcurrentSnapSyncs", "leader.maxConcurrentSnapSyncs", |c| {
            c.quorum.max_concurrent_snap_syncs.into()
        }),
        ("maxConcurrentDiffSyncs", "leader.maxConcurrentDiffSyncs", |c| {
            c.quorum.max_concurrent_diff_syncs.into()
        }),
        ("maxTimeToWaitForEpoch", "leader.maxTimeToWaitForEpoch", |c| {
            c.quorum.max_time_to_wait_for_epoch.unwrap_or_default().as_millis()
        }),
        ("outstandingHandshake.limit", "netty.server.outstandingHandshake.limit", |c| {
            c.network.outstanding_handshake_limit.unwrap_or(0).into()
        }),
        ("jute.maxbuffer", "-Djute.maxbuffer", |c| c.network.jute_max_buffer.into()),
        ("znode.container.checkIntervalMs", "-Dznode.container.checkIntervalMs", |c| {
            c.containers.check_interval.as_millis()
        }),
        ("znode.container.maxPerMinute", "-Dznode.container.maxPerMinute", |c| {
            c.containers.max_per_minute.into()
        }),
        ("znode.container.maxNeverUsedIntervalMs", "-Dznode.container.maxNeverUsedIntervalMs", |c| {
            c.containers.max_never_used_interval.unwrap_or_default().as_millis()
        }),
        ("fsync.warningthresholdms", "-Dfsync.warningthresholdms", |c| {
            c.storage.fsync_warning_threshold.as_millis()
        }),
        ("-Dzookeeper.operation.warningthresholdms", "operation.warningthresholdms", |c| {
            c.requests.operation_warning_threshold.unwrap_or_default().as_millis()
        }),
        ("-Dzookeeper.connectToLearnerMasterLimit", "connectToLearnerMasterLimit", |c| {
            c.quorum.connect_to_learner_master_limit.unwrap_or(0).into()
        }),
        ("snapCount", "snapCount", |c| c.storage.snap_count.into()),
        ("cnxTimeout", "cnxTimeout", |c| c.quorum.cnx_timeout.as_millis()),
        ("nio.sessionlessCnxnTimeout", "nio.sessionlessCnxnTimeout", |c| {
            c.network.sessionless_cnxn_timeout.as_millis()
        }),
        ("jute.maxbuffer.extrasize", "-Dzookeeper.jute.maxbuffer.extrasize", |c| {
            c.network.jute_max_buffer_extra.into()
        }),
        ("flushDelay", "flushDelay", |c| c.storage.flush_delay.as_millis()),
    ];
    for (documented, effective, look) in rows {
        let set = |spellings: &[(&str, u32)]| {
            let (mut lines, mut arguments) = (String::new(), Vec::new());
            for (name, value) in spellings {
                let setting = format!("{name}={value}");
                if name.starts_with("-D") {
                    arguments.push(setting)
                } else {
                    lines += &format!("{setting}\n")
                }
            }
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            look(&runs(&lines, &arguments, &[]).config)
        };
        assert_eq!(set(&[(documented, 7001)]), 7001, "{documented}");
        assert_eq!(set(&[(effective, 7002)]), 7002, "{effective}");
        if documented != effective && !effective.ends_with("extrasize") {
            assert_eq!(set(&[(documented, 7001), (effective, 7002)]), 7002, "{effective} wins");
        }
    }
}

#[test]
fn switches_work_in_every_spelling() {
    type Look = fn(&ServerConfig) -> bool;
    let rows: [(&str, &[&str], bool, Look); 10] = [
        ("readonlymode.enabled=true", &[], true, |c| c.four_letter_words.allows("isro")),
        ("", &["-Dreadonlymode.enabled=true"], true, |c| c.requests.read_only_mode),
        ("leader.nodelay=false", &[], false, |c| c.quorum.leader_no_delay),
        ("requestThrottleDropStale=false", &[], false, |c| c.requests.throttle_drop_stale),
        ("requestStaleLatencyCheck=TRUE", &[], true, |c| c.requests.stale_latency_check),
        ("multiAddress.enabled=true", &[], true, |c| c.quorum.multi_address.enabled),
        ("", &["-Dzookeeper.multiAddress.enabled=true"], true, |c| c.quorum.multi_address.enabled),
        ("syncEnabled=true", &["-Dzookeeper.observer.syncEnabled=false"], false, |c| c.quorum.sync_enabled),
        ("forceSync=no", &[], false, |c| c.storage.force_sync),
        ("forceSync=NO", &[], true, |c| c.storage.force_sync),
    ];
    for (lines, arguments, expected, look) in rows {
        assert_eq!(look(&runs(lines, arguments, &[]).config), expected, "{lines} {arguments:?}");
    }
}

#[test]
fn the_defaults_are_zookeepers() {
    let loaded = runs("", &[], &[]);
    let config = loaded.config;
    assert_eq!(config.network.max_client_cnxns, Some(60));
    assert_eq!(config.sessions.min_session_timeout, Duration::from_secs(6));
    assert_eq!(config.sessions.max_session_timeout, Duration::from_secs(60));
    assert_eq!(config.storage.data_log_dir, Path::new("/data"));
    assert_eq!(config.storage.pre_alloc_size, 64 << 20);
    assert_eq!(config.storage.snap_size_limit, Some(4 << 30));
    assert_eq!(config.network.jute_max_buffer, 1_048_575);
    assert_eq!(config.auth.providers, [AuthProvider::Digest, AuthProvider::Ip]);
    assert_eq!(config.metrics.provider, MetricsProvider::Default);
    assert!(config.four_letter_words.allows("srvr") && !config.four_letter_words.allows("ruok"));
    assert_eq!(config.admin.server_port, 8080);
    let mut same = ServerConfig::built_in("/data");
    same.admin.enable_server = true;
    assert_eq!(same, config, "a minimal file adds nothing but the admin server");
    same.network.client_address = None;
    same.storage.data_dir = "./zoorum-data".into();
    same.storage.data_log_dir = "./zoorum-data".into();
    assert_eq!(same, ServerConfig::default());
}

#[test]
fn no_arguments_start_the_built_in_configuration_with_its_flags() {
    let loaded = start(&Files::new(), &["-Dzookeeper.snapCount=7"], &[]).expect("valid");
    let mut expected = ServerConfig::built_in("./zoorum-data");
    expected.storage.snap_count = 7;
    assert_eq!(loaded.config, expected);
}

#[test]
fn the_positional_form_takes_two_to_four_words() {
    let loaded = start(&Files::new(), &["2182", "/data", "500", "0"], &[]).expect("valid");
    let any_host = HostPort { host: "0.0.0.0".to_owned(), port: 2182 };
    assert_eq!(loaded.config.network.client_address, Some(any_host));
    assert_eq!(loaded.config.storage.data_dir, Path::new("/data"));
    assert_eq!(loaded.config.sessions.tick_time, Duration::from_millis(500));
    assert_eq!(loaded.config.network.max_client_cnxns, None);
    for words in [&["x", "/data"][..], &["1", "/data", "2", "3", "4"]] {
        let error = start(&Files::new(), words, &[]).expect_err("wrong arguments");
        let usage = "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]";
        assert_eq!((error.exit_code(), error.stderr_line()), (2, Some(usage)), "{words:?}");
    }
}

#[test]
fn the_whitelist_is_trimmed_and_a_star_opens_it() {
    let only = runs("4lw.commands.whitelist=stat, ruok,,conf", &[], &[]).config.four_letter_words;
    let open: Vec<_> =
        ["srvr", "stat", "ruok", "conf"].into_iter().filter(|word| only.allows(word)).collect();
    assert_eq!(open, ["srvr", "stat", "ruok", "conf"]);
    assert!(!only.allows("mntr"));
    let all = runs("4lw.commands.whitelist=stat, *", &[], &[]).config.four_letter_words;
    assert!(all.allows("mntr"));
}

#[test]
fn a_server_line_gives_a_lone_server_its_client_port() {
    let zoo_cfg = "dataDir=/data\nserver.1=localhost:2888:3888;2181\n";
    let config = start(&files(zoo_cfg, Some("1")), &["./zoo.cfg"], &[]).expect("valid").config;
    assert_eq!(config.mode(), Mode::Standalone);
    assert_eq!(config.network.client_address.map(|address| address.port), Some(2181));
    assert_eq!(config.server_id, Some(ServerId(1)));
}

#[test]
fn members_print_in_the_canonical_form() {
    let lines = "multiAddress.enabled=true\n\
                 server.1 = a:1:2\n\
                 server.2=b:3:4:PARTICIPANT;2181\n\
                 server.3=[::1]:5:6:observer;[::1]:2182\n\
                 server.4=c:1:2:observer|d:3:4:observer\n\
                 clientPort=2181";
    let files = files(&quorum(lines), Some("3"));
    let error = start(&files, &["./zoo.cfg"], &[]).expect_err("2181 is not 2182");
    assert!(error.to_string().contains("is different from client address"));
    let files = crate::common::files(&quorum(lines), Some("2"));
    let config = start(&files, &["./zoo.cfg"], &[]).expect("valid").config;
    let membership = config.membership.as_ref().expect("named servers");
    let printed: Vec<_> = membership.members.values().map(ToString::to_string).collect();
    let expected = [
        "a:1:2:participant",
        "b:3:4:participant;0.0.0.0:2181",
        "[::1]:5:6:observer;[::1]:2182",
        "c:1:2|d:3:4:observer",
    ];
    assert_eq!(printed, expected);
    assert_eq!(config.role(), Role::Participant);
}

#[test]
fn the_dynamic_file_says_who_and_its_name_which_version() {
    let zoo_cfg = standalone("initLimit=5\nsyncLimit=2\ndynamicConfigFile=/conf/zoo.cfg.dynamic.10000000a");
    let mut files = files(&zoo_cfg, Some("2"));
    let dynamic = "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nweight.1=3";
    files.insert(PathBuf::from("/conf/zoo.cfg.dynamic.10000000a"), dynamic.into());
    let config = start(&files, &["./zoo.cfg"], &[]).expect("valid").config;
    let membership = config.membership.as_ref().expect("named servers");
    assert_eq!(membership.version, ConfigVersion(0x1_0000_000a));
    let hierarchy = membership.hierarchy.as_ref().expect("a group");
    assert_eq!(hierarchy.group_of.len(), 2);
    assert_eq!(hierarchy.weight_of[&ServerId(1)], 3);
    assert_eq!(config.mode(), Mode::Distributed);
}

#[test]
fn real_world_files_start_unedited_and_without_unknown_keys() {
    let files_of_the_world = [
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=/tmp/zookeeper\nclientPort=2181",
        "dataDir=/data\ndataLogDir=/datalog\ntickTime=2000\ninitLimit=5\nsyncLimit=2\n\
         autopurge.snapRetainCount=3\nautopurge.purgeInterval=0\nmaxClientCnxns=60\nstandaloneEnabled=true\n\
         admin.enableServer=true\nserver.1=localhost:2888:3888;2181",
        "4lw.commands.whitelist=cons, envi, conf, crst, srvr, stat, mntr, ruok\ndataDir=/data\n\
         reconfigEnabled=true\nskipACL=yes\n\
         metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n\
         metricsProvider.httpPort=7000\nmetricsProvider.exportJvmInfo=true\ninitLimit=10\nsyncLimit=2\n\
         tickTime=2000\nglobalOutstandingLimit=1000\npreAllocSize=65536\nsnapCount=10000\ncommitLogCount=500\n\
         snapSizeLimitInKb=4194304\nmaxCnxns=0\nmaxClientCnxns=60\nminSessionTimeout=4000\n\
         maxSessionTimeout=40000\nautopurge.snapRetainCount=3\nautopurge.purgeInterval=1\n\
         quorumListenOnAllIPs=false\nadmin.serverPort=8080",
        "admin.serverPort=8080\nsecureClientPort=2282\nclient.portUnification=true\n\
         serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\nsslQuorum=true\n\
         dataDir=/stackable/data\ninitLimit=5\nsyncLimit=2\ntickTime=3000\n\
         ssl.keyStore.location=/stackable/server_tls/keystore.p12\nssl.keyStore.password=x\n\
         ssl.trustStore.location=/stackable/server_tls/truststore.p12\nssl.trustStore.password=x\n\
         ssl.hostnameVerification=true\nssl.quorum.hostnameVerification=true\nssl.clientAuth=none\n\
         ssl.quorum.clientAuth=need\nssl.quorum.keyStore.location=/q.p12\nssl.quorum.trustStore.location=/t.p12",
    ];
    for zoo_cfg in files_of_the_world {
        let loaded =
            start(&files(zoo_cfg, None), &["./zoo.cfg"], &[]).unwrap_or_else(|e| panic!("{e}\n{zoo_cfg}"));
        let unknown = loaded.notices.iter().find(|notice| notice.text.starts_with("unknown"));
        assert_eq!(unknown, None, "{zoo_cfg}");
    }
}

#[test]
fn values_of_a_kind_read_as_written() {
    let config = runs(
        "snapshot.compression.method=gz\nmaxClientCnxns=0\nsnapSizeLimitInKb=0\npreAllocSize=-1\n\
         flushDelay=30\nautopurge.purgeInterval=12\nlog.maxfilesize=10MB\nsnapCount=0x10\n\
         authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\nsuperUser=a\nsuperUser.b=c",
        &["-Dzookeeper.log.dir=/var/log/zk"],
        &[],
    )
    .config;
    assert_eq!(config.storage.snapshot_compression, SnapshotCompression::Gzip);
    assert_eq!(config.network.max_client_cnxns, None);
    assert_eq!(config.storage.snap_size_limit, None);
    assert_eq!(config.storage.pre_alloc_size, 0);
    assert_eq!(config.storage.max_write_queue_poll_time, Duration::from_millis(10));
    assert_eq!(config.purge.interval, Some(Duration::from_secs(12 * 3600)));
    assert_eq!(config.log.max_file_size, 10 << 20);
    assert_eq!(config.log.dir, Path::new("/var/log/zk"));
    assert_eq!(config.storage.snap_count, 16);
    assert!(config.auth.providers.contains(&AuthProvider::Sasl));
    assert_eq!(config.auth.super_users, ["a", "c"]);
}

#[test]
fn the_sample_file_is_valid_and_says_nothing_odd() {
    let sample = include_str!("../../../../conf/zoo_sample.cfg");
    let loaded = start(&files(sample, None), &["./zoo.cfg"], &[]).expect("valid");
    let alone = "Either no config or no quorum defined in config, running in standalone mode";
    let odd = loaded.notices.iter().find(|notice| notice.level > Level::Info && notice.text != alone);
    assert_eq!(odd, None);
    assert_eq!(loaded.config.network.client_address.map(|address| address.port), Some(2181));
}
