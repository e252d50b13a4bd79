"""photo_transform.py FOLDER: what torchvision makes of the tasks in FOLDER/tasks.json.

crops: resized_crop (bilinear, antialias) of upright Pillow pictures -> FOLDER/crop-I, RGB bytes.
colours: hue, saturation and brightness, in this order, of FOLDER/pixels (RGB bytes of a square) -> FOLDER/float-I (computed on a float tensor,
then 0..255 as float32) and FOLDER/pillow-I (computed on a Pillow image, bytes), HWC.
boxes: RandomResizedCrop.get_params for pictures of some sizes -> FOLDER/boxes-I, COUNT x (top, left, height, width) int32.
"""

import json
import os
import sys

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as F

folder = sys.argv[1]
torch.manual_seed(0)


def at(name):
    return os.path.join(folder, name)


with open(at("tasks.json")) as file:
    tasks = json.load(file)

for i, crop in enumerate(tasks.get("crops", [])):
    picture = ImageOps.exif_transpose(Image.open(crop["file"])).convert("RGB")
    top, left, height, width, size = (crop[key] for key in ("top", "left", "height", "width", "size"))
    image = F.resized_crop(picture, top, left, height, width, [size, size])
    np.asarray(F.hflip(image) if crop["mirrored"] else image).tofile(at(f"crop-{i}"))


def change(image, colours):
    # None leaves a step out, which a factor that changes nothing does not quite do on Pillow images.
    for step in ("hue", "saturation", "brightness"):
        if colours[step] is not None:
            image = getattr(F, f"adjust_{step}")(image, colours[step])
    return image


if tasks.get("colours"):
    pixels = np.fromfile(at("pixels"), dtype=np.uint8)
    side = int((len(pixels) // 3) ** 0.5)
    pixels = pixels.reshape(side, side, 3)
for i, colours in enumerate(tasks.get("colours", [])):
    floats = change(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, colours)
    (floats * 255).permute(1, 2, 0).contiguous().numpy().tofile(at(f"float-{i}"))
    np.asarray(change(Image.fromarray(pixels), colours)).tofile(at(f"pillow-{i}"))

for i, box in enumerate(tasks.get("boxes", [])):
    image = torch.empty(3, 1, 1).expand(3, box["height"], box["width"])
    drawn = [RandomResizedCrop.get_params(image, box["scale"], box["ratio"]) for _ in range(box["count"])]
    np.array(drawn, dtype=np.int32).tofile(at(f"boxes-{i}"))
