"""A program that sends a stream over LSL, and knows nothing of Moonpulse or liblsl: standard library only, from the
protocol's description.

lsl_sender.py NAME OUT HOW...: is found as a stream NAME of this computer, takes one receiver at a time, and does what
the lines on standard input say, once a receiver is there:
  send TEXT      a sample; with several channels the others are 7 (or a text "other")
  count N        N samples, 0 to 255 over and over
  raw HEX        these bytes
  sleep S        seconds
  until NAME     until the file OUT.NAME is there
  end            closes the connection, and takes another receiver with another uid
  leave          the same, but nobody finds it until OUT.back is there
HOW: format=FORMAT (string), channels=N, rate=R, type=T, source=ID, version=110 or 100, data=110 or 100; big: numbers in
the other byte order; lie: so, and it says that they are not; deaf: it takes connections and answers nothing; nobody:
it answers that it has no such stream. OUT.there is there once it can be found; OUT has a line of JSON when all is done:
how many samples, how many receivers. It ends with the folder of OUT.
"""
import json
import os
import socket
import struct
import sys
import threading
import time

name, out = sys.argv[1:3]
how = dict((each + "=yes").split("=")[:2] for each in sys.argv[3:])
form, channels = how.get("format", "string"), int(how.get("channels", 1))
version, data = int(how.get("version", 110)), int(how.get("data", how.get("version", 110)))
order = ">" if "big" in how or "lie" in how else "<"
CODES = {"float32": "f", "double64": "d", "int8": "b", "int16": "h", "int32": "i", "int64": "q"}
FIRST = {"float32": 0, "double64": 16777217, "int8": 1, "int16": 257, "int32": 65537, "int64": 2147483649}
state = {"uid": 0, "found": True}


def uid():
    return "%08d-%s" % (state["uid"], os.getpid())


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")


def info():
    return ("<?xml version=\"1.0\"?>\n<info>\n<name>%s</name><type>%s</type><channel_count>%d</channel_count>"
            "<channel_format>%s</channel_format><source_id>%s</source_id><nominal_srate>%s</nominal_srate>"
            "<version>%s</version><created_at>1000.5</created_at><uid>%s</uid><session_id>default</session_id>"
            "<hostname>here</hostname><v4address /><v4data_port>%d</v4data_port><v4service_port>%d</v4service_port>"
            "<v6address /><v6data_port>0</v6data_port><v6service_port>0</v6service_port><desc /></info>\n"
            % (escaped(name), how.get("type", "Markers"), channels, form, escaped(how.get("source", "")),
               how.get("rate", "0.0000"), "1.1000000000000001" if version == 110 else "1.", uid(), port, service)
            ).encode()


def bound(kind, port):
    s = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    return s


def first_free(kind):
    for port in range(16572, 16604):
        try:
            return bound(kind, port)
        except OSError:
            pass
    return bound(kind, 0)


def answer_queries():
    """To those about this stream: by its name, type or source_id, which is all that is asked here."""
    while True:
        asked, who = udp.recvfrom(4096)
        lines = asked.decode(errors="replace").split("\r\n")
        if len(lines) != 4 or lines[0] != "LSL:shortinfo" or not state["found"]:
            continue
        fields = {"name": name, "type": how.get("type", "Markers"), "source_id": how.get("source", "")}
        if lines[1] in ["session_id='default' and %s='%s'" % each for each in fields.items()]:
            to, query = lines[2].split(" ")
            udp.sendto(query.encode() + b"\r\n" + info(), (who[0], int(to)))


def archived(value, signed=False):
    if value == 0:
        return b"\0"
    size = 1
    while signed and value < 0 and not -(1 << (8 * size)) <= value:
        size += 1
    if value < 0:
        return bytes([256 - size]) + (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "little")


def bits(code, value):
    return int.from_bytes(struct.pack("<" + code, value), "little")


def channel(value):
    if form == "string":
        text = str(value).encode()
        if data == 100:
            return archived(len(text)) + text
        size = 1 if len(text) < 256 else 4
        return bytes([size]) + struct.pack(order + {1: "B", 4: "I"}[size], len(text)) + text
    code = CODES[form]
    if data == 100:
        return archived(bits(code, float(value))) if code in "fd" else archived(int(value), True)
    return struct.pack(order + code, float(value) if code in "fd" else int(value))


