"""models_forward.py INPUT OUTPUT CASES: the logits of networks with INPUT's weights on INPUT's images.

CASES is JSON, {KEY: {"model": NAME, "options": {...}, "train": BOOL}}; NAME is a class of ours or else a function of
torchvision.models. INPUT holds "KEY/images" and the state dict as "KEY/NAME". OUTPUT holds "KEY/eval" and, where "train" is true,
"KEY/train", "KEY/auxiliary" (of a second classifier) and "KEY/buffers/NAME", the running statistics after the pass in training mode.
"""
import json
import sys

import torch
import torchvision

import safetensors_io
from models_reference import CifarResNet, MobileNet
from resnet_reference import ResNet

OURS = {model.__name__: model for model in (ResNet, CifarResNet, MobileNet)}

tensors = safetensors_io.load(sys.argv[1])
outputs = {}
for key, case in json.loads(sys.argv[3]).items():
    weights = {name[len(key) + 1:]: tensor for name, tensor in tensors.items() if name.startswith(f"{key}/")}
    images = weights.pop("images")
    build = OURS.get(case["model"]) or getattr(torchvision.models, case["model"])
    model = build(**case["options"])
    model.load_state_dict(weights, strict=True)
    with torch.no_grad():
        outputs[f"{key}/eval"] = model.eval()(images)
        if case["train"]:
            result = model.train()(images)
            logits, auxiliary = result if isinstance(result, tuple) else (result, None)
            outputs[f"{key}/train"] = logits
            if auxiliary is not None:
                outputs[f"{key}/auxiliary"] = auxiliary
            outputs.update({f"{key}/buffers/{name}": buffer for name, buffer in model.named_buffers()})
safetensors_io.save(sys.argv[2], outputs)
