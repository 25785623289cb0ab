#!/bin/sh
# run.sh - one fuzz target: its corpus, then for some seconds what it makes of it.  run.sh BUILD SECONDS TARGET
set -eu
build=$1 seconds=$2 target=$3
log=$build/fuzz_$target.log
found=$build/corpus/$target
dictionary=tests/fuzz/$target.dict

export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=16:malloc_context_size=8"
mkdir -p "$found"
# In short form the same inputs every time, as many as there is time for.
set -- -max_total_time="$seconds" ${MASKMETER_TEST_SHORT:+-seed=1} -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$found-"
[ ! -e "$dictionary" ] || set -- "$@" -dict="$dictionary"
"$build/fuzz/tests/fuzz/fuzz_$target" "$@" "$found" "tests/fuzz/corpus/$target" > "$log" 2>&1 || {
    tail -60 "$log"
    exit 1
}
sed -n "s/^stat::number_of_executed_units:/fuzz_$target, inputs tried:/p" "$log"
