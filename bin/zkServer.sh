#!/usr/bin/env bash
#
# Starts, stops and asks a server: zkServer.sh [--config DIR] COMMAND [CONFIG]
#
# CONFIG is a file name inside the configuration directory, or a path when it has a directory part.
# Scripts and health checks parse what is printed here, so the words are ZooKeeper's.

# Not through `readlink`: a link to this script finds zkEnv.sh beside the link.
ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi

# There is no JMX here, but what is printed about it has readers.
announce_jmx() {
  if [ -n "$JMXDISABLE" ] && [ "$JMXDISABLE" != "false" ]; then
    echo "JMX disabled by user request"
    return
  fi
  echo "ZooKeeper JMX enabled by default"
  if [ -n "$JMXPORT" ]; then
    echo "ZooKeeper remote JMX Port set to $JMXPORT"
    echo "ZooKeeper remote JMX authenticate set to ${JMXAUTH:-false}"
    echo "ZooKeeper remote JMX ssl set to ${JMXSSL:-false}"
    echo "ZooKeeper remote JMX log4j set to ${JMXLOG4J:-true}"
    if [ -n "$JMXHOSTNAME" ]; then
      echo "ZooKeeper remote JMX Hostname set to $JMXHOSTNAME"
    fi
  fi
}

# With automatic creation disabled, only a directory that was initialized will do.
check_directories() {
  if [ ! -d "$ZOO_DATADIR/version-2" ]; then
    echo "ZooKeeper data directory is missing at $ZOO_DATADIR fix the path or run initialize"
    exit 1
  fi
  if [ -n "$ZOO_DATALOGDIR" ] && [ ! -d "$ZOO_DATALOGDIR/version-2" ]; then
    echo "ZooKeeper txnlog directory is missing at $ZOO_DATALOGDIR fix the path or run initialize"
    exit 1
  fi
}

