#!/usr/bin/env bash
#
# Removes old snapshots and logs of the configured server: zkCleanup.sh [--config DIR] -n COUNT

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
find_zoorum

data_dir="$(config_value dataDir "$ZOOCFG")"
data_log_dir="$(config_value dataLogDir "$ZOOCFG")"

exec "$ZOORUM" purge "${data_log_dir:-$data_dir}" "$data_dir" "$@"
