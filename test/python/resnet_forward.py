"""resnet_forward.py INPUT OUTPUT OPTIONS: the logits of a network with INPUT's weights on INPUT's images.

OUTPUT holds "eval", "train" (logits) and "buffers/NAME" (running statistics after the pass in training mode). OPTIONS is the JSON
of knack's ResNetOptions with "oracle", "torchvision" or "reference".
"""
import json
import sys

import torch
import torchvision

import safetensors_io
from resnet_reference import ResNet

weights = safetensors_io.load(sys.argv[1])
images = weights.pop("images")
options = json.loads(sys.argv[3])
if options.pop("oracle") == "torchvision":
    model = getattr(torchvision.models, f"resnet{options['depth']}")(num_classes=options["classes"])
else:
    model = ResNet(**options)
model.load_state_dict(weights, strict=True)
with torch.no_grad():
    outputs = {"eval": model.eval()(images), "train": model.train()(images)}
outputs.update({f"buffers/{name}": buffer for name, buffer in model.named_buffers()})
safetensors_io.save(sys.argv[2], outputs)