def sample(values, at=None):
    head = (archived(2) + archived(bits("d", at)) if data == 100 else b"\x02" + struct.pack(order + "d", at)) \
        if at is not None else (archived(1) if data == 100 else b"\x01")
    return head + b"".join(channel(each) for each in values)


def pattern(offset):
    if form == "string":
        return [(k + 10) * (1 if k % 2 == 0 else -1) for k in range(channels)]
    return [(k + FIRST[form] + offset) * (1 if k % 2 == 0 else -1) for k in range(channels)]


def begin(s):
    """What a receiver asks, checked; and all that stands before the first sample."""
    asked = b""
    while not asked.endswith(b"\r\n\r\n" if version == 110 else b" 0\r\n"):
        more = s.recv(4096)
        if not more:
            return False
        asked += more
    if "deaf" in how:
        s.recv(1)
        return False
    lines = asked.decode().split("\r\n")
    if version == 110:
        assert lines[0].startswith("LSL:streamfeed/110 "), lines
        said = dict(each.split(": ", 1) for each in lines[1:-2])
        assert said["Native-Byte-Order"] == "1234" and said["Has-IEEE754-Floats"] == "1", lines
        assert int(said["Data-Protocol-Version"]) >= data and said["Max-Buffer-Length"] == "36000", lines
        assert int(said["Value-Size"]) == (0 if form == "string" else struct.calcsize(CODES[form])), lines
        if "nobody" in how or lines[0].split()[1] != uid():
            s.sendall(b"LSL/110 404 Not found\r\n\r\n")
            return False
        s.sendall(("LSL/110 200 OK\r\nUID: %s\r\nByte-Order: %d\r\nSuppress-Subnormals: 0\r\n"
                   "Data-Protocol-Version: %d\r\n\r\n" % (uid(), 4321 if "big" in how else 1234, data)).encode())
    else:
        assert lines[0] == "LSL:streamfeed" and lines[1] == "36000 0", lines
    if data == 100:
        s.sendall(b"\x7f" + archived(9) + archived(len(info())) + info() + b"\0\0")
    s.sendall(sample(pattern(4), 123456.789) + sample(pattern(2), 123456.789))
    return True


def receiver(done):
    while True:
        s, _ = tcp.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if begin(s):
            done["receivers"] += 1
            return s
        s.close()


def until(path):
    while not os.path.exists(path):
        assert os.path.isdir(os.path.dirname(path))
        time.sleep(0.01)


def end_with_folder():
    while os.path.isdir(os.path.dirname(out)):
        time.sleep(0.2)
    os._exit(0)


def values(first):
    return [first] + [7 if form != "string" else "other"] * (channels - 1)


udp, tcp = first_free(socket.SOCK_DGRAM), first_free(socket.SOCK_STREAM)
tcp.listen(4)
port, service = tcp.getsockname()[1], udp.getsockname()[1]
threading.Thread(target=answer_queries, daemon=True).start()
threading.Thread(target=end_with_folder, daemon=True).start()
done = {"samples": 0, "receivers": 0}
open(out + ".there", "w").close()
commands = sys.stdin.read().splitlines()
s = receiver(done)
for line in commands:
    what, _, text = line.partition(" ")
    if what == "send":
        s.sendall(sample(values(text), time.monotonic()))
        done["samples"] += 1
    elif what == "count":
        for i in range(int(text)):
            s.sendall(sample(values(i % 256), time.monotonic() if i % 3 else None))
        done["samples"] += int(text)
    elif what == "raw":
        try:
            s.sendall(bytes.fromhex(text))
        except OSError:
            pass
    elif what == "sleep":
        time.sleep(float(text))
    elif what == "until":
        until(out + "." + text)
    elif what in ("end", "leave"):
        state["found"] = what == "end"
        s.close()
        state["uid"] += 1
        if what == "leave":
            until(out + ".back")
            state["found"] = True
        s = receiver(done)
with open(out + ".part", "w") as f:
    json.dump(done, f)
os.rename(out + ".part", out)
until(out + ".go")
