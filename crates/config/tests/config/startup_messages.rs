//! One-line edits of a valid file, and what ZooKeeper says about each.

use crate::common::{files, quorum, standalone, start};
use zoorum_config::{ConfigError, Level, Loaded, Mode};

const INVALID: Option<&str> = Some("Invalid config, exiting abnormally");
const USAGE: Option<&str> =
    Some("Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]");

fn refused(zoo_cfg: &str, myid: Option<&str>) -> ConfigError {
    match start(&files(zoo_cfg, myid), &["./zoo.cfg"], &[]) {
        Ok(_) => panic!("starts, and should not:\n{zoo_cfg}"),
        Err(error) => error,
    }
}

fn runs(zoo_cfg: &str, myid: Option<&str>) -> Loaded {
    start(&files(zoo_cfg, myid), &["./zoo.cfg"], &[]).unwrap_or_else(|error| panic!("{error}\n{zoo_cfg}"))
}

fn says(loaded: &Loaded, level: Level, text: &str) -> bool {
    loaded.notices.iter().any(|notice| notice.level == level && notice.text == text)
}

#[test]
fn a_wrong_standalone_file_is_refused_in_zookeepers_words() {
    let rows = [
        ("tickTime=0", "tickTime is not set"),
        ("tickTime=abc", "For input string: \"abc\""),
        ("tickTime=3000000000", "For input string: \"3000000000\""),
        ("standaloneEnabled=yes", "Invalid option yes for standaloneEnabled. Choose 'true' or 'false.'"),
        ("electionAlg=2", "Invalid electionAlg value. Only 3 is supported."),
        ("peerType=foo", "Unrecognised peertype: foo"),
        ("clientPort=0\nclientPortAddress=127.0.0.1", "clientPortAddress is set but clientPort is not set"),
        (
            "secureClientPortAddress=127.0.0.1",
            "secureClientPortAddress is set but secureClientPort is not set",
        ),
        (
            "minSessionTimeout=50000\nmaxSessionTimeout=40000",
            "minSessionTimeout must not be larger than maxSessionTimeout",
        ),
        ("minSessionTimeout=60001", "minSessionTimeout must not be larger than maxSessionTimeout"),
        ("metricsProvider.className=no.Such", "metrics provider class was not found"),
        (
            "server.1=a:1:2:observer\nserver.2=b:1:2:observer",
            "Observers w/o participants is an invalid configuration",
        ),
        ("server.1=a:1:2\nserver.2=b:1:2:observer", "Observers w/o quorum is an invalid configuration"),
        ("standaloneEnabled=false", "standaloneEnabled = false then number of participants should be >0"),
        (
            "quorum.auth.serverRequireSasl=true",
            "quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.serverRequireSasl",
        ),
        (
            "quorum.auth.learnerRequireSasl=true",
            "quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.learnerRequireSasl",
        ),
        (
            "quorum.auth.enableSasl=true\nquorum.auth.serverRequireSasl=true",
            "quorum.auth.learnerRequireSasl is disabled, so cannot enable quorum.auth.serverRequireSasl",
        ),
        ("clientPort=-1", "port out of range:-1"),
        ("clientPort=65536", "port out of range:65536"),
        ("globalOutstandingLimit=abc", "For input string: \"abc\""),
        ("snapCount=1k", "For input string: \"1k\""),
        ("ssl.keyStore.location=/k.bcfks", "key store type BCFKS is not supported"),
        ("ssl.keyStore.location=/k.xyz", "Unable to auto-detect store file type from file name: /k.xyz"),
        ("ssl.authProvider=foo", "No auth provider configured for the SSL authentication scheme 'foo'."),
        ("server.x=a:1:2", "For input string: \"x\""),
        ("a=\\u00", "Malformed \\uxxxx encoding."),
    ];
    for (lines, sentence) in rows {
        let error = refused(&standalone(lines), None);
        assert_eq!(error.problem.to_string(), sentence, "{lines}");
        assert_eq!((error.exit_code(), error.stderr_line()), (2, INVALID), "{lines}");
    }
}

