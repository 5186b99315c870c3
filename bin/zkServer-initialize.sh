#!/usr/bin/env bash
#
# Prepares empty data directories, so that a server with automatic creation disabled may start.

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi

usage() {
  cat << END
usage: $0 <parameters>
  Optional parameters:
     -h                                                    Display this message
     --help                                                Display this message
     --configfile=$(printf '%-40s' "$ZOOCFG") ZooKeeper config file
     --myid=#                                              Set the myid to be used, if any (1-255)
     --force                                               Force creation of the data/txnlog dirs
END
  exit 1
}

refuse_existing() {
  if [ -e "$2/version-2" ]; then
    echo "ZooKeeper $1 directory already exists at $2 (or use --force to force re-initialization)"
    exit 1
  fi
}

# Session ids have one byte for it, and a server refuses what is no number: so nothing is begun with either.
check_myid() {
  case "$myid" in
    "") return ;;
    *[!0-9]* | ????*) ;;
    *) [ "$myid" -ge 1 ] && [ "$myid" -le 255 ] && return ;;
  esac
  echo "Invalid myid '$myid': it has to be a number from 1 to 255. Nothing was changed" >&2
  exit 1
}

initialize() {
  local data_dir data_log_dir
  if [ ! -e "$ZOOCFG" ]; then
    echo "Unable to find config file at $ZOOCFG"
    exit 1
  fi
  data_dir="$(config_value dataDir "$ZOOCFG")"
  data_log_dir="$(config_value dataLogDir "$ZOOCFG")"
  data_log_dir="${data_log_dir:-$data_dir}"
  if [ -z "$data_dir" ]; then
    echo "Unable to determine dataDir from $ZOOCFG"
    exit 1
  fi
  if [ -n "$force" ]; then
    echo "Force enabled, data/txnlog directories will be re-initialized"
    rm -f "$data_dir/myid"
    rm -rf "$data_dir/version-2" "$data_log_dir/version-2"
  else
    refuse_existing data "$data_dir"
    refuse_existing txnlog "$data_log_dir"
  fi
  mkdir -p "$data_dir/version-2" "$data_log_dir/version-2" || exit 1
  if [ -n "$myid" ]; then
    echo "Using myid of $myid"
    echo "$myid" > "$data_dir/myid" || exit 1
  else
    echo "No myid provided, be sure to specify it in $data_dir/myid if using non-standalone"
  fi
  touch "$data_dir/initialize" || exit 1
  # The server looks for the mark beside its logs.
  if [ "$data_log_dir" != "$data_dir" ]; then
    touch "$data_log_dir/initialize" || exit 1
  fi
}

force=
myid=
while [ $# -gt 0 ]; do
  case "$1" in
    --configfile | --myid)
      if [ $# -lt 2 ]; then
        echo "Option needs a value: $1"
        usage
      fi
      if [ "$1" = "--myid" ]; then myid="$2"; else ZOOCFG="$2"; fi
      shift
      ;;
    --configfile=*) ZOOCFG="${1#*=}" ;;
    --myid=*) myid="${1#*=}" ;;
    --force) force=1 ;;
    -h | --help) usage ;;
    *)
      echo "Unknown option: $1"
      usage
      ;;
  esac
  shift
done

check_myid
initialize
