"""Reads an XDF file by the format's own page (https://github.com/sccn/xdf/wiki/Specifications), and prints it as
JSON: { version, streams: [{ info, footer, times, values, offsets }] }. Raises where a byte is not as it says there."""
import json
import struct
import sys
import xml.etree.ElementTree as tree

TYPES = {"float32": "f", "double64": "d", "int8": "b", "int16": "h", "int32": "i", "int64": "q"}


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("it ends within a chunk")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def length(self):
        return self.number({1: "B", 4: "I", 8: "Q"}[self.number("B")])

    def over(self):
        return self.at == len(self.data)


def as_dict(element):
    if len(element) == 0:
        return element.text or ""
    names = [child.tag for child in element]
    return {name: as_dict(element.find(name)) if names.count(name) == 1
            else [as_dict(child) for child in element.findall(name)] for name in names}


def value(chunk, form):
    return chunk.take(chunk.length()).decode("utf-8") if form == "string" else chunk.number(TYPES[form])


def samples(chunk, stream):
    for _ in range(chunk.length()):
        stamp = chunk.number("B")
        assert stamp == 8, "a sample of no nominal rate has its time"
        stream["times"].append(chunk.number("d"))
        stream["values"].append([value(chunk, stream["info"]["channel_format"])
                                 for _ in range(int(stream["info"]["channel_count"]))])


def read(data):
    if data[:4] != b"XDF:":
        raise ValueError("it does not begin with XDF:")
    whole, streams, version = Bytes(data[4:]), {}, None
    while not whole.over():
        chunk = Bytes(whole.take(whole.length()))
        tag = chunk.number("H")
        if tag == 1:
            version = tree.fromstring(chunk.take(len(chunk.data) - 2)).find("version").text
            continue
        number = chunk.number("I")
        if tag == 2:
            info = as_dict(tree.fromstring(chunk.take(len(chunk.data) - 6)))
            streams[number] = {"info": info, "times": [], "values": [], "offsets": [], "footer": None}
        elif tag == 3:
            samples(chunk, streams[number])
        elif tag == 4:
            streams[number]["offsets"].append([chunk.number("d"), chunk.number("d")])
        elif tag == 6:
            streams[number]["footer"] = as_dict(tree.fromstring(chunk.take(len(chunk.data) - 6)))
        else:
            raise ValueError("a chunk of tag %d" % tag)
        if not chunk.over():
            raise ValueError("a chunk of tag %d is longer than what it holds" % tag)
    return {"version": version, "streams": [streams[number] for number in sorted(streams)]}


if __name__ == "__main__":
    source = sys.stdin.buffer if sys.argv[1] == "-" else open(sys.argv[1], "rb")
    print(json.dumps(read(source.read())).replace("NaN", "null"))
