import torch
import torchvision.transforms.v2 as v2

from config import DataConfig
from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom


def image_transform(size):
    return v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.float32, scale=True),
                       v2.Resize(size=(size, size), antialias=True),
                       v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])


def build_pets(cfg: DataConfig):
    mask_transform = v2.Compose([v2.ToImage(),
                                 v2.Resize(size=(cfg.image_size, cfg.image_size), antialias=True),
                                 v2.ToDtype(torch.long, scale=False)])
    return [OxfordPetsCustom(root=cfg.root, split=split, target_types="segmentation",
                             transform=image_transform(cfg.image_size), target_transform=mask_transform,
                             download=True)
            for split in ("trainval", "test")]


def build_cityscapes(cfg: DataConfig):
    # nearest, otherwise the 255 mixes with the classes
    mask_transform = v2.Compose([v2.ToImage(),
                                 v2.Resize(size=(cfg.image_size, cfg.image_size),
                                           interpolation=v2.InterpolationMode.NEAREST),
                                 v2.ToDtype(torch.long, scale=False)])
    return [CityscapesCustom(root=cfg.root, split=split, mode="fine", target_type="semantic",
                             transform=image_transform(cfg.image_size), target_transform=mask_transform)
            for split in ("train", "val")]


# name -> (function, first label)
DATASETS = {
    "pets": (build_pets, 1),
    "cityscapes": (build_cityscapes, 0),
}
