import torch
import torchvision.transforms.v2 as v2

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


def image_transform(size=64):
    return v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.float32, scale=True),
                       v2.Resize(size=(size, size), interpolation=v2.InterpolationMode.NEAREST),
                       v2.Normalize(mean=IMAGENET_MEAN, std=IMAGENET_STD)])


def mask_transform(size=64):
    return v2.Compose([v2.ToImage(),
                       v2.ToDtype(torch.long, scale=False),
                       v2.Resize(size=(size, size), interpolation=v2.InterpolationMode.NEAREST)])
