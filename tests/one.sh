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
    name=$(basename "$1" .lua)
    set -- env BUSTED_OUTPUT=TAP $MP_WRAP "$MOONPULSE" lua tests/specs.lua "$1"
    ;;
  *)
    name=$(basename "$1")
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
calm=$(realpath "${MOONPULSE%/*}")/tests/rig/calm_shim.so
case $name:$MOONPULSE:$MP_WRAP in
  serial_rig:* | test_serial_rig:* | test_stop_line_program:*) calm="" ;;
  *_spec:* | *:*sanitize*:* | *:*valgrind*) ;;
  *) is_busy || calm="" ;;
esac
[ -e "$calm" ] || calm=""

case $name in
  test_latency | test_session) ;; # with a real-time priority, where the computer grants one
  *) set -- ${MP_PLAIN:-} "$@" ;;
esac
case " $(echo ${MP_COMPUTES:-}) " in
  *" $name "*) [ -e "$MP_LOGS/alone" ] || set -- nice -n 10 "$@" ;;
esac

log=$MP_LOGS/$name.log
echo 0 1 0 >"$MP_LOGS/$name.end" # until it has said otherwise
began=$(date +%s)
# Of the specs: memory in fewer and larger pages. In a virtual machine a short run computes a quarter less.
pages="glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216:glibc.malloc.trim_threshold=268435456"
[ -n "$calm" ] && set -- env MP_CALM="$MP_LOGS/$name.calm" LD_PRELOAD="$calm" "$@"
case $name:$MP_WRAP in
  *valgrind*) ;; # has a heap of its own, and finds fault with how the C library reads these words
  *_spec:*) set -- env GLIBC_TUNABLES="$pages" "$@" ;;
esac
"$@" >"$log" 2>&1 </dev/null
status=$?
took=$(($(date +%s) - began))
# Of them the processor's, which the second line of times tells of ended children: "0m1.20s 0m0.30s". Not in a pipe:
# a subshell has no children.
times >"$MP_LOGS/$name.times"
worked=$(sed -n '2s/[ms.]/ /gp' "$MP_LOGS/$name.times" | { read -r m s _ n t _ && echo $((60 * (m + n) + s + t)); })

count() {
  grep -c "$1" "$log"
}

case $name in
  *_spec)
    p=$(count '^ok ') f=$(count '^not ok ') s=$(count '^ok .*# SKIP')
    p=$((p - s))
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
stood=$(od -A n -t d8 -N 8 "$MP_LOGS/$name.calm" 2>/dev/null | tr -d ' ')
stood=$((${stood:-0} / 1000000000))
echo "$text$line ($took s, processor $worked s$([ $stood = 0 ] || echo ", its clock stood still for $stood s"))"
