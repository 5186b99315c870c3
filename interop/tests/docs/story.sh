#!/usr/bin/env bash
# A machine on which a page's commands are run: story.sh
#
# /shared has the release archive, and story.sh of the page; what each block prints goes to /shared/LINE.out.
set -eo pipefail
stories=$(cd "$(dirname "$0")" && pwd)
exec </dev/null >/shared/0.out 2>&1

export HOME=/root USER=root LANG=C.UTF-8 TERM=dumb
mkdir -p /home/story
tar --extract --file /shared/archive.tar.gz --directory /home/story --strip-components 1
cd /home/story
export PATH=$PWD/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# block LINE: what comes now is the block on that line.
block() {
  echo "$1" >/shared/progress
  exec >"/shared/$1.out" 2>&1
}

# Waits until this command succeeds.
await() {
  local attempt
  for attempt in {1..600}; do
    if "$@" >/dev/null 2>&1; then
      return
    fi
    sleep 0.1
  done
  echo "not within a minute: $*"
  return 1
}

# Whether somebody serves on this port.
serves() {
  zoorum four-letter-word 127.0.0.1 "${1:-2181}" srvr | grep Mode
}

# Three members on ports 2181 to 2183; the first is the one that conf/zoo.cfg configures.
ensemble() {
  local n
  for n in 1 2 3; do
    mkdir -p "members/$n"
    echo "$n" >"members/$n/myid"
    cat >"members/$n/zoo.cfg" <<END
tickTime=500
initLimit=20
syncLimit=10
dataDir=$PWD/members/$n
clientPort=218$n
admin.enableServer=false
4lw.commands.whitelist=*
server.1=127.0.0.1:2881:3881
server.2=127.0.0.1:2882:3882
server.3=127.0.0.1:2883:3883
END
    ZOO_LOG_DIR=members/$n zkServer.sh --config "members/$n" start
  done
  cp members/1/zoo.cfg conf
  for n in 1 2 3; do await serves "218$n"; done
}

. /shared/story.sh
