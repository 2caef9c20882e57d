#!/bin/sh
# Runs a test where a pseudo-terminal looks like a USB serial port to libserialport: test_serial_rig,
# or, given MOONPULSE, stop_line.sh with that program.
# usage: tests/rig/run.sh BUILD_DIRECTORY [MOONPULSE]   (it holds test_serial_rig and modem_shim.so)
#
# All mounts are made in a private mount namespace: outside nothing changes. There /dev is a
# small folder with /dev/ttyMP0 (the program binds its pseudo-terminal on it) and /dev/ttyMP1
# (a device that is no terminal); /sys/class/tty lists the two, the first on a made-up USB device.
set -eu

no_namespace=77

inside() {
  build=$1 work=$2 moonpulse=$3 here=$4
  mkdir "$work/dev" "$work/class"
  mount -t tmpfs -o mode=0755 tmpfs "$work/dev" || exit $no_namespace
  mkdir "$work/dev/pts"
  touch "$work/dev/null" "$work/dev/ttyMP0" "$work/dev/ttyMP1"
  # an instance of our own: one made by a user without privileges may not use the system's
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$work/dev/pts" || exit $no_namespace
  ln -s pts/ptmx "$work/dev/ptmx"
  mount --bind /dev/null "$work/dev/null" || exit $no_namespace
  mount --bind /dev/full "$work/dev/ttyMP1" || exit $no_namespace
  mount --rbind "$work/dev" /dev || exit $no_namespace

  usb=$work/usb1/1-1
  tty=$usb/1-1:1.0/ttyMP0/tty/ttyMP0
  mkdir -p "$tty"
  ln -s ../../../ttyMP0 "$tty/device"
  echo 1 >"$usb/busnum"
  echo 2 >"$usb/devnum"
  echo 1209 >"$usb/idVendor"
  echo 0001 >"$usb/idProduct"
  echo "Moonpulse" >"$usb/manufacturer"
  echo "Rig Port" >"$usb/product"
  echo "MP0001" >"$usb/serial"
  ln -s "$tty" "$work/class/ttyMP0"
  ln -s ../../devices/platform/ttyMP1 "$work/class/ttyMP1"
  mount --bind "$work/class" /sys/class/tty || exit $no_namespace

  # LD_PRELOAD is for the program alone
  MODEM_LOG=$work/lines.log
  export MODEM_LOG
  : >"$MODEM_LOG"
  cd /
  if [ -n "$moonpulse" ]; then
    exec sh "$here/stop_line.sh" "$build" "$moonpulse" "$build/modem_shim.so"
  fi
  exec env LD_PRELOAD="$build/modem_shim.so" "$build/test_serial_rig"
}

skip() {
  echo "rig: 0 passed, 0 failed, 1 skipped ($1)"
  exit 0
}

if [ "${1:?usage: run.sh BUILD_DIRECTORY}" = --inside ]; then
  inside "$2" "$3" "$4" "$5"
fi

build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
moonpulse=${2:+$(cd "$(dirname "$2")" && pwd)/$(basename "$2")}
if unshare --mount true 2>/dev/null; then
  namespace="unshare --mount"
elif unshare --map-root-user --mount true 2>/dev/null; then
  namespace="unshare --map-root-user --mount"
else
  skip "this machine forbids mount namespaces"
fi

work=$(mktemp -d -p /tmp) # not in $TMPDIR: that may be under /dev, and the rig has a /dev of its own
trap 'rm -rf "$work"' EXIT
status=0
$namespace --propagation private sh "$0" --inside "$build" "$work" "$moonpulse" "$here" || status=$?
[ $status -ne $no_namespace ] || skip "this machine forbids bind mounts"
exit $status
