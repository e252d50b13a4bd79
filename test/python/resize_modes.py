"""resize_modes.py FOLDER: what Pillow makes of FOLDER/tasks.json, {file, size: [height, width], mode, mean, box, mirrored} each.

Of a file, or the part `box` ([left, top, right, bottom]) of it: "squash" resizes it to the size, "pad" is ImageOps.pad, in the colour of
the mean; FOLDER/N gets the RGB bytes of task N.
"""

import json
import os
import sys

import numpy as np
from PIL import Image, ImageOps

folder = sys.argv[1]
with open(os.path.join(folder, "tasks.json"), encoding="utf8") as file:
    tasks = json.load(file)
for number, task in enumerate(tasks):
    picture = Image.open(task["file"]).convert("RGB")
    height, width = task["size"]
    if task.get("box"):
        picture = picture.crop(task["box"])
    if task.get("mirrored"):
        picture = ImageOps.mirror(picture)
    if task["mode"] == "squash":
        result = picture.resize((width, height), Image.Resampling.BILINEAR)
    else:
        colour = tuple(round(255 * value) for value in task["mean"])
        result = ImageOps.pad(picture, (width, height), Image.Resampling.BILINEAR, colour)
    np.asarray(result).tofile(os.path.join(folder, str(number)))
