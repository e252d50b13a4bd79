"""torchvision_checkpoint.py WEIGHTS OUTPUT MODEL OPTIONS: loads a checkpoint's model.safetensors into a torchvision model.

WEIGHTS must fit strictly, no name changed. OUTPUT gets "images" and the "logits" of them; OPTIONS is the JSON of the constructor's
options with "size", the images' height and width.
"""
import json
import sys

import torch
import torchvision

import safetensors_io

options = json.loads(sys.argv[4])
size = options.pop("size")
model = getattr(torchvision.models, sys.argv[3])(**options)
model.load_state_dict(safetensors_io.load(sys.argv[1]), strict=True)
images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(4))
with torch.no_grad():
    safetensors_io.save(sys.argv[2], {"images": images, "logits": model.eval()(images)})
