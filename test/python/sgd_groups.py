"""sgd_groups.py INPUT OUTPUT GROUPS RATES MOMENTUM: torch.optim.SGD (Nesterov) with parameter groups.

INPUT has every parameter by its name and its gradient of step i as "NAME.grad.i". GROUPS is a JSON list of {names, decay, factor};
in step i a group's learning rate is its factor times RATES[i]. OUTPUT gets the parameters and "momentum.NAME" after the last step.
"""
import json
import sys

import torch

import safetensors_io

given = safetensors_io.load(sys.argv[1])
groups, rates, momentum = (json.loads(argument) for argument in sys.argv[3:6])
parameters = {name: torch.nn.Parameter(given[name]) for group in groups for name in group["names"]}
optimizer = torch.optim.SGD(
    [{"params": [parameters[name] for name in group["names"]], "weight_decay": group["decay"]} for group in groups],
    lr=rates[0],
    momentum=momentum,
    nesterov=True,
)
for step, rate in enumerate(rates):
    for group, settings in zip(groups, optimizer.param_groups):
        settings["lr"] = group["factor"] * rate
    for name, parameter in parameters.items():
        parameter.grad = given[f"{name}.grad.{step}"]
    optimizer.step()
momenta = {f"momentum.{name}": optimizer.state[parameter]["momentum_buffer"] for name, parameter in parameters.items()}
safetensors_io.save(sys.argv[2], {**parameters, **momenta})
