#!/bin/sh
# A foot switch through the command: moonpulse run --stop-line cts on a port with lines (run.sh
# makes it). usage: stop_line.sh BUILD_OF_RIG MOONPULSE SHIM
set -u
shim=$3 moonpulse=$2 work=$(mktemp -d -p /tmp)
trap 'kill "$simulator" 2>/dev/null; rm -rf "$work"' EXIT
say() {
  echo "test_stop_line: $*"
}
await() { # FILE PATTERN
  tries=0
  until grep -q "$2" "$1" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 150 ] || return 1
    sleep 0.1
  done
}
cat >"$work/made.lua" <<'LUA'
local mp = require "moonpulse"
return mp.protocol { id = "made", name = "Made", plan = function()
  return mp.train { pulses = 100, every = 1, intensity = mp.mso(40) }
end }
LUA
"$moonpulse" sim magventure --log "$work/twin.tsv" >"$work/sim.out" 2>&1 &
simulator=$!
await "$work/sim.out" "Ctrl-C" || { say "0 passed, 1 failed"; exit 1; }
pts=$(sed -n 's/.* on \(.*\)$/\1/p' "$work/sim.out" | head -n 1)
mount --bind "$pts" /dev/ttyMP0
MODEM_INPUT=$work/input
export MODEM_INPUT
: >"$MODEM_INPUT"
LD_PRELOAD="$shim" "$moonpulse" run "$work/made.lua" --device magventure --port /dev/ttyMP0 \
  --stop-line cts --rmt 80 --timing host --tolerance 1000 --out "$work/runs" >"$work/out" 2>"$work/err" &
run=$!
await "$work/twin.tsv" "	pulse	" || { cat "$work/out" "$work/err"; say "0 passed, 1 failed"; exit 1; }
sleep 0.5
printf C >"$MODEM_INPUT" # the foot switch
status=0
wait $run || status=$?
pulses=$(grep -c "	pulse	" "$work/twin.tsv")
last=$(grep -v "	get	" "$work/twin.tsv" | tail -n 1 | cut -f 2)
if [ "$status" = 5 ] && [ "$last" = disarm ] && [ "$pulses" -lt 20 ] &&
  grep -q "stopped by the stop line" "$work/err"; then
  say "1 passed, 0 failed"
  exit 0
fi
say "exit status $status, last event $last, $pulses pulses: $(cat "$work/err")"
say "0 passed, 1 failed"
exit 1
