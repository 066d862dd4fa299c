import torch
import torchvision.transforms.v2 as v2

NEAREST = v2.InterpolationMode.NEAREST

image_transform = v2.Compose([v2.ToImage(),
                              v2.ToDtype(torch.float32, scale=True),
                              v2.Resize(size=(64, 64), interpolation=NEAREST),
                              v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
mask_transform = v2.Compose([v2.ToImage(),
                             v2.ToDtype(torch.long, scale=False),
                             v2.Resize(size=(64, 64), interpolation=NEAREST)])


def pick_device(gpu):
    if gpu >= 0 and torch.cuda.is_available():
        return torch.device("cuda", gpu)
    return torch.device("cpu")
