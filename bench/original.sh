#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5, fetched and run on this machine: what Zoorum is measured and tested against.
#
#   original.sh fetch                     download the jars once (about 450 MB pass through, 30 MB stay)
#   original.sh classpath                 print the Java class path
#   original.sh run ZOO_CFG               run a server in the foreground: this process becomes it
#   original.sh start ZOO_CFG             start one in the background, wait until it serves, print its pid
#   original.sh stop ZOO_CFG              stop the one that `start` left, and wait until it is gone
#   original.sh java CLASS [ARGS...]      run any other main class, such as
#                                         org.apache.zookeeper.ZooKeeperMain or
#                                         org.apache.zookeeper.server.LogFormatter
#
# The jars live in $ZOORUM_REFERENCE/jars (default: <repository>/.interop/reference/jars). `start` keeps
# ZOO_CFG.pid and ZOO_CFG.out beside the configuration. Servers log warnings only, have no remote JMX
# and no admin HTTP server, and -Xmx4g unless ZOORUM_REFERENCE_HEAP says otherwise; JVMFLAGS is
# appended to the JVM's options, and ZOORUM_REFERENCE_MORE to the class path.
#
# The jars come out of the source distribution of PySpark on PyPI, which carries them unchanged. The
# tar ball is checked by pip against the index, and the two ZooKeeper jars by their SHA-256 here.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
reference=${ZOORUM_REFERENCE:-$repository/.interop/reference}
jars=$reference/jars
carrier=pyspark==4.3.0
checksums="936d025db1a85f085edea25048c3f5b3de5fc29329c371a10925e3b78b0b38a0  zookeeper-3.9.5.jar
abcbc7f9d6c493daa118da6fa3061a201e2c521217526e8535adfb56b629e52a  zookeeper-jute-3.9.5.jar"
# What the server, its shell and its tools load; the curator jars serve client tests.
wanted=(zookeeper-* netty-*.Final.jar netty-*linux-x86_64.jar netty-*linux-aarch_64.jar
    slf4j-api-* log4j-api-* log4j-core-* log4j-slf4j2-impl-* metrics-core-* snappy-java-*
    jackson-annotations-* jackson-core-* jackson-databind-* commons-cli-* commons-io-* jline-2*
    audience-annotations-* curator-* guava-* failureaccess-*)

fail() {
    echo "original.sh: $*" >&2
    exit 1
}

jars_present() {
    [[ -d $jars ]] && (cd "$jars" && sha256sum --check --status <<<"$checksums") 2>/dev/null
}

write_log_settings() {
    cat >"$reference/log4j2.properties" <<'SETTINGS'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} [%t] %p %c{1} - %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
SETTINGS
}

fetch() {
    if jars_present && [[ -f $reference/log4j2.properties ]]; then
        return
    fi
    mkdir -p "$jars"
    write_log_settings
    jars_present && return
    local download
    download=$(mktemp -d "$reference/download.XXXXXX")
    # shellcheck disable=SC2064  # the directory's name is wanted as it is now
    trap "rm -rf '$download'" EXIT
    python3 -m pip download --quiet --no-deps "$carrier" -d "$download" >&2
    tar xzf "$download"/pyspark-*.tar.gz -C "$jars" --strip-components=3 --wildcards \
        "${wanted[@]/#/pyspark-*/deps/jars/}"
    jars_present || fail "the jars in $jars are not those of ZooKeeper 3.9.5"
    rm -rf "$download"
    trap - EXIT
}

classpath() {
    # Configuration first: log4j2 looks for its properties file at the class path's root.
    echo "$reference:$jars/*"
}

# The rest of the command line of every JVM; the caller appends the class and its arguments.
jvm() {
    # JVMFLAGS is a list of words, as in ZooKeeper's own scripts.
    # shellcheck disable=SC2086
    exec java "-Xmx${ZOORUM_REFERENCE_HEAP:-4g}" -XX:-UsePerfData \
        -Dzookeeper.admin.enableServer=false -Dzookeeper.jmx.log4j.disable=true \
        ${JVMFLAGS:-} -cp "$(classpath)${ZOORUM_REFERENCE_MORE:+:$ZOORUM_REFERENCE_MORE}" "$@"
}

client_port() {
    sed -n 's/^[[:space:]]*clientPort[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p' "$1" | tail -n 1
}

# Serving means that `srvr`, which is always allowed, answers with statistics rather than an excuse.
serves() {
    local answer
    answer=$(exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" && printf srvr >&3 && timeout 2 cat <&3) &&
        [[ $answer == *"Mode: "* ]]
}

start() {
    local config=$1 port pid
    port=$(client_port "$config")
    [[ -n $port ]] || fail "$config has no clientPort"
    if [[ -f $config.pid ]] && kill -0 "$(<"$config.pid")" 2>/dev/null; then
        fail "already running as process $(<"$config.pid")"
    fi
    (jvm org.apache.zookeeper.server.quorum.QuorumPeerMain "$config") \
        >"$config.out" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$config.pid"
    for _ in $(seq 600); do
        if serves "$port"; then
            echo "$pid"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$config.out" >&2
    fail "the server of $config did not come to serve on port $port"
}

stop() {
    local config=$1 pid
    [[ -f $config.pid ]] || return 0
    pid=$(<"$config.pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$config.pid"
}

main() {
    local command=${1:-}
    shift || true
    case $command in
    fetch) fetch ;;
    classpath) fetch && classpath ;;
    run) fetch && jvm org.apache.zookeeper.server.quorum.QuorumPeerMain "${1:?the configuration file}" ;;
    start) fetch && start "${1:?the configuration file}" ;;
    stop) stop "${1:?the configuration file}" ;;
    java) fetch && jvm "${@:?the class to run}" ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
    esac
}

main "$@"
