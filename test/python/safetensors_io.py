"""Reads and writes safetensors files, because Debian has no such package."""
import json
import struct

import numpy
import torch

CODES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "I64": torch.int64, "U8": torch.uint8}


def load(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        dtype = CODES[info["dtype"]]
        flat = torch.frombuffer(data, dtype=dtype, offset=begin, count=(end - begin) // _size(dtype)) if end > begin else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(info["shape"]).clone()
    return tensors


def save(path, tensors):
    header, blobs, end = {}, [], 0
    names = {dtype: code for code, dtype in CODES.items()}
    for name, tensor in sorted(tensors.items(), key=lambda item: -_size(item[1].dtype)):
        tensor = tensor.detach().contiguous()
        bits = tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
        blobs.append(numpy.ascontiguousarray(bits.numpy()).tobytes())
        begin, end = end, end + len(blobs[-1])
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def _size(dtype):
    return torch.empty(0, dtype=dtype).element_size()
