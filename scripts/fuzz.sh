#!/usr/bin/env bash
# fuzz.sh SECONDS JOBS: runs the built fuzzers, one after the other, SECONDS in all, on JOBS cores. They begin with the
# inputs of tests/fuzz/corpus and of build/fuzz/corpus, which keeps what they find. fuzz.sh ends with the first target
# that has an input which breaks its property, and names the input.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1 jobs=$2
targets=(wire_reader infer_reader infer_body npy_header file_reader packed_body side_message)
seeds=$PWD/tests/fuzz/corpus work=$PWD/build/fuzz

say() { printf '==> %s\n' "$*"; }

# Runs a target and writes fuzz-0.log, fuzz-1.log, …
fuzz() {
  local logs=$work/logs/$1 kept=$work/corpus/$1
  rm -rf "$logs"
  mkdir -p "$logs" "$kept" "$work/findings"
  cd "$logs"
  # AddressSanitizer keeps freed memory for a while. Many jobs may run, so each keeps less of it than usual.
  ASAN_OPTIONS=quarantine_size_mb=64 "$work/bin/$1_fuzz" -jobs="$jobs" -workers="$jobs" -max_total_time="$2" \
    -max_len=16384 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$work/findings/" \
    "$kept" "$seeds/$1" >/dev/null 2>&1
}

for target in "${targets[@]}"; do
  share=$((seconds / ${#targets[@]}))
  say "Fuzzing $target for $share s, jobs: $jobs"
  status=0
  (fuzz "$target" "$share") || status=$?
  logs=("$work/logs/$target"/fuzz-*.log)
  executions=$(cat "${logs[@]}" | awk '/^stat::number_of_executed_units:/ {sum += $2} END {print sum + 0}')
  if [ "$status" != 0 ]; then
    log=$(grep -l 'Test unit written to' "${logs[@]}" | head -n 1) || log=${logs[0]}
    grep -v '^#[0-9]' "$log" | head -n 60 >&2
    input=$(sed -n 's/.*Test unit written to //p' "$log")
    echo "fuzz: after $executions executions, $target failed; all it says is in $log" >&2
    echo "fuzz: to see it again: $work/bin/${target}_fuzz ${input:-INPUT}" >&2
    exit 1
  fi
  printf '    %d executions, nothing found\n' "$executions"
done
