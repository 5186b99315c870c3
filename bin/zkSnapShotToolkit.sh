#!/usr/bin/env bash
#
# Shows every znode and session of a snapshot: zkSnapShotToolkit.sh [-d|-json] snapshot_file

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
find_zoorum

exec "$ZOORUM" snapshot dump "$@"
