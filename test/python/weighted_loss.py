"""weighted_loss.py INPUT OUTPUT: cross_entropy of every "logits.i" against the distributions "targets.i", with class weights "weight"."""
import sys

import torch

import safetensors_io

given = safetensors_io.load(sys.argv[1])
count = sum(name.startswith("logits.") for name in given)
losses = [
    torch.nn.functional.cross_entropy(given[f"logits.{i}"], given[f"targets.{i}"], weight=given["weight"])
    for i in range(count)
]
safetensors_io.save(sys.argv[2], {"losses": torch.stack(losses)})
