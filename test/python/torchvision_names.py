"""torchvision_names.py MODELS: prints, for each of torchvision's models in the JSON {KEY: [NAME, OPTIONS]}, its number of
parameters and its state dict's names and shapes."""
import json
import sys

import torchvision

answer = {}
for key, (name, options) in json.loads(sys.argv[1]).items():
    model = getattr(torchvision.models, name)(**options)
    answer[key] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "state": [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()],
    }
print(json.dumps(answer))
