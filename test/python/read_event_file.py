"""Reads an event file of TensorBoard without TensorFlow or protobuf: read_event_file.py FILE

Every frame's checksums are checked, CRC-32C computed bit by bit. Prints JSON: the file version, and for each later record its wall
time, step and values by tag (NaN as null).
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
    values = {}
    for number, value in fields(message.get(5, b"")):
        assert number == 1
        scalar = dict(fields(value))
        values[scalar[1].decode()] = None if math.isnan(scalar[2]) else scalar[2]
    return {"wallTime": message[1], "step": message.get(2, 0), "values": values}


with open(sys.argv[1], "rb") as file:
    first, *others = records(file.read())
print(json.dumps({"version": dict(fields(first))[3].decode(), "events": [event(each) for each in others]}))
