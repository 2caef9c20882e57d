"""A program that reads a run's feed and knows nothing of Moonpulse: standard library only.

feed_reader.py HOW SOCKET OUT: waits for the socket, then
  read     writes all that comes to OUT, until the run closes; OUT.here is there once the first line came
  hang     reads the first line, then nothing until OUT.go is there, then all that is left, into OUT
  say      sends what standard input has at once, and writes what comes to OUT until the run closes
  fill     connects until it is refused, and keeps all until OUT.go is there; OUT is there once it is refused
  foreign  listens there itself as a run of another version would, until SIGTERM; writes "SIGTERM" to OUT then
  stuck    listens there itself and takes nobody in, with as many waiting as may; writes "stuck" to OUT
  storm    connects as often as it can, 60 times at least, until OUT.go is there; writes the first line that each got to OUT
"""
import os
import signal
import socket
import sys
import time

from receiving import rest_of


def connect(path):
    end = time.monotonic() + 60
    while True:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(path)
            return s
        except OSError:
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def wait_for(path):
    while not os.path.exists(path):
        if not os.path.isdir(os.path.dirname(path)):
            sys.exit(1)  # the test is over
        time.sleep(0.005)


def first_line(s):
    line = b""
    while not line.endswith(b"\n"):
        got = s.recv(1)
        if not got:
            break
        line += got
    return line


def foreign(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(finish(b"SIGTERM")))
    while True:
        s, _ = listener.accept()
        s.sendall(b'{"event":"hello","format":"moonpulse feed","version":99,"run":"of_another"}\n')
        s.close()


def finish(text):
    with open(out + ".part", "wb") as f:
        f.write(text)
    os.rename(out + ".part", out)
    if how == "foreign":
        os.unlink(path)


how, path, out = sys.argv[1:4]
if how == "foreign":
    foreign(path)
elif how == "stuck":
    listener, held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), []
    listener.bind(path)
    listener.listen(0)
    try:
        while True:
            held.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            held[-1].setblocking(False)
            held[-1].connect(path)
    except BlockingIOError:
        finish(b"stuck")
    wait_for(out + ".go")
    sys.exit(0)
elif how == "fill":
    held, text = [], b""
    while b"refused" not in text:
        held.append(connect(path))
        text = first_line(held[-1])
    finish(text)
    wait_for(out + ".go")
    sys.exit(0)
elif how == "storm":
    held, lines = [], []
    while len(lines) < 60 or not os.path.exists(out + ".go"):
        s = connect(path)
        lines.append(first_line(s))
        if len(held) < 40:
            held.append(s)
        else:
            s.close()
    text = b"".join(lines)
else:
    s = connect(path)
    text = b""
    if how == "hang":
        text = first_line(s)
        wait_for(out + ".go")
    elif how == "read":
        text = first_line(s)
        open(out + ".here", "wb").close()
    elif how == "say":
        try:
            s.sendall(sys.stdin.buffer.read())
        except BrokenPipeError:
            pass
    text += rest_of(s)
finish(text)
