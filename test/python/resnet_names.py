"""Prints, for torchvision's ResNet of every depth, its number of parameters and its state dict's names and shapes."""
import json

import torchvision

models = {}
for depth in (18, 34, 50, 101, 152):
    model = getattr(torchvision.models, f"resnet{depth}")()
    models[depth] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "state": [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()],
    }
print(json.dumps(models))
