#!/usr/bin/env bash
# Makes the golden data anew, all of it by Apache ZooKeeper 3.9.5 itself:
#
#   crates/proto/testdata/golden/records.txt   samples of every record (Golden.java)
#   crates/storage/testdata/golden/            one tree as a server left it (Tree.java): its transaction log, the
#                                              empty snapshot that the log begins at, a snapshot of the end as
#                                              raw, gz and snappy file, and what the server answered
#
# Times, session ids and the order of some sections differ from run to run; records.txt does not.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
original=$repository/bench/original.sh
records=$repository/crates/proto/testdata/golden
files=$repository/crates/storage/testdata/golden
port=${PORT:-11987}
work=$(mktemp -d)

settings="-Dzookeeper.extendedTypesEnabled=true -Dznode.container.checkIntervalMs=200
 -Dzookeeper.DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs="

cleanup() {
    for config in "$work"/*.cfg; do
        "$original" stop "$config"
    done
    rm -rf "$work"
}
trap cleanup EXIT

# Writes the configuration of the server whose data lies in $work/$1.
configure() {
    cat >"$work/$1.cfg" <<CONFIG
dataDir=$work/$1
clientPort=$port
clientPortAddress=127.0.0.1
tickTime=2000
maxSessionTimeout=7200000
preAllocSize=0
CONFIG
}

"$original" fetch
mkdir -p "$records" "$files"
"$original" java "$here/Golden.java" "$records/records.txt"

configure grown
JVMFLAGS=$settings "$original" start "$work/grown.cfg" >/dev/null
"$original" java "$here/Tree.java" "$port" "$work/contents.txt"
kill -9 "$(<"$work/grown.cfg.pid")"
"$original" stop "$work/grown.cfg"

rm -f "$files"/log.* "$files"/snapshot.*
cp "$work/contents.txt" "$work"/grown/version-2/{log,snapshot}.* "$files/"
last=$(printf 'snapshot.%x' "$(awk -F'\t' '$1 == "zxid" { print $2 }' "$work/contents.txt")")
# A server that starts writes a snapshot of what it found.
for method in none gz snappy; do
    cp -r "$work/grown" "$work/$method"
    configure "$method"
    JVMFLAGS="$settings -Dzookeeper.snapshot.compression.method=$method" \
        "$original" start "$work/$method.cfg" >/dev/null
    "$original" stop "$work/$method.cfg"
    case $method in
    none) cp "$work/none/version-2/$last" "$files/" ;;
    *) cp "$work/$method/version-2/$last.$method" "$files/" ;;
    esac
done
ls -l "$records" "$files"
