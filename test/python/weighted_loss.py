"""
weighted_loss.py INPUT OUTPUT: for every i, the mean over images of weight x loss, in float64. An image's loss is lambda x its loss against "labels.i" + (1 - lambda) x that
against "partners.i", its weight the same of "weight"'s; "settings.i" is [lambda, label smoothing], "logits.i" what the network says.
"""
import sys

import torch

import safetensors_io

given = {name: tensor.double() for name, tensor in safetensors_io.load(sys.argv[1]).items()}
losses = []
for i in range(sum(name.startswith("logits.") for name in given)):
    share, smoothing = given[f"settings.{i}"].tolist()
    pair = [(given[f"labels.{i}"].long(), share), (given[f"partners.{i}"].long(), 1 - share)]
    weight = sum(part * given["weight"][labels] for labels, part in pair)
    loss = sum(
        part
        * torch.nn.functional.cross_entropy(given[f"logits.{i}"], labels, reduction="none", label_smoothing=smoothing)
        for labels, part in pair
    )
    losses.append((weight * loss).mean().float())
safetensors_io.save(sys.argv[2], {"losses": torch.stack(losses)})
