#!/usr/bin/env bash
# Everything that is handed to users, from one command: deploy/build.sh [--binary FILE] [--output DIR]
#
#   zoorum-VERSION-linux-ARCH.tar.gz   the release archive: bin/, conf/, docs/
#   zoorum_VERSION_ARCH.deb            the Debian package: scripts, configuration, a systemd unit
#   image/                             what the container image adds to its base (deploy/container/Dockerfile)
#   SHA256SUMS
#
# Without --binary the server is built first, with the paths of this machine kept out of it. The same commit and binary
# give the same bytes, wherever and whenever: times come from SOURCE_DATE_EPOCH, or else from the commit.
set -euo pipefail
export LC_ALL=C
umask 022

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=$repository/target/dist
binary=

fail() {
  echo "build.sh: $*" >&2
  exit 1
}

while (($#)); do
  case $1 in
    --binary) binary=$(realpath -e "${2:?--binary needs a file}") && shift ;;
    --output) output=$(realpath -m "${2:?--output needs a directory}") && shift ;;
    *) fail "unknown argument $1. Usage: build.sh [--binary FILE] [--output DIR]" ;;
  esac
  shift
done

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")
architecture=$(uname -m)
needed=(tar gzip sha256sum strip dpkg dpkg-deb)
[[ -n $binary ]] || needed+=(cargo cc)
[[ -n ${SOURCE_DATE_EPOCH:-} ]] || needed+=(git)
# Before anything is compiled for minutes.
for tool in "${needed[@]}"; do
  command -v "$tool" >/dev/null || fail "there is no $tool here. docs/install.md says what is needed"
done
debian_architecture=$(dpkg --print-architecture) || fail "dpkg does not say what architecture this is"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct)} ||
  fail "there is no commit to take the time from: set SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH

build_binary() {
  local built=$repository/target/dist-build flags
  flags="--remap-path-prefix=$repository=/zoorum --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }$flags" cargo build --release --locked --package zoorum \
    --manifest-path "$repository/Cargo.toml" --target-dir "$built"
  binary=$built/release/zoorum
}

# install_program DIR: the binary and the scripts, as they lie beside each other everywhere.
install_program() {
  mkdir -p "$1"
  cp -P "$repository"/bin/* "$1"
  strip --strip-debug -o "$1/zoorum" "$binary"
  chmod 755 "$1/zoorum"
}

# settle DIR: every file has the time of the commit, and nobody's umask shows.
settle() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}

archive() {
  local name=zoorum-$version tree=$work/archive directory
  mkdir -p "$tree/$name/deploy"
  install_program "$tree/$name/bin"
  cp -R "$repository"/{conf,docs,LICENSE,README.md,CHANGELOG.md} "$tree/$name"
  for directory in "$repository"/deploy/*/; do
    case $directory in
      */container/ | */debian/) ;; # of use only where the archive is made
      *) cp -R "$directory" "$tree/$name/deploy" ;;
    esac
  done
  settle "$tree"
  tar --create --directory "$tree" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu "$name" |
    gzip --no-name --best >"$output/$name-linux-$architecture.tar.gz"
}

debian_package() {
  local tree=$work/debian share installed_size
  share=$tree/usr/share/zookeeper
  install_program "$share/bin"
  mkdir -p "$tree"/{DEBIAN,usr/bin,etc/zookeeper/conf,usr/lib/systemd/system,usr/share/doc/zoorum}
  mv "$share/bin/zoorum" "$tree/usr/bin/zoorum"
  ln -s /etc/zookeeper/conf "$share/conf"
  cp "$repository/conf/zoo_sample.cfg" "$tree/etc/zookeeper/conf/zoo.cfg"
  cp "$repository/deploy/debian/zookeeper-env.sh" "$tree/etc/zookeeper/conf"
  cp "$repository/deploy/systemd/zoorum.service" "$tree/usr/lib/systemd/system"
  cp -R "$repository"/{docs,README.md} "$tree/usr/share/doc/zoorum"
  cp "$repository/deploy/debian/copyright" "$tree/usr/share/doc/zoorum"
  gzip --no-name --best <"$repository/CHANGELOG.md" >"$tree/usr/share/doc/zoorum/changelog.gz"
  cp "$repository"/deploy/debian/{postinst,prerm,postrm,conffiles} "$tree/DEBIAN"
  settle "$tree"
  chmod 755 "$tree"/DEBIAN/{postinst,prerm,postrm}
  installed_size=$(du --summarize --apparent-size --block-size=1024 --exclude=DEBIAN "$tree" | cut -f 1)
  sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$debian_architecture/" \
    -e "s/@INSTALLED_SIZE@/$installed_size/" "$repository/deploy/debian/control" >"$tree/DEBIAN/control"
  (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort --zero-terminated |
    xargs --null md5sum >DEBIAN/md5sums)
  touch --date "@$SOURCE_DATE_EPOCH" "$tree"/DEBIAN/{control,md5sums} "$tree/DEBIAN"
  dpkg-deb --root-owner-group -Zgzip --build "$tree" \
    "$output/zoorum_${version}_$debian_architecture.deb" >/dev/null
}

# Paths are those of the image that operators know, so what mounts a volume or calls a script there goes on.
image() {
  local tree=$output/image
  rm -rf "$tree"
  install_program "$tree/opt/zoorum/bin"
  cp "$repository"/deploy/container/{start-zookeeper,zookeeper-ready} "$tree/opt/zoorum/bin"
  cp "$repository/LICENSE" "$tree/opt/zoorum"
  cp "$repository/deploy/container/docker-entrypoint.sh" "$tree"
  mkdir -p "$tree"/{conf,data,datalog,logs,opt/zookeeper/conf}
  ln -s /opt/zoorum "$tree/apache-zookeeper-3.9.5-bin"
  settle "$tree"
}

[[ -n $binary ]] || build_binary
mkdir -p "$output"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archive
debian_package
image
cd "$output"
sha256sum zoorum-"$version"-* zoorum_"$version"_* | tee SHA256SUMS
