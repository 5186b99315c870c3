//! No text that can stand in a file or an environment variable brings the server down.

use crate::common::Files;
use proptest::prelude::*;

/// Lines that look like configuration, with values that often do not.
fn line() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "tickTime",
        "clientPort",
        "clientPortAddress",
        "dataDir",
        "server.1",
        "server.2",
        "server.-3",
        "group.1",
        "weight.2",
        "snapCount",
        "preAllocSize",
        "minSessionTimeout",
        "maxSessionTimeout",
        "flushDelay",
        "ssl.keyStore.location",
        "dynamicConfigFile",
        "metricsProvider.className",
        "admin.serverPort",
        "connection_throttle_drop_increase",
        "autopurge.purgeInterval",
        "log.maxfilesize",
        "multiAddress.enabled",
        "standaloneEnabled",
        "snapshotSizeFactor",
        "zookeeper.x",
        "unknown",
    ]);
    let values = prop_oneof![
        "[0-9]{1,20}",
        "-?[0-9]{1,10}",
        "[a-z]{1,3}:[0-9]{1,6}:[0-9]{1,6}(:observer)?(;[0-9]{1,5})?",
        r"[\[\]:;|a-z0-9]{0,20}",
        "(true|false|NaN|inf|1e400|é|\\\\u00e9|\\\\)",
        "\\PC{0,10}",
    ];
    (keys, values).prop_map(|(key, value)| format!("{key}={value}"))
}

proptest! {
    #[test]
    fn arbitrary_bytes_load_or_are_refused(zoo_cfg: Vec<u8>, myid: Vec<u8>, flags: String) {
        let files = Files::from([("z".into(), zoo_cfg), ("/data/myid".into(), myid)]);
        if let Err(error) = crate::common::start(&files, &["z"], &[("JVMFLAGS", &flags)]) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn lines_of_known_keys_load_or_are_refused(
        lines in prop::collection::vec(line(), 0..12),
        myid in "\\PC{0,4}",
    ) {
        let zoo_cfg = format!("dataDir=/data\n{}", lines.join("\n"));
        let files = Files::from([
            ("z".into(), zoo_cfg.clone().into_bytes()),
            ("/data/myid".into(), myid.into_bytes()),
            ("true".into(), zoo_cfg.into_bytes()),
        ]);
        if let Err(error) = crate::common::start(&files, &["z"], &[]) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
