#!/bin/sh
# Run every test of a build: C programs, the serial rig, the specs. $1: the build folder;
# $2: "valgrind" to run them under it; "programs" for the C programs alone. Ends with "N passed, N failed".
# MP_JOBS: how many at once of those that have a clock; 6 unless set: most wait for it most of their time, and none may
# depend on being alone. Under a sanitizer or valgrind, where they compute for most of it, 2. Beside them goes one a
# processor of those that only compute; MP_JOBS=1: one test at a time.
set -u
# Under nohup, or behind "&" in a script, some signals come in ignored, and what a test kills would live on.
if [ -z "${MP_SIGNALS:-}" ]; then
  MP_SIGNALS=default exec env --default-signal=HUP,INT,QUIT,PIPE,TERM sh "$0" "$@"
fi
build=$1
what=${2:-}
case $build$what in *sanitize* | *valgrind) jobs=${MP_JOBS:-2} ;; *) jobs=${MP_JOBS:-6} ;; esac
export MP_WRAP=""
if [ "$what" = valgrind ]; then
  # one thread runs at a time there: without fair-sched one that looks at the clock takes most of the turns
  MP_WRAP="valgrind --quiet --fair-sched=try --error-exitcode=99 --leak-check=full --show-leak-kinds=definite"
  MP_WRAP="$MP_WRAP --errors-for-leak-kinds=definite"
  export MP_QUICK=1
  echo "under valgrind the C programs take about 5 minutes, none more than one; the specs well over an hour"
fi
# Everything is slower there by a factor of three to fifteen: fewer random cases, each as thoroughly.
case $build in *sanitize*) export MP_QUICK=1 ;; esac
# Without the right to a real-time priority, as an ordinary user is: as root the dispatchers of several tests, each
# spinning before every pulse, would take the processors whole, and simulators and event loops would get no turn for
# half a second. tests/one.sh leaves it to the tests that are about it; `make bench` measures with it.
MP_PLAIN="setpriv --bounding-set -sys_nice --inh-caps -sys_nice"
$MP_PLAIN true 2>/dev/null || MP_PLAIN=""
# Nor with the right to lock its memory, as an ordinary user is: to lock it and to let go of it is a fifth of what a
# short run in real time takes of the processor. Those that are about it, and some that run as root does, have it.
MP_MODEST="setpriv --bounding-set -sys_nice,-ipc_lock --inh-caps -sys_nice,-ipc_lock"
$MP_MODEST true 2>/dev/null || MP_MODEST=$MP_PLAIN
export MP_PLAIN MP_MODEST
# Noon, whenever the tests begin: what was given an hour ago was given today.
hour=$(date -u +%H)
export TZ="NOON$((${hour#0} - 12))"
export MOONPULSE="$build/moonpulse"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
# a program that the backstop ends joins no thread
export TSAN_OPTIONS="${TSAN_OPTIONS:-} report_thread_leaks=0"
# shims are preloaded, which the sanitizer wants to come after itself
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
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

# What takes longest begins first, so that nothing is left over at the end: by the seconds of a whole run.
longest="slow_disk conformance cases_devices operations run record five_lists_real trigger look huge_plans ends_driver
  docs trigger_in signals held_up ends new_driver json_schemas hung_disk recover kill rerun patience confirmed_after
  experiment stop safe_answer"
long_programs="test_backstop test_session test_dispatcher test_dispatcher_malloc test_flight"

# What only computes, longest first. It has a queue of its own and gives way to what has a clock: a stimulator's reply
# is due in tens of milliseconds.
MP_COMPUTES="five_lists_spec explore_spec fuzz_folders_spec five_lists_experiments_spec worst_spec
  virtual_experiment_spec check_worst_spec five_lists_options_spec monotony_spec five_lists_mutants_spec invariants_spec
  safety_spec compose_property_spec catalogue_spec test_session_model safety_random_spec gate_plans_spec coverage_spec
  compose_spec conformance_mutant_spec virtual_random_spec vectors_spec golden_spec protocols_command_spec
  author_words_spec lower_spec over_spec split_spec plan_file_spec test_stop_virtual test_flight_long"
export MP_COMPUTES

list_programs() {
  programs=$(ls "$build"/tests/test_* | grep -v '\.[^/]*$')
  for name in $long_programs; do
    echo "$programs" | grep "/$name$"
  done
  for program in $programs; do
    case " $long_programs " in *" $(basename "$program") "*) ;; *) echo "$program" ;; esac
  done
  echo "rig:$build"
}

list_specs() {
  specs=$(find tests/spec -name '*_spec.lua' | sort)
  list_programs # first, while little else runs: the computer's clock judges some of them
  for name in $longest; do
    echo "$specs" | grep "/${name}_spec\.lua$"
  done
  for spec in $specs; do
    name=$(basename "$spec" _spec.lua)
    case " $(echo $longest) " in *" $name "*) ;; *) echo "$spec" ;; esac
  done
}

if [ "$what" = programs ]; then
  list_programs
else
  list_specs
fi >"$MP_LOGS/all"

# Of $MP_LOGS/all: those that only compute, in the order in which they are named there.
list_computing() {
  for name in $MP_COMPUTES; do
    grep -E "/$name(\.lua)?$" "$MP_LOGS/all"
  done
}

if [ "$jobs" = 1 ]; then
  xargs -n 1 sh tests/one.sh <"$MP_LOGS/all"
  begun=$?
else
  list_computing >"$MP_LOGS/computing"
  grep -v -x -F -f "$MP_LOGS/computing" "$MP_LOGS/all" >"$MP_LOGS/waiting"
  # behind "&" a shell ignores some signals, and what a test kills would live on
  env --default-signal=INT,QUIT xargs -P "$(nproc)" -n 1 sh tests/one.sh <"$MP_LOGS/computing" &
  computing=$!
  xargs -P "$jobs" -n 1 sh tests/one.sh <"$MP_LOGS/waiting"
  begun=$?
  # Nothing with a clock is left to give way to: beside busy programs what gives way to all takes an hour.
  touch "$MP_LOGS/alone"
  renice -n "$(nice)" -g "$(ps -o pgid= -p $$ | tr -d ' ')" >/dev/null 2>&1 # as far as the system lets this user
  wait $computing || begun=$?
fi

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
