"""A program that receives a stream over LSL, and knows nothing of Moonpulse or liblsl: standard library only, from the
protocol's description.

lsl_reader.py HOW NAME OUT: finds the stream by its name, then
  receive  asks its time, receives it in data protocol 110 until it ends; HOW receive-big: in the other byte order,
           receive-old: in data protocol 100, receive-bare: without any header (LSL:streamfeed)
  hang     asks for samples and takes none until OUT.go is there, then all that is left
  vanish   asks for samples and is gone
  storm    connects as often as it can, until OUT.go is there; keeps 40
  crowd    receives 32 times, and connects three times more; then waits for OUT.go
  broken   asks for samples and takes none until OUT.go is there; then its connection breaks
  garbage  sends what is no request, over TCP and in datagrams, each from its own seed, until OUT.go is there
  ask      writes what it is told of the queries on standard input, a line each: is it answered?
All end when the folder of OUT is gone. OUT.begun is there when the stream was found, OUT when all is written: a line
of JSON for the stream, then one for each sample or answer.
"""
import json
import os
import random
import re
import socket
import struct
import sys
import time

from receiving import rest_of

PORT = 16571


def is_over():
    """The test says so, or has gone with its folder."""
    return os.path.exists(path + ".go") or not os.path.isdir(os.path.dirname(path))


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


def ask_all(query, answers, patience):
    """Over multicast on the loopback interface, and to 127.0.0.1, where one of those who listen hears it."""
    s = udp()
    port = s.getsockname()[1]
    asked = ("LSL:shortinfo\r\n%s\r\n%d 77\r\n" % (query, port)).encode()
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    for to in ("224.0.0.183", "239.255.172.215", "127.0.0.1"):
        try:
            s.sendto(asked, (to, PORT))
        except OSError:
            pass
    end = time.monotonic() + patience
    while len(answers) == 0 and time.monotonic() < end:
        s.settimeout(max(0.001, end - time.monotonic()))
        try:
            answer, who = s.recvfrom(1 << 16)
        except socket.timeout:
            break
        assert answer.startswith(b"77\r\n"), answer
        answers.append((answer[4:].decode(), who[0]))


def field(xml, name):
    return re.search("<%s>(.*?)</%s>" % (name, name), xml, re.S).group(1)


def find(name):
    end = time.monotonic() + 60
    answers = []
    while not answers:
        ask_all("session_id='default' and name='%s'" % name, answers, 0.1)
        assert answers or time.monotonic() < end, "no stream " + name
    return answers[0]


def whole(s, length):
    data = b""
    while len(data) < length:
        got = s.recv(length - len(data))
        if not got:
            raise EOFError(data)
        data += got
    return data


def asked_over_tcp(address, request):
    s = socket.create_connection(address)
    s.sendall(request)
    text = rest_of(s)
    s.close()
    return text.decode()


def offset(host, port):
    """The stream's clock minus ours, of the fastest of some exchanges, and how it is bounded."""
    s = udp()
    s.settimeout(5)
    best = None
    for wave in range(8):
        t0 = time.monotonic()
        s.sendto(b"LSL:timedata\r\n%d %.9f\r\n" % (wave, t0), (host, port))
        answer = s.recv(1000)
        t3 = time.monotonic()
        words = answer.split()
        assert answer[:1] == b" " and int(words[0]) == wave and float(words[1]) == float("%.9f" % t0), answer
        t1, t2 = float(words[2]), float(words[3])
        found = ((t3 - t0) - (t2 - t1), ((t1 - t0) + (t2 - t3)) / 2)
        best = min(best or found, found)
    return {"offset": best[1], "rtt": best[0]}


class Reader:
    """One after another from a connection, which it reads in large pieces."""

    def __init__(self, s):
        self.s, self.data, self.at = s, b"", 0

    def take(self, length):
        while len(self.data) - self.at < length:
            got = self.s.recv(1 << 16)
            if not got:
                raise EOFError(len(self.data) - self.at)
            self.data, self.at = self.data[self.at:] + got, 0
        self.at += length
        return self.data[self.at - length:self.at]


def new_sample(r, order):
    tag = r.take(1)[0]
    assert tag == 2, tag
    at = struct.unpack(order + "d", r.take(8))[0]
    size = r.take(1)[0]
    assert size in (1, 4), size
    length = struct.unpack(order + {1: "B", 4: "I"}[size], r.take(size))[0]
    assert size == 1 or length > 255
    return at, r.take(length).decode()


def archived(r):
    size = r.take(1)[0]
    assert size <= 8, size
    return int.from_bytes(r.take(size), "little")


def old_sample(r, _):
    assert archived(r) == 2
    at = struct.unpack("<d", archived(r).to_bytes(8, "little"))[0]
    return at, r.take(archived(r)).decode()


