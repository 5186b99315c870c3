#!/usr/bin/env bash
#
# Sourced by the other scripts: finds the configuration, the log directory and the zoorum binary.
#
#   ZOOCFGDIR, ZOOCFG    directory and file of the configuration; `--config DIR` as first arguments wins
#   ZOO_LOG_DIR          where the console output of a daemon goes
#   SERVER_JVMFLAGS, JVMFLAGS, CLIENT_JVMFLAGS
#                        read for -Dname=value; everything else in them is for a JVM and has no effect
#   ZOORUM_BIN           the binary; looked up when not set

ZOOBINDIR="${ZOOBINDIR:-/usr/bin}"
ZOOKEEPER_PREFIX="$ZOOBINDIR/.."

if [ $# -gt 1 ] && [ "$1" = "--config" ]; then
  ZOOCFGDIR="$2"
  shift 2
fi

if [ -z "$ZOOCFGDIR" ]; then
  if [ -e "$ZOOKEEPER_PREFIX/conf" ]; then
    ZOOCFGDIR="$ZOOBINDIR/../conf"
  else
    ZOOCFGDIR="$ZOOBINDIR/../etc/zookeeper"
  fi
fi

for fragment in zookeeper-env.sh java.env; do
  if [ -f "$ZOOCFGDIR/$fragment" ]; then
    . "$ZOOCFGDIR/$fragment"
  fi
done
unset fragment

ZOOCFG="$ZOOCFGDIR/${ZOOCFG:-zoo.cfg}"
ZOO_LOG_DIR="${ZOO_LOG_DIR:-$ZOOBINDIR/../logs}"

# The fragments above rarely export what they set, and the server reads these from its environment.
export SERVER_JVMFLAGS="-Xmx${ZK_SERVER_HEAP:-1000}m $SERVER_JVMFLAGS"
export CLIENT_JVMFLAGS="-Xmx${ZK_CLIENT_HEAP:-256}m $CLIENT_JVMFLAGS"
export JVMFLAGS

# Sets ZOORUM to the binary, or ends the script.
find_zoorum() {
  local candidate
  for candidate in "$ZOORUM_BIN" "$ZOOKEEPER_PREFIX/bin/zoorum" "$ZOOKEEPER_PREFIX/target/release/zoorum"; do
    if [ -n "$candidate" ] && [ -f "$candidate" ] && [ -x "$candidate" ]; then
      ZOORUM="$candidate"
      return
    fi
  done
  if ! ZOORUM="$(type -P zoorum)"; then
    echo "Error: ZOORUM_BIN is not set and zoorum could not be found in $ZOOBINDIR or PATH." >&2
    exit 1
  fi
}

# config_value KEY FILE: the value of the last line that sets KEY, without blanks around it.
config_value() {
  grep -E "^[[:space:]]*$1([[:space:]]|[=:])" "$2" | tail -n 1 |
    sed -E -e "s/^[[:space:]]*$1[[:space:]]*[=:]?[[:space:]]*//" -e 's/[[:space:]]+$//'
}
