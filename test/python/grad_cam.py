"""Writes test/inference/grad-cam.json: what pytorch-grad-cam makes of networks with invented weights and images.

Tests read that file and need no pytorch-grad-cam; test/inference/grad-cam.test.ts invents the same numbers. To make it anew, in a virtual environment
outside of the repository with PyTorch and torchvision:

    pip install grad-cam
    python test/python/grad_cam.py > test/inference/grad-cam.json

Of each map every n-th row and column is kept.
"""

import json
import math

import numpy as np
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from models_reference import CifarResNet, MobileNet
from resnet_reference import ResNet


def invented(name, count):
    """Numbers from 0 to 1 that any language makes of a name."""
    seed = sum((at + 1) * ord(letter) for at, letter in enumerate(name)) % 9973
    numbers = np.sin(seed + np.arange(count) * 78.233) * 43758.5453
    return numbers - np.floor(numbers)


def weights(name, shape):
    numbers = invented(name, math.prod(shape)).reshape(shape)
    if len(shape) > 1:
        return (2 * numbers - 1) * math.sqrt(3 / math.prod(shape[1:]))
    if name.endswith("running_mean"):
        return (numbers - 0.5) / 5
    if name.endswith("bias"):
        return numbers - 0.5
    return numbers + 0.5  # running_var, and the weight of a normalisation


class MarkedMobileNet(MobileNet):
    """With a layer where its last features are."""

    def __init__(self, **options):
        super().__init__(**options)
        self.features = torch.nn.Identity()

    def forward(self, x):
        x = self.act(self.bn1(self.conv_stem(x)))
        for stage in self.blocks:
            for block in stage:
                x = self.act(block.bn1(block.conv_dw(x)))
                x = self.act(block.bn2(block.conv_pw(x)))
        return self.classifier(self.features(x).mean((2, 3)))


CASES = {
    "cifar_resnet20": (lambda: CifarResNet(depth=20, classes=10, inChannels=3, width=16), lambda model: model.layer3[-1], 32, 2),
    "resnet50d": (
        lambda: ResNet(depth=50, variant="d", small=False, classes=7, inChannels=3, width=8),
        lambda model: model.layer4[-1],
        96,
        5,
    ),
    "mobilenetv1_025": (
        lambda: MarkedMobileNet(multiplier=0.25, classes=5, inChannels=3, pad_type="", act_layer="relu6", bn_eps=1e-5),
        lambda model: model.features,
        128,
        7,
    ),
    "inception_v3": (
        lambda: torchvision.models.inception_v3(num_classes=6, aux_logits=False, transform_input=False, init_weights=False),
        lambda model: model.Mixed_7c,
        171,
        10,
    ),
}

results = {}
for name, (build, layer, side, every) in CASES.items():
    model = build().eval()
    state = {
        key: torch.from_numpy(weights(key, tuple(value.shape)).astype(np.float32)) if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    images = torch.from_numpy((4 * invented("images", 2 * 3 * side * side) - 2).reshape(2, 3, side, side).astype(np.float32))
    with torch.no_grad():
        logits = model(images)
    labels = [logits[0].argmax().item(), logits[1].topk(2).indices[1].item()]  # the likeliest class, and the second
    maps = GradCAM(model=model, target_layers=[layer(model)])(images, [ClassifierOutputTarget(label) for label in labels])
    results[name] = {
        "side": side,
        "every": every,
        "labels": labels,
        "logits": [[round(float(value), 4) for value in row] for row in logits],
        "maps": [[[round(float(value), 4) for value in row[::every]] for row in each[::every]] for each in maps],
    }
print(json.dumps(results))
