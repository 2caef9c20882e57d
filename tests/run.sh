#!/bin/sh
# Run every test of a build: C programs, the serial rig, the specs. $1: the build folder;
# $2: "valgrind" to run them under it; "programs" for the C programs alone. Ends with "N passed, N failed".
# MP_JOBS: how many at once; 4 unless set. Most wait for a clock most of their time, and none may depend on being alone.
set -u
# Under nohup, or behind "&" in a script, some signals come in ignored, and what a test kills would live on.
if [ -z "${MP_SIGNALS:-}" ]; then
  MP_SIGNALS=default exec env --default-signal=HUP,INT,QUIT,PIPE,TERM sh "$0" "$@"
fi
build=$1
what=${2:-}
jobs=${MP_JOBS:-4}
export MP_WRAP=""
if [ "$what" = valgrind ]; then
  MP_WRAP="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
  export MP_QUICK=1
  echo "under valgrind the C programs take about 5 minutes, none more than one; the specs perhaps an hour"
fi
# Everything is slower there by a factor of three to fifteen: fewer random cases, each as thoroughly.
case $build in *sanitize*) export MP_QUICK=1 ;; esac
# Without the right to a real-time priority, as an ordinary user is: as root the dispatchers of several tests, each
# spinning before every pulse, would take the processors whole, and simulators and event loops would get no turn for
# half a second. tests/one.sh leaves it to the tests that are about it; `make bench` measures with it.
MP_PLAIN="setpriv --bounding-set -sys_nice --inh-caps -sys_nice"
$MP_PLAIN true 2>/dev/null || MP_PLAIN=""
export MP_PLAIN
# Noon, whenever the tests begin: what was given an hour ago was given today.
hour=$(date -u +%H)
export TZ="NOON$((${hour#0} - 12))"
export MOONPULSE="$build/moonpulse"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
# a program that the backstop ends joins no thread
export TSAN_OPTIONS="${TSAN_OPTIONS:-} report_thread_leaks=0"
# the rig preloads a shim, which the sanitizer wants to come after itself
case $build in *sanitize*address*) export RIG_WRAP="env ASAN_OPTIONS=verify_asan_link_order=0" ;; esac
# What tests write lies in memory where there is room: a disk that three suites delete from at once can keep whoever
# deletes or cuts a file waiting for half a second, and the tests that have a clock would judge it. (Full and hung
# disks are made by the tests themselves.)
has_memory_folder() {
  [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ -w /dev/shm ] || return 1
  [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 2000000 ] || return 1
  try=$(mktemp /dev/shm/moonpulse.XXXXXX) && cp /bin/true "$try" && chmod 700 "$try"
  "$try" 2>/dev/null # it may be mounted without the right to run programs
  runs=$?
  rm -f "$try"
  return $runs
}
if [ -z "${TMPDIR:-}" ] && has_memory_folder; then
  export TMPDIR=/dev/shm
fi
MP_LOGS=$(mktemp -d) # of each test NAME: NAME.log, and NAME.end once it has ended
export MP_LOGS
trap 'rm -rf "$MP_LOGS"' EXIT
# Records and their index, where a test names no folder: never where the user's are.
export MOONPULSE_RUNS="$MP_LOGS/records" XDG_CACHE_HOME="$MP_LOGS/cache"

# What takes longest begins first, so that nothing is left over at the end; what computes and what waits by turns.
longest="five_lists operations cases_devices record explore conformance fuzz_folders experiment
  five_lists_experiments run worst settings check_worst magventure_train_run huge_plans five_lists_real ends held_up
  stimjim_run duomag fault"

# What only computes gives way to what has a clock: a stimulator's reply is due in tens of milliseconds.
MP_COMPUTES="five_lists_spec five_lists_experiments_spec five_lists_mutants_spec five_lists_options_spec check_worst_spec
  worst_spec monotony_spec safety_spec safety_random_spec gate_spec gate_plans_spec coverage_spec compose_spec
  compose_property_spec conformance_mutant_spec virtual_random_spec explore_spec invariants_spec virtual_experiment_spec
  vectors_spec golden_spec catalogue_spec protocols_command_spec author_words_spec lower_spec over_spec shortest_spec
  split_spec plan_file_spec fuzz_folders_spec test_stop_virtual test_session_model test_flight test_dispatcher_malloc"
export MP_COMPUTES

list_programs() {
  for program in "$build"/tests/test_*; do
    case $program in *.*) ;; *) echo "$program" ;; esac
  done
  echo "rig:$build"
}

list_specs() {
  all=$(find tests/spec -name '*_spec.lua' | sort)
  for name in $longest; do
    echo "$all" | grep "/${name}_spec\.lua$"
  done
  for spec in $all; do
    name=$(basename "$spec" _spec.lua)
    case " $(echo $longest) " in *" $name "*) ;; *) echo "$spec" ;; esac
  done
}

if [ "$what" = programs ]; then
  list_programs
else
  { list_programs && list_specs; }
fi | xargs -P "$jobs" -n 1 sh tests/one.sh
begun=$?

# A C program counts as one test however many checks it makes: property tests make 10^5 of them.
passed=0 failed=0 skipped=0
for end in "$MP_LOGS"/*.end; do
  read -r p f s <"$end"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  # what failed, told again at the end: a log is often read by its tail
  if [ "$f" != 0 ]; then
    [ $failed = "$f" ] && echo "What failed, again:"
    echo "--- $(basename "$end" .end)"
    grep -v '^ok ' "${end%.end}.log" | tail -n 60
  fi
done
[ "$skipped" != 0 ] && echo "($skipped skipped)"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ] && [ "$begun" = 0 ]
