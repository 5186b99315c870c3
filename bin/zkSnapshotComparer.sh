#!/usr/bin/env bash
#
# Shows where two snapshots differ in size: zkSnapshotComparer.sh -l LEFT -r RIGHT -b BYTES -n NODES [-d] [-i]

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
find_zoorum

exec "$ZOORUM" snapshot compare "$@"
