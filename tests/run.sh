#!/bin/sh
# Run every test of a build: C programs, the serial rig, the specs. $1: the build folder;
# $2: "valgrind" to run them under it. Ends with "N passed, N failed".
set -u
# Under nohup, or behind "&" in a script, some signals come in ignored, and what a test kills would live on.
if [ -z "${MP_SIGNALS:-}" ]; then
  MP_SIGNALS=default exec env --default-signal=HUP,INT,QUIT,PIPE,TERM sh "$0" "$@"
fi
build=$1
wrap=""
if [ "${2:-}" = valgrind ]; then
  wrap="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"
  export MP_QUICK=1
  echo "under valgrind the C programs take about 5 minutes, none more than one; the specs perhaps an hour"
fi
# the dispatcher's priority is for benchmarks; the sanitizers' threads need the cores too
export MOONPULSE="$build/moonpulse"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
passed=0
failed=0
skipped=0
log=$(mktemp)
failures=$(mktemp) # what failed, told again at the end: a log is often read by its tail
beside=$(mktemp -d)   # logs of the specs that run beside the others
lane=""
trap '[ -n "$lane" ] && kill "$lane" 2>/dev/null; rm -rf "$log" "$failures" "$beside"' EXIT

# Specs that judge no clock: one after the other, they run beside the rest. MP_JOBS=1: behind each other.
clockless="check_worst compose_property conformance conformance_mutant docs five_lists five_lists_experiments
  five_lists_mutants five_lists_options fuzz_folders golden huge_plans monotony safe_answer safety_random
  vectors words worst"
[ -n "$wrap" ] && MP_JOBS=1
[ "${MP_JOBS:-2}" = 1 ] && clockless=""
(
  for name in $clockless; do
    began=$(date +%s)
    BUSTED_OUTPUT=TAP env --default-signal=HUP,INT,QUIT,PIPE,TERM "$MOONPULSE" lua tests/specs.lua \
      "tests/spec/${name}_spec.lua" >"$beside/$name.log" 2>&1
    echo "$? $(($(date +%s) - began))" >"$beside/$name.end"
  done
) &
lane=$!

# How long what began at $began took.
seconds() {
  echo "$(($(date +%s) - began)) s"
}

# Keep what a failing test printed (at most 60 lines) under its name.
remember() {
  { echo "--- $1"; grep -v '^ok ' "$log" | tail -n 60; } >>"$failures"
}

# Add "name: N passed, N failed[, N skipped]" lines up; a program that says nothing has failed.
tally() {
  name=$1
  status=$2
  line=$(grep -E '^[^ ]+: [0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  p=$(echo "$line" | sed -n 's/.*: \([0-9]*\) passed.*/\1/p')
  f=$(echo "$line" | sed -n 's/.*passed, \([0-9]*\) failed.*/\1/p')
  s=$(echo "$line" | sed -n 's/.*failed, \([0-9]*\) skipped.*/\1/p')
  if [ -z "$line" ] || { [ "$status" != 0 ] && [ "${f:-0}" = 0 ]; }; then
    f=$((${f:-0} + 1))
    echo "FAILED: $name (exit status $status)"
  fi
  if [ "${f:-0}" != 0 ]; then
    cat "$log"
    remember "$name"
  fi
  # a program counts as one test however many checks it makes: property tests make 10^5 of them
  if [ "${f:-0}" != 0 ]; then
    failed=$((failed + 1))
  elif [ "${p:-0}" = 0 ]; then
    skipped=$((skipped + 1))
  else
    passed=$((passed + 1))
  fi
  echo "$name: ${p:-0} checks passed, ${f:-0} failed${s:+, $s skipped} ($(seconds))"
}

for program in "$build"/tests/test_*; do
  case $program in *.*) continue ;; esac
  began=$(date +%s)
  $wrap "$program" >"$log" 2>&1
  tally "$(basename "$program")" $?
done

# the rig preloads a shim, which the sanitizer wants to come after itself
case $build in *sanitize*address*) export RIG_WRAP="env ASAN_OPTIONS=verify_asan_link_order=0" ;; esac
began=$(date +%s)
sh tests/rig/run.sh "$build/tests/rig" >"$log" 2>&1
tally test_serial_rig $?
case $build in # a preloaded shim and a sanitizer's own do not go together
  *sanitize*) ;;
  *)
    began=$(date +%s)
    sh tests/rig/run.sh "$build/tests/rig" "$MOONPULSE" >"$log" 2>&1
    tally test_stop_line $?
    ;;
esac

# a program that the backstop ends joins no thread
export TSAN_OPTIONS="${TSAN_OPTIONS:-} report_thread_leaks=0"
# Add up a spec's TAP. $1: its name, $2: its exit status, $3: how long it took.
tally_spec() {
  spec=$1
  status=$2
  p=$(grep -c '^ok ' "$log")
  f=$(grep -c '^not ok ' "$log")
  s=$(grep -c '^ok .*# SKIP' "$log")
  if [ "$status" != 0 ] && [ "$f" = 0 ]; then
    f=1
  fi
  if [ "$f" != 0 ] || [ "$p" = 0 ]; then
    grep -v '^ok ' "$log"
  fi
  [ "$p" = 0 ] && [ "$f" = 0 ] && f=1
  [ "$f" != 0 ] && remember "$spec (exit status $status)"
  passed=$((passed + p - s))
  failed=$((failed + f))
  skipped=$((skipped + s))
  echo "$spec: $((p - s)) passed, $f failed ($3)"
}

# specs, one process each: a crash costs one file, and each starts with a fresh host
for spec in tests/spec/*_spec.lua; do
  name=$(basename "$spec" _spec.lua)
  case " $(echo $clockless) " in *" $name "*) continue ;; esac
  began=$(date +%s)
  # shellcheck disable=SC2086
  BUSTED_OUTPUT=TAP $wrap "$MOONPULSE" lua tests/specs.lua "$spec" >"$log" 2>&1
  tally_spec "${name}_spec" $? "$(seconds)"
done
wait
lane=""
for name in $clockless; do
  status=127 took="?"
  [ -f "$beside/$name.end" ] && read -r status took <"$beside/$name.end"
  cp "$beside/$name.log" "$log" 2>/dev/null || : >"$log"
  tally_spec "${name}_spec" "$status" "$took s, beside the others"
done

if [ -s "$failures" ]; then
  echo "What failed, again:"
  cat "$failures"
fi
[ "$skipped" != 0 ] && echo "($skipped skipped)"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
