#!/usr/bin/env bash
# Lets libFuzzer look for inputs that break a target's promise.
#
#   fuzz/run.sh [seconds] [target ...]     60 seconds of each target, unless told otherwise
#
# First every kept input is tried. What is found on the way is kept in target/corpus, a crash in target/crashes;
# a crash ends the run of its target, and the exit code is then 1. Works with the stable toolchain and needs a
# C++ compiler.
set -euo pipefail

cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

cargo test --quiet

# Counters on every edge and every comparison, for libFuzzer to follow: what `cargo fuzz --sanitizer none` asks for.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1
  -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --quiet --release --features fuzzer --target "$host"

built=${CARGO_TARGET_DIR:-target}
failed=0
for target in "${targets[@]}"; do
  mkdir -p "target/corpus/$target" "target/crashes/$target"
  echo "▶ $target, $seconds s"
  if "$built/$host/release/$target" "target/corpus/$target" "corpus/$target" \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="$PWD/target/crashes/$target/" >"target/$target.log" 2>&1; then
    sed -n 's/^stat::number_of_executed_units: */  inputs tried: /p' "target/$target.log"
  else
    failed=1
    grep -E "panicked|ERROR|Test unit written" -A 1 "target/$target.log" | sed 's/^/  /'
    echo "✗ $target; everything it said: $PWD/target/$target.log"
    echo "  again: $built/$host/release/$target <the file named above>"
  fi
done
exit $failed