#[test]
fn a_wrong_quorum_file_is_refused_in_zookeepers_words() {
    let form = "h:2888 does not have the form server_config or server_config;client_config where \
                server_config is the pipe separated list of host:port:port or host:port:port:type and \
                client_config is port or host:port";
    let rows = [
        ("initLimit=0", "initLimit is not set"),
        ("syncLimit=0", "syncLimit is not set"),
        ("server.1=h:2888", form),
        (
            "server.1=h:2888:2888",
            "Client and election port must be different! Please update the configuration file on server.1",
        ),
        ("server.1=h:x:3888", "Address unresolved: h:x"),
        ("server.1=h:99999:3888", "port out of range:99999"),
        ("server.1=[::1:1:2", "[::1:1:2 starts with '[' but has no matching ']'"),
        ("server.1=h:1:2:boss", "Unrecognised peertype: boss"),
        (
            "server.1=a:1:2|b:3:4",
            "Multiple address feature is disabled, but multiple addresses were specified for sid 1",
        ),
        (
            "multiAddress.enabled=true\nserver.1=a:1:2:participant|b:3:4:observer",
            "Multiple addresses should have similar roles: PARTICIPANT vs OBSERVER",
        ),
        ("group.1=1:2", "Server 3is not in a group"),
        ("group.1=1:2\ngroup.2=2:3", "Server 2is in multiple groups"),
        ("groupFoo=1", "For input string: \"groupFoo\""),
        (
            "dynamicConfigFile=/dynamic\nserver.2=b:1:2",
            "parameter: server.1 must be in a separate dynamic config file",
        ),
        (
            "server.1=a:2888:3888;2182",
            "client address for this server (id = 1) in static config file is 0.0.0.0:2181 is different \
             from client address found in dynamic file: 0.0.0.0:2182",
        ),
    ];
    for (lines, sentence) in rows {
        let error = refused(&quorum(lines), Some("1\n"));
        assert_eq!(error.problem.to_string(), sentence, "{lines}");
        assert_eq!((error.exit_code(), error.stderr_line()), (2, INVALID), "{lines}");
    }
}

#[test]
fn a_wrong_dynamic_file_is_refused() {
    let rows = [
        ("foo=1", "/dynamic:1: Unrecognised parameter: foo"),
        ("server.1=a:1:2\nversion=1", "/dynamic:2: dynamic file shouldn't have version inside"),
    ];
    for (dynamic, message) in rows {
        let mut files = files(&standalone("dynamicConfigFile=/dynamic"), None);
        files.insert("/dynamic".into(), dynamic.as_bytes().to_vec());
        let error = start(&files, &["./zoo.cfg"], &[]).expect_err(dynamic);
        assert_eq!(error.to_string(), message);
    }
    let error = refused(&standalone("dynamicConfigFile=/dynamic"), None);
    assert_eq!(error.to_string(), "/dynamic file is missing");
}

#[test]
fn a_missing_or_foreign_myid_is_refused() {
    let rows = [
        (None, "myid file is missing", 2, INVALID),
        (Some("abc"), "serverid abc is not a number", 2, INVALID),
        (Some(""), "serverid  is not a number", 2, INVALID),
        (Some("9"), "My id 9 not in the peer list", 1, None),
    ];
    for (myid, sentence, exit_code, stderr_line) in rows {
        let error = refused(&quorum(""), myid);
        assert_eq!(error.problem.to_string(), sentence);
        assert_eq!((error.exit_code(), error.stderr_line()), (exit_code, stderr_line), "{sentence}");
    }
    for myid in ["1", "1\n", " 1 \r\n", "1\nmore"] {
        assert_eq!(runs(&quorum(""), Some(myid)).config.server_id.map(|id| id.0), Some(1), "{myid:?}");
    }
}

#[test]
fn a_class_that_does_not_exist_ends_with_1_and_wrong_arguments_with_the_usage() {
    let rows = [
        ("serverCnxnFactory=foo", "Couldn't instantiate foo", 1, None),
        ("watchManagerName=foo", "Couldn't instantiate foo", 1, None),
        ("nio.numSelectorThreads=0", "numSelectorThreads must be at least 1", 1, None),
        (
            "enforce.auth.enabled=true",
            "zookeeper.enforce.auth.enabled is true zookeeper.enforce.auth.schemes must be  configured.",
            2,
            USAGE,
        ),
        (
            "enforce.auth.enabled=true\nenforce.auth.schemes=sasl",
            "Authentication scheme sasl is not available.",
            2,
            USAGE,
        ),
        ("sessionRequireClientSASLAuth=true", "Authentication scheme sasl is not available.", 2, USAGE),
    ];
    for (lines, sentence, exit_code, stderr_line) in rows {
        let error = refused(&standalone(lines), None);
        assert_eq!(error.problem.to_string(), sentence, "{lines}");
        assert_eq!((error.exit_code(), error.stderr_line()), (exit_code, stderr_line), "{lines}");
    }
}

