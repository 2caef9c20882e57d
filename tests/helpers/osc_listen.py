"""A receiver of OSC 1.0 over UDP that shares nothing with the program: by the specification alone.

usage: osc_listen.py listen FILE   prints the port; writes a line of JSON for each message, until /moonpulse/end
       osc_listen.py decode HEX    decodes one packet
"""
import json
import socket
import struct
import sys


def string(data, at):
    end = data.index(b"\0", at)
    nxt = (end // 4 + 1) * 4
    if set(data[end:nxt]) != {0} or nxt > len(data):
        raise ValueError("a string that is not padded with zeros to a multiple of four")
    return data[at:end].decode("utf-8"), nxt


def message(data):
    address, at = string(data, 0)
    types, at = string(data, at)
    if address[:1] != "/" or types[:1] != ",":
        raise ValueError("no address pattern, or no type tags")
    values = []
    for kind in types[1:]:
        if kind == "s":
            value, at = string(data, at)
        else:
            value = struct.unpack_from({"i": ">i", "f": ">f"}[kind], data, at)[0]
            at += 4
        values.append(value)
    if at != len(data):
        raise ValueError("bytes behind the last argument")
    return {"address": address, "types": types, "values": values}


def packet(data):
    if len(data) % 4:
        raise ValueError("its length is no multiple of four")
    if data[:1] == b"/":
        return [message(data)]
    if data[:8] != b"#bundle\0":
        raise ValueError("neither a message nor a bundle")
    seconds, fraction = struct.unpack_from(">II", data, 8)
    found, at = [], 16
    while at < len(data):
        size = struct.unpack_from(">i", data, at)[0]
        for each in packet(data[at + 4:at + 4 + size]):
            each["unix"] = seconds - 2208988800 + fraction / 2**32
            found.append(each)
        at += 4 + size
    return found


def listen(path):
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    here.bind(("127.0.0.1", 0))
    here.settimeout(60)
    print(here.getsockname()[1], flush=True)
    with open(path, "w", encoding="utf-8") as out:
        ended = False
        while not ended:
            for each in packet(here.recv(65535)):
                out.write(json.dumps(each) + "\n")
                ended = each["address"] == "/moonpulse/end"
            out.flush()


if sys.argv[1] == "listen":
    listen(sys.argv[2])
else:
    print(json.dumps(packet(bytes.fromhex(sys.argv[2]))))