def begin(address, uid, how, keeps=0):
    """Ask for samples, and read all that comes before the first: how the rest is read."""
    s = socket.socket()
    if keeps:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, keeps)
    s.connect(address)
    order, data = (">", 110) if how == "receive-big" else ("<", 100 if "-" in how else 110)
    if how == "receive-bare":
        s.sendall(b"LSL:streamfeed\r\n36000 0\r\n")
    else:
        s.sendall((
            "LSL:streamfeed/110 %s\r\nNative-Byte-Order: %d\r\nEndian-Performance: 1\r\nHas-IEEE754-Floats: 1\r\n"
            "Supports-Subnormals: 0\r\nValue-Size: 32\r\nData-Protocol-Version: %d\r\nMax-Buffer-Length: 36000\r\n"
            "Max-Chunk-Length: 0\r\nHostname: here\r\nSource-Id: x\r\nSession-Id: default\r\n\r\n"
            % (uid, 4321 if order == ">" else 1234, data)).encode())
    r = Reader(s)
    if how != "receive-bare":
        lines = []
        while not lines or lines[-1] != b"":
            line = b""
            while not line.endswith(b"\r\n"):
                line += r.take(1)
            lines.append(line[:-2])
        assert lines == [b"LSL/110 200 OK", b"UID: " + uid.encode(), b"Byte-Order: %d" % (4321 if order == ">" else 1234),
                         b"Suppress-Subnormals: 0", b"Data-Protocol-Version: %d" % data, b""], lines
    sample = new_sample
    if data == 100:
        sample = old_sample
        assert r.take(1) == b"\x7f" and archived(r) == 9
        info = r.take(archived(r)).decode()
        assert field(info, "uid") == uid
        assert r.take(2) == b"\0\0"
    for _ in range(2):
        assert sample(r, order) == (123456.789, "10")
    return r, lambda: sample(r, order)


def receive(next_one, out):
    while True:
        try:
            at, text = next_one()
        except EOFError as left:
            assert left.args[0] == 0, "it ends amid a sample"
            return
        out.append({"at": "%.9f" % at, "text": text, "came": time.monotonic()})


def garbage(address, service):
    chance = random.Random(os.getpid())
    begins = [b"LSL:streamfeed/110 ", b"LSL:streamfeed\r\n", b"LSL:shortinfo\r\n", b"LSL:fullinfo", b"LSL:timedata\r\n", b""]
    count = 0
    while count < 300 or not is_over():
        count += 1
        text = chance.choice(begins) + bytes(chance.randrange(256) for _ in range(chance.randrange(200)))
        text += chance.choice([b"", b"\r\n", b"\r\n\r\n", b"(" * 3000, b"not(" * 800 + b"\r\n1 1\r\n", b"a" * 60000])
        try:
            s = socket.create_connection(address)
            s.sendall(text)
            s.close()
        except OSError:
            pass
        u = udp()
        for to in (service, ("127.0.0.1", PORT)):
            u.sendto(text[:60000], to)
        u.close()


def ask(xml):
    return [{"query": query, "answered": asked_over_tcp(address, ("LSL:shortinfo\r\n%s\r\n" % query).encode()) == xml}
            for query in sys.stdin.read().splitlines()]


how, name, path = sys.argv[1:4]
xml, host = find(name)
open(path + ".begun", "w").close()
uid = field(xml, "uid")
address, service = (host, int(field(xml, "v4data_port"))), (host, int(field(xml, "v4service_port")))
said = [{"host": host, "uid": uid, "short": xml, "full": asked_over_tcp(address, b"LSL:fullinfo\r\n"),
         "pid": os.getpid()}]
if how.startswith("receive"):
    said[0].update(offset(*service))
    _, next_one = begin(address, uid, how)
    receive(next_one, said)
elif how == "hang":
    _, next_one = begin(address, uid, "receive", 4096)
    while not is_over():
        time.sleep(0.005)
    try:
        receive(next_one, said)
    except OSError:
        pass
elif how == "vanish":
    begin(address, uid, "receive")
elif how == "storm":
    held = []
    while not is_over():
        try:
            s = socket.create_connection(address)
        except OSError:
            continue
        if len(held) < 40:
            held.append(s)
        else:
            s.close()
elif how == "crowd":
    held, said[0]["refused"] = [begin(address, uid, "receive") for _ in range(32)], 0
    for _ in range(3):
        try:
            begin(address, uid, "receive")
        except (EOFError, OSError):
            said[0]["refused"] += 1
    open(path + ".crowded", "w").close()
    while not is_over():
        time.sleep(0.005)
elif how == "broken":
    r, _ = begin(address, uid, "receive", 4096)
    while not is_over():
        time.sleep(0.005)
    r.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    r.s.close()
elif how == "garbage":
    garbage(address, service)
elif how == "ask":
    said += ask(xml)
with open(path + ".part", "w") as f:
    for each in said:
        f.write(json.dumps(each) + "\n")
os.rename(path + ".part", path)
