"""torchvision_save.py FILE OUTPUT: saves a torchvision ResNet-18 for 7 classes as others do, in FILE, by torch.save.

Its weights are random, its statistics not 0 and 1. OUTPUT gets "images" and the "logits" of them.
"""
import sys

import torch
import torchvision

import safetensors_io

torch.manual_seed(5)
model = torchvision.models.resnet18(num_classes=7)
for name, buffer in model.named_buffers():
    if name.endswith("running_mean"):
        buffer.normal_(0, 0.1)
    elif name.endswith("running_var"):
        buffer.uniform_(0.5, 1.5)
torch.save(model.state_dict(), sys.argv[1])
images = torch.randn(2, 3, 64, 64)
with torch.no_grad():
    safetensors_io.save(sys.argv[2], {"images": images, "logits": model.eval()(images)})
