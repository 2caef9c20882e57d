#!/bin/sh
# Run a command where a mutant can do no harm: processes of its own, which all end with it, /tmp and /dev/shm its
# own (process ids are small there, and files are named by them), and nothing else writable but the folder TREE.
# usage: inside.sh TREE SECONDS COMMAND...
# Exit status: the command's; 137 if it was not over after SECONDS; 125 if this machine forbids namespaces.
# build/times is what it used of the processor, as "times" of sh says it.
set -u
if [ "$1" = --within ]; then
  tree=$2 seconds=$3
  shift 3
  {
    mkdir -p "$tree/build/tmp" && chmod 1777 "$tree/build/tmp" && mount --bind "$tree" "$tree" &&
      mount --bind "$tree/build/tmp" /tmp && mount -t tmpfs -o mode=1777 tmpfs /dev/shm &&
      mount -o remount,bind,ro /
  } || exit 125
  cd "$tree" || exit 125
  # as in tests/run.sh: records and index never where the user's are; real-time priority for those about it only
  export MOONPULSE_RUNS=/tmp/records XDG_CACHE_HOME=/tmp/cache
  for last; do :; done
  case $last in
    */test_latency | */test_session) ;;
    *) set -- setpriv --bounding-set -sys_nice --inh-caps -sys_nice "$@" ;;
  esac
  timeout -s KILL "$seconds" "$@"
  status=$?
  times >build/times
  exit $status
fi
tree=$(cd "$1" && pwd) || exit 125
shift
unshare=$(unshare --mount --pid --fork true 2>/dev/null && echo "unshare" || echo "unshare --map-root-user")
exec $unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
  sh "$0" --within "$tree" "$@"
