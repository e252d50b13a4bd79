"""
label_set_losses.py INPUT OUTPUT: losses of several labels a picture, and their gradients, by PyTorch. "logits", "teacher" and "targets" are [N, K].

- "bce": binary_cross_entropy_with_logits, the sum over classes, the mean over images
- "asl.I": asymmetric loss for each row of "asl" (gamma-, gamma+, clip), as the authors' code has it
- "distillation": T^2 times "bce" of logits / T against the teacher's sigmoid at T; "kl" is that less the teacher's own
"""
import sys

import torch
import torch.nn.functional as F

import safetensors_io

given = safetensors_io.load(sys.argv[1])
targets, teacher = given["targets"], given["teacher"]
T = given["temperature"].item()


def bce(logits, y):
    return F.binary_cross_entropy_with_logits(logits, y, reduction="sum") / len(logits)


def published_asl(x, y, gamma_neg, gamma_pos, clip, eps=1e-8):
    """AsymmetricLoss.forward of https://github.com/Alibaba-MIIL/ASL (MIT licence), but for the mean over the batch in place of its sum."""
    x_sigmoid = torch.sigmoid(x)
    xs_pos = x_sigmoid
    xs_neg = 1 - x_sigmoid
    if clip is not None and clip > 0:
        xs_neg = (xs_neg + clip).clamp(max=1)
    los_pos = y * torch.log(xs_pos.clamp(min=eps))
    los_neg = (1 - y) * torch.log(xs_neg.clamp(min=eps))
    loss = los_pos + los_neg
    if gamma_neg > 0 or gamma_pos > 0:
        pt0 = xs_pos * y
        pt1 = xs_neg * (1 - y)
        pt = pt0 + pt1
        one_sided_gamma = gamma_pos * y + gamma_neg * (1 - y)
        loss *= torch.pow(1 - pt, one_sided_gamma)
    return -loss.sum() / len(x)


def soft(logits):
    return T**2 * bce(logits / T, torch.sigmoid(teacher / T))


losses = {
    "bce": lambda x: bce(x, targets),
    "distillation": soft,
    "kl": lambda x: soft(x) - soft(teacher),
}
for i, row in enumerate(given["asl"].tolist()):
    losses[f"asl.{i}"] = lambda x, row=row: published_asl(x, targets, *row)
found = {}
for name, loss in losses.items():
    x = given["logits"].clone().requires_grad_()
    value = loss(x)
    value.backward()
    found[name] = value.detach().reshape(1)
    found[f"{name}.gradient"] = x.grad
safetensors_io.save(sys.argv[2], found)
