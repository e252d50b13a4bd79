"""MobileNet v1 and the CIFAR form of ResNet in plain PyTorch, written from their papers, with timm's and akamaster's names."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class SameConv(nn.Conv2d):
    """TensorFlow's SAME: ceil(size / stride) pixels out, an odd zero at the bottom and the right."""

    def forward(self, x):
        rows, columns = (
            max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(x.shape[2:], self.stride, self.kernel_size)
        )
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


class MobileNet(nn.Module):
    def __init__(self, multiplier, classes, inChannels, pad_type, act_layer, bn_eps):
        super().__init__()

        def conv3x3(inputs, outputs, stride, groups=1):
            kind, padding = (SameConv, 0) if pad_type == "same" else (nn.Conv2d, 1)
            return kind(inputs, outputs, 3, stride, padding, groups=groups, bias=False)

        def norm(channels):
            return nn.BatchNorm2d(channels, eps=bn_eps)

        self.act = nn.ReLU6() if act_layer == "relu6" else nn.ReLU()
        channels = int(32 * multiplier)
        self.conv_stem, self.bn1 = conv3x3(inChannels, channels, 2), norm(channels)
        stages = []
        for index, (width, count) in enumerate(((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))):
            stage = []
            for i in range(count):
                block, outputs = nn.Module(), int(width * multiplier)
                block.conv_dw = conv3x3(channels, channels, 2 if index > 0 and i == 0 else 1, channels)
                block.bn1 = norm(channels)
                block.conv_pw = nn.Conv2d(channels, outputs, 1, bias=False)
                block.bn2 = norm(outputs)
                stage.append(block)
                channels = outputs
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.act(self.bn1(self.conv_stem(x)))
        for stage in self.blocks:
            for block in stage:
                x = self.act(block.bn1(block.conv_dw(x)))
                x = self.act(block.bn2(block.conv_pw(x)))
        return self.classifier(x.mean((2, 3)))


class CifarBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.quarter = outputs // 4 if stride == 2 else None

    def forward(self, x):
        path = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.quarter is not None:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.quarter, self.quarter))
        return torch.relu(path + x)


class CifarResNet(nn.Module):
    def __init__(self, depth, classes, inChannels, width):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inChannels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        channels = width
        for stage in range(3):
            outputs = width * 2**stage
            blocks = []
            for i in range((depth - 2) // 6):
                blocks.append(CifarBlock(channels, outputs, 2 if stage > 0 and i == 0 else 1))
                channels = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))
