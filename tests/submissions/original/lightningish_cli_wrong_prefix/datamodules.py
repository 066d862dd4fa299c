import torch
import torchvision.transforms.v2 as v2
from torch.utils.data import random_split

from dlvc.dataset.cityscapes import CityscapesCustom
from dlvc.dataset.oxfordpets import OxfordPetsCustom

IMAGENET = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
HALF = dict(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])


def zero_based(mask):
    return mask - 1


def image_transform(stats):
    return v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.float32, scale=True),
                       v2.Resize((64, 64), interpolation=v2.InterpolationMode.NEAREST),
                       v2.Normalize(**stats)])


def mask_transform(*extra):
    return v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.long, scale=False),
                       v2.Resize((64, 64), interpolation=v2.InterpolationMode.NEAREST),
                       *extra])


class PetsModule:
    num_classes = 3
    classes = OxfordPetsCustom.classes_seg

    def __init__(self, root, stats=IMAGENET, val_fraction=None):
        kwargs = dict(root=root, target_types="segmentation", download=True, transform=image_transform(stats),
                      target_transform=mask_transform(zero_based))
        self.train = OxfordPetsCustom(split="trainval", **kwargs)
        self.test = OxfordPetsCustom(split="test", **kwargs)
        self.val = self.test
        if val_fraction:
            # part of trainval to choose the best model, test is only used once at the end
            n_val = max(1, int(len(self.train) * val_fraction))
            self.train, self.val = random_split(self.train, [len(self.train) - n_val, n_val],
                                                generator=torch.Generator().manual_seed(42))


class CityModule:
    num_classes = 19
    classes = CityscapesCustom.classes_seg

    def __init__(self, root):
        kwargs = dict(root=root, mode="fine", target_type="semantic", transform=image_transform(IMAGENET),
                      target_transform=mask_transform())
        self.train = CityscapesCustom(split="train", **kwargs)
        self.val = CityscapesCustom(split="val", **kwargs)
