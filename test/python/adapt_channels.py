"""adapt_channels.py INPUT OUTPUT: timm's adapt_input_conv of the tensor "weight" for each number of channels: "1", "2", "4", "5".

Needs timm: the values it gave are committed (test/weights/adapt-channels.test.ts), since tests have none.
"""

import sys

import torch
from timm.models._manipulate import adapt_input_conv

weight = (torch.arange(2 * 3 * 2 * 1, dtype=torch.float32) ** 2).reshape(2, 3, 2, 1) / 8
for channels in (1, 2, 4, 5):
    print(channels, adapt_input_conv(channels, weight.clone()).flatten().tolist())
sys.exit()
