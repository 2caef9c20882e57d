#!/bin/sh
# Fuzz the reply parser of every driver in turn. $1: the build folder, $2: seconds for each,
# $3: drivers, all by default. What was found is kept in BUILD/fuzz; exit status 1 if anything was.
set -u
build=$1
seconds=$2
work=$build/fuzz
drivers=${3:-$("$build/moonpulse" lua tests/fuzz/drivers.lua)}
total=0
failed=0
for driver in $drivers; do
  mkdir -p "$work/$driver"
  "$build/moonpulse" lua tests/fuzz/corpus.lua "$driver" "$work/$driver" || exit 1
  log=$work/$driver.log
  FUZZ_DRIVER=$driver FUZZ_SCRIPTS=scripts "$work/decode_fuzz" -max_total_time="$seconds" -timeout=10 \
    -max_len=512 -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$work/$driver-" \
    "$work/$driver" >"$log" 2>&1
  status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  inputs=$(find "$work/$driver" -type f | wc -l)
  total=$((total + ${runs:-0}))
  if [ "$status" = 0 ]; then
    echo "$driver: ${runs:-0} executions, $inputs inputs that reach new lines, nothing found"
  else
    failed=$((failed + 1))
    echo "$driver: FAILED after ${runs:-0} executions"
    grep -E '^(decode|buffer):|ERROR|Test unit written' "$log"
  fi
done
echo "$total executions, $failed drivers failed"
[ "$failed" = 0 ]
