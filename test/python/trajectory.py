"""trajectory.py FOLDER: trains every case in FOLDER in plain PyTorch, as a user would write it from the paper.

FOLDER/initial.safetensors holds the weights every case begins with. FOLDER/CASE.json is {"network", "recipe", "data", "teacher"}:
the options of resnet_reference.ResNet, knack's recipe, the normalisation and the schedule's lengths, and the teacher's options.
FOLDER/CASE.safetensors holds the batches, the mixup draws and the teacher's weights. The losses of all steps and the final weights go
to FOLDER/CASE.out.safetensors.
"""
import copy
import glob
import json
import math
import sys

import torch
import torch.nn.functional as F
from torch import nn

import safetensors_io
from resnet_reference import BLOCKS, ResNet

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def learning_rate(step, recipe, steps_per_epoch):
    """Sections 2.1, 3.1 and 5.1."""
    eta = recipe["lr"]
    if recipe["linearScaling"]:
        eta = eta * recipe["batchSize"] / recipe["linearScaling"]["referenceBatch"]
    warmup = recipe["warmup"]["epochs"] * steps_per_epoch if recipe["warmup"] else 0
    if step < warmup:
        return (step + 1) * eta / warmup
    schedule = recipe["schedule"]
    if schedule["type"] == "cosine":
        t, T = step - warmup, recipe["epochs"] * steps_per_epoch - warmup
        return 0.5 * (1 + math.cos(t * math.pi / T)) * eta
    return eta * schedule["factor"] ** sum(step >= epoch * steps_per_epoch for epoch in schedule["milestones"])


def hard_loss(logits, labels, smoothing):
    """Cross-entropy; equation 4 where `spread` is "others", PyTorch's own smoothing where it is "all"."""
    if not smoothing:
        return F.cross_entropy(logits, labels)
    eps = smoothing["epsilon"]
    if smoothing["spread"] == "all":
        return F.cross_entropy(logits, labels, label_smoothing=eps)
    surprise = -F.log_softmax(logits, 1)
    true = surprise.gather(1, labels[:, None]).squeeze(1)
    return ((1 - eps) * true + eps / (logits.shape[1] - 1) * (surprise.sum(1) - true)).mean()


def soft_loss(logits, teacher_logits, settings):
    """Equation 6's second term; "kl" is what timm and most others take."""
    T = settings["temperature"]
    target = F.softmax(teacher_logits / T, 1)
    if settings["loss"] == "kl":
        return T**2 * F.kl_div(F.log_softmax(logits / T, 1), target, reduction="batchmean")
    return T**2 * -(target * F.log_softmax(logits / T, 1)).sum(1).mean()


def in_precision(model, dtype):
    """Convolutions and fully connected layers in `dtype`, batch norm in float32."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.to(dtype)
    return model


def train(case, initial, tensors):
    recipe, data = case["recipe"], case["data"]
    dtype = DTYPES[recipe["precision"]]
    smoothing, mixup, distillation = recipe["labelSmoothing"], recipe["mixup"], recipe["distillation"]
    accumulation = recipe["accumulation"]

    master = ResNet(**case["network"])
    master.load_state_dict(initial)
    if recipe["zeroGamma"]:
        for name, module in master.named_modules():
            if hasattr(module, "downsample"):
                nn.init.zeros_((module.bn3 if hasattr(module, "bn3") else module.bn2).weight)
    model = in_precision(copy.deepcopy(master), dtype)
    average = copy.deepcopy(master)

    teacher = None
    if distillation:
        teacher = ResNet(**case["teacher"])
        teacher.load_state_dict({k[len("teacher/"):]: v for k, v in tensors.items() if k.startswith("teacher/")})
        teacher = in_precision(teacher, dtype).eval()

    masters = list(master.parameters())
    vectors = [p for p in masters if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [
            {"params": [p for p in masters if p.ndim > 1]},
            {"params": vectors, "weight_decay": 0 if recipe["noBiasDecay"] else recipe["weightDecay"]},
        ],
        lr=recipe["lr"], momentum=recipe["momentum"], nesterov=recipe["nesterov"], weight_decay=recipe["weightDecay"],
    )

    mean, std = (255 * torch.tensor(data[key])[:, None, None] for key in ("mean", "std"))
    losses = []
    for step in range(data["steps"]):
        batch = step % data["stepsPerEpoch"]
        pixels, labels = tensors["pixels"][batch], tensors["labels"][batch]
        step_loss = 0
        for part, (x, y) in enumerate(zip(pixels.chunk(accumulation), labels.chunk(accumulation))):
            images = (x.permute(0, 3, 1, 2).float() - mean) / std
            loss_to = lambda labels: hard_loss(logits, labels, smoothing)
            if mixup:
                lam = tensors["lambda"][step, part].item()
                partner = {
                    "reverse": lambda t: t.flip(0),
                    "roll": lambda t: t.roll(1, 0),
                    "permute": lambda t: t[tensors["order"][step, part]],
                }[mixup["pairing"]]
                images = torch.add(lam * images, partner(images), alpha=1 - lam)
                logits = model(images.to(dtype)).float()
                loss = lam * loss_to(y) + (1 - lam) * loss_to(partner(y))
            else:
                logits = model(images.to(dtype)).float()
                loss = loss_to(y)
            if teacher:
                with torch.no_grad():
                    teacher_logits = teacher(images.to(dtype)).float()
                loss = distillation["hardWeight"] * loss + distillation["softWeight"] * soft_loss(logits, teacher_logits, distillation)
            (loss / accumulation).backward()
            step_loss += loss.item() / accumulation
        losses.append(step_loss)

        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, data["stepsPerEpoch"])
        with torch.no_grad():
            for p, low in zip(masters, model.parameters()):
                p.grad = low.grad.float()
            optimizer.step()
            model.zero_grad()
            for p, low in zip(masters, model.parameters()):
                low.copy_(p)
            for kept, seen in zip(master.buffers(), model.buffers()):
                kept.copy_(seen)
            if recipe["ema"]:
                decay = recipe["ema"]["decay"]
                for a, value in zip(average.state_dict().values(), master.state_dict().values()):
                    a.copy_(decay * a + (1 - decay) * value if a.is_floating_point() else value)

    final = average if recipe["ema"] else master
    return {"losses": torch.tensor(losses, dtype=torch.float64), **final.state_dict()}


def main(folder):
    initial = safetensors_io.load(f"{folder}/initial.safetensors")
    for path in sorted(glob.glob(f"{folder}/*.json")):
        stem = path[: -len(".json")]
        with open(path) as file:
            case = json.load(file)
        safetensors_io.save(f"{stem}.out.safetensors", train(case, initial, safetensors_io.load(f"{stem}.safetensors")))


main(sys.argv[1])
