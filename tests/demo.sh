#!/bin/sh
# Half a minute of theta burst on a simulator, in real time, and its report.
# $1: the moonpulse program. The simulator is a process of its own on a real
# pseudo-terminal. The tolerance is generous: a demo machine is often a shared one.
set -u
echo "iTBS on a simulated MagPro: 4 trains of 2 s, one every 10 s (Ctrl-C stops it)"
"$1" run itbs600 -p trains=4 --amt 50 --tolerance 50 || exit $?
echo
echo "Open report.html in that folder (its path stands behind \"record\") with a browser; events.tsv holds every pulse."