#[test]
fn what_is_odd_but_no_reason_to_stop_is_said() {
    let rows = [
        ("autopurge.snapRetainCount=1", Level::Warn, "Invalid autopurge.snapRetainCount: 1. Defaulting to 3"),
        ("server.1=a:1:2", Level::Error, "Invalid configuration, only one server specified (ignoring)"),
        ("authProvider.1=foo.Bar", Level::Warn, "Problems loading foo.Bar"),
        ("preAllocSize=abc", Level::Warn, "abc is not a valid value for preAllocSize"),
        ("myNewKey=1", Level::Warn, "unknown configuration key 'myNewKey' (ignored)"),
        ("snapCount=1", Level::Warn, "SnapCount should be 2 or more. Now, snapCount is reset to 2"),
        ("secureClientPort=2281", Level::Warn, "not supported yet: secureClientPort"),
        ("sslQuorum=true", Level::Warn, "not supported yet: sslQuorum"),
        ("admin.forceHttps=true", Level::Warn, "not supported yet: admin.forceHttps"),
        ("nio.numWorkerThreads=4", Level::Info, "ignored on this implementation: nio.numWorkerThreads"),
        ("jvm.pause.monitor=true", Level::Info, "ignored on this implementation: jvm.pause.monitor"),
        (
            "ssl.keyStore.location=/k.jks",
            Level::Warn,
            "not supported yet: ssl.keyStore.location (there is no TLS)",
        ),
        ("ssl.quorum.crl=true", Level::Warn, "not supported yet: ssl.quorum.crl (there is no TLS)"),
        ("client.certReload=true", Level::Warn, "not supported yet: client.certReload (there is no TLS)"),
        ("superUser.1=admin", Level::Warn, "not supported yet: superUser.1 (there is no SASL)"),
        (
            "kerberos.removeRealmFromPrincipal=true",
            Level::Warn,
            "not supported yet: kerberos.removeRealmFromPrincipal (there is no SASL)",
        ),
        (
            "requireClientAuthScheme=sasl",
            Level::Info,
            "ignored on this implementation: requireClientAuthScheme",
        ),
        ("skipACL=yes", Level::Info, "zookeeper.skipACL==\"yes\", ACL checks will be skipped"),
        ("dataLogDir=log", Level::Warn, "log is relative. Prepend ./ to indicate that you're sure!"),
        ("digest.enabled=yes", Level::Warn, "digest.enabled=yes is neither true nor false, taken as false"),
        ("clientPort=0", Level::Info, "clientPort is not set"),
        ("", Level::Info, "secureClientPort is not set"),
        ("", Level::Info, "observerMasterPort is not set"),
        ("", Level::Info, "Purge task is not scheduled."),
        ("", Level::Warn, "Either no config or no quorum defined in config, running in standalone mode"),
    ];
    for (lines, level, text) in rows {
        let loaded = runs(&standalone(lines), None);
        assert!(says(&loaded, level, text), "{lines}: {:#?}", loaded.notices);
        assert_eq!(loaded.config.mode(), Mode::Standalone);
    }
}

#[test]
fn flags_of_the_jvm_that_ask_for_sasl_are_named() {
    for name in ["java.security.auth.login.config", "java.security.krb5.conf"] {
        let files = crate::common::files(&standalone(""), None);
        let flag = format!("-D{name}=/etc/some.conf");
        let loaded = start(&files, &["./zoo.cfg"], &[("JVMFLAGS", &flag)]).expect("it runs");
        let text = format!("not supported yet: {name} (there is no SASL)");
        assert!(says(&loaded, Level::Warn, &text), "{:#?}", loaded.notices);
    }
}

#[test]
fn an_even_number_of_participants_is_commented_on() {
    let two = "initLimit=1\nsyncLimit=1\nserver.1=a:1:2\nserver.2=b:1:2";
    let loaded = runs(&standalone(two), Some("1"));
    assert_eq!(loaded.config.mode(), Mode::Distributed);
    assert!(says(&loaded, Level::Warn, "No server failure will be tolerated. You need at least 3 servers."));
    let loaded = runs(&quorum("server.4=d:2888:3888"), Some("1"));
    assert!(says(&loaded, Level::Warn, "Non-optimal configuration, consider an odd number of servers."));
    let loaded = runs(&quorum("peerType=observer"), Some("1"));
    let text = "Peer type from servers list (PARTICIPANT) doesn't match peerType (OBSERVER). \
                Defaulting to servers list.";
    assert!(says(&loaded, Level::Warn, text));
}

#[test]
fn a_missing_file_and_a_missing_data_directory_name_the_file() {
    let error = start(&crate::common::Files::new(), &["conf/zoo.cfg"], &[]).expect_err("no such file");
    assert_eq!(error.to_string(), "conf/zoo.cfg file is missing");
    assert_eq!((error.exit_code(), error.stderr_line()), (2, INVALID));
    assert_eq!(refused("clientPort=2181", None).to_string(), "./zoo.cfg: dataDir is not set");
}

#[test]
fn an_error_says_where_what_and_what_instead() {
    let rows = [
        (
            "tickTime=abc",
            "./zoo.cfg:3: tickTime=abc: expected a whole number of at most 32 bits: For input string: \"abc\"",
        ),
        (
            "\n\nsnapCount : many",
            "./zoo.cfg:5: snapCount=many: expected a whole number of at most 32 bits: \
             For input string: \"many\"",
        ),
        (
            "peerType=foo",
            "./zoo.cfg:3: peerType=foo: expected participant or observer: Unrecognised peertype: foo",
        ),
    ];
    for (lines, message) in rows {
        assert_eq!(refused(&standalone(lines), None).to_string(), message);
    }
}

#[test]
fn a_secret_is_never_shown() {
    let lines = "ssl.keyStore.location=/k.jks\nssl.keyStore.password=hush\n\
                 DigestAuthenticationProvider.superDigest=hush";
    let loaded = runs(&standalone(lines), None);
    assert!(!format!("{:?}", loaded.config).contains("hush"));
    assert!(loaded.settings.iter().all(|setting| setting.printable_value() != "hush"));
}
