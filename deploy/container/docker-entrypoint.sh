#!/usr/bin/env bash
# What the container does before the server starts: a zoo.cfg and a myid from the environment, if there are none.
#
#   ZOO_MY_ID          this server's number; 1 unless told otherwise
#   ZOO_MY_ID_OFFSET   instead: the number is the one at the end of the host's name, plus this
#   ZOO_SERVERS        the server.N lines, separated by blanks
#   ZOO_CFG_EXTRA      further lines, separated by blanks
#
# and the variables below. The server takes this process's place, so it gets the signals.
set -euo pipefail

# fail MESSAGE: what is wrong, and what to do.
fail() {
  echo "docker-entrypoint.sh: $*" >&2
  exit 2
}

# Root only hands over the directories.
if [[ $(id -u) = 0 ]]; then
  chown -R zookeeper:zookeeper "$ZOO_DATA_DIR" "$ZOO_DATA_LOG_DIR" "$ZOO_LOG_DIR" "$ZOO_CONF_DIR"
  exec setpriv --reuid=zookeeper --regid=zookeeper --clear-groups "$0" "$@"
fi

configuration() {
  local line
  echo "dataDir=$ZOO_DATA_DIR"
  echo "dataLogDir=$ZOO_DATA_LOG_DIR"
  echo "tickTime=$ZOO_TICK_TIME"
  echo "initLimit=$ZOO_INIT_LIMIT"
  echo "syncLimit=$ZOO_SYNC_LIMIT"
  echo "autopurge.snapRetainCount=$ZOO_AUTOPURGE_SNAPRETAINCOUNT"
  echo "autopurge.purgeInterval=$ZOO_AUTOPURGE_PURGEINTERVAL"
  echo "maxClientCnxns=$ZOO_MAX_CLIENT_CNXNS"
  echo "standaloneEnabled=$ZOO_STANDALONE_ENABLED"
  echo "admin.enableServer=$ZOO_ADMINSERVER_ENABLED"
  for line in ${ZOO_SERVERS:-server.1=localhost:2888:3888;2181}; do
    echo "$line"
  done
  if [[ -n ${ZOO_4LW_COMMANDS_WHITELIST:-} ]]; then
    echo "4lw.commands.whitelist=$ZOO_4LW_COMMANDS_WHITELIST"
  fi
  for line in ${ZOO_CFG_EXTRA:-}; do
    echo "$line"
  done
}

# writable DIRECTORY: makes it if it is missing. The commands that write there would say less of what is wrong.
writable() {
  local existing=$1 owner
  while [[ ! -e $existing ]]; do
    existing=$(dirname "$existing")
  done
  if [[ ! -w $existing || ! -x $existing ]]; then
    owner=$(stat --format=%U:%G "$existing")
    fail "user $(id -u):$(id -g) cannot write to $existing, which belongs to $owner. Give it away" \
      "(chown $(id -u):$(id -g)), or start the container as root (--user 0:0): it does that, and steps down"
  fi
  mkdir -p "$1"
}

# With a read-only root and no volume for the configuration, it lies among the data. There it outlives the container,
# so it is written anew each time: it says what the environment says.
write_configuration() {
  if [[ -e $ZOO_CONF_DIR/zoo.cfg ]]; then
    return
  fi
  writable "$ZOO_DATA_DIR"
  writable "$ZOO_DATA_LOG_DIR"
  if [[ ! -w $ZOO_CONF_DIR ]]; then
    export ZOOCFGDIR=$ZOO_DATA_DIR/conf
    mkdir -p "$ZOOCFGDIR"
    configuration >"$ZOOCFGDIR/zoo.cfg.new"
    mv "$ZOOCFGDIR/zoo.cfg.new" "$ZOOCFGDIR/zoo.cfg"
    return
  fi
  configuration >"$ZOO_CONF_DIR/zoo.cfg"
}

# A volume that was another server's must not become this one's: what that server promised would be broken.
write_number() {
  local number=${ZOO_MY_ID:-1} found
  if [[ -n ${ZOO_MY_ID_OFFSET:-} ]]; then
    local name ordinal
    name=${HOSTNAME%%.*}
    ordinal=${name##*-}
    if [[ ! $ordinal =~ ^[0-9]+$ ]]; then
      fail "ZOO_MY_ID_OFFSET is set, and the host's name $HOSTNAME has no number at its end. Set ZOO_MY_ID instead"
    fi
    if [[ ! $ZOO_MY_ID_OFFSET =~ ^[0-9]+$ ]]; then
      fail "ZOO_MY_ID_OFFSET is '$ZOO_MY_ID_OFFSET', and has to be a number"
    fi
    number=$((10#$ordinal + 10#$ZOO_MY_ID_OFFSET))
  fi
  if [[ ! -e $ZOO_DATA_DIR/myid ]]; then
    if [[ ! $number =~ ^[0-9]{1,3}$ ]] || ((10#$number < 1 || 10#$number > 255)); then
      fail "this server's number (ZOO_MY_ID, ZOO_MY_ID_OFFSET) is '$number', and has to be from 1 to 255"
    fi
    writable "$ZOO_DATA_DIR"
    echo "$number" >"$ZOO_DATA_DIR/myid"
    return
  fi
  found=$(<"$ZOO_DATA_DIR/myid")
  if [[ -n ${ZOO_MY_ID_OFFSET:-} && $found != "$number" ]]; then
    fail "the data in $ZOO_DATA_DIR is server $found's, and this is to be server $number. Mount its own volume"
  fi
}

if [[ ${1:-} = zkServer.sh ]]; then
  write_configuration
  write_number
fi
exec "$@"
