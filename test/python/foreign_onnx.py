"""foreign_onnx.py FOLDER IMAGES: ONNX files as other programs write them, and what PyTorch computes.

IMAGES is a file of float32 [2, 3, 224, 224]. Writes logits.onnx (a batch of 1, a fixed size), softmax.onnx (dynamic), flat.onnx (no
pictures), and prints the probabilities as JSON.
"""

import json
import os
import sys

import numpy as np
import torch


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 7, 3, stride=4)
        self.softmax = False

    def forward(self, x):
        logits = 30 * self.conv(x).mean((2, 3))
        return logits.softmax(1) if self.softmax else logits


folder, images = sys.argv[1:]
model = Tiny()
torch.onnx.export(model, torch.zeros(1, 3, 224, 224), os.path.join(folder, "logits.onnx"))
model.softmax = True
dynamic = {"x": {0: "batch", 2: "height", 3: "width"}}
torch.onnx.export(
    model, torch.zeros(1, 3, 224, 224), os.path.join(folder, "softmax.onnx"), input_names=["x"], dynamic_axes=dynamic
)
torch.onnx.export(torch.nn.Linear(4, 2), torch.zeros(1, 4), os.path.join(folder, "flat.onnx"))
x = torch.from_numpy(np.fromfile(images, "float32").reshape(-1, 3, 224, 224))
print(json.dumps(model(x).tolist()))
