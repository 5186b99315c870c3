#!/usr/bin/env bash
#
# The shell: zkCli.sh [--config DIR] [options] [command [arguments]]; zkCli.sh --help lists both.

ZOOBIN="$(dirname "${BASH_SOURCE:-$0}")"
ZOOBINDIR="$(cd "$ZOOBIN" && pwd)"

if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
find_zoorum

exec "$ZOORUM" cli "$@"
