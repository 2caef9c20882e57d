"""What a user of pyserial writes, as a reference: one frame every period.

pyserial_loop.py MODE PERIOD_US COUNT prints one JSON line with the error of each write
against the plan (start + k * period), in nanoseconds. MODE:
  absolute  sleep until the deadline, counted from the start
  relative  sleep for one period after each write
  spin      read perf_counter until the deadline
"""
import json
import os
import sys
import time
import tty

try:
    import serial
except ImportError:
    print(json.dumps({"missing": "pyserial"}))
    sys.exit(0)

FRAME = b"8 bytes."


def swallow(far, near):
    """Read the far side in a process of its own, so that no buffer fills up."""
    child = os.fork()
    if child == 0:
        os.close(near)
        try:
            while os.read(far, 4096):
                pass
        except OSError:
            pass
        os._exit(0)
    os.close(far)
    return child


def run(mode, period_s, count, port):
    """Write count frames; the time of each just before its write."""
    stamps = []
    clock = time.perf_counter
    start = clock() + 0.05
    for k in range(count):
        due = start + k * period_s
        if mode == "absolute" or k == 0:
            left = due - clock()
            if left > 0:
                time.sleep(left)
        elif mode == "relative":
            time.sleep(period_s)
        else:
            while clock() < due:
                pass
        stamps.append(clock())
        port.write(FRAME)
    return [round((stamp - start - k * period_s) * 1e9) for k, stamp in enumerate(stamps)]


def main():
    mode, period_us, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    far, near = os.openpty()
    tty.setraw(near)
    port = serial.Serial(os.ttyname(near), 38400)
    os.close(near)
    child = swallow(far, port.fileno())
    errors = run(mode, period_us / 1e6, count, port)
    port.close()
    os.waitpid(child, 0)
    print(json.dumps({"method": "pyserial " + mode, "void": "", "version": serial.__version__,
                      "errors_ns": errors}, separators=(",", ":")))


main()
