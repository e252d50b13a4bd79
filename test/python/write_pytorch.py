"""write_pytorch.py FOLDER: state dicts in both forms of torch.save, their tensors as safetensors, and hostile files."""
import argparse
import array
import collections
import datetime
import decimal
import enum
import os
import pathlib
import sys
import time
import types
import zoneinfo

import numpy
import torch

import safetensors_io

safetensors_io.CODES.update(
    {"F16": torch.float16, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "BOOL": torch.bool}
)
folder = sys.argv[1]


def save(name, value, **options):
    torch.save(value, os.path.join(folder, f"{name}.zip.pth"), **options)
    torch.save(value, os.path.join(folder, f"{name}.legacy.pth"), _use_new_zipfile_serialization=False, **options)


def save_with_reference(name, value, state, **options):
    save(name, value, **options)
    safetensors_io.save(os.path.join(folder, f"{name}.safetensors"), state)


torch.manual_seed(0)
matrix = torch.randn(6, 5)
parameter = torch.nn.Parameter(torch.randn(4))
parameter.note = "state that _rebuild_parameter_with_state carries"
state = collections.OrderedDict()
for dtype in safetensors_io.CODES.values():
    state[f"all.{dtype}".replace("torch.", "")] = (torch.randn(3, 7) * 50).to(dtype)
state["scalar"] = torch.tensor(3.5)
state["counter"] = torch.tensor(-(2**60))
state["empty"] = torch.empty(0, 3)
state["nothing"] = torch.tensor([])
state["matrix"] = matrix
state["transposed"] = matrix.t()
state["permuted"] = torch.randn(2, 3, 4, 5).permute(3, 1, 0, 2)
state["permuted_half"] = torch.randn(2, 3, 4).half().permute(2, 0, 1)
state["permuted_bytes"] = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4).permute(1, 2, 0)
state["permuted_counts"] = torch.arange(24).reshape(2, 3, 4).permute(1, 2, 0)
state["channels_last"] = torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
state["row"] = matrix[2]
state["rows"] = matrix[1:3]
state["column"] = matrix[:, 3]
state["block"] = matrix[1:5:2, 1:4]
state["tied"] = matrix
state["one_row"] = matrix[3:4, 1:3]
state["parameter"] = torch.nn.Parameter(torch.randn(3))
state["parameter_with_state"] = parameter
state["été.权重.\U0001f600"] = torch.ones(2)
state["__proto__"] = torch.ones(1)
for protocol in (2, 3, 4, 5):
    save_with_reference(f"kinds{protocol}", state, state, pickle_protocol=protocol)

model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
model(torch.randn(2, 3, 6, 6).requires_grad_()).sum().backward()
optimizer.step()
plain = model.state_dict()
wrapped = collections.OrderedDict((f"module._orig_mod.{name}", tensor) for name, tensor in plain.items())
save_with_reference("plain", plain, plain)
training = {
    "epoch": 12,
    "arch": "resnet50",
    "best_prec1": torch.tensor(91.5),
    "best_prec5": numpy.float64(99.5),
    "optimizer": optimizer.state_dict(),
    "state_dict_ema": {name: tensor + 1 for name, tensor in plain.items()},
    "state_dict": wrapped,
    "shape": torch.Size([1, 2]),
    "device": torch.device("cpu"),
    "dtype": torch.float16,
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "frozen": frozenset("a"),
    "large": [2**40, -(2**40), 2**70, -1, 0, 255, 65536, True, None, 1 + 2j],
}
for protocol in (2, 4):
    save_with_reference(f"training{protocol}", training, plain, pickle_protocol=protocol)
save("with_extra", {**plain, "extra": 3, 7: torch.ones(1)})


# --- harmless objects beside the tensors, also of modules that are not installed here
class Phase(enum.Enum):
    TRAINING = 1


def foreign(module, name, base=object):
    """A class that pickles under a foreign name."""
    made = type(name, (base,), {"__module__": module})
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        parent = ".".join(parts[:end])
        sys.modules.setdefault(parent, types.ModuleType(parent))
    setattr(sys.modules[module], name, made)
    return made


config = foreign("omegaconf.dictconfig", "DictConfig")()
config.__dict__.update(
    _metadata=foreign("omegaconf.base", "ContainerMetadata")(),
    _content={"lr": foreign("omegaconf.nodes", "AnyNode")()},
)
attributes = foreign("lightning_fabric.utilities.data", "AttributeDict", dict)(lr=0.1)
objects = {
    "state_dict": plain,
    "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("runs"), phase=Phase.TRAINING),
    "config": config,
    "hyper_parameters": attributes,
    "when": datetime.datetime(2024, 5, 6, 7, 8, tzinfo=datetime.timezone.utc),
    "took": datetime.timedelta(hours=1),
    "array": numpy.arange(6.0).reshape(2, 3),
    "names": numpy.array(["ant", None], dtype=object),
    "random": numpy.random.RandomState(0).get_state(),
    "scalar": numpy.int64(3),
    "counts": collections.Counter("abca"),
    "queue": collections.deque([1, 2], maxlen=3),
    "nested": collections.defaultdict(list, {"a": [pathlib.PurePosixPath("x")]}),
    "steps": [range(3), int, str, collections.UserDict(a=1), collections.UserList([1])],
    "version": torch.__version__,
    "began": [time.gmtime(0), zoneinfo.ZoneInfo("UTC")],
    "generator": numpy.random.default_rng(0),
    "bytes": array.array("i", [1]),
    "rest": ...,
    "money": decimal.Decimal("1.5"),
    "simple": types.SimpleNamespace(a=1),
    "best": float("inf"),
}
for protocol in (2, 3, 4, 5):
    save_with_reference(f"objects{protocol}", objects, plain, pickle_protocol=protocol)
shifted = {name: tensor + 1 for name, tensor in plain.items()}
save_with_reference("several", {"first": plain, "second": {"inner": shifted}, "optimizer": {"x": torch.ones(1)}}, shifted)
save_with_reference("nested", {"checkpoint": {"state_dict": plain}, "epoch": 3, "arch": "resnet50"}, plain)

# --- refused
save("tensor", torch.ones(2))
save("numbers", {"epoch": 3})
save("module", model)
save("complex", {"a": torch.ones(2, dtype=torch.complex64)})
save("expanded", {"a": torch.ones(1).expand(10**6)})
save("overlapping", {"a": torch.ones(20).as_strided((4, 4), (1, 1))})
save("sparse", {"a": torch.ones(2, 2).to_sparse()})
save("quantized", {"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)})
torch.jit.script(torch.nn.Linear(2, 2)).save(os.path.join(folder, "script.pth"))


class Payload:
    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


marker = os.path.join(folder, "marker")
for name, payload in {
    "os_system": Payload(os.system, f"touch {marker}"),
    "eval": Payload(eval, f"open({marker!r}, 'w')"),
    "exec": Payload(exec, f"open({marker!r}, 'w')"),
    "open": Payload(open, marker, "w"),
}.items():
    save(name, {"state_dict": plain, "extra": payload})
    save(f"{name}4", {"state_dict": plain, "extra": payload}, pickle_protocol=4)
