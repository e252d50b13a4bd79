"""trajectory.py FOLDER: trains every case in FOLDER in plain PyTorch, as a user would write it from the paper.

FOLDER/initial.safetensors holds the weights every case begins with. FOLDER/CASE.json is {"network", "recipe", "data", "teacher"}:
the options of resnet_reference.ResNet, knack's recipe, the normalisation and the schedule's lengths, and the teacher's options.
FOLDER/CASE.safetensors holds the batches, the mixup draws and the teacher's weights. To FOLDER/CASE.out.safetensors go "losses", for
every step the whole loss and the part of it that compares with the labels, and the final weights.
"""
import copy
import glob
import json
import math
import os
import sys

# Some cases are in bf16, which oneDNN does not have for every processor that it can be made to see.
for name in ("DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"):
    os.environ.pop(name, None)

import torch
import torch.nn.functional as F
from torch import nn

import safetensors_io
from resnet_reference import ResNet

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
    """Cross-entropy with labels; PyTorch's own smoothing is over all classes."""
    if smoothing and smoothing["spread"] == "others":
        return F.cross_entropy(logits, distribution(labels, logits.shape[1], smoothing))
    return F.cross_entropy(logits, labels, label_smoothing=smoothing["epsilon"] if smoothing else 0)


def distribution(labels, classes, smoothing):
    """Section 5.2, equation 4, where `spread` is "others"; what PyTorch does where it is "all"."""
    hard = F.one_hot(labels, classes).float()
    if not smoothing:
        return hard
    eps = smoothing["epsilon"]
    if smoothing["spread"] == "others":
        return torch.where(hard == 1, 1 - eps, eps / (classes - 1))
    return (1 - eps) * hard + eps / classes


def soft_loss(logits, teacher_logits, settings):
    """Section 5.3, equation 6, its second term; "kl" is what timm and most others take."""
    T = settings["temperature"]
    target = F.softmax(teacher_logits / T, 1)
    if settings["loss"] == "kl":
        return T**2 * F.kl_div(F.log_softmax(logits / T, 1), target, reduction="batchmean")
    return T**2 * F.cross_entropy(logits / T, target)


def in_precision(model, dtype):
    """Convolutions and fully connected layers in `dtype`, batch norm in float32."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.to(dtype)
    return model


def start(case, weights):
    model = ResNet(**case["network"])
    model.load_state_dict(weights)
    if case["recipe"]["zeroGamma"]:
        for module in model.modules():
            if hasattr(module, "downsample"):
                nn.init.zeros_((module.bn3 if hasattr(module, "bn3") else module.bn2).weight)
    return model


def load_teacher(case, tensors):
    teacher = ResNet(**case["teacher"])
    prefix = "teacher/"
    teacher.load_state_dict({name[len(prefix):]: t for name, t in tensors.items() if name.startswith(prefix)})
    return teacher.eval()


def train(case, initial, tensors):
    recipe, data = case["recipe"], case["data"]
    smoothing, mixup, distillation = recipe["labelSmoothing"], recipe["mixup"], recipe["distillation"]
    accumulation = recipe["accumulation"]
    dtype = DTYPES[recipe["precision"]]
    # bfloat16 keeps 8 bits: where the order of a sum differs in its last float32 bit, some values round the other way, and after 20
    # steps PyTorch's own losses in NCHW and in NHWC memory are 1e-3 apart. Float32 goes in PyTorch's default memory.
    memory_format = torch.channels_last if dtype == torch.bfloat16 else torch.contiguous_format

    master = start(case, initial)
    average = copy.deepcopy(master)
    model = in_precision(copy.deepcopy(master), dtype)
    teacher = in_precision(load_teacher(case, tensors), dtype) if distillation else None

    masters = list(master.parameters())
    optimizer = torch.optim.SGD(
        [
            {"params": [p for p in masters if p.ndim > 1]},
            {"params": [p for p in masters if p.ndim == 1], "weight_decay": 0 if recipe["noBiasDecay"] else recipe["weightDecay"]},
        ],
        lr=recipe["lr"], momentum=recipe["momentum"], nesterov=recipe["nesterov"], weight_decay=recipe["weightDecay"],
    )

    def part_losses(pixels, labels, step, part):
        images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=memory_format)
        images = (images - 255 * torch.tensor(data["mean"])[:, None, None]) / (255 * torch.tensor(data["std"])[:, None, None])
        if mixup:
            lam = tensors["lambda"][step, part].item()
            if mixup["pairing"] == "reverse":
                partner = lambda t: t.flip(0)
            elif mixup["pairing"] == "roll":
                partner = lambda t: t.roll(1, 0)
            else:
                partner = lambda t: t[tensors["order"][step, part]]
            images = torch.add(lam * images, partner(images), alpha=1 - lam)
            target = distribution(labels, case["network"]["classes"], smoothing)
            target = torch.add(lam * target, partner(target), alpha=1 - lam)
        logits = model(images.to(dtype)).float()
        label_loss = F.cross_entropy(logits, target) if mixup else hard_loss(logits, labels, smoothing)
        if not teacher:
            return label_loss, label_loss
        with torch.no_grad():
            teacher_logits = teacher(images.to(dtype)).float()
        soft = soft_loss(logits, teacher_logits, distillation)
        return distillation["hardWeight"] * label_loss + distillation["softWeight"] * soft, label_loss

    losses = []
    for step in range(data["steps"]):
        batch = step % data["stepsPerEpoch"]
        parts = zip(tensors["pixels"][batch].chunk(accumulation), tensors["labels"][batch].chunk(accumulation))
        of_parts = []
        for part, (pixels, labels) in enumerate(parts):
            loss, label_loss = part_losses(pixels, labels, step, part)
            (loss / accumulation).backward()
            of_parts.append([loss.item(), label_loss.item()])
        losses.append([sum(column) / accumulation for column in zip(*of_parts)])

        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, data["stepsPerEpoch"])
        with torch.no_grad():
            for p, low in zip(masters, model.parameters()):
                p.grad, low.grad = low.grad.float(), None
            optimizer.step()
            for p, low in zip(masters, model.parameters()):
                low.copy_(p)
            for kept, seen in zip(master.buffers(), model.buffers()):
                kept.copy_(seen)
            if recipe["ema"]:
                decay = recipe["ema"]["decay"]
                for mean, value in zip(average.state_dict().values(), master.state_dict().values()):
                    mean.copy_(decay * mean + (1 - decay) * value if mean.is_floating_point() else value)

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
