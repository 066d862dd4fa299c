'''
Reading and shrinking the photos took most of the time of an epoch, so every image is opened only once. The small images
of a split (64 x 64, uint8) need about 60 MB, they stay in memory (on the GPU if there is one) for all experiments.
'''
import functools
import time

import numpy as np
import torch
from PIL import Image

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom

SIZE = 64
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MEAN = torch.tensor([0.485, 0.456, 0.406], device=device).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], device=device).view(1, 3, 1, 1)


class RamData:
    def __init__(self, dataset, first_label=0):
        start = time.time()
        self.classes_seg = dataset.classes_seg
        n = len(dataset)
        images = torch.empty(n, 3, SIZE, SIZE, dtype=torch.uint8)
        masks = torch.empty(n, SIZE, SIZE, dtype=torch.uint8)
        for i in range(n):
            image, mask = dataset[i]
            image = np.array(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
            mask = np.array(mask.resize((SIZE, SIZE), Image.Resampling.NEAREST))
            images[i] = torch.from_numpy(image).permute(2, 0, 1)
            masks[i] = torch.from_numpy(mask)
        self.images = images.to(device)
        # 0 .. c-1 from here on
        self.masks = (masks - first_label).to(device)
        print(f"{n} images in {time.time() - start:.0f} s")

    def __len__(self):
        return len(self.images)

    def batches(self, batch_size, shuffle=False):
        n = len(self)
        order = torch.randperm(n, device=device) if shuffle else torch.arange(n, device=device)
        for idx in order.split(batch_size):
            x = self.images[idx].float().div_(255)
            x = (x - MEAN) / STD
            y = self.masks[idx].long()
            yield x, y


@functools.lru_cache(maxsize=None)
def pets(root):
    return tuple(RamData(OxfordPetsCustom(root=root, split=split, target_types="segmentation", download=True),
                         first_label=1)
                 for split in ("trainval", "test"))


@functools.lru_cache(maxsize=None)
def cityscapes(root):
    return tuple(RamData(CityscapesCustom(root=root, split=split, mode="fine", target_type="semantic"))
                 for split in ("train", "val"))
