#!/usr/bin/env bash
#
# Counts znodes and bytes below each znode: zkSnapshotRecursiveSummaryToolkit.sh snapshot_file starting_node max_depth

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
find_zoorum

exec "$ZOORUM" snapshot summary "$@"
