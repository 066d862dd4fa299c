from __future__ import annotations

import os
from pathlib import Path

import torch
import torchvision.transforms.v2 as T
from torch.utils.data import Dataset

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom

DATA = Path(os.environ.get("DLVC_DATA", Path.home() / "dlvc_data"))
SIZE = (64, 64)
_nearest = T.InterpolationMode.NEAREST

image = T.Compose([
    T.ToImage(),
    T.ToDtype(torch.float32, scale=True),
    T.Resize(SIZE, interpolation=_nearest),
    T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
])
mask = T.Compose([T.ToImage(), T.ToDtype(torch.int64, scale=False), T.Resize(SIZE, interpolation=_nearest)])


def _from_zero(m: torch.Tensor) -> torch.Tensor:
    """1, 2, 3 on disk -> 0, 1, 2"""
    return m - 1


pet_mask = T.Compose([*mask.transforms, _from_zero])


def pets() -> tuple[Dataset, Dataset]:
    return tuple(OxfordPetsCustom(str(DATA / "pets"), split, "segmentation", image, pet_mask, download=True)
                 for split in ("trainval", "test"))


def streets() -> tuple[Dataset, Dataset]:
    return tuple(CityscapesCustom(str(DATA / "cityscapes"), split, "fine", "semantic", image, mask)
                 for split in ("train", "val"))
