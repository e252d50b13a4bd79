"""step.py MODEL SIZE BATCH STEPS training|inference eager|tuned|compiled fp32|bf16 [cuda]: PyTorch's seconds a step, as JSON; the peer of bench/index.ts.

"eager" is PyTorch as installed. "tuned" has channels-last memory, and "compiled" is that after torch.compile (PyTorch 2); bench/index.ts starts
them with an allocator that keeps pages. All have two threads where the machine has two cores: libtorch alone would take one.
"""

import os
import sys

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from measured import print_steps

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "test", "python"))
from resnet_reference import ResNet  # noqa: E402


def mobilenet_v1():
    def conv(inputs, outputs, kernel, stride, groups=1):
        layers = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [layers, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True)]

    layers, channels = conv(3, 32, 3, 2), 32
    for count, stride, outputs in ((1, 1, 64), (2, 2, 128), (2, 2, 256), (6, 2, 512), (2, 2, 1024)):
        for i in range(count):
            layers += conv(channels, channels, 3, stride if i == 0 else 1, channels) + conv(channels, outputs, 1, 1)
            channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def build(name):
    if name == "mobilenetv1_100":
        return mobilenet_v1()
    if name == "inception_v3":
        return torchvision.models.inception_v3(aux_logits=False, init_weights=False)
    if name == "resnet50d":
        return ResNet(50, "d", False, 1000, 3, 64)
    model = getattr(torchvision.models, name.replace("_small", ""))()
    if name.endswith("_small"):
        model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = nn.Identity()
    return model


name, size, batch, steps, mode, tuning, precision, *on = sys.argv[1:]
device = on[0] if on else "cpu"
size, batch, steps = int(size), int(batch), int(steps)
torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.backends.cudnn.benchmark = True  # as knack does
model = build(name).to(device)
images = torch.randn(batch, 3, size, size).to(device)
if tuning != "eager":
    model = model.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
labels = (torch.arange(batch) % 1000).to(device)
optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)


def train():
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        logits = compute(images)
    loss = F.cross_entropy(logits.float(), labels)
    loss.backward()
    optimizer.step()
    loss.item()


compute = torch.compile(model) if tuning == "compiled" else model


def infer():
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        compute(images)
    if device != "cpu":
        torch.cuda.synchronize()


model.train(mode == "training")
step = train if mode == "training" else infer
print_steps(step, steps)
