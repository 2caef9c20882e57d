#!/bin/sh
# Run one test for run.sh and say how it ended, in one line; if it failed, what it printed comes before.
# $1: a C program, a spec, or rig:BUILD. Leaves NAME.log and NAME.end ("passed failed skipped") in $MP_LOGS.
set -u
# shellcheck disable=SC2086  # MP_WRAP is a command with its options
case $1 in
  rig:*)
    for part in serial_rig stop_line; do
      sh "$0" "$part:${1#rig:}"
    done
    exit 0
    ;;
  serial_rig:*)
    name=test_serial_rig
    set -- sh tests/rig/run.sh "${1#*:}/tests/rig"
    ;;
  stop_line:*sanitize*) exit 0 ;; # a preloaded shim and a sanitizer's own do not go together
  stop_line:*)
    name=test_stop_line_program
    set -- sh tests/rig/run.sh "${1#*:}/tests/rig" "$MOONPULSE"
    ;;
  *.lua)
    name=${1##*/} name=${name%.lua}
    export BUSTED_OUTPUT=TAP
    set -- $MP_WRAP "$MOONPULSE" lua tests/specs.lua "$1"
    ;;
  *)
    name=${1##*/}
    set -- $MP_WRAP "$1"
    ;;
esac

# A busy computer is waited for, but not for long: some ten seconds.
is_busy() {
  room=$((4 * $(nproc)))
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    read -r _ _ _ running _ </proc/loadavg
    [ "${running%/*}" -le $room ] && return 1
    sleep "0.$((5 + $$ % 5))" # not all at once
  done
}

# A spec and what it starts have a clock of their own, which stands still while the computer gives them no turn. C
# programs have it where the build is slow anyway, or the computer stays busy; else they go by the computer's clock, and
# see what it would hide.
calm=$(cd "${MOONPULSE%/*}" && pwd -P)/tests/rig/calm_shim.so
case $name:$MOONPULSE:$MP_WRAP in
  serial_rig:* | test_serial_rig:* | test_stop_line_program:*) calm="" ;;
  *_spec:* | *:*sanitize*:* | *:*valgrind*) ;;
  *) is_busy || calm="" ;;
esac
[ -e "$calm" ] || calm=""

case $name in
  test_latency | test_session) ;; # with a real-time priority, where the computer grants one
  test_session_model) set -- ${MP_MODEST:-${MP_PLAIN:-}} "$@" ;; # arms thousands of times
  test_* | held_up_spec | run_spec | record_spec | kill_spec) set -- ${MP_PLAIN:-} "$@" ;; # with memory locked
  *) set -- ${MP_MODEST:-${MP_PLAIN:-}} "$@" ;;
esac
for each in ${MP_COMPUTES:-}; do
  if [ "$each" = "$name" ] && [ ! -e "$MP_LOGS/alone" ]; then
    set -- nice -n 10 "$@"
  fi
done

log=$MP_LOGS/$name.log
echo 0 1 0 >"$MP_LOGS/$name.end" # until it has said otherwise
read -r began _ </proc/uptime
# Of the specs: memory in fewer and larger pages. In a virtual machine a short run computes a quarter less.
pages="glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216:glibc.malloc.trim_threshold=268435456"
case $name:$MP_WRAP in
  *valgrind*) ;; # has a heap of its own, and finds fault with how the C library reads these words
  *_spec:*) export GLIBC_TUNABLES="$pages" ;;
esac
( # what follows is told in variables: each program in front of it would be one more to start
  [ -n "$calm" ] && export MP_CALM="$MP_LOGS/$name.calm" LD_PRELOAD="$calm"
  exec "$@"
) >"$log" 2>&1 </dev/null
status=$?
unset GLIBC_TUNABLES
read -r ended _ </proc/uptime
took=$((${ended%.*} - ${began%.*}))

# The seconds of "1m2.340s".
seconds() {
  of_minute=${1#*m}
  echo $((60 * ${1%m*} + ${of_minute%.*}))
}
# Of them the processor's, which the second line of times tells of ended children: "0m1.20s 0m0.30s". Not in a pipe:
# a subshell has no children.
times >"$MP_LOGS/$name.times"
{ read -r _ && read -r user system; } <"$MP_LOGS/$name.times"
worked=$(($(seconds "$user") + $(seconds "$system")))

case $name in
  *_spec)
    awk '/^ok / { if (/# SKIP/) s++; else p++ } /^not ok / { f++ } END { print p + 0, f + 0, s + 0 }' "$log" \
      >"$MP_LOGS/$name.counts"
    read -r p f s <"$MP_LOGS/$name.counts"
    line="$name: $p passed, $f failed"
    ;;
  *) # "name: N passed, N failed[, N skipped]"; a program that says nothing has failed
    line=$(grep -E '^[^ ]+: [0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    p=$(echo "$line" | sed -n 's/.*: \([0-9]*\) passed.*/\1/p') p=$((${p:-0} > 0))
    f=$(echo "$line" | sed -n 's/.*passed, \([0-9]*\) failed.*/\1/p') f=$((${f:-1} > 0))
    s=$((p == 0 && f == 0))
    line="$name: ${line#*: }"
    ;;
esac
if [ "$status" != 0 ] && [ "$f" = 0 ] || [ $((p + f + s)) = 0 ]; then
  f=1
fi
text=""
[ "$f" != 0 ] && text="$(grep -v '^ok ' "$log")
FAILED (exit status $status): "
echo "$p $f $s" >"$MP_LOGS/$name.end"
# how long the specs' clock stood still, by the file that the shim keeps
stood=0
[ -e "$MP_LOGS/$name.calm" ] && stood=$(od -A n -t d8 -N 8 "$MP_LOGS/$name.calm")
stood=$((stood / 1000000000))
echo "$text$line ($took s, processor $worked s$([ $stood = 0 ] || echo ", its clock stood still for $stood s"))"
