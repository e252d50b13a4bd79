"""The PyTorch peer of `knack train FOLDER --recipe fine-tune --init WEIGHTS`: the same MobileNet v1, weights, pictures and epochs,
written as a user of torchvision would; started by bench/end-to-end.ts. Prints a line of JSON after each epoch.

usage: fine-tune.py FOLDER WEIGHTS.safetensors [--epochs 16] [--seed 0] …"""
import argparse
import json
import math
import os
import struct
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("weights")
parser.add_argument("--epochs", type=int, default=16)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--label-smoothing", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
torch.manual_seed(options.seed)
# libtorch alone would take one thread where two cores share a processor.
torch.set_num_threads(len(os.sched_getaffinity(0)))


class Conv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding."""

    def forward(self, x):
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class Separable(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv_dw = Conv(inputs, inputs, 3, stride, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs, eps=1e-3)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        return F.relu6(self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x))))))


class MobileNet(nn.Module):
    def __init__(self, classes, width=0.75):
        super().__init__()
        channels = int(32 * width)
        self.conv_stem = Conv(3, channels, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        stages = []
        for count, stride, outputs in ((1, 1, 64), (2, 2, 128), (2, 2, 256), (6, 2, 512), (2, 2, 1024)):
            blocks = []
            for i in range(count):
                blocks.append(Separable(channels, int(outputs * width), stride if i == 0 else 1))
                channels = int(outputs * width)
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.blocks(F.relu6(self.bn1(self.conv_stem(x))))
        return self.classifier(x.mean((2, 3)))


def read_safetensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(bytearray(data[8 + length + begin : 8 + length + end]), dtype=torch.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


class Lighting:
    """PCA noise (AlexNet)."""

    values = torch.tensor([55.46, 4.794, 1.148]) / 255
    vectors = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])

    def __call__(self, image):
        noise = (self.vectors * torch.randn(3) * 0.1 * self.values).sum(1)
        return image + noise.view(3, 1, 1)


normalize = transforms.Normalize([0.5] * 3, [0.5] * 3)
train_set = datasets.ImageFolder(
    options.folder + "/train",
    transforms.Compose([
        transforms.RandomResizedCrop(224, scale=(0.08, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(brightness=0.4, saturation=0.4, hue=0.4),
        transforms.ToTensor(),
        Lighting(),
        normalize,
    ]),
)
validation_set = datasets.ImageFolder(
    options.folder + "/val",
    transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalize]),
)
train = DataLoader(train_set, options.batch_size, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
validation = DataLoader(validation_set, 50, num_workers=2, persistent_workers=True)

model = MobileNet(len(train_set.classes))
weights = {name: tensor for name, tensor in read_safetensors(options.weights).items() if not name.startswith("classifier")}
model.load_state_dict(weights, strict=False)
nn.init.xavier_uniform_(model.classifier.weight)
nn.init.zeros_(model.classifier.bias)
decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
optimizer = torch.optim.SGD(
    [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0}],
    lr=options.lr, momentum=0.9, nesterov=True,
)
steps = len(train)
warmup, total = steps, options.epochs * steps
started, step, best = time.time(), 0, 0
for epoch in range(options.epochs):
    model.train()
    for images, labels in train:
        lr = options.lr * step / warmup if step < warmup else options.lr / 2 * (
            1 + math.cos((step - warmup) / (total - warmup) * math.pi)
        )
        for group in optimizer.param_groups:
            group["lr"] = lr
        targets = F.one_hot(labels, len(train_set.classes)).float()
        epsilon, classes = options.label_smoothing, targets.shape[1]
        targets = targets * (1 - epsilon) + (1 - targets) * epsilon / (classes - 1)
        optimizer.zero_grad()
        F.cross_entropy(model(images), targets).backward()
        optimizer.step()
        step += 1
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in validation)
    top1 = right / len(validation_set)
    best = max(best, top1)
    print(json.dumps({"type": "epoch", "epoch": epoch + 1, "top1": top1, "best": best, "seconds": round(time.time() - started, 1)}), flush=True)
