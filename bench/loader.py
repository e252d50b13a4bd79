"""loader.py FOLDER WORKERS BATCH EPOCHS: images/s of torchvision's ImageFolder and DataLoader with the paper's pipeline.

The peer of bench/loader.ts. Prints the images/s of an epoch, then waits for a line on standard input before the next, so that the two can be measured in
turn. The epoch before the first line starts the workers and warms the file cache.
"""

import os
import sys
import time

import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder


class Lighting:
    """PCA noise (AlexNet), as PyTorch users write it; the components on the 0..255 scale."""

    values = torch.tensor([55.46, 4.794, 1.148]) / 255
    vectors = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])

    def __call__(self, image):
        noise = (self.vectors * torch.randn(3) * 0.1 * self.values).sum(1)
        return image + noise.view(3, 1, 1)


def main():
    folder, workers, batch, epochs = sys.argv[1], *map(int, sys.argv[2:])
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(224, scale=(0.08, 1), ratio=(3 / 4, 4 / 3)),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(brightness=0.4, saturation=0.4, hue=0.4),
            transforms.ToTensor(),
            Lighting(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    train = os.path.join(folder, "train")
    data = ImageFolder(train if os.path.isdir(train) else folder, transform)
    loader = torch.utils.data.DataLoader(
        data, batch, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True
    )
    for epoch in range(epochs + 1):
        start = time.perf_counter()
        images = sum(len(labels) for _, labels in loader)
        print(images / (time.perf_counter() - start), flush=True)
        sys.stdin.readline()


main()
