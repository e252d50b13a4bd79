"""Reads an event file of TensorBoard without TensorFlow or protobuf: read_event_file.py FILE

Every frame's checksums are checked, CRC-32C computed bit by bit. Prints JSON: the file version, and for each later record its wall
time, step, values by tag (NaN as null), and by tag what is for plugins: text, and for "hparams" what a session began with or how it ended.
"""
import json
import math
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        (header_crc,) = struct.unpack_from("<I", data, at + 8)
        assert header_crc == masked(data[at : at + 8]), f"the length at {at} has another checksum"
        content = data[at + 12 : at + 12 + length]
        (content_crc,) = struct.unpack_from("<I", data, at + 12 + length)
        assert content_crc == masked(content), f"the record at {at} has another checksum"
        yield content
        at += 16 + length
    assert at == len(data), "the file ends within a record"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(field number, value) of a protobuf message; bytes, or the number of a fixed or varint field."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        elif kind == 5:
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        else:
            assert kind == 2, f"wire type {kind}"
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def event(content):
    message = dict(fields(content))
    values, plugins = {}, {}
    for number, value in fields(message.get(5, b"")):
        assert number == 1
        summary = dict(fields(value))
        tag = summary[1].decode()
        if 9 in summary:
            plugins[tag] = plugin(dict(fields(dict(fields(summary[9]))[1])), dict(fields(summary[8])))
        else:
            values[tag] = None if math.isnan(summary[2]) else summary[2]
    return {"wallTime": message[1], "step": message.get(2, 0), "values": values, "plugins": plugins}


def plugin(data, tensor):
    """plugin_data {1: name, 2: content}; tensor {1: dtype, 8: string_val}."""
    if data[1] == b"text":
        assert tensor[1] == 7, "a tensor of strings"
        return tensor[8].decode()
    assert data[1] == b"hparams" and tensor[1] == 1
    (which, session), *others = [(number, value) for number, value in fields(data[2]) if number != 1]
    assert not others
    if which == 4:
        end = dict(fields(session))
        return {"status": end[1], "ended": end[2]}
    assert which == 3
    entries = [dict(fields(entry)) for number, entry in fields(session) if number == 1]
    return {"began": dict(fields(session))[5], "hparams": {entry[1].decode(): plain(entry[2]) for entry in entries}}


def plain(value):
    """google.protobuf.Value: 2 a double, 3 a string, 4 a bool."""
    ((kind, content),) = fields(value)
    return {2: lambda: content, 3: lambda: content.decode(), 4: lambda: bool(content)}[kind]()


with open(sys.argv[1], "rb") as file:
    first, *others = records(file.read())
print(json.dumps({"version": dict(fields(first))[3].decode(), "events": [event(each) for each in others]}))