# Whether the process lives; one that ended and was not waited for yet does not.
is_running() {
  kill -0 "$1" > /dev/null 2>&1 && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

start() {
  echo -n "Starting zookeeper ... "
  local pid
  if [ -f "$ZOOPIDFILE" ]; then
    pid="$(cat "$ZOOPIDFILE")"
    if is_running "$pid"; then
      echo "already running as process $pid."
      exit 1
    fi
  fi
  if ! : > "$ZOO_DAEMON_OUT"; then
    echo "SERVER DID NOT START"
    exit 1
  fi
  nohup "$ZOORUM" "${SERVER_ARGUMENTS[@]}" > "$ZOO_DAEMON_OUT" 2>&1 < /dev/null &
  pid=$!
  if ! printf %s "$pid" > "$ZOOPIDFILE"; then
    echo "FAILED TO WRITE PID"
    exit 1
  fi
  # A wrong configuration or a busy port ends the server well within this second.
  sleep 1
  if is_running "$pid"; then
    echo "STARTED"
  else
    echo "FAILED TO START"
    exit 1
  fi
}

stop() {
  echo -n "Stopping zookeeper ... "
  if [ ! -f "$ZOOPIDFILE" ]; then
    echo "no zookeeper to stop (could not find file $ZOOPIDFILE)"
    return
  fi
  local pid attempt
  pid="$(cat "$ZOOPIDFILE")"
  kill "$pid"
  rm "$ZOOPIDFILE"
  # The server ends within five seconds; a start right after this must find its port free.
  for attempt in {1..100}; do
    is_running "$pid" || break
    sleep 0.1
  done
  echo "STOPPED"
}

# find_server_line FILE: the client part of this server's own line, if it has one.
find_server_line() {
  config_value "server\\.$myid" "$1" | sed -n -e 's/.*;//p'
}

# Sets client_port, client_address and secure from the configuration files.
find_client_port() {
  local myid client_part dynamic_file
  secure=false
  client_address="$(config_value clientPortAddress "$ZOOCFG")"
  client_port="$(config_value clientPort "$ZOOCFG")"
  if ! [[ "$client_port" =~ ^[0-9]+$ ]]; then
    client_port=
    myid="$(head -n 1 "$ZOO_DATADIR/myid" 2> /dev/null | tr -d '[:space:]')"
    if ! [[ "$myid" =~ ^[0-9]+$ ]]; then
      echo "myid could not be determined, will not able to locate clientPort in the server configs."
    else
      client_part="$(find_server_line "$ZOOCFG")"
      if [ -z "$client_part" ]; then
        echo "Client port not found in static config file. Looking in dynamic config file."
        dynamic_file="$(config_value dynamicConfigFile "$ZOOCFG")"
        if [ -n "$dynamic_file" ]; then
          client_part="$(find_server_line "$dynamic_file")"
        fi
      fi
      if [ -z "$client_part" ]; then
        echo "Client port not found in the server configs"
      else
        client_port="${client_part##*:}"
        if [[ "$client_part" == *:* ]]; then
          client_address="${client_part%:*}"
        fi
      fi
    fi
  fi
  if [ -z "$client_port" ]; then
    echo "Client port not found. Looking for secureClientPort in the static config."
    secure=true
    client_port="$(config_value secureClientPort "$ZOOCFG")"
    client_address="$(config_value secureClientPortAddress "$ZOOCFG")"
    if [ -z "$client_port" ]; then
      echo "Unable to find either secure or unsecure client port in any configs. Terminating."
      exit 1
    fi
  fi
  client_address="${client_address#[}"
  client_address="${client_address%]}"
  client_address="${client_address:-localhost}"
}

status() {
  local client_port client_address secure mode
  find_client_port
  echo "Client port found: $client_port. Client address: $client_address. Client SSL: $secure."
  local probe=("$ZOORUM" four-letter-word "$client_address" "$client_port" srvr)
  if [ "$secure" = true ]; then
    probe+=(true)
  fi
  mode="$("${probe[@]}" 2> /dev/null | grep Mode)"
  if [ -n "$mode" ]; then
    echo "$mode"
    exit 0
  fi
  if [ "$secure" = true ]; then
    explain_secure_failure "$client_port"
  fi
  echo "Error contacting service. It is probably not running."
  exit 1
}

explain_secure_failure() {
  cat << END
 
Note: We used secureClientPort ($1) to establish connection, but we failed. The 'status'
  command is itself a TLS client then; it finds its stores through CLIENT_JVMFLAGS, for example:
  CLIENT_JVMFLAGS="-Dzookeeper.client.secure=true
  -Dzookeeper.ssl.trustStore.location=/path/to/trust.p12 -Dzookeeper.ssl.trustStore.password=secret
  -Dzookeeper.ssl.keyStore.location=/path/to/client.p12 -Dzookeeper.ssl.keyStore.password=secret"
  ./zkServer.sh status
 
END
}

# The command line that `start` would run, fit to be pasted into a shell.
print_command() {
  printf 'SERVER_JVMFLAGS=%q JVMFLAGS=%q' "$SERVER_JVMFLAGS" "$JVMFLAGS"
  printf ' %q' "$ZOORUM" "${SERVER_ARGUMENTS[@]}"
  printf ' > %q 2>&1 < /dev/null\n' "$ZOO_DAEMON_OUT"
}

announce_jmx >&2

case "$2" in
  "") ;;
  */*) ZOOCFG="$2" ;;
  *) ZOOCFG="$ZOOCFGDIR/$2" ;;
esac
echo "Using config: $ZOOCFG" >&2

ZOO_DATADIR="$(config_value dataDir "$ZOOCFG")"
ZOO_DATALOGDIR="$(config_value dataLogDir "$ZOOCFG")"

SERVER_ARGUMENTS=(server start-foreground)
if [ -n "$ZOO_DATADIR_AUTOCREATE_DISABLE" ]; then
  check_directories
  SERVER_ARGUMENTS+=(-Dzookeeper.datadir.autocreate=false)
fi

if [ -z "$ZOOPIDFILE" ]; then
  if [ ! -d "$ZOO_DATADIR" ]; then
    mkdir -p "$ZOO_DATADIR"
  fi
  ZOOPIDFILE="$ZOO_DATADIR/zookeeper_server.pid"
else
  mkdir -p "$(dirname "$ZOOPIDFILE")"
fi

if [ ! -w "$ZOO_LOG_DIR" ]; then
  mkdir -p "$ZOO_LOG_DIR"
fi
ZOO_LOG_FILE="${ZOO_LOG_FILE:-zookeeper-$USER-server-$HOSTNAME.log}"
ZOO_DAEMON_OUT="$ZOO_LOG_DIR/zookeeper-$USER-server-$HOSTNAME.out"
SERVER_ARGUMENTS+=("-Dzookeeper.log.dir=$ZOO_LOG_DIR" "-Dzookeeper.log.file=$ZOO_LOG_FILE" "$ZOOCFG")

case "$1" in
  start)
    find_zoorum
    start
    ;;
  start-foreground)
    find_zoorum
    if [ -n "$ZOO_NOEXEC" ]; then
      "$ZOORUM" "${SERVER_ARGUMENTS[@]}"
    else
      exec "$ZOORUM" "${SERVER_ARGUMENTS[@]}"
    fi
    ;;
  stop)
    stop
    exit 0
    ;;
  restart)
    shift
    "$0" --config "$ZOOCFGDIR" stop "$@"
    "$0" --config "$ZOOCFGDIR" start "$@"
    ;;
  status)
    find_zoorum
    status
    ;;
  version)
    find_zoorum
    "$ZOORUM" version 2> /dev/null
    ;;
  print-cmd)
    find_zoorum
    print_command
    ;;
  *)
    # Exit code 0, as ZooKeeper has it.
    echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2
    ;;
esac
