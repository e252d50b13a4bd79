"""evaluation_transform.py FOLDER SIZE RESIZED FILE...: what torchvision's Resize and CenterCrop make of upright pictures.

For each FILE and interpolation writes FOLDER/NAME.INTERPOLATION (RGB bytes) and, of bilinear, NAME.grey (convert("L") of it).
"""

import os
import sys

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

folder, size, resized, *files = sys.argv[1:]
for path in files:
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    for mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        image = CenterCrop(int(size))(Resize(int(resized), interpolation=mode)(picture))
        stem = os.path.join(folder, os.path.basename(path))
        np.asarray(image).tofile(f"{stem}.{mode.value}")
        if mode == InterpolationMode.BILINEAR:
            np.asarray(image.convert("L")).tofile(f"{stem}.grey")
