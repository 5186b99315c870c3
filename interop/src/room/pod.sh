#!/usr/bin/env bash
# A container of a room: pod.sh NAME ADDRESS HOSTS IMAGE USER [volume:FROM:TO | VARIABLE=VALUE]... -- COMMAND...
#
# Called once to give it a network, and by itself within its namespaces, to give it a root.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

name=$1 address=$2 hosts=$3 image=$4 user=$5

if [[ -z ${POD_HAS_NETWORK:-} ]]; then
  if [[ ! -e /run/netns/$name ]]; then
    port=port${address##*.}
    ip netns add "$name"
    ip link add "$port" type veth peer name eth0 netns "$name"
    ip link set "$port" master switch up
    ip -n "$name" address add "$address/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" link set lo up
  fi
  export POD_HAS_NETWORK=1
  exec ip netns exec "$name" unshare --uts --mount --pid --fork --kill-child bash "$0" "$@"
fi
shift 5

hostname "$name"
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/{own/etc,changes,work,root}
cp "$hosts" /mnt/own/etc/hosts
# Who the image knows.
printf '%s\n' root:x:0:0::/root:/bin/bash zookeeper:x:1000:1000::/data:/usr/sbin/nologin >/mnt/own/etc/passwd
printf '%s\n' root:x:0: zookeeper:x:1000: >/mnt/own/etc/group
# Engines make the places of volumes.
for word in "$@"; do
  [[ $word != -- ]] || break
  [[ $word != volume:* ]] || mkdir -p "/mnt/own${word##*:}"
done
# No layer may lie within another.
cp -R "$image" /mnt/image
layers=lowerdir=/mnt/own:/mnt/image:/
if [[ $user = root ]]; then
  layers+=,upperdir=/mnt/changes,workdir=/mnt/work
fi
mount -t overlay overlay -o "$layers" /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev

variables=()
while [[ $1 != -- ]]; do
  case $1 in
    volume:*)
      IFS=: read -r _ from to <<<"$1"
      mount --bind "$from" "/mnt/root$to"
      ;;
    *) variables+=("$1") ;;
  esac
  shift
done
shift

enter=(chroot /mnt/root)
if [[ $user != root ]]; then
  enter+=(setpriv "--reuid=$user" "--regid=$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all)
fi
exec "${enter[@]}" env -i "${variables[@]}" "$@"
