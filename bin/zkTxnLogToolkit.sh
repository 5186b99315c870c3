#!/usr/bin/env bash
#
# Shows every transaction of a log, mends its checksums, or chops it: zkTxnLogToolkit.sh -h

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
find_zoorum

exec "$ZOORUM" log dump "$@"
