"""The ResNets of the paper in plain PyTorch, written from its section 4 and figure 2, with timm's names."""
from torch import nn
from torch.nn.functional import relu

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def conv(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def shortcut(inputs, outputs, stride, variant):
    if stride == 1 and inputs == outputs:
        return None
    if variant != "d":
        return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
    pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
    return nn.Sequential(pool, conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride, variant):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride, variant)

    def forward(self, x):
        path = relu(self.bn1(self.conv1(x)))
        path = self.bn2(self.conv2(path))
        return relu(path + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, width, stride, variant):
        super().__init__()
        first, second = (stride, 1) if variant == "v1" else (1, stride)
        self.conv1, self.bn1 = conv(inputs, width, 1, first), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, second), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, width * 4, 1), nn.BatchNorm2d(width * 4)
        self.downsample = shortcut(inputs, width * 4, stride, variant)

    def forward(self, x):
        path = relu(self.bn1(self.conv1(x)))
        path = relu(self.bn2(self.conv2(path)))
        path = self.bn3(self.conv3(path))
        return relu(path + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, depth, variant, small, classes, inChannels, width):
        super().__init__()
        stride, half = 1 if small else 2, width // 2
        if variant in "cd":
            self.conv1 = nn.Sequential(
                conv(inChannels, half, 3, stride), nn.BatchNorm2d(half), nn.ReLU(),
                conv(half, half, 3), nn.BatchNorm2d(half), nn.ReLU(),
                conv(half, width, 3),
            )
        else:
            self.conv1 = conv(inChannels, width, 3 if small else 7, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        block = Bottleneck if depth >= 50 else Basic
        inputs = width
        for stage, count in enumerate(BLOCKS[depth]):
            blocks = []
            for i in range(count):
                blocks.append(block(inputs, width * 2**stage, 2 if i == 0 and stage > 0 else 1, variant))
                inputs = width * 2**stage * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.maxpool(relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))
