import torch
import torchvision.transforms.v2 as v2

_size = (64, 64)

image_transform = v2.Compose([v2.ToImage(),
                              v2.ToDtype(torch.float32, scale=True),
                              v2.Resize(size=_size, interpolation=v2.InterpolationMode.NEAREST),
                              v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])

_mask = [v2.ToImage(),
         v2.ToDtype(torch.long, scale=False),
         v2.Resize(size=_size, interpolation=v2.InterpolationMode.NEAREST)]


def _zero_based(mask):
    return mask - 1


def _void_to_zero(mask):
    # 255 is no class, CrossEntropyLoss stops with "Target 255 is out of bounds"
    mask[mask == 255] = 0
    return mask


pets_mask_transform = v2.Compose(_mask + [_zero_based])
city_mask_transform = v2.Compose(_mask + [_void_to_zero])
