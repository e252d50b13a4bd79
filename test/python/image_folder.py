"""image_folder.py FOLDER: torchvision's ImageFolder as JSON: {"classes": [...], "samples": [[path relative to FOLDER, class], ...]}"""
import json
import os
import sys

from torchvision.datasets import ImageFolder

folder = sys.argv[1]
data = ImageFolder(folder)
samples = [[os.path.relpath(path, folder), label] for path, label in data.samples]
print(json.dumps({"classes": data.classes, "samples": samples}))
